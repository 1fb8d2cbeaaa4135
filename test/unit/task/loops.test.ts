import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { HistoryEntry, TaskRecord } from '../../../src/call.ts';
import type { CallId } from '../../../src/clock.ts';
import { deny } from '../../../src/denial.ts';
import { endHistory, withDenial } from '../../../src/task/history.ts';
import {
  countsAsDenied,
  denyLooping,
  type LoopLimits,
  restMs,
  withOneLess,
  withOneMore,
} from '../../../src/task/loops.ts';
import { fakeOutcome, fakeTask } from '../../fakes/task.ts';

const limits: LoopLimits = {
  ...{ repeats: 3, windowMs: 10_000, samePrompt: 2, pingPong: 2, denials: 3, coolDownMs: 5_000 },
};

function made(digest: string, atMs: number, over: Partial<HistoryEntry> = {}): HistoryEntry {
  return {
    ...{ callId: `call-${atMs}` as CallId, kind: 'tool', operation: `x.${digest}`, effect: 'write', state: 'done' },
    ...{ atMs, costMicroUsd: 0, target: null, facts: {}, digest, ...over },
  } as HistoryEntry;
}

const sequence = (letters: string, over: Partial<HistoryEntry> = {}) =>
  [...letters].map((letter, place) => made(letter, 1000 * place, over));

/** The code of the reason for which the next call is denied; null where it goes. */
function next(
  history: readonly HistoryEntry[],
  digest: string,
  {
    effect = 'write' as const,
    nowMs = 20_000,
    prompt,
    ...over
  }: Partial<LoopLimits> & {
    readonly effect?: 'read' | 'write';
    readonly nowMs?: number;
    readonly prompt?: string;
  } = {},
) {
  const call = { operation: `x.${digest}`, effect, digest, ...(prompt === undefined ? {} : { prompt }) };
  return denyLooping(fakeTask({ history }), call, { ...limits, ...over }, nowMs);
}
const code = (...asked: Parameters<typeof next>) => next(...asked)?.reasons[0]?.code ?? null;

test('an equal call goes as often as it may, wherever the others stand', () => {
  assert.equal(code(sequence('aa'), 'a'), null);
  assert.equal(code(sequence('aaa'), 'a'), 'equal_calls');
  assert.equal(code(sequence('abcadea'), 'a'), 'equal_calls');
  assert.equal(code(sequence('abcadea'), 'b'), null);
});

test('equal reads count within the window, and are told when it ends; writes count as long as they are remembered', () => {
  const reads = sequence('aaa', { effect: 'read' });
  assert.equal(code(reads, 'a', { effect: 'read', nowMs: 9_999 }), 'equal_calls');
  assert.equal(next(reads, 'a', { effect: 'read', nowMs: 9_000 })?.details.retryAfterMs, 1_000);
  assert.equal(code(reads, 'a', { effect: 'read', nowMs: 10_000 }), null);
  assert.equal(code(sequence('aaa'), 'a', { nowMs: 10_000_000 }), 'equal_calls');
  assert.equal(next(sequence('aaa'), 'a')?.details.retryAfterMs, undefined);
});

test('a clock that was set back makes no wait longer than the window', () => {
  const reads = sequence('aaa', { effect: 'read', atMs: 90_000 });
  assert.equal(next(reads, 'a', { effect: 'read', nowMs: 0 })?.details.retryAfterMs, 10_000);
  const storm = fakeTask({ denials: { count: 3, sinceMs: 90_000, lastAtMs: 90_000 } });
  const call = { operation: 'x.a', effect: 'read', digest: 'a' } as const;
  assert.equal(denyLooping(storm, call, limits, 0)?.details.retryAfterMs, 5_000);
});

test('what was refused, and what was told to come later, is no equal call and no part of a round', () => {
  assert.equal(code(sequence('aaa', { state: 'denied' }), 'a'), null);
  assert.equal(code(sequence('aaa', { state: 'failed', status: 429 }), 'a'), null);
  assert.equal(code(sequence('aaa', { state: 'failed', status: 404 }), 'a'), 'equal_calls');
  const between = sequence('abab').flatMap((entry) => [entry, made('z', entry.atMs, { state: 'denied' })]);
  assert.equal(code(between, 'a'), 'ping_pong');
});

test('calls in flight count', () => {
  assert.equal(code(sequence('aaa', { state: 'pending' }), 'a'), 'equal_calls');
});

test('a round of two or three is made so often, and then none of its calls goes', () => {
  const wide = { repeats: 40 };
  assert.equal(code(sequence('aba'), 'b', wide), null);
  assert.equal(code(sequence('abab'), 'a', wide), 'ping_pong');
  assert.equal(code(sequence('abab'), 'b', wide), 'ping_pong');
  assert.equal(code(sequence('abab'), 'c', wide), null);
  assert.equal(code(sequence('ababc'), 'a', wide), null);
  assert.equal(code(sequence('abcabc'), 'a', wide), 'ping_pong');
  assert.equal(code(sequence('aabaab'), 'a', wide), 'ping_pong');
  assert.equal(code(sequence('abcacb'), 'a', wide), null);
  assert.equal(code(sequence('abcdabcd'), 'a', wide), null, 'longer rounds are for `repeats`');
  assert.equal(code(sequence('aaaaaa'), 'a', wide), null, 'one call again and again is no round');
});

test('a round with a read that is forgotten is none', () => {
  const history = sequence('abab', { effect: 'read' });
  const denial = next(history, 'a', { repeats: 40, effect: 'read', nowMs: 9_000 });
  assert.equal(denial?.details.retryAfterMs, 1_000);
  assert.equal(code(history, 'a', { repeats: 40, effect: 'read', nowMs: 10_000 }), null);
  // Nor is one where such reads stood between: they were other calls, and what they were is forgotten.
  const between = [made('a', 0), made('r', 1, { effect: 'read' }), made('b', 2), made('a', 3), made('b', 4)];
  assert.equal(code(between, 'a', { repeats: 40, nowMs: 10_001 }), null);
  assert.match(denial?.message ?? '', /\(x\.a, x\.b\) 2 times since 1970-01-01T00:00:00Z/);
});

