import assert from 'node:assert/strict';
import { test } from 'node:test';
import { taskBalance } from '../../../src/budget/balances.ts';
import { reserveForKept } from '../../../src/budget/kept-answer.ts';
import { taskBudgetKey } from '../../../src/budget/levels.ts';
import { type Delivery, deliveryOf, settleBudget } from '../../../src/budget/settle.ts';
import type { Attempt, CallKind, Underway, Usage } from '../../../src/call.ts';
import { deny, isDenial } from '../../../src/denial.ts';
import { MemoryStore } from '../../../src/store/backends/memory.ts';
import { ManualClock } from '../../fakes/clock.ts';
import { recordOf, targetOf } from './call.ts';

const target = targetOf(2_000_000, 8_000_000, 1_000, 5);
const usage: Usage = { inputTokens: 100, outputTokens: 10, cachedInputTokens: 0 };

async function reserved(kind: CallKind = 'model') {
  const clock = new ManualClock();
  const store = new MemoryStore({ clock });
  await store.open();
  const record = recordOf(clock, { tokens: 10_000, costMicroUsd: 10_000, calls: 10 });
  const { tokens, costMicroUsd, calls } = record.budget;
  const scope = { key: taskBudgetKey('acme', record.id), limits: { tokens, costMicroUsd, calls }, ttlMs: 60_000 };
  await store.reserve('rsv_1', [scope], { tokens: 900, costMicroUsd: 4_000, calls: 1 }, 60_000);
  const call = {
    resolved: { operation: { kind }, payload: { model: null } },
    reservation: { id: 'rsv_1', tokens: 900, costMicroUsd: 4_000 },
  } as unknown as Underway;
  const balance = () => taskBalance(store, record, clock.nowMs());
  return { store, call, balance };
}

const cases: readonly [
  sentence: string,
  kind: CallKind,
  usage: Usage | null,
  delivery: Delivery,
  cost: number,
  tokens: number,
  calls: number,
][] = [
  ['usage is charged at the price of the target that served it', 'model', usage, 'sent', 285, 110, 1],
  ['a call that was never sent costs nothing and is no call', 'model', null, 'unsent', 0, 0, 0],
  ['a model call without usage is charged at its upper bound', 'model', null, 'sent', 4_000, 900, 1],
  [
    'usage of nothing at all is no usage',
    'model',
    { inputTokens: 0, outputTokens: 0, cachedInputTokens: 0 },
    'sent',
    4_000,
    900,
    1,
  ],
  ['a model call that was refused costs the price of a call', 'model', null, 'refused', 5, 0, 1],
  ['a refusal that names usage is charged for it', 'model', usage, 'refused', 285, 110, 1],
  ['a tool costs the price of a call', 'tool', null, 'sent', 5, 0, 1],
];
for (const [sentence, kind, used, delivery, cost, tokens, calls] of cases) {
  test(sentence, async () => {
    const { store, call, balance } = await reserved(kind);
    assert.equal(await settleBudget(store, call, used, target, delivery), cost);
    const { spent, reserved: rest } = await balance();
    assert.deepEqual([spent.costMicroUsd, spent.tokens, spent.calls], [cost, tokens, calls]);
    assert.deepEqual(rest, { tokens: 0, costMicroUsd: 0, calls: 0, seconds: 0 });
  });
}

test('a call that was sent to nobody knows whom is charged at its upper bound, a tool too', async () => {
  const { store, call } = await reserved('tool');
  assert.equal(await settleBudget(store, call, null, null, 'sent'), 4_000);
});

test('what a provider counts beyond the reservation is spent all the same', async () => {
  const { store, call, balance } = await reserved();
  await settleBudget(store, call, { ...usage, outputTokens: 20_000 }, target, 'sent');
  const { spent, remaining } = await balance();
  assert.equal(spent.tokens, 20_100);
  assert.equal(remaining.tokens, 0);
});

test('settling twice spends once', async () => {
  const { store, call, balance } = await reserved();
  await settleBudget(store, call, usage, target, 'sent');
  await settleBudget(store, call, usage, target, 'sent');
  assert.equal((await balance()).spent.calls, 1);
});

test('a call that was refused before it held anything settles nothing', async () => {
  const { store, balance } = await reserved();
  assert.equal(await settleBudget(store, {} as Underway, null, null, 'unsent'), 0);
  assert.equal((await balance()).reserved.tokens, 900);
});

test('how far a call came is read from its attempts: the last one that was sent counts', () => {
  const attempt = (sent: boolean, status: number | null): Attempt => ({
    target: 't',
    status,
    error: null,
    latencyMs: 1,
    sent,
  });
  assert.equal(deliveryOf({ attempts: [] }), 'unsent');
  assert.equal(deliveryOf({ attempts: [attempt(false, null)] }), 'unsent');
  assert.equal(deliveryOf({ attempts: [attempt(false, null), attempt(true, 200)] }), 'sent');
  assert.equal(deliveryOf({ attempts: [attempt(true, null)] }), 'sent');
  assert.equal(deliveryOf({ attempts: [attempt(true, 429)] }), 'refused');
  assert.equal(deliveryOf({ attempts: [attempt(true, 503), attempt(false, null)] }), 'refused');
});

test('a balance counts seconds from the opening of the task up to its expiry, and never below 0', async () => {
  const clock = new ManualClock();
  const store = new MemoryStore({ clock });
  await store.open();
  const record = recordOf(clock, { seconds: 100 });
  const at = async (ms: number) => {
    const { spent, remaining } = await taskBalance(store, record, record.createdAtMs + ms);
    return [spent.seconds, remaining.seconds];
  };
  assert.deepEqual(await at(-5_000), [0, 100]);
  assert.deepEqual(await at(30_999), [30, 70]);
  assert.deepEqual(await at(500_000), [500, 0]);
  assert.deepEqual(await at(99_999_999), [3_600, 0]);
});

test('a kept answer draws on the counters of equal calls and on nothing else, and holds nothing once it is settled', async () => {
  const clock = new ManualClock();
  const store = new MemoryStore({ clock });
  await store.open();
  const denial = deny('task_looping', 'Too many equal calls.');
  const caps = [{ key: 'cap', calls: 2, ttlMs: 60_000, denial }];
  const parts = { store, clock, reservationTtlMs: 60_000 };
  const take = async () => {
    const given = await reserveForKept(parts, caps);
    if (isDenial(given)) return given;
    const call = { cache: { state: 'hit' }, entry: { caps }, ...given } as unknown as Underway;
    return settleBudget(store, call, null, target, 'unsent');
  };
  assert.deepEqual([await take(), await take(), await take()], [0, 0, denial]);
  const [{ spent, reserved: held } = assert.fail()] = await store.balance(['cap']);
  assert.deepEqual([spent.calls, spent.tokens ?? 0, held.calls ?? 0], [2, 0, 0]);
  const free = await reserveForKept({ ...parts, store: {} as MemoryStore }, []);
  assert.ok(!isDenial(free) && free.reservation.costMicroUsd === 0, 'where nothing is counted the store is not asked');
});
