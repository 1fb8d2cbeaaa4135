import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Compared, Verdictlike } from '../../../../src/policy/rollout/comparison.ts';
import { type RolledBack, RolloutWatch } from '../../../../src/policy/rollout/watch.ts';
import { ann, Gateways, one, two } from './gateways.ts';

const config = { new_denies_percent: 5, errors_percent: 1, decisions_min: 10, window_seconds: 300 };
const allow: Verdictlike = { allow: true, reasons: [], obligations: {}, failed: false };
const no: Verdictlike = { ...allow, allow: false, reasons: [{ code: 'too_much' }] };
const stable = { content: 'c'.repeat(64) };

async function watched(recordRollBack?: (happened: RolledBack) => Promise<void>) {
  const world = await Gateways.open();
  const { desk, way } = await world.gateway();
  const recorded: RolledBack[] = [];
  const counted: string[] = [];
  const watch = new RolloutWatch({
    ...{ desk, config, clock: world.clock, gateway: 'gw-1', log: way.log, faulted: way.faulted },
    recordRollBack: recordRollBack ?? (async (happened) => void recorded.push(happened)),
    counted: (outcome) => counted.push(outcome),
  });
  const add = (count: number, over: Partial<Compared> = {}, candidate = one, beside = stable) => {
    for (let done = 0; done < count; done++) {
      watch.add(
        {
          ...{ acting: 'candidate', stable: allow, candidate: allow, operation: 'o', agent: 'a', callId: 'c' },
          ...{ phase: 'call', atMs: world.clock.nowMs() },
          ...over,
        },
        { stable: beside, candidate: { bundle: 'next', ...candidate } },
      );
    }
  };
  return { world, desk, way, watch, recorded, counted, add };
}

test('[policy.rolls-back-by-itself] one deny too many of a canary takes it back at every gateway, and is written down once', async () => {
  const { world, desk, watch, recorded, counted, add } = await watched();
  const other = await world.gateway();
  await desk.change({ stage: 'canary', percent: 30 }, ann);
  add(9, { candidate: no });
  assert.equal(desk.standing(one.content).stage, 'canary', 'too few to tell');
  add(3, { candidate: no });
  assert.equal(desk.standing(one.content).stage, 'rolled_back', 'at once');
  await watch[Symbol.asyncDispose]();
  await world.clock.advance(0);
  const message =
    'The candidate denied what the bundle in force allows: 10 of 10 decisions (100.00 %; the bound is 5 %).';
  const reasons = [{ code: 'new_denies_exceeded', message }];
  assert.deepEqual(recorded, [{ bundle: 'next', revision: 'r1', reasons }]);
  assert.deepEqual([other.desk.state?.stage, other.desk.state?.by], ['rolled_back', 'gateway gw-1']);
  assert.deepEqual(other.desk.state?.reason, reasons[0]);
  assert.equal(counted.length, 12);
});

test('in full it is watched as well', async () => {
  const { desk, recorded, add, watch } = await watched();
  await desk.change({ stage: 'full' }, ann);
  add(20, { candidate: { ...no, failed: true } });
  await watch[Symbol.asyncDispose]();
  assert.deepEqual(
    recorded[0]?.reasons.map(({ code }) => code),
    ['errors_exceeded'],
  );
});

test('in shadow nothing is taken back: one warning, and the numbers for whoever looks', async () => {
  const { desk, way, watch, recorded, add } = await watched();
  add(50, { acting: 'stable', candidate: no });
  await watch[Symbol.asyncDispose]();
  assert.deepEqual(
    way.lines.map(({ level }) => level),
    ['warn'],
  );
  const { breach, acted, shadowed } = watch.shown();
  assert.deepEqual([acted.decisions, shadowed.new_deny, recorded.length], [0, 50, 0]);
  assert.deepEqual([breach.acted.length, breach.shadowed[0]?.code], [0, 'new_denies_exceeded']);
  assert.equal(desk.standing(one.content).stage, 'shadow');
});

test('what was shadowed before the canary began does not end it', async () => {
  const { desk, watch, recorded, add } = await watched();
  add(50, { acting: 'stable', candidate: no });
  await desk.change({ stage: 'canary', percent: 30 }, ann);
  add(50);
  add(50, { acting: 'stable', candidate: no });
  await watch[Symbol.asyncDispose]();
  assert.equal(recorded.length, 0);
  assert.equal(watch.shown().shadowed.new_deny, 100, 'and is still there to be seen');
});

test('begun anew, or with another candidate or another bundle in force, all counts begin anew', async () => {
  const { world, desk, watch, recorded, add } = await watched();
  await desk.change({ stage: 'canary', percent: 30 }, ann);
  add(20, { candidate: no });
  await watch[Symbol.asyncDispose]();
  assert.equal(recorded.length, 1);
  await desk.change({ stage: 'shadow', force: true }, ann);
  await desk.change({ stage: 'canary', percent: 30 }, ann);
  add(50);
  assert.equal(watch.shown().acted.decisions, 50);
  assert.equal(desk.standing(one.content).stage, 'canary');
  await world.clock.advance(1);
  add(3, { acting: 'stable' }, two);
  assert.deepEqual([watch.shown().acted.decisions, watch.shown().shadowed.decisions], [0, 3]);
  add(5, { atMs: world.clock.nowMs() - 1 });
  assert.equal(watch.shown().acted.decisions, 0, 'what comes late of the one before counts no more');
  await world.clock.advance(1);
  add(2, { acting: 'stable' }, two, { content: 'd'.repeat(64) });
  assert.equal(watch.shown().shadowed.decisions, 2);
});

test('other bounds count from the next decision on, and another window begins empty', async () => {
  const { desk, watch, recorded, add } = await watched();
  await desk.change({ stage: 'canary', percent: 30 }, ann);
  watch.configure({ ...config, new_denies_percent: 100 });
  add(50, { candidate: no });
  assert.equal(recorded.length, 0);
  watch.configure({ ...config });
  assert.equal(watch.shown().acted.decisions, 0);
  add(10, { candidate: no });
  await watch[Symbol.asyncDispose]();
  assert.equal(recorded.length, 1);
});

test('a trail that does not take it changes nothing of the roll-back', async () => {
  const { desk, way, watch, add } = await watched(() => Promise.reject(new Error('the disk is full')));
  await desk.change({ stage: 'full' }, ann);
  add(10, { candidate: no });
  await watch[Symbol.asyncDispose]();
  assert.equal(desk.state?.stage, 'rolled_back');
  assert.equal(way.faults.length, 1);
});
