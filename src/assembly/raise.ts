/**
 * An operator's raise over the parts. What a reader would get wrong: the counters of the task are made to live longer
 * before its record is, for a counter that is forgotten before its task ends would begin again with nothing spent.
 */
import { recordTask } from '../audit/stage.ts';
import { taskLevel } from '../budget/levels.ts';
import type { Spending, TaskRecord } from '../call.ts';
import { newId } from '../clock.ts';
import { type Denial, isDenial } from '../denial.ts';
import type { Raise } from '../task/raise.ts';
import { usdFromMicroUsd } from '../wire/money.ts';
import type { Parts } from './parts.ts';

const nothing = { tokens: 0, costMicroUsd: 0, calls: 0 };
const holdMs = 1_000;

/** Raises the task and records it in its life; denies what `raised` does. Rejects with `StoreUnavailable`. */
export async function raiseTask(
  { tasks, store, clock, trail, redact }: Parts,
  record: TaskRecord,
  raise: Raise,
): Promise<{ readonly before: TaskRecord; readonly after: TaskRecord } | Denial> {
  if (raise.ttlMs !== null) {
    const nowMs = clock.nowMs();
    const expiresAtMs = Math.max(record.expiresAtMs, nowMs + raise.ttlMs);
    const id = newId(clock, 'reservation');
    await store.reserve(id, [taskLevel('task', { ...record, expiresAtMs }, nowMs).scope], nothing, holdMs);
    await store.settle(id, nothing);
  }
  const raised = await tasks.raise(record, raise);
  if (isDenial(raised)) return raised;
  const { before, after } = raised;
  const details = { by: 'operator', before: limitsOf(before), after: limitsOf(after) };
  await recordTask(trail, { record: after, operation: 'task.raise', status: 200, details }, redact);
  return raised;
}

function limitsOf({ budget, expiresAtMs }: TaskRecord) {
  const { costMicroUsd, ...rest }: Spending = budget;
  return { ...rest, cost_usd: usdFromMicroUsd(costMicroUsd), expires_at: new Date(expiresAtMs).toISOString() };
}
