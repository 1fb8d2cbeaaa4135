import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createStore } from '../../../src/store/backends/index.ts';
import { MemoryStore, type MemoryStoreMaxima } from '../../../src/store/backends/memory.ts';
import { StoreUnavailable } from '../../../src/store/store.ts';
import { ManualClock } from '../../fakes/clock.ts';

async function openStore(maxima: Partial<MemoryStoreMaxima> = {}): Promise<{ store: MemoryStore; clock: ManualClock }> {
  const clock = new ManualClock();
  const store = new MemoryStore({ clock, maxima });
  await store.open();
  return { store, clock };
}

const scope = { key: 'tg:{a}:n', limits: { n: 100 }, ttlMs: 1_000 };

test('at its maximum of records the store takes no new one, still writes the old ones, and has room after expiry', async () => {
  const { store, clock } = await openStore({ records: 2 });
  await store.compareAndSet('one', 0, 1, 1_000);
  await store.compareAndSet('two', 0, 1, 60_000);
  await assert.rejects(store.compareAndSet('three', 0, 1, 1_000), StoreUnavailable);
  assert.deepEqual(await store.compareAndSet('two', 1, 2, 60_000), { ok: true, version: 2 });
  await clock.advance(1_000);
  assert.deepEqual(await store.compareAndSet('three', 0, 1, 1_000), { ok: true, version: 1 });
});

test('at its maximum of reservations the store refuses, and never forgets one that is held', async () => {
  const { store } = await openStore({ reservations: 2 });
  for (const id of ['one', 'two']) assert.ok((await store.reserve(id, [scope], { n: 1 }, 1_000)).ok);
  await assert.rejects(store.reserve('three', [scope], { n: 1 }, 1_000), StoreUnavailable);
  assert.deepEqual((await store.balance([scope.key]))[0]?.reserved, { n: 2 });
  await store.settle('one', { n: 1 });
  assert.ok((await store.reserve('three', [scope], { n: 1 }, 1_000)).ok);
});

test('at its maximum of counters the store holds nothing on any scope', async () => {
  const { store } = await openStore({ counters: 1 });
  const scopes = ['a', 'b'].map((key) => ({ ...scope, key }));
  await assert.rejects(store.reserve('one', scopes, { n: 1 }, 1_000), StoreUnavailable);
  assert.deepEqual((await store.balance(['a']))[0], { spent: {}, reserved: {} });
});

test('closed ids beyond the maximum are forgotten oldest first, and a late settlement of one spends nothing', async () => {
  const { store } = await openStore({ closed: 1 });
  await store.reserve('one', [scope], { n: 5 }, 1_000);
  await store.settle('one', { n: 5 });
  await store.settle('two', {});
  await store.settle('one', { n: 5 });
  assert.deepEqual((await store.balance([scope.key]))[0], { spent: { n: 5 }, reserved: { n: 0 } });
});

test('at its maximum of subscriptions the store takes no new one until one is closed', async () => {
  const { store } = await openStore({ subscriptions: 1 });
  const first = await store.subscribe('a', () => {});
  await assert.rejects(
    store.subscribe('b', () => {}),
    StoreUnavailable,
  );
  await first.close();
  await store.subscribe('b', () => {});
});

test('what a subscriber throws is told to whoever constructed the store', async () => {
  const clock = new ManualClock();
  const faults: unknown[] = [];
  const store = createStore({ kind: 'memory' }, { clock, onListenerFault: (error) => faults.push(error) });
  await store.open();
  const fault = new Error('a faulty listener');
  await store.subscribe('a', () => {
    throw fault;
  });
  await store.publish('a', null);
  await clock.advance(0);
  assert.deepEqual(faults, [fault]);
});

test('amounts that are not whole numbers from 0 are a bug of the caller', async () => {
  const { store } = await openStore();
  for (const n of [-1, 0.5, Number.NaN, 2 ** 53]) {
    await assert.rejects(store.reserve('one', [scope], { n }, 1_000), { name: 'AssertionError' });
    await assert.rejects(store.settle('one', { n }), { name: 'AssertionError' });
  }
});

test('a record, a counter and holds that were renewed thousands of times still end at their last time', async () => {
  const { store, clock } = await openStore();
  for (let round = 0; round < 3_000; round++) {
    await store.reserve(`id-${round}`, [{ ...scope, ttlMs: 3_000 + round }], { n: 1 }, 1_000 + round);
    if (round > 0) await store.settle(`id-${round}`, {});
    await store.compareAndSet('record', round, round, 1_000 + round);
  }
  assert.deepEqual((await store.balance([scope.key]))[0]?.reserved, { n: 1 });
  await clock.advance(3_998);
  assert.equal((await store.get('record'))?.value, 2_999);
  assert.deepEqual((await store.balance([scope.key]))[0]?.reserved, { n: 0 });
  await clock.advance(1);
  assert.equal(await store.get('record'), undefined);
  await clock.advance(2_000);
  assert.deepEqual((await store.balance([scope.key]))[0], { spent: {}, reserved: {} });
});

test('an index holds no more than its maximum: the lowest members fall off', async () => {
  const clock = new ManualClock();
  const store = new MemoryStore({ clock, maxima: { members: 3 } });
  await store.open();
  for (const member of ['d', 'a', 'c', 'b', 'e']) await store.indexAdd('index', member, 1_000);
  assert.deepEqual(await store.indexRange('index', { limit: 10 }), ['e', 'd', 'c']);
  for (let round = 0; round < 3_000; round++) await store.indexAdd('index', 'e', 2_000 + round);
  await clock.advance(1_000);
  assert.deepEqual(await store.indexRange('index', { limit: 10 }), ['e']);
  await clock.advance(3_999);
  assert.deepEqual(await store.indexRange('index', { limit: 10 }), []);
});
