/**
 * What every backend must do with rates; `storeRatesContract` registers the suite for one backend as `storeContract`
 * does, which has everything else.
 */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, test } from 'node:test';
import type { Bucket } from '../../src/store/rates.ts';
import { ownerlessKey, type Store, StoreUnavailable, storeKey } from '../../src/store/store.ts';
import type { StoreUnderTest } from './store.ts';

export function storeRatesContract(
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
  const bucket = (changes: Partial<Bucket> = {}): Bucket => ({
    ...{ key: storeKey('acme', 'rate', randomUUID()), refill: 10, perMs: 3_600_000, capacity: 10, amount: 1 },
    ...changes,
  });
  const left = async (store: Store, of: Bucket): Promise<number | undefined> =>
    (await store.take([{ ...of, amount: 0 }])).states[0]?.remaining;

  describe(`${name}: rates`, options, () => {
    test('a store that is not open is unavailable', async () => {
      const { store } = makeStore();
      await assert.rejects(store.take([bucket()]), StoreUnavailable);
      await assert.rejects(store.correct([bucket()]), StoreUnavailable);
    });

    it('of 50 parallel takes of a bucket that holds 10, exactly 10 are given', async (store) => {
      const one = bucket();
      const takes = await Promise.all(Array.from({ length: 50 }, () => store.take([one])));
      assert.equal(takes.filter(({ ok }) => ok).length, 10);
      assert.equal(await left(store, one), 0);
      const refused = takes.find(({ ok }) => !ok);
      assert.ok(refused?.ok === false && refused.bucket === 0);
      // One of ten an hour comes back every six minutes.
      assert.ok(refused.waitMs > 300_000 && refused.waitMs <= 360_000, String(refused.waitMs));
    });

    it('all buckets give or none does, and the one to wait longest for is named', async (store) => {
      const [wide, narrow, slow] = [bucket(), bucket({ capacity: 2 }), bucket({ refill: 1, capacity: 2 })];
      const all = [wide, narrow, slow];
      for (let take = 0; take < 2; take++) assert.ok((await store.take(all)).ok);
      const refused = await store.take(all);
      assert.ok(!refused.ok);
      assert.equal(refused.bucket, 2);
      assert.deepEqual(
        refused.states.map(({ remaining }) => remaining),
        [8, 0, 0],
      );
      assert.equal(await left(store, wide), 8, 'what the others could not give was not taken of it');
      assert.ok((await store.take([wide])).ok);
    });

    it('what was taken comes back with time, up to the capacity and no further', async (store, wait) => {
      const one = bucket({ refill: 100, perMs: 1000, capacity: 20, amount: 20 });
      const taken = await store.take([one]);
      assert.ok(taken.ok && taken.states[0]?.remaining === 0);
      assert.ok(!(await store.take([{ ...one, amount: 15 }])).ok);
      await wait(170);
      assert.ok((await store.take([{ ...one, amount: 15 }])).ok);
      await wait(400);
      assert.equal(await left(store, one), 20);
    });

    it('more than a bucket can hold is never given, and taking nothing always is', async (store) => {
      const one = bucket({ amount: 11 });
      const refused = await store.take([one]);
      assert.ok(!refused.ok && refused.waitMs === Number.POSITIVE_INFINITY);
      assert.equal(await left(store, one), 10);
      assert.ok((await store.take([{ ...one, amount: 10 }])).ok);
      assert.ok((await store.take([{ ...one, amount: 0 }])).ok);
    });

    it('a take is corrected both ways, never below empty nor above full', async (store) => {
      const one = bucket({ amount: 6 });
      assert.ok((await store.take([one])).ok);
      await store.correct([{ ...one, amount: -4 }]);
      assert.equal(await left(store, one), 8);
      await store.correct([{ ...one, amount: 3 }]);
      assert.equal(await left(store, one), 5);
      await store.correct([{ ...one, amount: -100 }]);
      assert.equal(await left(store, one), 10);
      await store.correct([{ ...one, amount: 1_000_000 }]);
      assert.equal(await left(store, one), 0);
      await store.correct([{ ...one, amount: -1 }]);
      assert.equal(await left(store, one), 1, 'what was taken beyond empty is not owed');
    });

    it('a bucket of which more is missing than it holds now, since its limit changed, is empty and no worse', async (store) => {
      const wide = bucket({ amount: 10 });
      assert.ok((await store.take([wide])).ok);
      const narrow = { ...wide, capacity: 2, amount: 1 };
      const refused = await store.take([narrow]);
      assert.ok(!refused.ok && refused.waitMs <= 360_000, 'one of ten an hour comes back in six minutes');
      await store.correct([{ ...narrow, amount: -1 }]);
      assert.ok((await store.take([narrow])).ok);
    });

    it('tokens in their millions are counted to the last one', async (store) => {
      const one = bucket({ refill: 10_000_000, perMs: 86_400_000_000, capacity: 10_000_000, amount: 3_333_333 });
      for (let take = 0; take < 3; take++) assert.ok((await store.take([one])).ok);
      assert.ok((await store.take([{ ...one, amount: 1 }])).ok);
      assert.ok(!(await store.take([{ ...one, amount: 1000 }])).ok);
    });

    it('what is of a route and of no tenant lies apart from every tenant', async (store) => {
      const id = randomUUID();
      const keys = [ownerlessKey('gpt-4.1', id), storeKey('gpt-4.1', id), storeKey('@gpt-4.1', id)];
      assert.equal(new Set(keys).size, 3);
      for (const key of keys) assert.ok((await store.take([bucket({ key, amount: 10 })])).ok);
    });
  });
}
