import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { chargeInterrupted, settleEarlierLives } from '../../../src/assembly/lives.ts';
import type { AuditEvent } from '../../../src/audit/event.ts';
import { MemoryStore } from '../../../src/store/backends/memory.ts';
import { type Amounts, type Scope, storeKey } from '../../../src/store/store.ts';
import { ManualClock } from '../../fakes/clock.ts';

const life = { place: 'gw/folder/', holder: 'gw/folder/2' };
const only: Scope = { key: storeKey('acme', 'lives'), limits: { tokens: 10_000 }, ttlMs: 3_600_000 };
const held = { tokens: 600, costMicroUsd: 900, calls: 1 };
const nothing = { tokens: 0, costMicroUsd: 0, calls: 0 };
let store: MemoryStore;

beforeEach(async () => {
  store = new MemoryStore({ clock: new ManualClock() });
  await store.open();
});

const spent = async () => (await store.balance([only.key]))[0]?.spent;
const sent = { target: 'one', status: 200, error: null, latency_ms: 5, sent: true };
const usage = { input_tokens: 100, output_tokens: 20, cached_input_tokens: 0 };
const event = (type: AuditEvent['type'], more: Partial<AuditEvent> = {}) =>
  ({ type, attempts: [sent], usage: null, cost_usd: null, latency_ms: 1_500, ...more }) as AuditEvent;

/** What is spent of a hold of an earlier life once it is settled by a trail of these events. */
async function settledBy(events: readonly AuditEvent[], amounts: Amounts = held, readsAreDurable = false) {
  await store.reserve('rsv_1', [only], amounts, 3_600_000, 'gw/folder/1');
  await store.reserve('rsv_own', [only], { tokens: 1 }, 3_600_000, life.holder);
  await store.reserve('rsv_other', [only], { tokens: 2 }, 3_600_000, 'gw/other-folder/1');
  for (const holder of ['gw/folder/1', life.holder, 'gw/other-folder/1']) await store.forfeit(holder);
  const asked: unknown[] = [];
  const trail = {
    events: async (filter: unknown) => {
      asked.push(filter);
      return { events, next_cursor: null };
    },
  };
  const recovery = { store, trail, settlements: store, life, readsAreDurable };
  await settleEarlierLives(recovery);
  await settleEarlierLives(recovery);
  assert.deepEqual(asked[0], { call: 'call_1' });
  const { tokens = 0, ...rest } = (await spent()) ?? {};
  return { ...rest, tokens: tokens - 3 };
}

const cases: readonly [string, readonly AuditEvent[], Amounts][] = [
  ['a call without an intent was never sent, and costs nothing', [], nothing],
  ['one that was refused has its one denial, and costs nothing', [event('denial', { attempts: [] })], nothing],
  [
    'an outcome that never reached the store costs what it says',
    [event('intent'), event('outcome', { usage, cost_usd: 0.00042 })],
    { tokens: 120, costMicroUsd: 420, calls: 1 },
  ],
  [
    'an outcome without usage costs the tokens that were held',
    [event('intent'), event('outcome', { cost_usd: 0.0009 })],
    held,
  ],
  [
    'what its target refused has cost no tokens',
    [event('intent'), event('outcome', { attempts: [{ ...sent, status: 429 }], cost_usd: 0 })],
    { tokens: 0, costMicroUsd: 0, calls: 1 },
  ],
  [
    'what was written down and not sent costs nothing',
    [event('intent'), event('outcome', { attempts: [{ ...sent, sent: false }], cost_usd: 0 })],
    nothing,
  ],
  ['what was interrupted stays charged in full', [event('intent'), event('interrupted', { cost_usd: 0.0009 })], held],
];

for (const [sentence, events, expected] of cases) {
  test(`${sentence}; holds of others and of this life stay as they are`, async () => {
    assert.deepEqual(await settledBy(events), expected);
  });
}

test('a tool that was called without an intent on disk stays charged, unless reads are durable', async () => {
  const tool = { tokens: 0, costMicroUsd: 50, calls: 1 };
  assert.deepEqual(await settledBy([], tool), tool);
  await store[Symbol.asyncDispose]();
  store = new MemoryStore({ clock: new ManualClock() });
  await store.open();
  assert.deepEqual(await settledBy([], tool, true), nothing);
});

test('an interrupted call costs what was reserved, or what it had been settled to before the crash', async () => {
  const charge = chargeInterrupted(store);
  await store.reserve('rsv_1', [only], held, 3_600_000, 'gw/folder/1');
  assert.equal(await charge({ id: 'rsv_1', tokens: 600, costMicroUsd: 900 }), 900);
  assert.deepEqual(await spent(), held);
  await store.reserve('rsv_2', [only], held, 3_600_000, 'gw/folder/1');
  await store.settle('rsv_2', { tokens: 5, costMicroUsd: 7, calls: 1 });
  assert.equal(await charge({ id: 'rsv_2', tokens: 600, costMicroUsd: 900 }), 7);
  assert.deepEqual(await spent(), { tokens: 605, costMicroUsd: 907, calls: 2 });
});
