import assert from 'node:assert/strict';
import { test } from 'node:test';
import { taskBalance } from '../../../src/budget/balances.ts';
import { settleBudget } from '../../../src/budget/settle.ts';
import { budgetStage } from '../../../src/budget/stage.ts';
import type { Spending, Target, Underway } from '../../../src/call.ts';
import { sleep } from '../../../src/clock.ts';
import { isDenial } from '../../../src/denial.ts';
import { MemoryStore } from '../../../src/store/backends/memory.ts';
import { ManualClock } from '../../fakes/clock.ts';
import { askOf, callOf, recordOf, targetOf } from './call.ts';

const calls = 80;

/** Many calls of one task at once: random asks, prices and fates, some never settled. Everything follows the seed. */
async function simulate(seed: number): Promise<{ admitted: number; final: Spending; budget: Spending }> {
  const clock = new ManualClock(undefined, seed);
  const store = new MemoryStore({ clock });
  await store.open();
  const draw = (max: number): number => clock.randomBytes(4).readUInt32BE() % max;
  const targets = [targetOf(1 + draw(5_000_000), 1 + draw(20_000_000), 600), targetOf(1 + draw(5_000_000), 1, 900)];
  const budget = { tokens: 5_000 + draw(20_000), costMicroUsd: 10_000 + draw(200_000), calls: 5 + draw(40) };
  const record = recordOf(clock, budget);
  const config = { tenants: {}, agents: { 'agent-1': { per: 'day' as const, tokens: 20_000 } } };
  const stage = budgetStage({ store, clock, config, reservationTtlMs: 5_000, targetsOf: () => targets });
  let admitted = 0;

  const within = async (): Promise<void> => {
    const { spent, reserved } = await taskBalance(store, record, clock.nowMs());
    for (const dimension of ['tokens', 'costMicroUsd', 'calls'] as const) {
      assert.ok(
        spent[dimension] + reserved[dimension] <= record.budget[dimension],
        `seed ${seed}: ${dimension} is overspent`,
      );
    }
  };
  const run = async (): Promise<void> => {
    await sleep(clock, draw(2_000));
    const ask = askOf(draw(800), draw(2) === 0 ? null : draw(1_500), 1 + draw(2));
    const { call } = callOf({
      clock,
      record,
      ask,
      obligations: draw(2) === 0 ? {} : { max_tokens: { value: 1_200, on_excess: 'lower' } },
    });
    const given = await stage.admit(call);
    await within();
    if (isDenial(given)) return;
    admitted++;
    await sleep(clock, draw(3_000));
    const fate = draw(10);
    if (fate === 0) return; // Its gateway dies: the hold lapses by itself.
    // A model keeps to the limit it was given, and to its own where it was given none.
    const target = targets[draw(2)] as Target;
    const longest = (call.resolved.payload.model?.maxTokens ?? target.maxOutputTokens) * ask.choices;
    const inputTokens = draw(ask.promptTokensMax + 1);
    const usage = fate < 3 ? null : { inputTokens, outputTokens: draw(longest + 1), cachedInputTokens: 0 };
    const underway = { ...call, ...given } as unknown as Underway;
    await settleBudget(store, underway, usage, target, fate === 1 ? 'unsent' : 'sent');
    await within();
  };
  const all = Promise.all(Array.from({ length: calls }, run));
  await clock.advance(20_000);
  await all;
  const { spent, reserved } = await taskBalance(store, record, clock.nowMs());
  assert.deepEqual(reserved, { tokens: 0, costMicroUsd: 0, calls: 0, seconds: 0 }, `seed ${seed}: nothing stays held`);
  return { admitted, final: spent, budget: record.budget };
}

test('many calls at once with random amounts and fates never overspend any dimension, and leave nothing held', async () => {
  let admitted = 0;
  for (let seed = 1; seed <= 25; seed++) {
    const run = await simulate(seed);
    admitted += run.admitted;
    assert.ok(run.final.tokens <= run.budget.tokens);
  }
  // Neither all nor none: else the seeds would show nothing.
  assert.ok(admitted > 25 * 3 && admitted < 25 * calls, `${admitted} admitted`);
});

test('one seed gives one run', async () => {
  assert.deepEqual(await simulate(7), await simulate(7));
});

test('of 50 parallel calls on a budget for exactly 7, exactly 7 are admitted', async () => {
  const clock = new ManualClock();
  const store = new MemoryStore({ clock });
  await store.open();
  const record = recordOf(clock, { tokens: 7 * 150 + 149 });
  const targetsOf = () => [targetOf(1, 1)];
  const stage = budgetStage({ store, clock, config: { tenants: {}, agents: {} }, reservationTtlMs: 5_000, targetsOf });
  const given = await Promise.all(
    Array.from({ length: 50 }, async () => stage.admit(callOf({ clock, record, ask: askOf(100, 50) }).call)),
  );
  assert.equal(given.filter((fact) => !isDenial(fact)).length, 7);
});
