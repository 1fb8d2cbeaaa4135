import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { MemoryStore } from '../../../src/store/backends/memory.ts';
import { LocalShareStore } from '../../../src/store/local-share.ts';
import { type Scope, type Store, StoreUnavailable, storeKey } from '../../../src/store/store.ts';
import { ManualClock } from '../../fakes/clock.ts';

const ttlMs = 3_600_000;
const [forMs, windowMs, seenMs] = [5_000, 60_000, 30_000];
const limit = 1_000;
const only: Scope = { key: storeKey('acme', 'share'), limits: { n: limit }, ttlMs };
const record = storeKey('acme', 'task', '1');
let clock: ManualClock;
let shared: MemoryStore;
let isAway: boolean;

beforeEach(async () => {
  clock = new ManualClock();
  shared = new MemoryStore({ clock });
  isAway = false;
  await shared.open();
});

/** The shared store, as long as it is there. */
const reached = new Proxy({} as Store, {
  get: (_target, name) => {
    const method = shared[name as keyof MemoryStore];
    if (typeof method !== 'function') return method;
    return isAway ? async () => Promise.reject(new StoreUnavailable('away')) : method.bind(shared);
  },
});
const gateway = (share: number) =>
  new LocalShareStore({ inner: reached, clock, log: () => undefined, share, forMs, windowMs, seenMs });
const spent = async () => (await shared.balance([only.key]))[0]?.spent.n ?? 0;

/** Spends one by one until it is refused; gives how many were let through. */
async function spendAll(store: Store, name: string): Promise<number> {
  for (let count = 0; ; count++) {
    try {
      assert.ok((await store.reserve(`${name}-${count}`, [only], { n: 1 }, ttlMs)).ok);
    } catch (fault) {
      assert.ok(fault instanceof StoreUnavailable);
      return count;
    }
    await store.settle(`${name}-${count}`, { n: 1 });
  }
}

test('[budget.local-share] gateways that go on spend no more than gateways × share × what was left, and pay it when the store is back', async () => {
  const share = 0.2;
  const gateways = [gateway(share), gateway(share), gateway(share)];
  for (const [index, one] of gateways.entries()) {
    await one.reserve(`first-${index}`, [only], { n: 100 }, ttlMs);
    await one.settle(`first-${index}`, { n: 100 });
    await one.balance([only.key]);
  }
  isAway = true;
  const counts: number[] = [];
  for (const [index, one] of gateways.entries()) counts.push(await spendAll(one, `away-${index}`));
  // The first saw 900 left, the second 800, the third 700.
  assert.deepEqual(counts, [180, 160, 140]);
  const bound = gateways.length * share * limit;
  assert.ok(counts.reduce((sum, count) => sum + count) <= bound);
  assert.equal(await spent(), 300);
  isAway = false;
  await clock.advance(6_000);
  assert.equal(await spent(), 300 + 480);
  assert.deepEqual(
    gateways.map(({ active, unpaid }) => [active, unpaid]),
    gateways.map(() => [false, 0]),
  );
});

test('it ends after its time, begins once in a window, and is over as soon as the store answers', async () => {
  await using one = gateway(0.5);
  await one.balance([only.key]);
  isAway = true;
  assert.ok((await one.reserve('a', [only], { n: 1 }, ttlMs)).ok);
  await clock.advance(forMs - 1);
  assert.ok((await one.reserve('b', [only], { n: 1 }, ttlMs)).ok);
  await clock.advance(1);
  await assert.rejects(one.reserve('c', [only], { n: 1 }, ttlMs), StoreUnavailable);
  isAway = false;
  await clock.advance(1_000);
  isAway = true;
  await assert.rejects(one.reserve('d', [only], { n: 1 }, ttlMs), StoreUnavailable);
  await clock.advance(windowMs);
  assert.ok((await one.reserve('e', [only], { n: 1 }, ttlMs)).ok);
  isAway = false;
  await clock.advance(1_000);
  assert.equal(one.active, false);
});

test('records are given as they were last seen, for as long as that is not too old; nothing is written', async () => {
  await using one = gateway(0.5);
  await shared.compareAndSet(record, 0, 'seen', ttlMs);
  assert.equal((await one.get(record))?.value, 'seen');
  assert.equal(await one.get(storeKey('acme', 'absent')), undefined);
  await clock.advance(seenMs - 3_000);
  isAway = true;
  assert.equal((await one.get(record))?.value, 'seen');
  assert.equal(await one.get(storeKey('acme', 'absent')), undefined);
  await assert.rejects(one.get(storeKey('acme', 'never-seen')), StoreUnavailable);
  await assert.rejects(one.compareAndSet(record, 1, 'written', ttlMs), StoreUnavailable);
  await clock.advance(3_000);
  await assert.rejects(one.get(record), StoreUnavailable);
});

test('what is spent by all that was seen is said to be spent; a share that is, is not', async () => {
  await using one = gateway(0.5);
  await one.reserve('most', [only], { n: limit - 4 }, ttlMs);
  isAway = true;
  const spentUp = await one.reserve('a', [only], { n: 5 }, ttlMs);
  assert.ok(!spentUp.ok && spentUp.reason === 'exceeded');
  assert.deepEqual([spentUp.dimension, spentUp.balance.reserved.n], ['n', limit - 4]);
  await assert.rejects(one.reserve('b', [only], { n: 3 }, ttlMs), StoreUnavailable);
  assert.ok((await one.reserve('c', [only], { n: 2 }, ttlMs)).ok);
});

test('one command that is late does not mean that the store is gone', async () => {
  const slow = new Proxy(reached, {
    get: (target, name) =>
      name === 'balance' ? async () => Promise.reject(new StoreUnavailable('late')) : Reflect.get(target, name),
  });
  await using one = new LocalShareStore({
    inner: slow,
    clock,
    log: () => undefined,
    share: 1,
    forMs,
    windowMs,
    seenMs,
  });
  await assert.rejects(one.balance([only.key]), StoreUnavailable);
  assert.equal(one.active, false);
});
