import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isDenial } from '../../../../src/denial.ts';
import type { RolloutDesk } from '../../../../src/policy/rollout/rollout-desk.ts';
import { StoreUnavailable } from '../../../../src/store/store.ts';
import { ann, deaf, Gateways, one, recordKey, two } from './gateways.ts';

const stage = (desk: RolloutDesk, content: string | null = one.content) => desk.standing(content).stage;
const why = { code: 'new_denies_exceeded', message: 'too many' };

test('[policy.candidate-only-shadows] with no rollout a candidate is in shadow, and no candidate is none', async () => {
  const { desk } = await (await Gateways.open()).gateway();
  assert.deepEqual(desk.standing(one.content), { stage: 'shadow', percent: 0, id: '' });
  assert.equal(stage(desk, null), 'none');
  assert.deepEqual([desk.state, desk.note], [null, null]);
});

test('a step is in force at every gateway by message at once, and without one within a second', async () => {
  const world = await Gateways.open();
  const [first, heard, unheard] = [await world.gateway(), await world.gateway(), await world.gateway(deaf)];
  const changed = await first.desk.change({ stage: 'canary', percent: 30 }, ann);
  assert.ok(!isDenial(changed) && changed.changed);
  const standing = { stage: 'canary', percent: 30, id: changed.state.id };
  assert.deepEqual(first.desk.standing(one.content), standing);
  await world.clock.advance(0);
  assert.deepEqual(heard.desk.standing(one.content), standing);
  assert.equal(stage(unheard.desk), 'shadow');
  await world.clock.advance(1_000);
  assert.deepEqual(unheard.desk.standing(one.content), standing);
  assert.deepEqual(unheard.desk.state, first.desk.state);
});

test('[policy.rollout-fails-to-stable] to a gateway with another candidate the state does not apply', async () => {
  const world = await Gateways.open();
  const { desk } = await world.gateway();
  await desk.change({ stage: 'full' }, ann);
  assert.deepEqual(desk.standing(two.content), { stage: 'foreign', percent: 0, id: '' });
  const refused = await desk.change({ stage: 'canary', percent: 1, revision: 'r1' }, { by: 'ann', candidate: two });
  assert.equal(isDenial(refused) && refused.reasons[0]?.code, 'candidate_other');
  assert.equal(stage(desk), 'full');
});

test('of many steps at once every one counts, one after the other', async () => {
  const world = await Gateways.open();
  const desks = await Promise.all(Array.from({ length: 8 }, async () => (await world.gateway()).desk));
  const steps = desks.map((desk, index) => desk.change({ stage: 'canary', percent: index + 1 }, ann));
  for (const changed of await Promise.all(steps)) assert.ok(!isDenial(changed) && changed.changed);
  await world.clock.advance(1_000);
  const states = desks.map(({ state }) => state);
  for (const state of states) assert.deepEqual(state, states[0]);
  const history = states[0]?.history ?? [];
  assert.deepEqual(history.map(({ percent }) => percent).toSorted(), [1, 2, 3, 4, 5, 6, 7, 8]);
  const times = history.map(({ atMs }) => atMs);
  assert.deepEqual(times, [...new Set(times)].toSorted(), 'in order, no two at once');
});

test('while the store is away the last known state holds, and it is said; later it is read again', async () => {
  const world = await Gateways.open();
  const { desk, way } = await world.gateway(deaf);
  const other = await world.gateway();
  await desk.change({ stage: 'canary', percent: 30 }, ann);
  way.away = true;
  await world.clock.advance(5_000);
  assert.deepEqual([stage(desk), desk.note], ['canary', 'store_away']);
  assert.equal(way.faults.length, 1, 'told once, not each second');
  await assert.rejects(desk.change({ stage: 'full' }, ann), StoreUnavailable);
  assert.equal(stage(desk), 'canary');
  await other.desk.change({ stage: 'rolled_back' }, ann);
  way.away = false;
  await world.clock.advance(1_000);
  assert.deepEqual([stage(desk), desk.note], ['rolled_back', null]);
});

test('[policy.rollout-fails-to-stable] a gateway that never read the state lets nobody into it, and reads it later', async () => {
  const world = await Gateways.open();
  await (await world.gateway()).desk.change({ stage: 'full' }, ann);
  const { desk, way } = await world.gateway({}, true);
  assert.deepEqual([stage(desk), desk.note], ['shadow', 'unread']);
  way.away = false;
  await world.clock.advance(1_000);
  assert.deepEqual([stage(desk), desk.note], ['full', null]);
  await (await world.gateway()).desk.change({ stage: 'rolled_back' }, ann);
  await world.clock.advance(0);
  assert.equal(stage(desk), 'rolled_back', 'it hears messages, too');
});

test('[policy.rollout-fails-to-stable] a record that cannot be read lets nobody in, loudly, until somebody begins anew', async () => {
  const world = await Gateways.open();
  const { desk, way } = await world.gateway();
  await desk.change({ stage: 'full' }, ann);
  const found = await world.store.get(recordKey);
  await world.store.compareAndSet(recordKey, found?.version ?? 0, { stage: 'full', content: one.content }, 1e9);
  await world.clock.advance(3_000);
  assert.deepEqual([stage(desk), desk.note, desk.state], ['foreign', 'unreadable', null]);
  assert.deepEqual(
    way.lines.map(({ level }) => level),
    ['error'],
    'once',
  );
  const refused = await desk.change({ stage: 'full' }, ann);
  assert.equal(isDenial(refused) && refused.code, 'precondition_failed');
  const changed = await desk.change({ stage: 'shadow', force: true }, ann);
  assert.ok(!isDenial(changed));
  assert.deepEqual([stage(desk), desk.note], ['shadow', null]);
  assert.equal(stage((await world.gateway()).desk), 'shadow');
});

