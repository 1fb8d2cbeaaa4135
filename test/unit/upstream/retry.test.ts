/** What may be sent again, when, and how much; and what providers say of their quotas. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Admitted, Attempt, Target } from '../../../src/call.ts';
import { deny } from '../../../src/denial.ts';
import type { Tried } from '../../../src/outcome.ts';
import { quotaRestOf } from '../../../src/upstream/quota-headers.ts';
import { RetryBudget } from '../../../src/upstream/retry/budget.ts';
import { RetryCourse } from '../../../src/upstream/retry/course.ts';
import { checkRetry, type RetryConfig } from '../../../src/upstream/retry/section.ts';
import { callPriceOf } from '../../../src/wire/price.ts';
import { ManualClock } from '../../fakes/clock.ts';

const config: RetryConfig = {
  ...{ attempts: 3, base_ms: 100, max_ms: 1000, budget_ratio: 1, budget_floor: 100 },
  ...{ rest_max_ms: 0, refused_rest_ms: 0 },
};
const target = (name: string, callMicroUsd = 0) =>
  ({ name, route: 'r', price: callPriceOf(callMicroUsd, 'config') }) as Target;
const [one, two] = [target('one'), target('two')];

function course(kind: string, effect: string, own: Partial<RetryConfig> = {}, deadlineMs: number | null = null) {
  const clock = new ManualClock();
  const all = { ...config, ...own };
  const budget = new RetryBudget({ clock, ratio: all.budget_ratio, floor: all.budget_floor });
  const said: string[] = [];
  const call = {
    ...{ targets: [one, two], startMs: clock.monotonicMs(), deadlineMs },
    resolved: { operation: { kind, effect, route: 'r' } },
  } as unknown as Admitted;
  const made = new RetryCourse({ config: all, clock, budget, retried: (_route, how) => said.push(how) }, call);
  return { course: made, said };
}

const attempt = (more: Partial<Attempt>): Attempt => ({
  target: 'x',
  error: null,
  latencyMs: 1,
  sent: true,
  status: null,
  ...more,
});
const answered = (status: number, more: Partial<Attempt> = {}) =>
  ({ answer: {}, attempt: attempt({ status, ...more }) }) as Tried;
const failed = (sent: boolean, retryable = true): Tried => ({
  failed: attempt({ sent, error: 'reset' }),
  denial: deny('upstream_unavailable', 'x', { retryable }),
});

describe('the course of a call', () => {
  test('what certainly did nothing may be sent again, and nothing else', () => {
    const again = (kind: string, effect: string, tried: Tried) =>
      course(kind, effect).course.again(one, tried, false) !== null;
    for (const status of [408, 429, 500, 502, 503, 504, 529]) {
      assert.ok(again('model', 'write', answered(status)), `a model that answers ${status}`);
      assert.ok(again('tool', 'read', answered(status)));
      assert.equal(again('tool', 'write', answered(status)), status === 429 || status === 503);
      assert.equal(again('agent', 'delete', answered(status)), status === 429 || status === 503);
    }
    for (const status of [200, 400, 401, 403, 404, 409, 422, 501])
      assert.ok(!again('model', 'write', answered(status)));
    assert.deepEqual([again('model', 'write', failed(false)), again('tool', 'delete', failed(false))], [true, true]);
    assert.deepEqual([again('model', 'write', failed(true)), again('tool', 'read', failed(true))], [false, true]);
  });

  test('what has a price is not paid twice: a read that may have been made is not made again', () => {
    const dear = target('dear', 0.001);
    const again = (tried: Tried) => course('tool', 'read').course.again(dear, tried, false) !== null;
    assert.deepEqual([again(failed(true)), again(answered(500)), again(answered(504))], [false, false, false]);
    assert.deepEqual([again(failed(false)), again(answered(429)), again(answered(503))], [true, true, true]);
  });

  test('the other targets first, at once, and then all of them again after a while that grows', () => {
    const { course: made, said } = course('model', 'write', { attempts: 6 });
    const waits = [one, two, one, two, one].map((at) => {
      assert.ok(made.targets.includes(at));
      return made.again(at, answered(500), false);
    });
    assert.deepEqual([waits[0], waits[2], waits[4]], [0, 0, 0]);
    assert.ok(Number(waits[1]) <= 100 && Number(waits[3]) <= 200);
    assert.equal(made.again(two, answered(500), false), null, 'six were sent');
    assert.deepEqual(said.slice(0, 3), ['next_target', 'same_target', 'next_target']);
  });

  test('a target that asks for time gets it, where it is not too long for the agent or for the gate', () => {
    const second = (retryAfterMs: number, deadlineMs: number | null = null) => {
      const { course: made } = course('model', 'write', {}, deadlineMs);
      made.again(one, answered(429), false);
      return made.again(two, answered(429, { retryAfterMs }), false);
    };
    assert.deepEqual([second(700), second(1001), second(700, 500)], [700, null, null]);
  });

  test('a circuit that is open is passed over for good, and what waiting cannot help is not repeated', () => {
    const { course: made } = course('model', 'write');
    assert.equal(made.again(one, deny('circuit_open', 'x'), false), 0);
    assert.deepEqual(made.targets, [two]);
    assert.equal(made.again(two, deny('circuit_open', 'x'), false), null);
    const { course: unfit } = course('model', 'write');
    assert.equal(unfit.again(one, failed(false, false), false), 0, 'the next target may have another credential');
    assert.equal(unfit.again(two, failed(false, false), false), null);
  });

  test('a key that is refused is followed by another of the same target', () => {
    const { course: made, said } = course('model', 'write');
    assert.equal(made.again(one, answered(401), true), 0);
    assert.deepEqual([made.targets[0], said], [one, ['other_key']]);
    assert.equal(made.again(one, answered(401), false), null);
  });
});

test('repeats are a share of the calls of the last ten seconds, or as many as there always may be', async () => {
  const clock = new ManualClock();
  const budget = new RetryBudget({ clock, ratio: 0.5, floor: 2 });
  const taken = () => Array.from({ length: 20 }, () => budget.take('r')).filter(Boolean).length;
  assert.equal(taken(), 2);
  for (let call = 0; call < 10; call++) budget.called('r');
  assert.equal(taken(), 3, 'five in all');
  assert.equal(budget.take('other'), true, 'of each route for itself');
  await clock.advance(9_000);
  assert.equal(taken(), 0);
  await clock.advance(2_000);
  assert.equal(taken(), 2);
  assert.deepEqual(checkRetry({ ...config, base_ms: 2000 })[0]?.pointer, '/retry/base_ms');
});

test('a quota that is used up is read as each provider writes it, and nothing else is one', () => {
  const nowMs = Date.UTC(2026, 10, 2, 9);
  const openai = (reset: string, remaining = '0') =>
    quotaRestOf({ 'x-ratelimit-remaining-tokens': remaining, 'x-ratelimit-reset-tokens': reset }, nowMs);
  assert.deepEqual(
    ['120ms', '7.66s', '6m0s', '1h2m', '30', '0s'].map((text) => openai(text)),
    [120, 7660, 360_000, 3_720_000, 30_000, undefined],
  );
  assert.equal(openai('9000h'), 86_400_000, 'at most a day');
  assert.deepEqual([openai('1s', '1'), openai('soon'), openai('1s; rm', '0'), openai('-5')], Array(4).fill(undefined));
  const anthropic = {
    'anthropic-ratelimit-input-tokens-remaining': '0',
    'anthropic-ratelimit-input-tokens-reset': '2026-11-02T09:00:12Z',
    'anthropic-ratelimit-requests-remaining': '50',
    'anthropic-ratelimit-requests-reset': '2026-11-02T09:59:00Z',
  };
  assert.equal(quotaRestOf(anthropic, nowMs), 12_000);
  assert.equal(quotaRestOf({}, nowMs), undefined);
});