test('one prompt is asked so often, whatever the calls were', () => {
  const asked = [made('a', 1, { prompt: 'p' }), made('b', 2, { prompt: 'p' }), made('c', 3, { prompt: 'q' })];
  assert.equal(code(asked, 'd', { prompt: 'p' }), 'same_prompt');
  assert.equal(code(asked, 'd', { prompt: 'q' }), null);
  assert.equal(code(asked, 'd'), null);
});

test('what counts as refused is what the agent would get again', () => {
  const counts = (denial: ReturnType<typeof deny>) => countsAsDenied(denial);
  assert.ok(counts(deny('policy_denied', '')));
  assert.ok(counts(deny('args_invalid', '')));
  assert.ok(counts(deny('task_looping', '', { reasons: [{ code: 'equal_calls', message: '' }] })));
  assert.ok(!counts(deny('task_looping', '', { reasons: [{ code: 'denial_storm', message: '' }] })));
  assert.ok(!counts(deny('task_budget_exhausted', '', { retryable: true })), 'others still hold the budget');
  for (const waited of [
    'rate_limited',
    'store_unavailable',
    'circuit_open',
    'task_conflict',
    'agent_suspended',
  ] as const)
    assert.ok(!counts(deny(waited, '')), waited);
  assert.ok(!countsAsDenied(null));
});

test('a run of refusals rests for the cool-down, then lets one through', () => {
  let record: TaskRecord = fakeTask();
  const call = { operation: 'x.a', effect: 'read', digest: 'a' } as const;
  for (const atMs of [1_000, 2_000]) record = withDenial(record, atMs);
  assert.equal(denyLooping(record, call, limits, 2_001), undefined);
  record = withDenial(record, 3_000);
  const denial = denyLooping(record, call, limits, 4_000);
  assert.deepEqual([denial?.code, denial?.details.retryAfterMs], ['task_looping', 4_000]);
  assert.match(denial?.message ?? '', /3 calls refused since 1970-01-01T00:00:01Z/);
  assert.equal(denyLooping(record, call, limits, 8_000), undefined);
  assert.notEqual(denyLooping(withDenial(record, 8_000), call, limits, 8_001), undefined);
});

test('one answered call makes up for one refusal', () => {
  let run = withOneMore(withOneMore(undefined, 1), 2);
  assert.deepEqual(run, { count: 2, sinceMs: 1, lastAtMs: 2 });
  run = withOneLess(run) as typeof run;
  assert.deepEqual(run, { count: 1, sinceMs: 1, lastAtMs: 2 });
  assert.equal(withOneLess(run), undefined);
  assert.equal(withOneLess(undefined), undefined);
  assert.equal(restMs(run, 1, 100, 50), 52);
  assert.equal(restMs(run, 2, 100, 50), 0);
});

test('in a record, an answered call takes one refusal away, a failed one none, and a refused answer adds one', () => {
  const denials = { count: 2, sinceMs: 1, lastAtMs: 1 };
  const pending = made('a', 5, { state: 'pending' });
  const after = (outcome: Parameters<typeof fakeOutcome>[0], before: Partial<TaskRecord> = { denials }) =>
    endHistory(fakeTask({ history: [pending], ...before }), {
      ...{ callId: pending.callId, operation: 'x.a', route: 'x', facts: {}, atMs: 9 },
      outcome: fakeOutcome(outcome),
    }).denials;
  const attempts = [{ target: 'one', status: 500, error: null, latencyMs: 1, sent: true }];
  assert.equal(after({})?.count, 1);
  assert.equal(after({}, { denials: { ...denials, count: 1 } }), undefined);
  assert.equal(after({ attempts, status: 500 })?.count, 2);
  assert.equal(after({ denial: deny('policy_unavailable', '') })?.count, 2, 'an answer that nobody could judge');
  assert.equal(after({ denial: deny('policy_denied', '') })?.count, 3, 'an answer that did not pass');
  assert.deepEqual(after({ denial: deny('policy_denied', ''), attempts: [] }, {}), {
    count: 1,
    sinceMs: 9,
    lastAtMs: 9,
  });
});

test('who waits as it was told has not failed; who comes early, or was told no time, has', () => {
  const told = (retryAfterMs?: number) => {
    const more = retryAfterMs === undefined ? {} : { retryAfterMs };
    return fakeOutcome({
      status: 429,
      attempts: [{ ...{ target: 'one', status: 429, error: null, latencyMs: 1, sent: true }, ...more }],
    });
  };
  const runOf = (times: readonly number[], waitMs?: number) => {
    let record = fakeTask();
    for (const atMs of times) {
      const entry = made('a', atMs, { state: 'pending' });
      record = endHistory(
        { ...record, history: [entry] },
        { ...{ callId: entry.callId, operation: 'x.a', route: 'x', facts: {}, atMs }, outcome: told(waitMs) },
      );
    }
    return record.failuresByRoute.x?.count;
  };
  assert.equal(runOf([0, 2_000, 4_000, 6_000], 2_000), 0);
  assert.equal(runOf([0, 1_999, 4_000], 2_000), 1);
  assert.equal(runOf([0, 1, 2, 3], 2_000), 3);
  assert.equal(runOf([0, 2_000, 4_000]), 3);
  assert.equal(runOf([0, 2_000, 4_000], 0), 3, 'no time at all is no wish to be asked again');
});
