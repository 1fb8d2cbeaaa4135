/** How a call draws on its budgets: made shorter to fit them, at the end of them, and its seconds. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SpentLevel } from '../../../src/budget/last-turn.ts';
import { windowLevelsOf } from '../../../src/budget/levels.ts';
import { settleBudget } from '../../../src/budget/settle.ts';
import type { BudgetStageParts } from '../../../src/budget/stage.ts';
import type { Obligations, ReservationFact, TaskRecord, Underway } from '../../../src/call.ts';
import { isDenial } from '../../../src/denial.ts';
import { askOf, targetOf } from './call.ts';
import { denied, held, setUp } from './rung.ts';

test('with on_excess lower the answer is cut to what the policy allows, in what is sent too', async () => {
  const { call } = await setUp();
  for (const maxTokens of [500, null]) {
    const { given, limited } = call(askOf(100, maxTokens), { max_tokens: { value: 200, on_excess: 'lower' } });
    assert.equal((await held(given())).tokens, 300);
    assert.equal(limited(), 200);
  }
});

test('an answer within what the policy allows is left as the client asked', async () => {
  const { call } = await setUp();
  const { given, limited } = call(askOf(100, 200), { max_tokens: { value: 200, on_excess: 'lower' } });
  await held(given());
  assert.equal(limited(), null);
});

test('with on_excess deny a longer answer is policy_denied with the most that is allowed', async () => {
  const { call, balance } = await setUp();
  for (const maxTokens of [500, null]) {
    const denial = await denied(call(askOf(100, maxTokens), { max_tokens: { value: 200, on_excess: 'deny' } }).given());
    assert.equal(denial.code, 'policy_denied');
    assert.equal(denial.reasons[0]?.code, 'max_tokens_exceeded');
    assert.deepEqual(denial.details.allowed, ['max_tokens<=200']);
  }
  assert.equal((await balance()).reserved.calls, 0);
});

test('with on_excess lower an answer is made to fit the rest of the task, and one too short to be worth it is not', async () => {
  const lower: Obligations = { max_tokens: { value: 1_000, on_excess: 'lower' } };
  const { call, balance } = await setUp({ tokens: 1_000 });
  await held(call(askOf(100, 500)).given());
  const { given, limited } = call(askOf(100, 800), lower);
  assert.equal((await held(given())).tokens, 400);
  assert.equal(limited(), 300);
  assert.equal((await balance()).remaining.tokens, 0);

  const tight = await setUp({ tokens: 115 });
  const denial = await denied(tight.call(askOf(100, 800), lower).given());
  assert.equal(denial.code, 'task_budget_exhausted');
  assert.equal(denial.details.allowed, undefined);
});

test('with on_excess lower every level makes the answer fit, the tightest last', async () => {
  const [hour, day] = [
    { per: 'hour', tokens: 500 },
    { per: 'day', tokens: 300 },
  ] as const;
  const { call, balance } = await setUp(
    { tokens: 900 },
    { agents: { 'agent-1': [hour, day] }, tenants: { acme: { per: 'hour', tokens: 250 } } },
  );
  const { given, limited } = call(askOf(100, 2_000), { max_tokens: { on_excess: 'lower' } });
  const reservation = await held(given());
  assert.deepEqual([reservation.tokens, reservation.lowered, limited()], [250, true, 150]);
  assert.equal((await balance()).reserved.tokens, 250);
});

test('the seconds of calls are held as a bound, lowered to what is left, and settled to what they ran', async () => {
  const { clock, store, call, record } = await setUp({}, { agents: { '*': [{ per: 'hour', seconds: 100 }] } }, [
    { ...targetOf(1, 1), timeoutMs: { connect: 1, firstByte: 1, total: 59_001 } },
  ]);
  const first = await held(call(askOf(1, 1)).given());
  assert.equal(first.time?.seconds, 60);
  const second = await held(call(askOf(1, 1)).given());
  assert.equal(second.time?.seconds, 40);
  const denial = await denied(call(askOf(1, 1)).given());
  assert.deepEqual([denial.code, denial.reasons[0]?.code], ['budget_exhausted', 'agent_seconds']);
  assert.match(denial.message, /of the 100 seconds of this agent for this hour, 0 seconds are left/);
  await clock.advance(1_001);
  const settle = (reservation: ReservationFact['reservation'], delivery: 'sent' | 'unsent') =>
    settleBudget(store, { reservation } as Underway, null, null, delivery, clock.monotonicMs());
  await settle(first, 'sent');
  await settle(second, 'unsent');
  const [level] = windowLevelsOf(
    { agents: { '*': { per: 'hour', seconds: 100 } }, tenants: {} },
    record,
    clock.nowMs(),
  );
  const [{ spent, reserved } = { spent: {}, reserved: {} }] = await store.balance([level?.scope.key as string]);
  assert.deepEqual([spent.seconds, reserved.seconds], [2, 0]);
  const third = await held(call(askOf(1, 1)).given());
  await clock.advance(70_000);
  await settle(third, 'sent');
  const [after] = await store.balance([level?.scope.key as string]);
  // It was stopped at its bound: what the clock says beyond that is the stopping.
  assert.equal(after?.spent.seconds, 62);
});

test('a budget that is spent is told to the task room, one that is short or held or of nothing is not', async () => {
  const news: SpentLevel[] = [];
  const spent: BudgetStageParts['spent'] = async (level) => {
    news.push(level);
    return { fate: 'paused' };
  };
  const { store, call } = await setUp({ tokens: 1_000, calls: 2 }, {}, undefined, spent);
  const { id } = await held(call(askOf(100, 800)).given());
  await denied(call(askOf(100, 800)).given());
  await store.settle(id, { tokens: 985, costMicroUsd: 900, calls: 1 });
  assert.equal(news.length, 0);
  const denial = await denied(call(askOf(100, 800)).given());
  assert.deepEqual([denial.code, denial.retryable, denial.details.remaining?.tokens], ['task_paused', false, 15]);
  assert.deepEqual([news[0]?.dimension, news[0]?.limit], ['tokens', { tokens: 1_000 }]);
  const toolsOnly = await setUp({ tokens: 0 }, {}, undefined, spent);
  assert.equal((await denied(toolsOnly.call(askOf(1, 1)).given())).code, 'task_budget_exhausted');
  assert.equal(news.length, 1);
});

test('the last turn goes beyond the budget of the task and of nothing else, and is had once', async () => {
  const wrapUp: Obligations = { wrap_up: { tokens: 40 } };
  const config = { agents: { 'agent-1': { per: 'day', tokens: 5_000 } } } as const;
  const { store, call, record, balance } = await setUp({ tokens: 1_000 }, config);
  const { id } = await held(call(askOf(100, 800)).given());
  await store.settle(id, { tokens: 1_000, costMicroUsd: 1, calls: 1 });
  const open: TaskRecord = {
    ...record,
    spent: { atMs: 0, dimension: 'tokens', remaining: { tokens: 0 } },
    wrapUp: { tokens: 30, state: 'open' },
  };
  const tool = await denied(call(null, {}, open).given());
  assert.deepEqual(tool.details.allowed, ['wrap_up: max_tokens<=30']);
  assert.equal((await denied(call(askOf(4_990, 800), wrapUp, open).given())).code, 'budget_exhausted');
  const given = await Promise.all(Array.from({ length: 50 }, () => call(askOf(100, 800), wrapUp, open).given()));
  const facts = given.filter((fact) => !isDenial(fact));
  assert.equal(facts.length, 1);
  assert.partialDeepStrictEqual(facts[0], { reservation: { tokens: 130, answerTokens: 30, wrapUp: true } });
  assert.equal((await balance()).remaining.tokens, 0);
  // It was never sent, and so may be had again.
  const [fact] = facts as ReservationFact[];
  await store.settle(fact?.reservation.id as string, { tokens: 0, costMicroUsd: 0, calls: 0 });
  await held(call(askOf(100, 800), wrapUp, open).given());
});

test('what is left of an agent or tenant is told where the policy does not lower', async () => {
  const { call } = await setUp({}, { agents: { 'agent-1': { per: 'day', tokens: 300 } } });
  const denial = await denied(call(askOf(100, 800), { max_tokens: { value: 1_000, on_excess: 'deny' } }).given());
  assert.equal(denial.code, 'budget_exhausted');
  assert.deepEqual(denial.details.allowed, ['max_tokens<=200']);
});
