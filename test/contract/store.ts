/**
 * What every backend of the store must do, concurrency included: `storeContract(name, makeStore)` registers the
 * suite for one backend. A backend with a clock of its own really waits in `wait`; one that is given a ManualClock
 * advances it. Keys are random for each test, so that the suite can run against a server that others use as well.
 */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, test } from 'node:test';
import type { Json } from '../../src/call.ts';
import { type Amounts, type Scope, type Store, StoreUnavailable, storeKey } from '../../src/store/store.ts';

export interface StoreUnderTest {
  /** Constructed, not yet open. */
  readonly store: Store;
  /** Lets `ms` of the store's time go by. */
  wait(ms: number): Promise<void>;
}

const ttlMs = 60_000;
const shortMs = 80;
const longerMs = 200;

export function storeContract(
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
  const freshKey = (tenant = 'acme'): string => storeKey(tenant, 'contract', randomUUID());
  const scope = (limits: Amounts, key = freshKey()): Scope => ({ key, limits, ttlMs });
  const total = async (store: Store, key: string, dimension: string): Promise<number[]> => {
    const [balance] = await store.balance([key]);
    return [balance?.spent[dimension] ?? 0, balance?.reserved[dimension] ?? 0];
  };

  describe(`${name}: life`, options, () => {
    test('a store that is not open, or was closed, is unavailable, and says so by its error', async () => {
      const { store } = makeStore();
      await assert.rejects(store.get(freshKey()), StoreUnavailable);
      await store.open();
      await store.ping();
      await store[Symbol.asyncDispose]();
      await assert.rejects(store.ping(), StoreUnavailable);
      await assert.rejects(store.reserve(randomUUID(), [scope({ n: 1 })], { n: 1 }, ttlMs), StoreUnavailable);
      await assert.rejects(store.settle(randomUUID(), {}), StoreUnavailable);
      await assert.rejects(store.publish('closed', null), StoreUnavailable);
    });
  });

  describe(`${name}: reservations`, options, () => {
    it('what is reserved counts as reserved until it is settled, then what was used is spent', async (store) => {
      const { key, ...rest } = scope({ tokens: 100 });
      const id = randomUUID();
      const held = await store.reserve(id, [{ key, ...rest }], { tokens: 60, calls: 1 }, ttlMs);
      assert.ok(held.ok);
      assert.deepEqual(held.balances[0]?.reserved, { tokens: 60, calls: 1 });
      assert.deepEqual(await total(store, key, 'tokens'), [0, 60]);
      const settled = await store.settle(id, { tokens: 45, calls: 1 });
      assert.equal(settled.settled, true);
      assert.deepEqual(settled.balances[0]?.spent, { tokens: 45, calls: 1 });
      assert.deepEqual(await total(store, key, 'tokens'), [45, 0]);
    });

    it('a limit can be reached and not passed', async (store) => {
      const only = scope({ tokens: 100 });
      assert.ok((await store.reserve(randomUUID(), [only], { tokens: 100 }, ttlMs)).ok);
      const refused = await store.reserve(randomUUID(), [only], { tokens: 1 }, ttlMs);
      assert.ok(!refused.ok && refused.reason === 'exceeded');
      assert.deepEqual([refused.scope, refused.dimension, refused.balance.reserved.tokens], [0, 'tokens', 100]);
    });

    it('a dimension without a limit is counted and never refuses', async (store) => {
      const only = scope({ tokens: 10 });
      assert.ok((await store.reserve(randomUUID(), [only], { calls: 1_000_000 }, ttlMs)).ok);
      assert.deepEqual(await total(store, only.key, 'calls'), [0, 1_000_000]);
    });

    it('a dimension that a call does not draw on never refuses it, even when it is overspent', async (store) => {
      const only = scope({ tokens: 10, calls: 5 });
      const id = randomUUID();
      await store.reserve(id, [only], { tokens: 10, calls: 1 }, ttlMs);
      await store.settle(id, { tokens: 15, calls: 1 });
      assert.ok((await store.reserve(randomUUID(), [only], { tokens: 0, calls: 1 }, ttlMs)).ok);
      assert.ok(!(await store.reserve(randomUUID(), [only], { tokens: 1, calls: 1 }, ttlMs)).ok);
    });

    it('reserving is idempotent by id: the same answer, and nothing is held twice', async (store) => {
      const only = scope({ tokens: 100 });
      const id = randomUUID();
      const first = await store.reserve(id, [only], { tokens: 60 }, ttlMs);
      const again = await store.reserve(id, [only], { tokens: 60 }, ttlMs);
      assert.deepEqual(again, first);
      assert.deepEqual(await total(store, only.key, 'tokens'), [0, 60]);
    });

    it('settling is idempotent by id: the second settlement changes nothing and says so', async (store) => {
      const only = scope({ tokens: 100 });
      const id = randomUUID();
      await store.reserve(id, [only], { tokens: 60 }, ttlMs);
      await store.settle(id, { tokens: 50 });
      const again = await store.settle(id, { tokens: 7 });
      assert.equal(again.settled, false);
      assert.deepEqual(await total(store, only.key, 'tokens'), [50, 0]);
    });

    it('an id is not reserved again once it is settled', async (store) => {
      const only = scope({ tokens: 100 });
      const id = randomUUID();
      await store.reserve(id, [only], { tokens: 60 }, ttlMs);
      await store.settle(id, { tokens: 50 });
      assert.deepEqual(await store.reserve(id, [only], { tokens: 1 }, ttlMs), { ok: false, reason: 'settled' });
      assert.deepEqual(await total(store, only.key, 'tokens'), [50, 0]);
    });

    it('settling an id before it is reserved closes it: the reserve that comes late holds nothing', async (store) => {
      const only = scope({ tokens: 100 });
      const id = randomUUID();
      assert.equal((await store.settle(id, {})).settled, true);
      assert.equal((await store.settle(id, {})).settled, false);
      const late = await store.reserve(id, [only], { tokens: 60 }, ttlMs);
      assert.deepEqual(late, { ok: false, reason: 'settled' });
      assert.deepEqual(await total(store, only.key, 'tokens'), [0, 0]);
    });

    it('all scopes hold or none does, and the answer names the one that could not', async (store) => {
      const scopes = [scope({ tokens: 100 }), scope({ tokens: 100, calls: 1 }), scope({ tokens: 50 })];
      const refused = await store.reserve(randomUUID(), scopes, { tokens: 60, calls: 1 }, ttlMs);
      assert.ok(!refused.ok && refused.reason === 'exceeded');
      assert.deepEqual([refused.scope, refused.dimension], [2, 'tokens']);
      for (const { key } of scopes) {
        assert.deepEqual(await total(store, key, 'tokens'), [0, 0]);
        assert.deepEqual(await total(store, key, 'calls'), [0, 0]);
      }
    });

    it('a refusal closes nothing: the same id may hold once there is room', async (store) => {
      const only = scope({ tokens: 100 });
      const [big, id] = [randomUUID(), randomUUID()];
      await store.reserve(big, [only], { tokens: 90 }, ttlMs);
      assert.ok(!(await store.reserve(id, [only], { tokens: 20 }, ttlMs)).ok);
      await store.settle(big, { tokens: 10 });
      assert.ok((await store.reserve(id, [only], { tokens: 20 }, ttlMs)).ok);
    });

    it('of 50 parallel reservations on a budget for exactly 7, 7 hold', async (store) => {
      const scopes = [scope({ calls: 7 }), scope({ calls: 1000 })];
      const answers = await Promise.all(
        Array.from({ length: 50 }, () => store.reserve(randomUUID(), scopes, { calls: 1 }, ttlMs)),
      );
      assert.equal(answers.filter(({ ok }) => ok).length, 7);
      for (const { key } of scopes) assert.deepEqual(await total(store, key, 'calls'), [0, 7]);
    });

    it('of 50 parallel settlements of one reservation, one counts', async (store) => {
      const only = scope({ tokens: 100 });
      const id = randomUUID();
      await store.reserve(id, [only], { tokens: 10 }, ttlMs);
      const answers = await Promise.all(Array.from({ length: 50 }, () => store.settle(id, { tokens: 10 })));
      assert.equal(answers.filter(({ settled }) => settled).length, 1);
      assert.deepEqual(await total(store, only.key, 'tokens'), [10, 0]);
    });

    it('what is not settled in time is given back to the totals', async (store, wait) => {
      const only = scope({ tokens: 100 });
      assert.ok((await store.reserve(randomUUID(), [only], { tokens: 100 }, shortMs)).ok);
      assert.ok(!(await store.reserve(randomUUID(), [only], { tokens: 100 }, ttlMs)).ok);
      await wait(longerMs);
      assert.deepEqual(await total(store, only.key, 'tokens'), [0, 0]);
      assert.ok((await store.reserve(randomUUID(), [only], { tokens: 100 }, ttlMs)).ok);
    });

    it('one reservation that expires gives back its own hold and no other', async (store, wait) => {
      const only = scope({ tokens: 100 });
      await store.reserve(randomUUID(), [only], { tokens: 30 }, shortMs);
      await store.reserve(randomUUID(), [only], { tokens: 20 }, ttlMs);
      await store.reserve(randomUUID(), [only], { tokens: 10 }, shortMs);
      await wait(longerMs);
      assert.deepEqual(await total(store, only.key, 'tokens'), [0, 20]);
    });

    it('a reservation that expired still spends what was used, on its scopes, and once', async (store, wait) => {
      const scopes = [scope({ tokens: 100 }), scope({ tokens: 100 })];
      const id = randomUUID();
      await store.reserve(id, scopes, { tokens: 30 }, shortMs);
      await wait(longerMs);
      assert.equal((await store.settle(id, { tokens: 25 })).settled, true);
      assert.equal((await store.settle(id, { tokens: 25 })).settled, false);
      for (const { key } of scopes) assert.deepEqual(await total(store, key, 'tokens'), [25, 0]);
    });

    it('an id whose reservation expired holds nothing any more, and is not reserved again', async (store, wait) => {
      const only = scope({ tokens: 100 });
      const id = randomUUID();
      await store.reserve(id, [only], { tokens: 30 }, shortMs);
      await wait(longerMs);
      assert.deepEqual(await store.reserve(id, [only], { tokens: 30 }, ttlMs), { ok: false, reason: 'settled' });
    });

    it('a counter that is held on is not forgotten, however short its own life', async (store, wait) => {
      const only: Scope = { key: freshKey(), limits: { tokens: 100 }, ttlMs: shortMs };
      await store.reserve(randomUUID(), [only], { tokens: 70 }, ttlMs);
      await wait(longerMs);
      assert.deepEqual(await total(store, only.key, 'tokens'), [0, 70]);
      assert.ok(!(await store.reserve(randomUUID(), [only], { tokens: 70 }, ttlMs)).ok);
    });

    it('a counter nobody uses is forgotten after its life', async (store, wait) => {
      const only: Scope = { key: freshKey(), limits: { tokens: 100 }, ttlMs: shortMs };
      const id = randomUUID();
      await store.reserve(id, [only], { tokens: 70 }, ttlMs);
      await store.settle(id, { tokens: 70 });
      await wait(longerMs);
      assert.deepEqual(await total(store, only.key, 'tokens'), [0, 0]);
    });

    it('amounts up to the largest whole number that a double holds are kept exactly', async (store) => {
      const most = Number.MAX_SAFE_INTEGER;
      const only = scope({ costMicroUsd: most });
      const id = randomUUID();
      assert.ok((await store.reserve(id, [only], { costMicroUsd: most - 1 }, ttlMs)).ok);
      assert.ok(!(await store.reserve(randomUUID(), [only], { costMicroUsd: 2 }, ttlMs)).ok);
      assert.deepEqual(await total(store, only.key, 'costMicroUsd'), [0, most - 1]);
      await store.settle(id, { costMicroUsd: most - 2 });
      assert.deepEqual(await total(store, only.key, 'costMicroUsd'), [most - 2, 0]);
    });

    it('balances come in the order of the keys, and are empty for keys nobody used', async (store) => {
      const only = scope({ n: 5 });
      await store.reserve(randomUUID(), [only], { n: 2 }, ttlMs);
      const balances = await store.balance([freshKey(), only.key]);
      assert.deepEqual(balances, [
        { spent: {}, reserved: {} },
        { spent: balances[1]?.spent ?? {}, reserved: { n: 2 } },
      ]);
    });
  });

  describe(`${name}: records`, options, () => {
    it('a record is made at version 1, and each write is one version more', async (store) => {
      const key = freshKey();
      assert.equal(await store.get(key), undefined);
      assert.deepEqual(await store.compareAndSet(key, 0, { a: [1, null, 'x'] }, ttlMs), { ok: true, version: 1 });
      assert.deepEqual(await store.get(key), { value: { a: [1, null, 'x'] }, version: 1 });
      assert.deepEqual(await store.compareAndSet(key, 1, 'two', ttlMs), { ok: true, version: 2 });
      assert.deepEqual(await store.get(key), { value: 'two', version: 2 });
    });

    it('a write at another version changes nothing and gives what stands', async (store) => {
      const key = freshKey();
      await store.compareAndSet(key, 0, 'one', ttlMs);
      const current = { value: 'one', version: 1 };
      assert.deepEqual(await store.compareAndSet(key, 0, 'x', ttlMs), { ok: false, current });
      assert.deepEqual(await store.compareAndSet(key, 7, 'x', ttlMs), { ok: false, current });
      assert.deepEqual(await store.compareAndSet(freshKey(), 1, 'x', ttlMs), { ok: false, current: undefined });
      assert.deepEqual(await store.get(key), current);
    });

    it('of 50 parallel writes at one version, one wins, and its value stands', async (store) => {
      const key = freshKey();
      for (const version of [0, 1]) {
        const answers = await Promise.all(
          Array.from({ length: 50 }, (_, writer) => store.compareAndSet(key, version, { writer }, ttlMs)),
        );
        const winners = answers.flatMap(({ ok }, writer) => (ok ? [writer] : []));
        assert.equal(winners.length, 1);
        assert.deepEqual(await store.get(key), { value: { writer: winners[0] }, version: version + 1 });
      }
    });

    it('a record is gone after its time, which every write renews', async (store, wait) => {
      const [short, renewed] = [freshKey(), freshKey()];
      await store.compareAndSet(short, 0, 1, shortMs);
      await store.compareAndSet(renewed, 0, 1, shortMs);
      await store.compareAndSet(renewed, 1, 2, ttlMs);
      await wait(longerMs);
      assert.equal(await store.get(short), undefined);
      assert.deepEqual(await store.get(renewed), { value: 2, version: 2 });
      assert.deepEqual(await store.compareAndSet(short, 0, 'again', ttlMs), { ok: true, version: 1 });
    });

    it('a deleted record is not there; deleting what is not there is nothing', async (store) => {
      const key = freshKey();
      await store.compareAndSet(key, 0, 1, ttlMs);
      await store.delete(key);
      await store.delete(key);
      assert.equal(await store.get(key), undefined);
    });

    it('keys of two tenants are apart, also when a name of one looks like a key of the other', async (store) => {
      const suffix = randomUUID();
      const keys = [storeKey('a', 'b', suffix), storeKey('a}:b', suffix), storeKey('{a}', 'b', suffix)];
      assert.equal(new Set(keys).size, keys.length);
      for (const [index, key] of keys.entries()) await store.compareAndSet(key, 0, index, ttlMs);
      for (const [index, key] of keys.entries()) assert.equal((await store.get(key))?.value, index);
      const [one, other] = keys.map((key) => ({ key, limits: { n: 1 }, ttlMs }));
      assert.ok(one && other);
      assert.ok((await store.reserve(randomUUID(), [one], { n: 1 }, ttlMs)).ok);
      assert.ok((await store.reserve(randomUUID(), [other], { n: 1 }, ttlMs)).ok);
    });
  });

  describe(`${name}: messages`, options, () => {
    it('a message reaches every subscriber of its channel once, and no other', async (store, wait) => {
      const [channel, elsewhere] = [randomUUID(), randomUUID()];
      const heard: [string, Json][] = [];
      await store.subscribe(channel, (message) => heard.push(['one', message]));
      await store.subscribe(channel, (message) => heard.push(['two', message]));
      await store.subscribe(elsewhere, (message) => heard.push(['elsewhere', message]));
      await store.publish(channel, { task: 't1' });
      await wait(longerMs);
      assert.deepEqual(
        heard.sort(([a], [b]) => a.localeCompare(b)),
        [
          ['one', { task: 't1' }],
          ['two', { task: 't1' }],
        ],
      );
    });

    it('a subscription that is closed hears nothing more; closing it twice is nothing', async (store, wait) => {
      const channel = randomUUID();
      const heard: Json[] = [];
      const subscription = await store.subscribe(channel, (message) => heard.push(message));
      await subscription.close();
      await subscription.close();
      await store.publish(channel, 1);
      await wait(longerMs);
      assert.deepEqual(heard, []);
    });

    it('a subscriber that throws keeps no other from its message', async (store, wait) => {
      const channel = randomUUID();
      const heard: Json[] = [];
      await store.subscribe(channel, () => {
        throw new Error('a faulty listener');
      });
      await store.subscribe(channel, (message) => heard.push(message));
      await store.publish(channel, 'still here');
      await wait(longerMs);
      assert.deepEqual(heard, ['still here']);
    });
  });
}
