/**
 * Reasons that the gate adds to those of a decision, for people who read the trail: what it did about the call besides
 * deciding. None of them is a reason why a call was allowed or refused.
 */
import type { Outcome, UncachedReason, Underway } from '../call.ts';
import type { EventReason } from './event.ts';

const unusedMessages: Readonly<Record<UncachedReason, string>> = {
  not_deterministic: 'The policy lets answers be kept; equal calls like this one need not have equal answers.',
  bypassed: 'The agent asked for no kept answer, and for none to be kept.',
  disabled: 'The policy lets answers be kept; this gateway keeps none.',
  secret_missing: 'The policy lets answers be kept; in a shared store they need keys.secret.',
  fault: 'The policy lets answers be kept; the gate failed to look for one.',
  region: 'The policy keeps the data of this task to regions that this gateway does not stand in.',
};

/** What the cache had to do with a call; nothing where its decision speaks of none. */
function cacheReasons({ cache }: Pick<Underway, 'cache'>): EventReason[] {
  if (cache === undefined || cache.state === 'not_granted') return [];
  if (cache.state === 'unused') return [{ code: `cache_${cache.why}`, message: unusedMessages[cache.why] }];
  if (cache.state === 'miss') return [{ code: 'cache_miss', message: 'No answer to an equal call was kept.' }];
  const { callId, ageMs, repeated } = cache.kept;
  if (repeated === true) {
    const message = `Nothing was sent: this call repeats ${callId}, and got its answer again.`;
    return [{ code: 'idempotent_replay', message }];
  }
  const message = `Nothing was sent: answered with what ${callId} got ${Math.floor(ageMs / 1000)} s before.`;
  return [{ code: 'cache_hit', message }];
}

/** What of a request came as ids alone. */
function recallReasons({ recalled }: Pick<Underway, 'recalled'>): EventReason[] {
  if (recalled === undefined || recalled.items === 0) return [];
  const message = 'The agent named these items by ids; the gate put what it remembers in their place.';
  return [{ code: 'recalled', message, count: recalled.items }];
}

/** That a call is the last turn of its task, which may go beyond the task's own budget. */
function lastTurnReasons({ reservation }: Pick<Underway, 'reservation'>): EventReason[] {
  if (reservation?.wrapUp !== true) return [];
  return [{ code: 'wrap_up', message: 'The last turn of the task: it may go beyond the budget of the task.' }];
}

/** That a tool is not defined as it was accepted, and goes on all the same. */
function driftReasons({ resolved }: Pick<Underway, 'resolved'>): EventReason[] {
  if (resolved?.operation.drift !== 'flagged') return [];
  return [
    { code: 'tool_drifted', message: 'The definition of the tool is not the accepted one; its route lets it go on.' },
  ];
}

/** What the gate did about a call beside deciding. */
export function moreReasons(call: Pick<Underway, 'resolved' | 'recalled' | 'reservation' | 'cache'>): EventReason[] {
  return [...driftReasons(call), ...recallReasons(call), ...lastTurnReasons(call), ...cacheReasons(call)];
}

/** That a result was too long to be given out at once. */
export function pagedReasons({ pages }: Pick<Outcome, 'pages'>): EventReason[] {
  if (pages === undefined) return [];
  const message = 'The result was longer than its route lets out at once: the agent got the first of these pages.';
  return [{ code: 'result_paged', message, count: pages }];
}

export const storeLocal: EventReason = {
  code: 'store_local',
  message: 'The shared state was away: made on what this gateway had last seen, with its share of the budgets.',
};
