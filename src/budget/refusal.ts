/**
 * What an agent is told when a budget does not cover its call. It must be able to act on it, so the text tells a
 * budget that is spent from one that other calls still hold, and both from a call that is too big for what is left.
 */
import { type Denial, deny } from '../denial.ts';
import type { Amounts, Balance } from '../store/store.ts';
import { usdFromMicroUsd } from '../wire/money.ts';
import type { Level } from './levels.ts';

export interface Shortage {
  readonly level: Level;
  /** The dimension that did not suffice. */
  readonly dimension: string;
  readonly balance: Balance;
  readonly needed: Amounts;
  readonly nowMs: number;
  /** Seconds the task may still live. */
  readonly secondsLeft: number;
  /** The longest answer that would fit; undefined where asking for less does not help. */
  readonly answerTokensMax?: number | undefined;
}

const words: Readonly<Record<string, string>> = {
  ...{ tokens: 'tokens', costMicroUsd: 'US dollars', calls: 'calls', seconds: 'seconds' },
};

/**
 * The denial of a call that a level could not give: `task_budget_exhausted` for the task, `budget_exhausted` for agent
 * and tenant, with what is left of every limit. Retryable where waiting alone helps: calls underway may give back
 * what they hold, and a window ends.
 */
export function denyShortage(shortage: Shortage): Denial {
  const { level, dimension, balance, needed, nowMs } = shortage;
  const of = (amounts: Amounts): number => amounts[dimension] ?? 0;
  const [limit, spent, reserved, asked] = [of(level.scope.limits), of(balance.spent), of(balance.reserved), of(needed)];
  const left = Math.max(0, limit - spent - reserved);
  const show = (amount: number): string =>
    `${dimension === 'costMicroUsd' ? usdFromMicroUsd(amount) : amount} ${words[dimension] ?? dimension}`;

  const whose = level.name === 'parent' ? 'parent task' : level.name;
  const owner = level.per === null ? whose : `${whose} for this ${level.per}`;
  const state =
    left === 0 && reserved === 0
      ? `The budget of this ${owner} is spent: all of its ${show(limit)}.`
      : `This call may need up to ${show(asked)}; of the ${show(limit)} of this ${owner}, ${show(left)} are left.`;
  const held = reserved === 0 ? '' : ` Calls that are underway hold ${show(reserved)}.`;
  const { answerTokensMax } = shortage;
  const advice = answerTokensMax === undefined ? '' : ` Ask for an answer of at most ${answerTokensMax} tokens.`;

  const code = level.endsAtMs === null ? 'task_budget_exhausted' : 'budget_exhausted';
  const wouldFit = level.endsAtMs === null ? spent + asked <= limit : asked <= limit;
  return deny(code, state + held + advice, {
    reasons: [
      {
        code: `${level.name}_${dimension === 'costMicroUsd' ? 'cost_usd' : dimension}`,
        message: `limit ${show(limit)}, spent ${show(spent)}, reserved ${show(reserved)}, needed ${show(asked)}`,
      },
    ],
    remaining: remainingOf(shortage),
    retryable: wouldFit,
    ...(wouldFit && level.endsAtMs !== null ? { retryAfterMs: level.endsAtMs - nowMs } : {}),
    ...(answerTokensMax === undefined ? {} : { allowed: [`max_tokens<=${answerTokensMax}`] }),
  });
}

/** The denial of what is not the last turn of a task that is spent; `remaining` as denials show it. */
export function denyWaitingForLastTurn(remaining: Readonly<Record<string, number>>): Denial {
  return deny('task_budget_exhausted', 'The budget of this task is spent.', {
    reasons: [{ code: 'task_spent', message: 'Nothing but its last turn is left to it, if that.' }],
    remaining,
  });
}

/** The denial of a task that has lived as long as its budget lets it. */
export function denyTooOld(seconds: number, remaining: Readonly<Record<string, number>>): Denial {
  return deny('task_budget_exhausted', `The budget of this task is spent: its ${seconds} seconds are over.`, {
    reasons: [{ code: 'task_seconds', message: `limit ${seconds} seconds` }],
    remaining,
  });
}

function remainingOf({ level, balance, secondsLeft }: Shortage): Record<string, number> {
  const remaining: Record<string, number> = {};
  for (const [dimension, limit] of Object.entries(level.scope.limits)) {
    const left = Math.max(0, limit - (balance.spent[dimension] ?? 0) - (balance.reserved[dimension] ?? 0));
    if (dimension === 'costMicroUsd') remaining.cost_usd = usdFromMicroUsd(left);
    else remaining[dimension] = left;
  }
  if (level.name === 'task') remaining.seconds = secondsLeft;
  return remaining;
}
