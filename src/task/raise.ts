/**
 * An operator raises the budget of a task, or its life: a task that waits for that goes on, one that runs has more room.
 * Never lowers, and never revives what was killed or completed. What a reader would get wrong: a part has its own budget
 * and draws on those of all tasks above it, too, so raising a part alone gives it no more than they have left.
 */
import type { Spending, TaskRecord } from '../call.ts';
import { type Denial, deny, type Reason } from '../denial.ts';

/** What is raised: limits `to` a number, or `by` one, not both for one of them. Micro-dollars, as everywhere. */
export interface Raise {
  readonly to: Partial<Spending>;
  readonly by: Partial<Spending>;
  /** How long the task shall live from now on at least, in milliseconds; null to leave that. */
  readonly ttlMs: number | null;
}

const dimensions = ['tokens', 'costMicroUsd', 'calls', 'seconds'] as const;
const names: Readonly<Record<keyof Spending, string>> = {
  ...{ tokens: 'tokens', costMicroUsd: 'cost_usd', calls: 'calls', seconds: 'seconds' },
};

/**
 * The record with more. `aboveEndsMs` is when the first of the tasks above ends: a part never outlives the whole. Denies
 * `args_invalid` for what would lower a limit or change nothing, `task_killed`, `task_completed`, and `task_expired` for
 * a task whose life is over and is not raised with it.
 */
export function raised(current: TaskRecord, raise: Raise, aboveEndsMs: number, nowMs: number): TaskRecord | Denial {
  const { state, spent: _spent, wrapUp, ...rest } = current;
  if (state === 'killed') return deny('task_killed', 'A task that was killed stays killed. Its agent opens a new one.');
  if (state === 'completed') return deny('task_completed', 'A task that is completed stays so.');
  // A task that has ended by itself is over; one that waits for this very deed may have waited for longer than it lives.
  if (state === 'active' && nowMs >= current.expiresAtMs) {
    return deny('task_expired', 'The task has expired. Its agent opens a new one.');
  }
  const budget = raisedBudget(current.budget, raise);
  if ('faults' in budget) return deny('args_invalid', 'The request is not valid.', { reasons: budget.faults });
  const wantedMs = raise.ttlMs === null ? 0 : nowMs + raise.ttlMs;
  const expiresAtMs = Math.max(current.expiresAtMs, Math.min(wantedMs, aboveEndsMs));
  if (nowMs >= expiresAtMs) {
    const message = 'The life of the task is over, too; raise that with ttl_seconds, and that of the task above it.';
    return deny('task_expired', message);
  }
  if (state === 'active' && expiresAtMs === current.expiresAtMs && isSame(budget, current.budget)) {
    return deny('args_invalid', 'This raises nothing.', {
      reasons: [{ code: 'nothing_raised', message: 'name a limit, or a time to live, and more of it than there is' }],
    });
  }
  const last = wrapUp?.state === 'open' ? { ...wrapUp, state: 'granted' as const } : wrapUp;
  return { ...rest, ...(last === undefined ? {} : { wrapUp: last }), state: 'active', budget, expiresAtMs };
}

function raisedBudget(budget: Spending, { to, by }: Raise): Spending | { readonly faults: Reason[] } {
  const faults: Reason[] = [];
  const next = { ...budget };
  for (const dimension of dimensions) {
    const [limit, more] = [to[dimension], by[dimension]];
    const path = `/${limit === undefined ? 'by' : 'to'}/${names[dimension]}`;
    if (limit !== undefined && more !== undefined) {
      faults.push({ code: 'invalid', message: 'either `to` or `by`', path });
      continue;
    }
    const wanted = limit ?? budget[dimension] + (more ?? 0);
    if (wanted < budget[dimension]) faults.push({ code: 'invalid', message: 'a raise does not lower a limit', path });
    else if (!Number.isSafeInteger(wanted)) faults.push({ code: 'invalid', message: 'is too much', path });
    else next[dimension] = wanted;
  }
  return faults.length === 0 ? next : { faults };
}

function isSame(one: Spending, other: Spending): boolean {
  return dimensions.every((dimension) => one[dimension] === other[dimension]);
}
