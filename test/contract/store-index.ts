/**
 * What every backend must do with ordered indexes; `storeIndexContract` registers the suite for one backend as
 * `storeContract` does, which has everything else.
 */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, test } from 'node:test';
import { type Store, StoreUnavailable, storeKey } from '../../src/store/store.ts';
import type { StoreUnderTest } from './store.ts';

const ttlMs = 60_000;
const shortMs = 80;
const longerMs = 200;

export function storeIndexContract(
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
  const freshKey = (): string => storeKey('acme', 'index', randomUUID());

  describe(`${name}: ordered indexes`, options, () => {
    test('a store that is not open is unavailable', async () => {
      const { store } = makeStore();
      await assert.rejects(store.indexAdd(freshKey(), 'a', ttlMs), StoreUnavailable);
      await assert.rejects(store.indexRange(freshKey(), { limit: 1 }), StoreUnavailable);
    });

    it('members come highest first, in byte order, in whatever order they were added', async (store) => {
      const key = freshKey();
      for (const member of ['b', 'a', 'a b', 'Z', '~', '10', '9', 'ab', '-', '+', '(', '[x', 'c']) {
        await store.indexAdd(key, member, ttlMs);
      }
      const expected = ['~', 'c', 'b', 'ab', 'a b', 'a', '[x', 'Z', '9', '10', '-', '+', '('];
      assert.deepEqual(await store.indexRange(key, { limit: 100 }), expected);
      assert.deepEqual(await store.indexRange(key, { limit: 3 }), ['~', 'c', 'b']);
      assert.deepEqual(await store.indexRange(freshKey(), { limit: 3 }), []);
    });

    it('a range begins below a member, whether that one is there or not', async (store) => {
      const key = freshKey();
      for (const member of ['a', 'c', 'e', 'g']) await store.indexAdd(key, member, ttlMs);
      assert.deepEqual(await store.indexRange(key, { below: 'e', limit: 10 }), ['c', 'a']);
      assert.deepEqual(await store.indexRange(key, { below: 'f', limit: 1 }), ['e']);
      assert.deepEqual(await store.indexRange(key, { below: 'a', limit: 10 }), []);
      assert.deepEqual(await store.indexRange(key, { below: 'zz', limit: 10 }), ['g', 'e', 'c', 'a']);
    });

    it('a member that is added again is there once, and one that was removed is not', async (store) => {
      const key = freshKey();
      for (const member of ['a', 'b', 'a']) await store.indexAdd(key, member, ttlMs);
      assert.deepEqual(await store.indexRange(key, { limit: 10 }), ['b', 'a']);
      await store.indexRemove(key, 'a');
      await store.indexRemove(key, 'a');
      await store.indexRemove(freshKey(), 'a');
      assert.deepEqual(await store.indexRange(key, { limit: 10 }), ['b']);
      await store.indexRemove(key, 'b');
      await store.indexAdd(key, 'c', ttlMs);
      assert.deepEqual(await store.indexRange(key, { limit: 10 }), ['c']);
    });

    it('a member is gone after its time, unless it was renewed', async (store, wait) => {
      const key = freshKey();
      await store.indexAdd(key, 'long', ttlMs);
      await store.indexAdd(key, 'short', shortMs);
      await store.indexAdd(key, 'renewed', shortMs);
      await store.indexAdd(key, 'renewed', ttlMs);
      await store.indexAdd(key, 'shortened', ttlMs);
      await store.indexAdd(key, 'shortened', shortMs);
      await wait(longerMs);
      assert.deepEqual(await store.indexRange(key, { limit: 10 }), ['renewed', 'long']);
      const alone = freshKey();
      await store.indexAdd(alone, 'only', shortMs);
      await wait(longerMs);
      assert.deepEqual(await store.indexRange(alone, { limit: 10 }), []);
    });

    it('many that are due at once hide nothing that is not', async (store, wait) => {
      const key = freshKey();
      await store.indexAdd(key, 'a', ttlMs);
      await Promise.all(Array.from({ length: 300 }, (_, index) => store.indexAdd(key, `b${index}`, shortMs)));
      await store.indexAdd(key, 'c', ttlMs);
      await wait(2 * longerMs);
      assert.deepEqual(await store.indexRange(key, { limit: 1 }), ['c']);
      assert.deepEqual(await store.indexRange(key, { limit: 10 }), ['c', 'a']);
      assert.deepEqual(await store.indexRange(key, { below: 'c', limit: 1 }), ['a']);
    });

    it('an index, a record and a counter of one name are three things', async (store) => {
      const key = freshKey();
      await store.compareAndSet(key, 0, 'record', ttlMs);
      await store.indexAdd(key, 'member', ttlMs);
      await store.reserve(randomUUID(), [{ key, limits: {}, ttlMs }], { n: 3 }, ttlMs);
      assert.equal((await store.get(key))?.value, 'record');
      assert.deepEqual(await store.indexRange(key, { limit: 1 }), ['member']);
      assert.equal((await store.balance([key]))[0]?.reserved.n, 3);
    });

    it('additions at the same moment all stand', async (store) => {
      const key = freshKey();
      const members = Array.from({ length: 200 }, (_, index) => `m${String(index).padStart(3, '0')}`);
      await Promise.all(members.map((member) => store.indexAdd(key, member, ttlMs)));
      assert.deepEqual(await store.indexRange(key, { limit: 1000 }), members.toReversed());
    });

    it('what no backend could put in order, or would be too much at once, is a bug of the caller', async (store) => {
      for (const member of ['', 'ü', 'a\nb', 'x'.repeat(4097)]) {
        await assert.rejects(store.indexAdd(freshKey(), member, ttlMs), { code: 'ERR_ASSERTION' }, member.slice(0, 9));
      }
      for (const limit of [0, 1001, 1.5]) {
        await assert.rejects(store.indexRange(freshKey(), { limit }), { code: 'ERR_ASSERTION' });
      }
    });
  });
}
