/**
 * Reserves what a call may cost at most, on its task, its agent and its tenant in one atomic step, before anything
 * is sent. It also meets the obligations `max_tokens` and `wrap_up`, because the length of the answer is what the bound
 * depends on.
 */
import type {
  Arrival,
  CacheFact,
  DecisionFact,
  EntryFact,
  ModelAsk,
  ObeyedFact,
  Obligations,
  OperationFact,
  ReservationFact,
  Target,
} from '../call.ts';
import { type Denial, deny, isDenial } from '../denial.ts';
import type { Stage } from '../stage.ts';
import { usdFromMicroUsd } from '../wire/money.ts';
import { type BudgetStageParts, Draw, nothing } from './draw.ts';
import { reserveForKept } from './kept-answer.ts';
import { levelsOf } from './levels.ts';
import { withCallPrice } from './price.ts';
import { denyTooOld, denyWaitingForLastTurn } from './refusal.ts';

export type { BudgetStageParts, LevelWatch } from './draw.ts';

type Needs = Arrival & OperationFact & EntryFact & DecisionFact & ObeyedFact & CacheFact;

/**
 * The rung that adds the reservation. Denies `task_budget_exhausted` (with what remains), `task_paused` and
 * `budget_exhausted`, `policy_denied` for an answer longer than the decision allows, and `residency_violation` where no
 * target is left to reckon with. With `max_tokens.on_excess: lower` an answer is made to fit what is left on every level.
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
  const isTooOld = nowMs - record.createdAtMs >= record.budget.seconds * 1000;
  if (call.cache.state === 'hit' && !isTooOld && record.spent === undefined) {
    return reserveForKept(parts, call.entry.caps ?? []);
  }
  const reachable = parts.targetsOf(call);
  if (isDenial(reachable)) return reachable;
  const targets = reachable.map((target) => withCallPrice(target, operation));
  if (targets.length === 0) {
    return deny('residency_violation', `No target of the route ${operation.route} lies where the policy lets it go.`);
  }
  const ask = obeyMaxTokens(payload.model, targets, call.decision.obligations.max_tokens);
  if (isDenial(ask)) return ask;
  const levels = levelsOf(parts.config, record, nowMs);
  const secondsMax = levels.some(({ scope }) => scope.limits.seconds !== undefined) ? secondsOf(call, targets) : null;
  const draw = new Draw(parts, { call, ask, targets, levels, nowMs, secondsMax });
  const waiting = record.spent === undefined ? undefined : denyWaitingForLastTurn(record.spent.remaining);
  if (waiting !== undefined) return draw.lastTurn(waiting);
  if (!isTooOld) return draw.reserve();
  const { tokens, costMicroUsd, calls } = remaining;
  const left = { tokens, cost_usd: usdFromMicroUsd(costMicroUsd), calls, seconds: 0 };
  return draw.spent('seconds', record.budget.seconds, denyTooOld(record.budget.seconds, left));
}

/** The longest a call can run: what its targets are waited for, or what its agent gives it. Whole seconds. */
function secondsOf({ deadlineMs }: Arrival, targets: readonly Target[]): number {
  const totalMs = Math.max(...targets.map(({ timeoutMs }) => timeoutMs.total));
  return Math.max(1, Math.ceil(Math.min(totalMs, deadlineMs ?? totalMs) / 1000));
}

/** What may be asked for under the obligation: the same, a lower `maxTokens`, or a denial that names the most. */
function obeyMaxTokens(
  ask: ModelAsk | null,
  targets: readonly Target[],
  obligation: Obligations['max_tokens'],
): ModelAsk | null | Denial {
  const value = obligation?.value;
  if (ask === null || obligation === undefined || value === undefined) return ask;
  const longest = ask.maxTokens ?? Math.max(...targets.map(({ maxOutputTokens }) => maxOutputTokens));
  if (longest <= value) return ask;
  if (obligation.on_excess === 'lower') return { ...ask, maxTokens: value };
  const named = ask.maxTokens === null ? 'names no limit, and may get' : 'asks for';
  const message = `The policy allows an answer of at most ${value} tokens; this call ${named} ${longest}.`;
  return deny('policy_denied', message, {
    reasons: [{ code: 'max_tokens_exceeded', message }],
    allowed: [`max_tokens<=${value}`],
  });
}

function isReservation(value: unknown): boolean {
  const fact = value as Partial<ReservationFact['reservation']> | null;
  return typeof fact?.id === 'string' && Number.isSafeInteger(fact.tokens) && Number.isSafeInteger(fact.costMicroUsd);
}
