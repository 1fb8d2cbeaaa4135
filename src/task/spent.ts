/**
 * A task whose budget is spent: it is killed, or waits for an operator, and before that has the one last turn that its
 * policy grants it. What a reader would get wrong: a task that was killed for its budget goes on answering 402, as one
 * whose budget is spent does; and as long as its last turn has not been made its state is `active`.
 */
import type { OnSpent, Spending, Spent, TaskRecord, WrapUp } from '../call.ts';
import { type Denial, deny } from '../denial.ts';

/** That the budget of a task was found spent, by a call that it did not cover. */
export interface SpentNews {
  readonly tenant: string;
  readonly id: string;
  /** The limit that was found spent: where it has been raised since, nothing becomes of the task. */
  readonly limit: Partial<Spending>;
  readonly dimension: string;
  readonly remaining: Spent['remaining'];
  /** The last turn that the decision on that call grants; null where it grants none. */
  readonly wrapUpTokens: number | null;
  /** What the config says is to become of it, where its policy does not. */
  readonly onSpent: OnSpent;
}

/** What became of it: `wrap_up`, it has its last turn; `unchanged`, it had ended, or was raised. */
export type SpentFate = 'killed' | 'paused' | 'wrap_up' | 'unchanged';

/** The record of an active task once its budget is spent; the very same where that changes nothing. */
export function spentRecord(current: TaskRecord, news: SpentNews, nowMs: number): TaskRecord {
  if (current.state !== 'active' || wasRaised(current, news)) return current;
  const { dimension, remaining } = news;
  const spent: Spent = { atMs: nowMs, dimension, remaining };
  const last = lastTurnOf(current, news);
  if (last === null) return { ...current, spent, state: stateAfter(current, news.onSpent) };
  if (current.spent !== undefined && current.wrapUp?.state === 'open') return current;
  return { ...current, spent, wrapUp: { tokens: last, state: 'open' } };
}

/** The same after the last turn was made, whatever is left. */
export function wrappedUpRecord(current: TaskRecord, news: SpentNews, nowMs: number): TaskRecord {
  if (current.state !== 'active') return current;
  const wrapUp: WrapUp = { tokens: current.wrapUp?.tokens ?? 0, state: 'done' };
  // Its operator has raised it while it made that turn, so that it goes on.
  if (wasRaised(current, news)) return current.wrapUp?.state === 'done' ? current : { ...current, wrapUp };
  const spent: Spent = { atMs: nowMs, dimension: news.dimension, remaining: news.remaining };
  return { ...current, spent, wrapUp, state: stateAfter(current, news.onSpent) };
}

export function fateOf(before: TaskRecord | undefined, after: TaskRecord): SpentFate {
  if (before === after || before === undefined) return 'unchanged';
  return after.state === 'killed' || after.state === 'paused' ? after.state : 'wrap_up';
}

/** Denies 402 `task_budget_exhausted` with what was left, for a task that was killed because it was spent. */
export function denySpentTask({ dimension, remaining }: Spent): Denial {
  return deny('task_budget_exhausted', 'The budget of this task is spent. Nothing more is called in its name.', {
    reasons: [{ code: reasonOf(dimension), message: 'This is what was spent.' }],
    remaining,
  });
}

/** Denies 402 `task_paused`, with what is left where that is known. */
export function denyPaused({ spent }: TaskRecord): Denial {
  const message = 'The task is paused: its budget is spent. It goes on once an operator has raised that.';
  if (spent === undefined) return deny('task_paused', message);
  return deny('task_paused', message, {
    reasons: [{ code: reasonOf(spent.dimension), message: 'This is what was spent.' }],
    remaining: spent.remaining,
  });
}

function reasonOf(dimension: string): string {
  return `task_${dimension === 'costMicroUsd' ? 'cost_usd' : dimension}`;
}

function wasRaised({ budget }: TaskRecord, { limit }: SpentNews): boolean {
  const dimensions = ['tokens', 'costMicroUsd', 'calls', 'seconds'] as const;
  return dimensions.some((dimension) => budget[dimension] > (limit[dimension] ?? budget[dimension]));
}

/** The tokens of the turn that is still to come; null where there is none. */
function lastTurnOf({ wrapUp }: TaskRecord, { wrapUpTokens }: SpentNews): number | null {
  if (wrapUp?.state === 'done') return null;
  return wrapUp?.tokens ?? wrapUpTokens;
}

function stateAfter({ onSpent }: TaskRecord, otherwise: OnSpent): 'killed' | 'paused' {
  return (onSpent ?? otherwise) === 'pause' ? 'paused' : 'killed';
}
