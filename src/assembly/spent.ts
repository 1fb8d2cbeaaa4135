/**
 * What becomes of tasks at the end of their budgets, over the parts: the task room changes them, the trail has it, and a
 * call is stopped once it has run for the seconds that were held for it.
 */
import { recordTask } from '../audit/stage.ts';
import { deliveryOf } from '../budget/settle.ts';
import type { BudgetStageParts } from '../budget/stage.ts';
import type { Admitted, Outcome, Underway } from '../call.ts';
import { deny } from '../denial.ts';
import { usdFromMicroUsd } from '../wire/money.ts';
import type { Parts } from './parts.ts';

type Spent = BudgetStageParts['spent'];

/** Kills or pauses a task whose budget is spent, or gives it its last turn, and records that. */
export function spentOf({ tasks, config, trail, redact, faulted }: Parts): Spent {
  return async (level, after) => {
    const { record, fate } = await tasks.spend({ ...level, onSpent: config.task.on_spent }, after);
    if (record !== undefined && (fate === 'killed' || fate === 'paused')) {
      const operation = fate === 'killed' ? 'task.kill' : 'task.pause';
      const details = { by: 'budget', dimension: level.dimension, remaining: level.remaining };
      // The task has ended, whether or not that can be written down.
      await recordTask(trail, { record, operation, status: 200, details }, redact).catch((fault: unknown) =>
        faulted('audit', fault),
      );
    }
    const wrapUpTokens = record?.wrapUp?.state === 'open' ? record.wrapUp.tokens : undefined;
    return { fate, ...(wrapUpTokens === undefined ? {} : { wrapUpTokens }) };
  };
}

/** On trial nothing becomes of any task. */
export const spentOnTrial: Spent = async () => ({ fate: 'unchanged' });

/** Ends the task of a call that was its last turn, once that was made. */
export async function endAfterLastTurn(parts: Parts, call: Underway, outcome: Outcome): Promise<void> {
  const record = call.entry?.task.record;
  if (record === undefined || call.reservation?.wrapUp !== true || deliveryOf(outcome) === 'unsent') return;
  const { tokens, costMicroUsd, calls, seconds } = (await parts.balanceOf(record)).remaining;
  const remaining = { tokens, cost_usd: usdFromMicroUsd(costMicroUsd), calls, seconds };
  const { tenant, id, budget } = record;
  const turn = { tenant, id, limit: { ...budget }, dimension: 'wrap_up', remaining, wrapUpTokens: null };
  await spentOf(parts)(turn, 'wrap_up');
}

/** The answer tokens of the turn that a task has left after an answer was cut; undefined for none. */
export function wrapUpAfterCut({ decision, reservation, entry }: Admitted): number | undefined {
  if (reservation.wrapUp === true || entry.task.record.wrapUp?.state === 'done') return undefined;
  return decision.obligations.wrap_up?.tokens;
}

/** Stops the call when it has run for as long as was held for it; gives what undoes that. */
export function limitTime({ clock }: Pick<Parts, 'clock'>, { reservation, abort }: Admitted): () => void {
  const { time } = reservation;
  if (time === undefined) return () => undefined;
  const leftMs = Math.max(0, time.fromMs + time.seconds * 1000 - clock.monotonicMs());
  const message = `The call ran for the ${time.seconds} seconds that the budget of its agent or tenant had for it.`;
  const timer = clock.after(leftMs, () => abort.abort(deny('budget_exhausted', message)));
  return () => timer.cancel();
}
