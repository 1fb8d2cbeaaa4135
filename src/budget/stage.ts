/**
 * Reserves what a call may cost at most, on its task, its agent and its tenant in one atomic step, before anything
 * is sent. It also meets the obligation `max_tokens`, because the length of the answer is what the bound depends on.
 */
import type {
  Arrival,
  CallCap,
  DecisionFact,
  EntryFact,
  ModelAsk,
  ObeyedFact,
  Obligations,
  OperationFact,
  ReservationFact,
  Target,
} from '../call.ts';
import { type Clock, newId, type ReservationId } from '../clock.ts';
import { type Denial, deny, isDenial } from '../denial.ts';
import type { Stage } from '../stage.ts';
import type { Amounts, Balance, ReserveResult, Scope, Store } from '../store/store.ts';
import { usdFromMicroUsd } from '../wire/money.ts';
import { longestAnswer, type UpperBound, upperBound } from './estimate.ts';
import { type Level, levelsOf } from './levels.ts';
import { denyShortage, denyTooOld } from './refusal.ts';
import type { BudgetConfig } from './section.ts';

/** How often a call is made smaller and tried again while others take from the same budget. */
const attemptsMax = 3;
/** Below this an answer is not worth its prompt: the call is refused rather than lowered further. */
const answerTokensMin = 16;

const nothing: Amounts = { tokens: 0, costMicroUsd: 0, calls: 0 };

export interface BudgetStageParts {
  /** `settle` gives holds back; it may go on trying while the store is away. */
  readonly store: Pick<Store, 'reserve'> & { settle(id: string, actual: Amounts): Promise<unknown> };
  readonly clock: Clock;
  readonly config: BudgetConfig;
  /** How long a hold lasts if nobody settles it; longer than any call may run. */
  readonly reservationTtlMs: number;
  /** The targets that a call of `route` may reach under the regions and clouds of its decision. */
  readonly targetsOf: (route: string, obligations: Obligations) => readonly Target[];
}

type Needs = Arrival & OperationFact & EntryFact & DecisionFact & ObeyedFact;

/**
 * The rung that adds the reservation. Denies `task_budget_exhausted` (with what remains) and `budget_exhausted`,
 * `policy_denied` for an answer longer than the decision allows, and `residency_violation` where no target is left
 * to reckon with. With `max_tokens.on_excess: lower` an answer is made to fit the rest of the task's budget.
 */
export function budgetStage(parts: BudgetStageParts): Stage<Needs, ReservationFact> {
  return {
    name: 'budget',
    fault: 'store_unavailable',
    gives: { reservation: isReservation },
    admit: (call) => admit(parts, call),
    late: async (_call, { reservation }) => {
      await parts.store.settle(reservation.id, nothing);
    },
  };
}

