/**
 * The rung of limits by time, last before the intent is written: a call may wait here for its turn, so it is the one
 * stage that may take longer than others, and a call is to be found by a kill while it waits.
 */
import type { RatesFact } from '../../call.ts';
import type { Stage } from '../../stage.ts';
import type { RatedCall, RateLimits } from './rates.ts';

export interface RateStageParts<Call extends RatedCall> {
  readonly limits: Pick<RateLimits, 'admit' | 'settle' | 'isUnder' | 'waitMsMax'>;
  /** Registers a call that may wait under its task; gives the function that takes it out. */
  readonly running: (call: Call) => () => void;
}

/** The rung that adds what was taken of the limits. Denies `rate_limited`, and what a kill denies. */
export function rateStage<Call extends RatedCall>(parts: RateStageParts<Call>): Stage<Call, RatesFact> {
  const { limits, running } = parts;
  return {
    name: 'rates',
    fault: 'store_unavailable',
    waitMsMax: limits.waitMsMax,
    gives: { rates: isRates },
    admit: async (call) => {
      if (!limits.isUnder(call)) return limits.admit(call);
      const leave = running(call);
      try {
        return await limits.admit(call);
      } finally {
        leave();
      }
    },
    late: async (_call, { rates }) => {
      await limits.settle(rates.held, 'unsent');
    },
  };
}

function isRates(value: unknown): boolean {
  const fact = value as Partial<RatesFact['rates']> | null;
  return Array.isArray(fact?.held) && Array.isArray(fact.states) && typeof fact.waitedMs === 'number';
}
