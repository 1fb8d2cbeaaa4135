/**
 * The end of a task's own budget: when it is spent, what the agent is told, and the one last turn that its policy grants
 * it, so that it can end its work well. What a reader would get wrong: spent is more than short. A call that is too big
 * for what is left leaves the task as it is; a budget that cannot pay for any call, and of which nothing is held, is spent.
 */
import type { CallCap, ModelAsk, Obligations, Target, TaskRecord } from '../call.ts';
import { type Denial, type DenialDetails, deny } from '../denial.ts';
import { type Balance, type Scope, storeKey } from '../store/store.ts';
import type { Level } from './levels.ts';

/** Below this an answer is not worth its prompt: a call is refused rather than lowered further, and a rest is none. */
export const answerTokensMin = 16;

/** The task of a level, found spent, as the task room takes it. */
export interface SpentLevel {
  readonly tenant: string;
  readonly id: string;
  /** The limit that was found spent, in the dimension it was. */
  readonly limit: Readonly<Record<string, number>>;
  readonly dimension: string;
  readonly remaining: Readonly<Record<string, number>>;
  /** The answer tokens of the last turn that the decision on this call grants; null for none. */
  readonly wrapUpTokens: number | null;
}

/** What became of a task that was found spent: nothing, where it was raised meanwhile, or this is only a trial. */
export interface Fate {
  readonly fate: 'killed' | 'paused' | 'wrap_up' | 'unchanged';
  /** The answer tokens of the turn it has. */
  readonly wrapUpTokens?: number | undefined;
}

/** Whether what is left of a task's level in `dimension` is not worth any call such as this one, and stays so. */
export function isSpent(
  { scope }: Level,
  dimension: string,
  { spent, reserved }: Balance,
  ask: ModelAsk | null,
  targets: readonly Target[],
): boolean {
  const used = spent[dimension] ?? 0;
  // A limit of nothing was never spent: it is the limit of a task that is not to do such a thing.
  if (used === 0 || (reserved[dimension] ?? 0) > 0) return false;
  const left = (scope.limits[dimension] ?? 0) - used;
  if (left <= 0) return true;
  if (dimension === 'tokens') return left < answerTokensMin;
  return dimension === 'costMicroUsd' && ask !== null && left < leastCost(targets);
}

/** Micro-dollars of the shortest answer, without its prompt, at the cheapest of `targets`. */
function leastCost(targets: readonly Target[]): number {
  const rates = targets.map(({ price }) => price.outputMicroUsdPerMtok);
  return Math.ceil((Math.min(...rates) * answerTokensMin) / 1_000_000);
}

/** The answer tokens of the last turn that a decision grants, whatever it was on; null for none, or where it was made. */
export function grantedTokens(
  { wrap_up: granted }: Obligations,
  { wrapUp }: Pick<TaskRecord, 'wrapUp'>,
): number | null {
  if (granted === undefined || wrapUp?.state === 'done') return null;
  return Math.min(granted.tokens, wrapUp?.tokens ?? granted.tokens);
}

/** The answer tokens of the last turn that this call could be; null where its decision grants none, or it is no turn. */
export function lastTurnTokens(
  ask: ModelAsk | null,
  obligations: Obligations,
  record: Pick<TaskRecord, 'wrapUp'>,
): number | null {
  const tokens = grantedTokens(obligations, record);
  // What answers in no token, such as a count, is no turn.
  if (ask === null || ask.maxTokens === 0 || tokens === null) return null;
  const each = Math.min(Math.floor(tokens / Math.max(1, ask.choices)), ask.maxTokens ?? tokens);
  return each < 1 ? null : each;
}

/**
 * The scopes of a last turn: the task's own budget counts it and does not limit it. It is had once, and takes at most as
 * much again as the task had in all: a prompt that was never paid before is nothing to wrap up with.
 */
export function lastTurnScopes(
  record: TaskRecord,
  [own, ...others]: readonly Level[],
  caps: readonly CallCap[],
): Scope[] {
  const { key, ttlMs } = (own as Level).scope;
  return [
    { key, limits: {}, ttlMs },
    ...others.map(({ scope }) => scope),
    ...caps.map(({ key: capKey, calls, ttlMs: capTtlMs }) => ({ key: capKey, limits: { calls }, ttlMs: capTtlMs })),
    {
      key: storeKey(record.tenant, 'budget', 'wrap-up', record.id),
      limits: { calls: 1, tokens: record.budget.tokens, costMicroUsd: record.budget.costMicroUsd },
      ttlMs,
    },
  ];
}

/** What the agent is told of a budget that is spent, by what became of the task. */
export function denySpent(denial: Denial, { fate, wrapUpTokens }: Fate): Denial {
  const { reasons, remaining } = denial.details;
  const details: DenialDetails = {
    ...(reasons === undefined ? {} : { reasons }),
    ...(remaining === undefined ? {} : { remaining }),
  };
  if (fate === 'paused') {
    return deny('task_paused', `${denial.message} The task goes on once an operator has raised that.`, details);
  }
  if (wrapUpTokens === undefined) return deny(denial.code, denial.message, { ...details, retryable: false });
  return denyButLastTurn(denial.message, wrapUpTokens, details);
}

/** Denies what is not the last turn of a task that has one. */
export function denyButLastTurn(message: string, tokens: number, details: DenialDetails): Denial {
  const turn = `One last model call is granted: to wrap up, with an answer of at most ${tokens} tokens.`;
  return deny('task_budget_exhausted', `${message} ${turn}`, {
    ...details,
    retryable: false,
    allowed: [`wrap_up: max_tokens<=${tokens}`],
  });
}
