/** What every backend of the store must do with what is held by somebody who is gone; registered as `storeContract` is. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, test } from 'node:test';
import { type Amounts, type Scope, type Store, storeKey } from '../../src/store/store.ts';
import type { StoreUnderTest } from './store.ts';

const ttlMs = 60_000;

export function storeForfeitContract(
  name: string,
  makeStore: () => StoreUnderTest,
  options: { readonly skip?: string } = {},
): void {
  const it = (sentence: string, body: (store: Store, wait: StoreUnderTest['wait']) => Promise<void>): void => {
    test(sentence, async () => {
      const { store, wait } = makeStore();
      await store.open();
      await using _closed = store;
      await body(store, wait);
    });
  };
  const scope = (limits: Amounts, tenant = 'acme'): Scope => ({
    key: storeKey(tenant, 'forfeits', randomUUID()),
    limits,
    ttlMs,
  });
  const total = async (store: Store, { key }: Scope): Promise<number[]> => {
    const [balance] = await store.balance([key]);
    return [balance?.spent.tokens ?? 0, balance?.reserved.tokens ?? 0];
  };

  describe(`${name}: forfeits`, options, () => {
    it('what one holder holds is spent in full on all its scopes, in every tenant, and nobody else loses', async (store) => {
      const [life, other] = [randomUUID(), randomUUID()];
      const scopes = [scope({ tokens: 500 }), scope({ tokens: 500 })];
      const elsewhere = scope({ tokens: 500 }, `tenant-${randomUUID()}`);
      for (let call = 0; call < 200; call++) {
        assert.ok((await store.reserve(`${life}-${call}`, scopes, { tokens: 1 }, ttlMs, life)).ok);
      }
      await store.reserve(randomUUID(), scopes, { tokens: 100 }, ttlMs, other);
      await store.reserve(randomUUID(), scopes, { tokens: 100 }, ttlMs);
      await store.reserve(randomUUID(), [elsewhere], { tokens: 7 }, ttlMs, life);
      assert.equal(await store.forfeit(life), 201);
      for (const each of scopes) assert.deepEqual(await total(store, each), [200, 200]);
      assert.deepEqual(await total(store, elsewhere), [7, 0]);
      assert.equal(await store.forfeit(life), 0);
      assert.ok(!(await store.reserve(randomUUID(), scopes, { tokens: 101 }, ttlMs)).ok);
    });

    it('a settlement that comes after all corrects what was spent, once', async (store) => {
      const [life, id, only] = [randomUUID(), randomUUID(), scope({ tokens: 100 })];
      await store.reserve(id, [only], { tokens: 60 }, ttlMs, life);
      await store.forfeit(life);
      assert.equal((await store.settle(id, { tokens: 45 })).settled, true);
      assert.deepEqual(await total(store, only), [45, 0]);
      assert.equal((await store.settle(id, { tokens: 3 })).settled, false);
      assert.deepEqual(await total(store, only), [45, 0]);
    });

    it('an id that was forfeited is not reserved again', async (store) => {
      const [life, id, only] = [randomUUID(), randomUUID(), scope({ tokens: 100 })];
      await store.reserve(id, [only], { tokens: 60 }, ttlMs, life);
      await store.forfeit(life);
      assert.deepEqual(await store.reserve(id, [only], { tokens: 60 }, ttlMs, life), { ok: false, reason: 'settled' });
      assert.deepEqual(await total(store, only), [60, 0]);
    });

    it('a hold that lapsed before was given back, and is not forfeited', async (store, wait) => {
      const [life, only] = [randomUUID(), scope({ tokens: 100 })];
      await store.reserve(randomUUID(), [only], { tokens: 60 }, 80, life);
      await wait(200);
      assert.equal(await store.forfeit(life), 0);
      assert.deepEqual(await total(store, only), [0, 0]);
    });

    it('what was forfeited is found by how its holders begin, until it is settled', async (store) => {
      const [place, id, only] = [randomUUID(), randomUUID(), scope({ tokens: 100 })];
      await store.reserve(id, [only], { tokens: 60, calls: 1 }, ttlMs, `${place}/1`);
      await store.reserve(randomUUID(), [only], { tokens: 5 }, ttlMs, `${place}/2`);
      await store.forfeit(`${place}/1`);
      const found = [{ id, holder: `${place}/1`, amounts: { tokens: 60, calls: 1 } }];
      assert.deepEqual(await store.forfeited(`${place}/`), found);
      assert.deepEqual(await store.forfeited(`${randomUUID()}/`), []);
      await store.settle(id, { tokens: 0, calls: 0 });
      assert.deepEqual(await store.forfeited(`${place}/`), []);
      assert.deepEqual(await total(store, only), [0, 5]);
    });

    it('a second settlement is told what the first one spent', async (store) => {
      const [id, only] = [randomUUID(), scope({ tokens: 100 })];
      await store.reserve(id, [only], { tokens: 60 }, ttlMs);
      assert.equal((await store.settle(id, { tokens: 45, calls: 1 })).before, undefined);
      assert.deepEqual((await store.settle(id, { tokens: 60, calls: 1 })).before, { tokens: 45, calls: 1 });
    });
  });
}
