import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deny, isDenial } from '../../../src/denial.ts';
import { MemoryStore } from '../../../src/store/backends/memory.ts';
import type { Store } from '../../../src/store/store.ts';
import { updateRecord } from '../../../src/store/update.ts';
import { ManualClock } from '../../fakes/clock.ts';

async function openStore(clock = new ManualClock()): Promise<Store> {
  const store = new MemoryStore({ clock });
  await store.open();
  return store;
}

const increment = (count: number | undefined): number => (count ?? 0) + 1;

test('a record that is not there is made from undefined; one that is there is changed', async () => {
  const store = await openStore();
  assert.deepEqual(await updateRecord(store, 'count', 1_000, increment), { value: 1, version: 1 });
  assert.deepEqual(await updateRecord(store, 'count', 1_000, increment), { value: 2, version: 2 });
});

test('of 50 parallel changes each sees the one before it and none is lost', async () => {
  const store = await openStore();
  const answers = await Promise.all(
    Array.from({ length: 50 }, () => updateRecord<number>(store, 'count', 1_000, increment)),
  );
  const values = answers.map((answer) => (isDenial(answer) ? answer.code : answer.value));
  assert.deepEqual(
    values.toSorted((a, b) => Number(a) - Number(b)),
    Array.from({ length: 50 }, (_, index) => index + 1),
  );
});

test('a change that denies writes nothing, and its denial is the answer', async () => {
  const store = await openStore();
  const denial = deny('task_killed', 'The task was killed.');
  assert.equal(await updateRecord<number>(store, 'count', 1_000, () => denial), denial);
  assert.equal(await store.get('count'), undefined);
});

test('a change that gives back what it was given writes nothing', async () => {
  const store = await openStore();
  await store.compareAndSet('list', 0, ['a'], 1_000);
  assert.deepEqual(await updateRecord<readonly string[]>(store, 'list', 1_000, (list) => list ?? []), {
    value: ['a'],
    version: 1,
  });
  assert.equal((await store.get('list'))?.version, 1);
});

test('whoever loses as many races as it may is told task_conflict', async () => {
  const store = await openStore();
  let rival = 0;
  const alwaysLate: Pick<Store, 'get' | 'compareAndSet'> = {
    get: (key) => store.get(key),
    compareAndSet: async (key, version, value, ttlMs) => {
      await store.compareAndSet(key, version, `rival ${rival++}`, ttlMs);
      return store.compareAndSet(key, version, value, ttlMs);
    },
  };
  const answer = await updateRecord<string>(alwaysLate, 'name', 1_000, () => 'mine', 5);
  assert.ok(isDenial(answer));
  assert.equal(answer.code, 'task_conflict');
  assert.equal(rival, 5);
});

test('the life of a record may depend on what it says', async () => {
  const clock = new ManualClock();
  const store = await openStore(clock);
  await updateRecord<number>(
    store,
    'a',
    (value) => value * 1_000,
    () => 3,
  );
  await clock.advance(2_999);
  assert.equal((await store.get('a'))?.value, 3);
  await clock.advance(1);
  assert.equal(await store.get('a'), undefined);
});
