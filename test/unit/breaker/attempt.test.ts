import assert from 'node:assert/strict';
import { test } from 'node:test';
import { attemptGuarded } from '../../../src/breaker/attempt.ts';
import { TargetBreakers, targetKey } from '../../../src/breaker/target.ts';
import type { Attempt, Target, UpstreamAnswer } from '../../../src/call.ts';
import { type DenialCode, deny, isDenial } from '../../../src/denial.ts';
import { ManualClock } from '../../fakes/clock.ts';

const target = { route: 'orders', name: 'fra' } as Target;
const attempt: Attempt = { target: 'fra', status: null, error: null, latencyMs: 1, sent: true };
const answered = (status: number) => ({ answer: { target, head: { status, headers: {} } } as UpstreamAnswer, attempt });
const failed = (code: DenialCode) => ({ failed: attempt, denial: deny(code, 'It failed.') });

/** Whether a breaker that opens at the first failure is open after this attempt. */
async function opensAfter(
  tried: ReturnType<typeof answered> | ReturnType<typeof failed>,
  aborted = false,
): Promise<boolean> {
  const config = { error_percent: 50, volume: 1, window_ms: 10_000, reset_ms: 30_000 };
  const breakers = new TargetBreakers({ config, clock: new ManualClock() });
  const abort = new AbortController();
  const given = await attemptGuarded(breakers, target, abort.signal, async () => {
    if (aborted) abort.abort();
    return tried;
  });
  assert.equal(given, tried);
  const open = breakers.isOpen(targetKey(target));
  const next = await attemptGuarded(breakers, target, new AbortController().signal, async () => answered(200));
  assert.equal(isDenial(next) ? next.code : 'called', open ? 'circuit_open' : 'called');
  return open;
}

test('answers from 500, and a target that cannot be reached, is late or breaks off, count against it', async () => {
  for (const status of [500, 503, 599]) assert.ok(await opensAfter(answered(status)));
  for (const code of ['upstream_unavailable', 'upstream_timeout', 'upstream_error'] as const) {
    assert.ok(await opensAfter(failed(code)), code);
  }
});

test('answers below 500, and refusals of the gate itself, do not', async () => {
  for (const status of [200, 302, 400, 404, 429, 499]) assert.ok(!(await opensAfter(answered(status))));
  for (const code of ['task_killed', 'store_unavailable'] as const) assert.ok(!(await opensAfter(failed(code))), code);
});

test('what the client or a kill took away does not either', async () => {
  assert.ok(!(await opensAfter(answered(500), true)));
  assert.ok(!(await opensAfter(failed('upstream_error'), true)));
});

test('a credential that is not to be had does not either: it may be one task that its cloud refuses', async () => {
  const failedBefore = { ...failed('upstream_unavailable'), failed: { ...attempt, error: 'credential', sent: false } };
  assert.ok(!(await opensAfter(failedBefore)));
});