test('a store that has lost the state is given it back by a gateway that knows the newest', async () => {
  const world = await Gateways.open();
  const { desk, way } = await world.gateway();
  const late = await world.gateway(deaf);
  await desk.change({ stage: 'canary', percent: 5 }, ann);
  await late.desk.look();
  await desk.change({ stage: 'rolled_back' }, ann);
  await world.store.delete(recordKey);
  // The one that is behind comes first, and gives back what it knows.
  await late.desk.look();
  assert.equal(stage(late.desk), 'canary');
  await desk.look();
  assert.equal(stage(desk), 'rolled_back');
  assert.deepEqual(
    way.lines.map(({ level }) => level),
    ['warn'],
  );
  await late.desk.look();
  assert.equal(stage(late.desk), 'rolled_back');
  assert.equal(stage((await world.gateway()).desk), 'rolled_back');
});

test('a read that began before a change and ends after it takes nothing back', async () => {
  const world = await Gateways.open();
  const slow = Promise.withResolvers<void>();
  let held = false;
  const { desk } = await world.gateway({
    get: async (key) => {
      const found = await world.store.get(key);
      if (held) {
        held = false;
        await slow.promise;
      }
      return found;
    },
  });
  await desk.change({ stage: 'canary', percent: 5 }, ann);
  held = true;
  const look = desk.look();
  await new Promise((resolve) => setImmediate(resolve));
  await desk.change({ stage: 'rolled_back' }, ann);
  slow.resolve();
  await look;
  assert.equal(stage(desk), 'rolled_back');
  assert.equal(stage((await world.gateway()).desk), 'rolled_back');
});

test('[policy.rolls-back-by-itself] a roll-back counts here before the store has it, and is written once the store is back', async () => {
  const world = await Gateways.open();
  const { desk, way } = await world.gateway();
  const other = await world.gateway();
  await desk.change({ stage: 'full' }, ann);
  const id = desk.state?.id as string;
  way.away = true;
  const rolledBack = desk.rollBack(id, 'gateway gw-1', why);
  assert.equal(stage(desk), 'rolled_back', 'at once');
  assert.equal(await rolledBack, true);
  await world.clock.advance(3_000);
  assert.deepEqual([stage(desk), stage(other.desk)], ['rolled_back', 'full']);
  way.away = false;
  await world.clock.advance(1_000);
  assert.deepEqual([stage(desk), stage(other.desk)], ['rolled_back', 'rolled_back']);
  assert.deepEqual([other.desk.state?.by, other.desk.state?.reason], ['gateway gw-1', why]);
});

test('of gateways that roll back at once one has done it, and it is about that rollout alone', async () => {
  const world = await Gateways.open();
  const desks = await Promise.all(Array.from({ length: 3 }, async () => (await world.gateway()).desk));
  await desks[0]?.change({ stage: 'full' }, ann);
  await world.clock.advance(0);
  const id = desks[0]?.state?.id as string;
  const done = await Promise.all(desks.map((desk) => desk.rollBack(id, 'gateway', why)));
  assert.deepEqual(done.toSorted(), [false, false, true]);
  await desks[0]?.change({ stage: 'shadow', force: true }, ann);
  await desks[0]?.change({ stage: 'canary', percent: 1 }, ann);
  assert.equal(await desks[0]?.rollBack(id, 'gateway', why), false);
  await world.clock.advance(1_000);
  for (const desk of desks) assert.equal(stage(desk), 'canary');
});

test('a content that was taken back stays so beside another rollout, and a finished one leaves nothing', async () => {
  const world = await Gateways.open();
  const { desk } = await world.gateway();
  await desk.change({ stage: 'rolled_back' }, ann);
  await desk.change({ stage: 'canary', percent: 10 }, { by: 'ann', candidate: two });
  assert.deepEqual([stage(desk), stage(desk, two.content)], ['rolled_back', 'canary']);
  assert.equal(await desk.finish(one.content), false);
  assert.equal(await desk.finish(two.content), true);
  assert.equal(await desk.finish(two.content), false);
  assert.deepEqual([stage(desk), stage(desk, two.content), desk.state], ['rolled_back', 'shadow', null]);
});

test('whoever listens is told of each change and of no look without one; nothing is left behind at the end', async () => {
  const world = await Gateways.open();
  const { desk } = await world.gateway();
  let told = 0;
  const stop = desk.onChange(() => {
    told += 1;
  });
  await desk.change({ stage: 'canary', percent: 1 }, ann);
  await desk.change({ stage: 'canary', percent: 1 }, ann);
  await world.clock.advance(10_000);
  assert.equal(told, 1);
  stop();
  await desk.change({ stage: 'full' }, ann);
  assert.equal(told, 1);
  await desk[Symbol.asyncDispose]();
  assert.equal(world.clock.timers, 0);
});