async function admit(parts: BudgetStageParts, call: Needs): Promise<ReservationFact | Denial> {
  const { record, remaining } = call.entry.task;
  const { operation, payload } = call.resolved;
  const nowMs = parts.clock.nowMs();
  const livedMs = nowMs - record.createdAtMs;
  if (livedMs >= record.budget.seconds * 1000) {
    const { tokens, costMicroUsd, calls } = remaining;
    return denyTooOld(record.budget.seconds, { tokens, cost_usd: usdFromMicroUsd(costMicroUsd), calls, seconds: 0 });
  }
  const targets = parts.targetsOf(operation.route, call.decision.obligations);
  if (targets.length === 0) {
    return deny('residency_violation', `No target of the route ${operation.route} lies where the policy lets it go.`);
  }

  const allowed = obeyMaxTokens(payload.model, targets, call.decision.obligations.max_tokens);
  if (isDenial(allowed)) return allowed;
  let ask: ModelAsk | null = allowed;
  const levels = levelsOf(parts.config, record, nowMs);
  const caps = call.entry.caps ?? [];
  const scopes = [...levels.map(({ scope }) => scope), ...caps.map(scopeOf)];
  for (let attempt = 1; ; attempt++) {
    const bound: UpperBound = upperBound(ask, targets);
    const needed = { tokens: bound.tokens, costMicroUsd: bound.costMicroUsd, calls: 1 };
    const id = newId(parts.clock, 'reservation');
    const answer = await reserve(parts, id, scopes, needed);
    if (answer.ok) {
      const refused = lower(payload, ask);
      if (refused !== undefined) await parts.store.settle(id, nothing);
      return refused ?? { reservation: { id, tokens: bound.tokens, costMicroUsd: bound.costMicroUsd } };
    }
    if (answer.reason === 'settled') {
      return deny('store_unavailable', 'The call was given up before its budget was reserved.');
    }

    const cap = caps[answer.scope - levels.length];
    if (cap !== undefined) return cap.denial;
    const level = levels[answer.scope] as Level;
    const { dimension, balance } = answer;
    const fitting = ask === null || dimension === 'calls' ? 0 : longestAnswer(ask, targets, roomOf(level, balance));
    const fits = fitting >= answerTokensMin && fitting < bound.maxTokens;
    const mayLower = level.name === 'task' && call.decision.obligations.max_tokens?.on_excess === 'lower';
    if (ask === null || !fits || !mayLower || attempt === attemptsMax) {
      const secondsLeft = Math.max(0, record.budget.seconds - Math.floor(livedMs / 1000));
      const answerTokensMax = fits ? fitting : undefined;
      return denyShortage({ level, dimension, balance, needed, nowMs, secondsLeft, answerTokensMax });
    }
    ask = { ...ask, maxTokens: fitting };
  }
}

/** What may be asked for under the obligation: the same, a lower `maxTokens`, or a denial that names the most. */
function obeyMaxTokens(
  ask: ModelAsk | null,
  targets: readonly Target[],
  obligation: Obligations['max_tokens'],
): ModelAsk | null | Denial {
  if (ask === null || obligation === undefined) return ask;
  const { value, on_excess } = obligation;
  const longest = ask.maxTokens ?? Math.max(...targets.map(({ maxOutputTokens }) => maxOutputTokens));
  if (longest <= value) return ask;
  if (on_excess === 'lower') return { ...ask, maxTokens: value };
  const named = ask.maxTokens === null ? 'names no limit, and may get' : 'asks for';
  const message = `The policy allows an answer of at most ${value} tokens; this call ${named} ${longest}.`;
  return deny('policy_denied', message, {
    reasons: [{ code: 'max_tokens_exceeded', message }],
    allowed: [`max_tokens<=${value}`],
  });
}

/** Writes the limit that was reserved for into what is sent, where it is not the client's own. */
function lower(payload: Needs['resolved']['payload'], ask: ModelAsk | null): Denial | undefined {
  if (ask === null || ask.maxTokens === null || ask.maxTokens === payload.model?.maxTokens) return undefined;
  payload.limitTokens(ask.maxTokens);
  return payload.validate();
}

function scopeOf({ key, calls, ttlMs }: CallCap): Scope {
  return { key, limits: { calls }, ttlMs };
}

function roomOf({ scope }: Level, { spent, reserved }: Balance): Parameters<typeof longestAnswer>[2] {
  const left = (dimension: string): number | undefined => {
    const limit = scope.limits[dimension];
    return limit === undefined ? undefined : limit - (spent[dimension] ?? 0) - (reserved[dimension] ?? 0);
  };
  return { tokens: left('tokens'), costMicroUsd: left('costMicroUsd') };
}

async function reserve(
  { store, reservationTtlMs }: BudgetStageParts,
  id: ReservationId,
  scopes: readonly Scope[],
  needed: Amounts,
): Promise<ReserveResult> {
  try {
    return await store.reserve(id, scopes, needed, reservationTtlMs);
  } catch (error) {
    // A reserve that timed out may still run in the store: closing its id makes it hold nothing. If the store is away
    // altogether, the hold lapses by itself; nobody waits for either.
    store.settle(id, nothing).catch(() => undefined);
    throw error;
  }
}

function isReservation(value: unknown): boolean {
  const fact = value as Partial<ReservationFact['reservation']> | null;
  return typeof fact?.id === 'string' && Number.isSafeInteger(fact.tokens) && Number.isSafeInteger(fact.costMicroUsd);
}
