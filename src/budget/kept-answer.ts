/**
 * What a call draws on that is answered with a kept answer: nothing of any budget. What a reader would get wrong: the
 * counters of equal calls are drawn on all the same, for an agent that asks in circles does so whoever answers.
 */
import type { CallCap, ReservationFact } from '../call.ts';
import { type Clock, newId } from '../clock.ts';
import { type Denial, deny } from '../denial.ts';
import type { Amounts, Store } from '../store/store.ts';

const nothing: Amounts = { tokens: 0, costMicroUsd: 0, calls: 0 };

export interface KeptAnswerParts {
  readonly store: Pick<Store, 'reserve'> & { settle(id: string, actual: Amounts): Promise<unknown> };
  readonly clock: Clock;
  /** How long a hold lasts if nobody settles it. */
  readonly reservationTtlMs: number;
}

/** A reservation of no tokens and no money. Denies with the denial of the cap that is reached. */
export async function reserveForKept(
  { store, clock, reservationTtlMs }: KeptAnswerParts,
  caps: readonly CallCap[],
): Promise<ReservationFact | Denial> {
  const id = newId(clock, 'reservation');
  const reserved = { reservation: { id, tokens: 0, costMicroUsd: 0, answerTokens: 0 } };
  if (caps.length === 0) return reserved;
  const scopes = caps.map(({ key, calls, ttlMs }) => ({ key, limits: { calls }, ttlMs }));
  try {
    const answer = await store.reserve(id, scopes, { calls: 1 }, reservationTtlMs);
    if (answer.ok) return reserved;
    const cap = answer.reason === 'exceeded' ? caps[answer.scope] : undefined;
    return cap?.denial ?? deny('store_unavailable', 'The call was given up before it was counted.');
  } catch (error) {
    // It may still run in the store: closing its id makes it hold nothing.
    store.settle(id, nothing).catch(() => undefined);
    throw error;
  }
}

/** Whether a reservation is of that kind; a task in its last turn has one like any other. */
export function isForKept({ tokens, costMicroUsd }: ReservationFact['reservation']): boolean {
  return tokens === 0 && costMicroUsd === 0;
}

/** What such a call has used; null where nothing was held for it. */
export function actualOfKept(caps: readonly CallCap[] | undefined): Amounts | null {
  return caps === undefined || caps.length === 0 ? null : { ...nothing, calls: 1 };
}
