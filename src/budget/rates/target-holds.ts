/**
 * What a call takes of a target and of one of its keys, and what its agent is told where there is no room. Buckets of a
 * target lie in the slot of its route, whoever calls.
 */
import type { Admitted, Target } from '../../call.ts';
import { type Denial, deny } from '../../denial.ts';
import type { MinuteLimits, RateHold, TargetKey } from '../../rate.ts';
import type { RateStore } from '../../store/rates.ts';
import { ownerlessKey } from '../../store/store.ts';
import type { KeyAt } from './key-rests.ts';
import type { Blocked } from './turnstile.ts';

/** What limits a target, in one word, for the reason of a denial and the metrics. */
export type TargetReason =
  | 'target_requests'
  | 'target_tokens'
  | 'target_concurrency'
  | 'target_resting'
  | 'target_queue';

/** What keeps a call from a target. */
export interface Blockage extends Blocked {
  readonly reason: TargetReason;
}

const minuteMs = 60_000;
/** What an agent is told to wait at least. */
const soonestMs = 1_000;

/** The keys of a target, by the names of their credentials; null where it has none. */
export function keysOf({ keys, credential }: Target): readonly (string | null)[] {
  return keys === undefined ? [credential] : keys.map(({ name }) => name);
}

export function placeOfKey({ route, name }: Target, key: string | null): KeyAt {
  return { route, target: name, key };
}

/** Where calls wait for a target. */
export function lineOf({ route, name }: Target): string {
  return `target ${route}/${name}`;
}

/** All that a call takes of a target and of one key of it; they lie in the slot of the route. */
export function holdsOf(call: Admitted, target: Target, key: string | null): RateHold[] {
  const own: TargetKey | undefined = target.keys?.find(({ name }) => name === key);
  const { tokens } = call.reservation;
  const of = (limits: MinuteLimits | undefined, parts: readonly string[]): RateHold[] => {
    const { requestsPerMinute: requests, tokensPerMinute } = limits ?? {};
    const hold = (unit: RateHold['unit'], quota: number | undefined, amount: number): RateHold[] => {
      if (quota === undefined || amount === 0) return [];
      const id = ownerlessKey(target.route, 'rate', ...parts, unit);
      return [{ unit, key: id, refill: quota, perMs: minuteMs, capacity: quota, amount }];
    };
    return [...hold('requests', requests, 1), ...hold('tokens', tokensPerMinute, tokens)];
  };
  return [...of(target.limits, ['target', target.name]), ...of(own, ['key', target.name, String(key)])];
}

/** Takes it all, or says what is in the way. */
export async function takeOf(store: RateStore, line: string, holds: RateHold[]): Promise<RateHold[] | Blockage> {
  if (holds.length === 0) return holds;
  const result = await store.take(holds);
  if (result.ok) return holds;
  const reason = holds[result.bucket]?.unit === 'tokens' ? 'target_tokens' : 'target_requests';
  return { line, waitMs: result.waitMs, reason };
}

const texts: Readonly<Record<TargetReason, string>> = {
  target_requests: 'as many calls a minute as it takes',
  target_tokens: 'as many tokens a minute as it takes',
  target_concurrency: 'as many calls at once as it takes',
  target_resting: 'been told by its provider to wait',
  target_queue: 'as many calls waiting as may',
};

/** The denial of a call that none of its targets has room for. */
export function denyTargets(targets: readonly Target[], reason: TargetReason, waitMs: number): Denial {
  const route = targets[0]?.route ?? '';
  const never = waitMs === Number.POSITIVE_INFINITY;
  const message = never
    ? `This call may need more tokens than any target of ${route} takes in a minute. Ask for a shorter answer, or send less.`
    : `Every target of ${route} that this call may use has ${texts[reason]}. Come again later.`;
  return deny('rate_limited', message, {
    reasons: [{ code: reason, message: targets.map(({ name }) => name).join(', ') }],
    ...(never ? { retryable: false } : { retryAfterMs: Math.max(soonestMs, waitMs) }),
  });
}
