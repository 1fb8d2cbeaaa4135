/**
 * Ends a reservation with what was really used. What is not known is charged at its upper bound, never at 0: a
 * stream that was cut has cost the tokens it had, whether or not the provider said how many.
 */
import type { Outcome, ReservationFact, Target, Underway, Usage } from '../call.ts';
import type { Amounts } from '../store/store.ts';
import { actualOfKept, isForKept } from './kept-answer.ts';
import { costOf, tokensOf, withCallPrice } from './price.ts';

/**
 * How far a call came, for its bill: `unsent`, no byte of it can have reached a target; `refused`, the target answered
 * it whole with an error status (providers bill none of those); `sent`, anything else.
 */
export type Delivery = 'unsent' | 'refused' | 'sent';

const noUsage: Usage = { inputTokens: 0, outputTokens: 0, cachedInputTokens: 0 };

/** How far the call of `outcome` came. An attempt that failed before it was sent costs nothing. */
export function deliveryOf({ attempts }: Pick<Outcome, 'attempts'>): Delivery {
  const last = attempts.findLast(({ sent }) => sent);
  if (last === undefined) return 'unsent';
  return last.status !== null && last.status >= 400 ? 'refused' : 'sent';
}

/** What a call spends of the budgets it drew on; tokens, micro-dollars and calls. */
export interface Actual {
  readonly tokens: number;
  readonly costMicroUsd: number;
  readonly calls: number;
}

/**
 * What a reserved call has used. With usage: that, at the price of the target that served it. Without: nothing but the
 * price of the call where it was refused, or is no model call; the whole reservation where a model may have answered.
 */
export function actualOf(
  reservation: ReservationFact['reservation'],
  isModel: boolean,
  usage: Usage | null,
  target: Target | null,
  delivery: Delivery,
): Actual {
  if (delivery === 'unsent') return { tokens: 0, costMicroUsd: 0, calls: 0 };
  // A model that answered without a token did not count; that is as good as no usage.
  const counted = usage !== null && (!isModel || tokensOf(usage) > 0) ? usage : null;
  const known = counted ?? (delivery === 'refused' || !isModel ? noUsage : null);
  if (known === null || target === null) {
    return { tokens: reservation.tokens, costMicroUsd: reservation.costMicroUsd, calls: 1 };
  }
  return { tokens: tokensOf(known), costMicroUsd: costOf(known, target.price), calls: 1 };
}

/**
 * Settles the reservation of `call`, if it got as far as having one, and gives its cost in micro-dollars. Idempotent:
 * a second settlement changes nothing in the store. `target` is the one that served the call, null where none did.
 * `nowMs` is on the monotonic clock, for calls whose seconds are counted; left out, they ran for as long as they may.
 * Rejects with `StoreUnavailable` when the store does; the cost is then still to be had from `actualOf`.
 */
export async function settleBudget(
  store: { settle(id: string, actual: Amounts): Promise<unknown> },
  call: Underway,
  usage: Usage | null,
  target: Target | null,
  delivery: Delivery,
  nowMs = Number.POSITIVE_INFINITY,
): Promise<number> {
  if (call.reservation === undefined) return 0;
  if (call.cache?.state === 'hit' && isForKept(call.reservation)) {
    const counted = actualOfKept(call.entry?.caps);
    if (counted !== null) await store.settle(call.reservation.id, counted);
    return 0;
  }
  const operation = call.resolved?.operation;
  const served = target === null || operation === undefined ? target : withCallPrice(target, operation);
  // Where the provider does not say how it served a call, it is as was asked for.
  const asked = call.resolved?.payload.model?.services;
  const told = usage === null || asked === undefined ? usage : { services: asked, ...usage };
  const actual = actualOf(call.reservation, operation?.kind === 'model', told, served, delivery);
  const amounts: Amounts = { ...actual, ...secondsRun(call.reservation, delivery, nowMs) };
  await store.settle(call.reservation.id, amounts);
  return actual.costMicroUsd;
}

/** Whole seconds, rounded up; never more than were held, for then it was stopped. What was not sent ran for nothing. */
function secondsRun(
  { time }: ReservationFact['reservation'],
  delivery: Delivery,
  nowMs: number,
): { readonly seconds?: number } {
  if (time === undefined) return {};
  if (delivery === 'unsent') return { seconds: 0 };
  return { seconds: Math.min(time.seconds, Math.max(1, Math.ceil((nowMs - time.fromMs) / 1000))) };
}
