import assert from 'node:assert/strict';
import { test } from 'node:test';
import { breakerStage } from '../../../src/breaker/stage.ts';
import { type Health, TargetBreakers } from '../../../src/breaker/target.ts';
import type { FailureRun, Target } from '../../../src/call.ts';
import { isDenial } from '../../../src/denial.ts';
import { ManualClock } from '../../fakes/clock.ts';

const targets = ['fra', 'ams', 'dub'].map((name) => ({ route: 'vendor', name }) as Target);

function setUp() {
  const clock = new ManualClock();
  const config = { error_percent: 50, volume: 1, window_ms: 10_000, reset_ms: 30_000 };
  const breakers = new TargetBreakers({ config, clock });
  const stage = breakerStage({ breakers, clock, failuresInARow: 5, coolDownMs: 60_000 });
  const admit = (failuresByRoute: Record<string, FailureRun> = {}) =>
    stage.admit({
      targets,
      cache: { state: 'not_granted' },
      resolved: { operation: { route: 'vendor' } },
      entry: { task: { record: { failuresByRoute } } },
    } as unknown as Parameters<typeof stage.admit>[0]);
  const fell = (target: Target) =>
    breakers.run(
      target,
      async () => 500,
      (): Health => 'ill',
    );
  return { clock, admit, fell };
}

test('a route that has not failed this task five times in a row is called', async () => {
  const { clock, admit } = setUp();
  const lastAtMs = clock.nowMs();
  assert.deepEqual(await admit({ vendor: { count: 4, lastAtMs }, elsewhere: { count: 99, lastAtMs } }), {
    targets,
    closed: true,
  });
});

test('after five failures in a row the task is told circuit_open, and when it may try again', async () => {
  const { clock, admit } = setUp();
  const lastAtMs = clock.nowMs();
  await clock.advance(12_500);
  const denial = await admit({ vendor: { count: 5, lastAtMs } });
  assert.ok(isDenial(denial));
  assert.equal(denial.code, 'circuit_open');
  assert.equal(denial.details.retryAfterMs, 47_500);
  assert.match(denial.message, /last 5 calls of this task to vendor failed.* 48 s.*another route/s);
  assert.deepEqual(denial.reasons, [{ code: 'failures_in_a_row', message: '5 failures; the limit is 5' }]);
});

test('when the cool-down is over the task may try again, and one more failure closes the route to it again', async () => {
  const { clock, admit } = setUp();
  const lastAtMs = clock.nowMs();
  await clock.advance(60_000);
  assert.deepEqual(await admit({ vendor: { count: 5, lastAtMs } }), { targets, closed: true });
  assert.ok(isDenial(await admit({ vendor: { count: 6, lastAtMs: clock.nowMs() } })));
});

test('a wall clock that was set back does not make the told wait longer than the cool-down', async () => {
  const { clock, admit } = setUp();
  const lastAtMs = clock.nowMs();
  clock.setWallBy(-3_600_000);
  const denial = await admit({ vendor: { count: 5, lastAtMs } });
  assert.ok(isDenial(denial));
  assert.equal(denial.details.retryAfterMs, 60_000);
});

test('targets that are open are left out, and the rest keep their rank', async () => {
  const { admit, fell } = setUp();
  await fell(targets[1] as Target);
  assert.deepEqual(await admit(), { targets: [targets[0], targets[2]], closed: true });
});

test('when every target is open the call is circuit_open until the first of them may be tried', async () => {
  const { clock, admit, fell } = setUp();
  for (const target of targets) {
    await fell(target);
    await clock.advance(1_000);
  }
  const denial = await admit();
  assert.ok(isDenial(denial));
  assert.equal(denial.code, 'circuit_open');
  assert.equal(denial.details.retryAfterMs, 27_000);
  assert.deepEqual(denial.reasons, [{ code: 'targets_open', message: 'fra, ams, dub' }]);
});
