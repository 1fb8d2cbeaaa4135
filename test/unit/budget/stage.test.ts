import assert from 'node:assert/strict';
import { test } from 'node:test';
import { settleBudget } from '../../../src/budget/settle.ts';
import { type BudgetStageParts, budgetStage } from '../../../src/budget/stage.ts';
import type { Obligations, TaskRecord } from '../../../src/call.ts';
import { deny, isDenial } from '../../../src/denial.ts';
import { judge } from '../../../src/stage.ts';
import { type Store, StoreUnavailable } from '../../../src/store/store.ts';
import { ManualClock } from '../../fakes/clock.ts';
import { askOf, callOf, recordOf, targetOf } from './call.ts';
import { denied, held, setUp } from './rung.ts';

test('a call holds its upper bound on the task, and the fact says what', async () => {
  const { call, balance, stage } = await setUp();
  const { given, limited } = call(askOf(100, 50));
  const reservation = await held(given());
  assert.equal(reservation.tokens, 150);
  assert.equal(reservation.costMicroUsd, 150);
  assert.deepEqual((await balance()).reserved, { tokens: 150, costMicroUsd: 150, calls: 1, seconds: 0 });
  assert.equal(limited(), null);
  assert.ok(judge(stage, { reservation }));
  assert.equal(judge(stage, { reservation: { ...reservation, tokens: 0.5 } }), undefined);
});

test('a call too big for what is left is told what is left and what would fit; the task lives on', async () => {
  const { call } = await setUp({ tokens: 1_000, costMicroUsd: 100_000, calls: 10 });
  await held(call(askOf(100, 500)).given());
  const denial = await denied(call(askOf(100, 500)).given());
  assert.equal(denial.code, 'task_budget_exhausted');
  assert.deepEqual(denial.details.remaining, { tokens: 400, cost_usd: 0.0994, calls: 9, seconds: 3_600 });
  assert.match(
    denial.message,
    /may need up to 600 tokens; of the 1000 tokens of this task, 400 tokens are left.*hold 600 tokens.*at most 300 tokens/s,
  );
  assert.deepEqual(denial.details.allowed, ['max_tokens<=300']);
  assert.equal(denial.reasons[0]?.code, 'task_tokens');
  await held(call(askOf(100, 300)).given());
});

test('a budget that is spent is told apart from a call that is too big', async () => {
  const { store, call } = await setUp({ costMicroUsd: 600 });
  const { id } = await held(call(askOf(100, 500)).given());
  await store.settle(id, { tokens: 600, costMicroUsd: 600, calls: 1 });
  const denial = await denied(call(askOf(1, 1)).given());
  assert.match(denial.message, /^The budget of this task is spent: all of its 0\.0006 US dollars\.$/);
  assert.equal(denial.details.remaining?.cost_usd, 0);
  assert.equal(denial.retryable, false);
  assert.equal(denial.reasons[0]?.code, 'task_cost_usd');
});

test('a call that other calls of the task keep out may be tried again; one that can never fit may not', async () => {
  const { call } = await setUp({ tokens: 1_000 });
  await held(call(askOf(100, 800)).given());
  assert.equal((await denied(call(askOf(100, 800)).given())).retryable, true);
  assert.equal((await denied(call(askOf(100, 901)).given())).retryable, false);
});

test('calls are counted, also those that are not to a model, and run out', async () => {
  const { call } = await setUp({ calls: 2, tokens: 0, costMicroUsd: 0 }, {}, [targetOf(0, 0)]);
  await held(call(null).given());
  await held(call(null).given());
  const denial = await denied(call(null).given());
  assert.equal(denial.reasons[0]?.code, 'task_calls');
  assert.equal(denial.details.allowed, undefined);
});

test('a tool may have a price', async () => {
  const { call } = await setUp({ costMicroUsd: 70 }, {}, [targetOf(0, 0, 0, 50)]);
  assert.equal((await held(call(null).given())).costMicroUsd, 50);
  assert.equal((await denied(call(null).given())).code, 'task_budget_exhausted');
});

test('a task that is older than its seconds is told so, and nothing is held', async () => {
  const { clock, call, balance } = await setUp({ seconds: 60 });
  await clock.advance(59_999);
  await held(call(askOf(1, 1)).given());
  await clock.advance(1);
  const denial = await denied(call(askOf(1, 1)).given());
  assert.equal(denial.code, 'task_budget_exhausted');
  assert.equal(denial.details.remaining?.seconds, 0);
  assert.match(denial.message, /its 60 seconds are over/);
  await clock.advance(60_000);
  assert.equal((await balance()).reserved.calls, 0);
});

