/**
 * Limits by time and what is sent again, put together: the budget room says when a call may pass, the upstream room what
 * may be repeated, and the exchange asks for both at once. What targets have room for is one thing for all editions of
 * the configuration that agree on it.
 */

import { tokensOf } from '../budget/price.ts';
import type { KeyRests } from '../budget/rates/key-rests.ts';
import { RateLimits } from '../budget/rates/rates.ts';
import { type KeyNews, TargetLimits } from '../budget/rates/target-limits.ts';
import { Turnstile } from '../budget/rates/turnstile.ts';
import { deliveryOf } from '../budget/settle.ts';
import type { Admitted, Outcome, Underway } from '../call.ts';
import type { Clock } from '../clock.ts';
import type { Config } from '../config/schema.ts';
import { isDenial } from '../denial.ts';
import type { Course } from '../exchange.ts';
import type { RateStore } from '../store/rates.ts';
import type { LimitReadings } from '../telemetry/limit-metrics.ts';
import type { Log } from '../telemetry/log.ts';
import type { Telemetry } from '../telemetry/telemetry.ts';
import { RetryBudget } from '../upstream/retry/budget.ts';
import { RetryCourse } from '../upstream/retry/course.ts';
import type { Parts } from './parts.ts';

/** What limits follow from. */
export interface LimitsOrigin {
  readonly rates: Config['budget']['rates'];
  readonly queue: Config['budget']['queue'];
  readonly retry: Config['retry'];
}

export interface CallLimits extends Disposable {
  readonly rates: RateLimits;
  readonly targets: TargetLimits;
  readonly repeats: RetryBudget;
  readonly turnstile: Turnstile;
}

interface LimitsGround {
  readonly callStore: RateStore;
  readonly keyRests: KeyRests;
  readonly clock: Clock;
  readonly log: Log;
  readonly telemetry: Telemetry;
}

export function limitsOriginOf({ budget, retry }: Config): LimitsOrigin {
  return { rates: budget.rates, queue: budget.queue, retry };
}

export function openLimits({ rates: rules, queue, retry }: LimitsOrigin, ground: LimitsGround): CallLimits {
  const { callStore: store, keyRests: rests, clock, log, telemetry } = ground;
  const { waiting, bytes } = queue;
  const turnstile = new Turnstile({ clock, bounds: { waiting, bytes } });
  const news: KeyNews = {
    limited: (limit) => telemetry.limits.limited(limit),
    waited: (ms) => telemetry.limits.waited(ms),
    rested: ({ route, target, key }, why, restMs) => {
      telemetry.limits.rested(route, target, why);
      const message =
        why === 'refused' ? 'a credential was not accepted and rests' : 'the quota of a target is used up';
      log('warn', message, { route, target, credential: key, rest_ms: Math.ceil(restMs) });
    },
  };
  return {
    rates: new RateLimits({ store, clock, rules, queue, turnstile, news }),
    targets: new TargetLimits({
      ...{ store, clock, queue, turnstile, rests, news },
      restMsMax: retry.rest_max_ms,
      refusedRestMs: retry.refused_rest_ms,
    }),
    repeats: new RetryBudget({ clock, ratio: retry.budget_ratio, floor: retry.budget_floor }),
    turnstile,
    [Symbol.dispose]: () => turnstile[Symbol.dispose](),
  };
}

/** The course of one call over its targets. It waits for all of them together no longer than for one. */
export function courseOf({ config, clock, limits, telemetry }: Parts, call: Admitted): Course {
  const pass = limits.targets.enter(call);
  const course = new RetryCourse(
    {
      ...{ config: config.retry, clock, budget: limits.repeats },
      retried: (route, how) => telemetry.limits.retried(route, how),
    },
    call,
  );
  let leftMs = limits.targets.patienceMs(call);
  return {
    waitMsMax: limits.targets.waitMsMax,
    comeAgainMs: config.retry.max_ms,
    next: async () => {
      const fromMs = clock.monotonicMs();
      const next = await pass.next(course.targets, leftMs);
      leftMs = Math.max(0, leftMs - (clock.monotonicMs() - fromMs));
      return next;
    },
    tried: (target, tried) => {
      if (isDenial(tried)) pass.tried(target, { sent: false, status: null });
      const attempt = isDenial(tried) ? null : 'answer' in tried ? tried.attempt : tried.failed;
      const otherKey = attempt !== null && pass.tried(target, attempt);
      return course.again(target, tried, otherKey);
    },
  };
}

/** Puts right what a call that has ended took of its limits. Never rejects: what stays taken comes back with time. */
export async function settleLimits({ limits }: Parts, call: Underway, outcome: Outcome): Promise<void> {
  const { usage } = outcome;
  const delivery = deliveryOf(outcome);
  const counted = usage !== null && tokensOf(usage) > 0 ? tokensOf(usage) : null;
  const used = delivery === 'sent' ? counted : 0;
  const held = call.rates?.held ?? [];
  // Nothing was sent for a kept answer, but it was asked for.
  const isUnsent = delivery === 'unsent' && call.cache?.state !== 'hit';
  const known = isUnsent ? 'unsent' : used === null ? null : { tokens: used };
  await Promise.allSettled([
    known === null || held.length === 0 ? undefined : limits.rates.settle(held, known),
    limits.targets.settle(call.id, used),
  ]);
}

/** What is read of the limits at a scrape; `current` gives the parts of the configuration in force. */
export function limitReadingsOf(current: () => Pick<Parts, 'limits' | 'table'>): LimitReadings {
  return {
    waiting: () => current().limits.turnstile.waiting,
    resting: () => {
      const { limits, table } = current();
      const targets = table.routes().flatMap((route) => route.targets);
      return limits.targets
        .resting(targets.filter(({ keys, credential }) => keys !== undefined || credential !== null))
        .map(({ at, restMs }) => [[at.route, at.target, at.key ?? ''], restMs / 1000] as const);
    },
  };
}

/** How long calls may take beside their targets: waiting for limits, and between tries; in milliseconds. */
export function pausesMsMax({ budget, retry }: Pick<Config, 'budget' | 'retry'>): number {
  return 2 * budget.queue.wait_ms + retry.attempts * retry.max_ms;
}
