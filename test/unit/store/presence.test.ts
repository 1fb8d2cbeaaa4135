import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { MemoryStore } from '../../../src/store/backends/memory.ts';
import { Presence } from '../../../src/store/presence.ts';
import { ownerlessKey, type Scope, StoreUnavailable, storeKey } from '../../../src/store/store.ts';
import { ManualClock } from '../../fakes/clock.ts';

const leaseMs = 30_000;
const knownKey = ownerlessKey('gateways', 'known');
const only: Scope = { key: storeKey('acme', 'presence'), limits: { tokens: 100 }, ttlMs: 3_600_000 };
let clock: ManualClock;
let store: MemoryStore;
let logs: string[];

beforeEach(async () => {
  clock = new ManualClock();
  store = new MemoryStore({ clock });
  await store.open();
  logs = [];
});

const gateway = (place: string, life: string, recover = async () => {}) =>
  new Presence({
    ...{ store, clock, leaseMs, place, holder: `${place}${life}`, recover },
    log: (_level, message) => void logs.push(message),
  });
const totals = async () => {
  const [balance] = await store.balance([only.key]);
  return [balance?.spent.tokens ?? 0, balance?.reserved.tokens ?? 0];
};

test('what a gateway held is charged within a minute of its last sign, and not while it gives signs', async () => {
  await using one = gateway('one/', '1');
  const two = gateway('two/', '1');
  await one.open();
  await two.open();
  await store.reserve('rsv', [only], { tokens: 40 }, 3_600_000, 'two/1');
  await clock.advance(5 * leaseMs);
  assert.deepEqual([await totals(), one.alive], [[0, 40], 2]);
  await two[Symbol.asyncDispose]();
  await clock.advance(leaseMs + leaseMs / 3 + 1);
  assert.deepEqual([await totals(), one.alive, one.forfeits], [[40, 0], 1, 1]);
  assert.ok(leaseMs + leaseMs / 3 < 60_000);
  assert.deepEqual(logs, ['a gateway died; what it held is charged in full']);
});

test('who has just come judges nobody for the time of a lease; earlier lives on its own folder have ended', async () => {
  await store.indexAdd(knownKey, 'other/1', 3_600_000);
  await store.indexAdd(knownKey, 'one/1', 3_600_000);
  await store.reserve('rsv-other', [only], { tokens: 40 }, 3_600_000, 'other/1');
  await store.reserve('rsv-own', [only], { tokens: 3 }, 3_600_000, 'one/1');
  await using one = gateway('one/', '2');
  await one.open();
  assert.deepEqual(await totals(), [3, 40]);
  await clock.advance(leaseMs - 1);
  assert.deepEqual(await totals(), [3, 40]);
  await clock.advance(leaseMs / 3);
  assert.deepEqual(await totals(), [43, 0]);
});

test('one that was taken for dead while it lived settles what it used, and nothing is charged twice', async () => {
  await store.indexAdd(knownKey, 'other/1', 3_600_000);
  await store.reserve('rsv', [only], { tokens: 40 }, 3_600_000, 'other/1');
  await using one = gateway('one/', '1');
  await one.open();
  await clock.advance(2 * leaseMs);
  assert.deepEqual(await totals(), [40, 0]);
  await store.settle('rsv', { tokens: 11 });
  assert.deepEqual(await totals(), [11, 0]);
});

test('what is known of earlier lives is settled once, and tried again while the store is away', async () => {
  let tries = 0;
  await using one = gateway('one/', '2', async () => {
    tries++;
    if (tries === 1) throw new StoreUnavailable('away');
  });
  await one.open();
  await clock.advance(leaseMs);
  assert.equal(tries, 2);
});