test('an agent or tenant whose window is spent is budget_exhausted until the window ends, and the task holds nothing', async () => {
  for (const [level, config] of [
    ['agent', { agents: { 'agent-1': { per: 'hour', tokens: 200 } } }],
    ['tenant', { tenants: { acme: { per: 'hour', tokens: 200 } } }],
  ] as const) {
    const { clock, call, balance, record } = await setUp({ seconds: 7_200 }, config);
    await clock.advance(600_000);
    await held(call(askOf(100, 50)).given());
    const another: TaskRecord = { ...record, id: recordOf(clock).id };
    const denial = await denied(call(askOf(100, 50), {}, another).given());
    assert.equal(denial.code, 'budget_exhausted');
    assert.equal(denial.reasons[0]?.code, `${level}_tokens`);
    assert.deepEqual(denial.details.remaining, { tokens: 50 });
    assert.equal(denial.details.retryAfterMs, 3_000_000);
    assert.equal((await balance()).reserved.calls, 1);
    await clock.advance(3_000_000);
    await held(call(askOf(100, 50), {}, another).given());
  }
});

test('names of agents are looked up as names: one called constructor has no budget by accident', async () => {
  const { clock, call } = await setUp();
  await held(call(askOf(1, 1), {}, recordOf(clock, {}, 'constructor')).given());
});

test('what an operation costs goes before what its target says', async () => {
  const { call, store } = await setUp({ costMicroUsd: 1_000 }, {}, [targetOf(0, 0, 0, 50)]);
  const { call: priced } = call(null);
  const operation = { ...priced.resolved.operation, callMicroUsd: 700 };
  const one = { ...priced, resolved: { ...priced.resolved, operation } };
  const { stage } = await setUp({ costMicroUsd: 1_000 }, {}, [targetOf(0, 0, 0, 50)]);
  const fact = await stage.admit(one);
  assert.ok(!isDenial(fact));
  assert.equal(fact.reservation.costMicroUsd, 700);
  const settled = await settleBudget(store, { ...one, ...fact }, null, targetOf(0, 0, 0, 50), 'sent');
  assert.equal(settled, 700);
});

test('whichever call finds the budget spent, a tool or one that asks for little, the last turn is all that is granted', async () => {
  const news: (number | null)[] = [];
  const spent: BudgetStageParts['spent'] = async ({ wrapUpTokens }) => {
    news.push(wrapUpTokens);
    return { fate: 'wrap_up', wrapUpTokens: wrapUpTokens ?? undefined };
  };
  const { store, call } = await setUp({ calls: 1 }, {}, undefined, spent);
  const { id } = await held(call(askOf(100, 800)).given());
  await store.settle(id, { tokens: 1, costMicroUsd: 1, calls: 1 });
  const granted: Obligations = { wrap_up: { tokens: 40 } };
  for (const ask of [null, askOf(1, 5), askOf(100, 800)]) {
    const denial = await denied(call(ask, granted).given());
    assert.deepEqual(denial.details.allowed, ['wrap_up: max_tokens<=40']);
  }
  assert.deepEqual(news, [40, 40, 40]);
});

test('without a target to reckon with the call is refused rather than held at nothing', async () => {
  const { call } = await setUp({}, {}, []);
  assert.equal((await denied(call(askOf(100, 800)).given())).code, 'residency_violation');
});

test('a stage that was given up on takes back what it held', async () => {
  const { stage, call, balance } = await setUp();
  const { given, call: late } = call(askOf(100, 50));
  const reservation = await held(given());
  await stage.late?.(late, { reservation });
  assert.deepEqual((await balance()).reserved, { tokens: 0, costMicroUsd: 0, calls: 0, seconds: 0 });
  assert.equal((await balance()).spent.calls, 0);
});

test('a payload that is no longer valid once its limit is lowered is denied, and what was held goes back', async () => {
  const { clock, stage, record, balance } = await setUp();
  const obligations: Obligations = { max_tokens: { value: 200, on_excess: 'lower' } };
  const { call } = callOf({ clock, record, ask: askOf(100, 500), obligations });
  const denial = deny('args_invalid', 'max_tokens is too small for this model.');
  call.resolved.payload.validate = () => denial;
  assert.equal(await stage.admit(call), denial);
  assert.equal((await balance()).reserved.calls, 0);
});

test('a reserve that fails is a fault, and its id is closed so that it holds nothing if it runs later', async () => {
  const clock = new ManualClock();
  const settled: string[] = [];
  const reserved: string[] = [];
  const store: Pick<Store, 'reserve' | 'settle'> = {
    reserve: async (id) => {
      reserved.push(id);
      throw new StoreUnavailable('timed out');
    },
    settle: async (id) => {
      settled.push(id);
      return { settled: true, balances: [] };
    },
  };
  const targetsOf = () => [targetOf(1, 1)];
  const stage = budgetStage({
    store,
    clock,
    config: { tenants: {}, agents: {} },
    reservationTtlMs: 1,
    targetsOf,
    spent: async () => ({ fate: 'unchanged' }),
  });
  const { call } = callOf({ clock, record: recordOf(clock), ask: askOf(1, 1) });
  await assert.rejects(async () => stage.admit(call), StoreUnavailable);
  assert.ok(reserved.every((id) => settled.includes(id)));
});
