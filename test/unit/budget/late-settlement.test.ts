import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LateSettlements } from '../../../src/budget/late-settlement.ts';
import { MemoryStore } from '../../../src/store/backends/memory.ts';
import { type Amounts, StoreUnavailable } from '../../../src/store/store.ts';
import { ManualClock } from '../../fakes/clock.ts';

async function setup() {
  const clock = new ManualClock();
  const memory = new MemoryStore({ clock });
  await memory.open();
  const scope = { key: 'tg:{acme}:budget', limits: { tokens: 100 }, ttlMs: 60_000 };
  await memory.reserve('one', [scope], { tokens: 40 }, 60_000);
  const link = { away: true };
  const settle = (id: string, actual: Amounts) =>
    link.away ? Promise.reject(new StoreUnavailable('away')) : memory.settle(id, actual);
  const lines: string[] = [];
  const late = new LateSettlements({
    store: { settle },
    clock,
    log: (level, message) => lines.push(`${level} ${message}`),
  });
  const balance = async () => (await memory.balance([scope.key]))[0];
  return { clock, late, link, lines, balance };
}

test('a settlement that the store could not take is made when it is back, once', async () => {
  const { clock, late, link, balance } = await setup();
  await late.settle('one', { tokens: 30 });
  await late.settle('one', { tokens: 30 });
  assert.deepEqual([late.waiting, await balance()], [1, { spent: {}, reserved: { tokens: 40 } }]);
  await clock.advance(5_000);
  assert.equal(late.waiting, 1);
  link.away = false;
  await clock.advance(1_000);
  assert.deepEqual([late.waiting, await balance()], [0, { spent: { tokens: 30 }, reserved: { tokens: 0 } }]);
  assert.equal(clock.timers, 0);
});

test('at the end one more try is made, and what remains is told', async () => {
  const { late, lines } = await setup();
  await late.settle('one', { tokens: 30 });
  await late[Symbol.asyncDispose]();
  assert.deepEqual(lines, ['warn the store is away; settlements wait for it', 'error a settlement was never made']);
});

test('any other fault is not waited out', async () => {
  const clock = new ManualClock();
  const store = { settle: () => Promise.reject(new TypeError('a bug')) };
  await assert.rejects(new LateSettlements({ store, clock, log: () => undefined }).settle('one', {}), TypeError);
});
