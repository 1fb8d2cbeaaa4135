/**
 * Budgets under everything at once, over hundreds of seeds: more calls than there is budget for, over three gateways on
 * one store, clients that leave, targets that fail in every way, a store and a disk that fail, a gateway that is killed
 * between reserve and settle. Whatever happens, the books agree. A failing seed is named; `TOLLGATE_SEED=n` replays it,
 * and `TOLLGATE_SEEDS=n` runs so many. The same with real processes and a real Redis is `test/e2e/budget-ledger.test.ts`.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Seen, simulate } from './budget_run.ts';
import { dimensions, levels } from './budget_scene.ts';

const { TOLLGATE_SEED: only, TOLLGATE_SEEDS: count = '200' } = process.env;
const seeds = only === undefined ? Array.from({ length: Number(count) }, (_, index) => index + 1) : [Number(only)];

test('[budget.no-overspend] [budget.equals-the-books-of-the-model] [budget.holds-of-the-dead] [budget.streams-cut] whatever happens, exactly k calls are admitted, no level is overspent at any step, and what is spent is what targets billed and trails say', async (t) => {
  const runs: Seen[] = [];
  for (const seed of seeds) runs.push(await simulate(seed));
  const sum = (of: (seen: Seen) => number): number => runs.reduce((total, seen) => total + of(seen), 0);
  const having = (is: (seen: Seen) => boolean): number => runs.filter(is).length;
  const told = {
    ...{ runs: runs.length, calls: sum(({ calls }) => calls), admitted: sum(({ admitted }) => admitted) },
    ...{ refused: sum(({ refused }) => refused), left: sum(({ left }) => left), cut: sum(({ cut }) => cut) },
    bounded: sum(({ bounded }) => bounded),
    ...{ orphans: sum(({ orphans }) => orphans), steps: sum(({ steps }) => steps) },
    exact: having(({ billed, spent }) => billed === spent),
    ...{ back: having(({ killed }) => killed === 'back'), gone: having(({ killed }) => killed === 'gone') },
  };
  t.diagnostic(JSON.stringify(told));
  if (only !== undefined || seeds.length < 200) return;
  // Else the seeds would show nothing.
  for (const level of levels) {
    for (const dimension of dimensions) {
      assert.ok(
        having(({ goal }) => goal?.level === level && goal.dimension === dimension) > 2,
        `${level} ${dimension}`,
      );
    }
  }
  for (const [what, times] of Object.entries(told)) assert.ok(times > runs.length / 10, `${what}: ${times}`);
  assert.ok(told.admitted < told.calls / 2 + told.calls / 4, 'budgets are short');
});

test('one seed gives one run', async () => {
  assert.deepEqual(await simulate(7), await simulate(7));
});
