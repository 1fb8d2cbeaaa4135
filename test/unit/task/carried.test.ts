import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryStore } from '../../../src/store/backends/memory.ts';
import { StoreUnavailable } from '../../../src/store/store.ts';
import { CarriedTaint } from '../../../src/task/carried.ts';
import { mayBeIn, withCaught } from '../../../src/task/caught.ts';
import { taintTask } from '../../../src/task/stage.ts';
import { Tasks } from '../../../src/task/tasks.ts';
import { ManualClock } from '../../fakes/clock.ts';
import { fakeAgent, fakeWish } from '../../fakes/task.ts';

const keepMs = 60_000;
const tainted = { taint: ['untrusted'] };

/** Tells what it is asked of records. */
class ToldStore extends MemoryStore {
  readonly asked: string[] = [];

  override get(...read: Parameters<MemoryStore['get']>): ReturnType<MemoryStore['get']> {
    this.asked.push('get');
    return super.get(...read);
  }

  override compareAndSet(...write: Parameters<MemoryStore['compareAndSet']>): ReturnType<MemoryStore['compareAndSet']> {
    this.asked.push('write');
    return super.compareAndSet(...write);
  }
}

/** Two gateways on one store. */
async function gateways(kept = () => keepMs) {
  const clock = new ManualClock();
  const store = new ToldStore({ clock });
  await store.open();
  const { asked } = store;
  const [one, other] = [1, 2].map(() => new CarriedTaint({ store, clock, keepMs: kept })) as [
    CarriedTaint,
    CarriedTaint,
  ];
  return { clock, store, asked, one, other };
}

test('[task.taint-into-the-next-task] what an agent has caught counts for at least the time, at every gateway, and at most half as long again', async () => {
  const { clock, one, other } = await gateways();
  await one.keep(fakeAgent, tainted);
  await clock.advance(keepMs - 1);
  for (const gateway of [one, other]) assert.deepEqual(await gateway.of(fakeAgent), tainted);
  await clock.advance(keepMs / 2 + 1);
  for (const gateway of [one, other]) assert.deepEqual(await gateway.of(fakeAgent), { taint: [] });
});

test('calls that add nothing ask the store only now and then, and never let it run short', async () => {
  const { clock, asked, one, other } = await gateways();
  await one.keep(fakeAgent, tainted);
  assert.deepEqual(asked.splice(0), ['get', 'write']);
  for (let second = 0; second < 300; second++) {
    await clock.advance(1000);
    await one.keep(fakeAgent, tainted);
  }
  const writes = asked.filter((what) => what === 'write').length;
  assert.ok(writes >= 9 && writes <= 10, `${writes} in five minutes`);
  assert.equal(asked.length, 2 * writes);
  await clock.advance(keepMs - 1);
  assert.deepEqual(await other.of(fakeAgent), tainted);
});

test('a new label is written at once, and each label ends by its own time', async () => {
  const { clock, one, other } = await gateways();
  await one.keep(fakeAgent, { taint: ['private'] });
  await clock.advance(50_000);
  await other.keep(fakeAgent, tainted);
  assert.deepEqual((await one.of(fakeAgent)).taint.toSorted(), ['private', 'untrusted']);
  await clock.advance(50_000);
  assert.deepEqual(await one.of(fakeAgent), tainted);
});

test('it is the agent’s: not that of an equal id of another issuer or in another tenant', async () => {
  const { one } = await gateways();
  await one.keep(fakeAgent, tainted);
  for (const stranger of [{ issuer: 'aws' }, { tenant: 'umbrella' }, { id: 'planner' }]) {
    assert.deepEqual(await one.of({ ...fakeAgent, ...stranger }), { taint: [] });
  }
});

test('a time of 0 switches it off, also for what was noted before', async () => {
  let kept = keepMs;
  const { asked, one } = await gateways(() => kept);
  await one.keep(fakeAgent, tainted);
  kept = 0;
  asked.length = 0;
  await one.keep(fakeAgent, { taint: ['private'] });
  assert.deepEqual(await one.of(fakeAgent), { taint: [] });
  assert.deepEqual(asked, []);
});

test('fifty at once, at two gateways, all stand', async () => {
  const { one, other } = await gateways();
  await Promise.all(
    Array.from({ length: 50 }, (_, index) =>
      (index % 2 === 0 ? one : other).keep(fakeAgent, {
        taint: [`label_${index}`],
        regions: [[`region-${index % 5}`]],
      }),
    ),
  );
  const { taint, regions } = await one.of(fakeAgent);
  assert.deepEqual([taint.length, regions?.length], [50, 5]);
});

test('more labels than one agent can carry are a fault, and nothing falls off', async () => {
  const { one } = await gateways();
  await one.keep(fakeAgent, { taint: Array.from({ length: 256 }, (_, index) => `label_${index}`) });
  await assert.rejects(one.keep(fakeAgent, tainted), RangeError);
  assert.equal((await one.of(fakeAgent)).taint.length, 256);
});

test('[task.taint-into-the-next-task] a store that cannot be asked is an error, never "nothing caught"', async () => {
  const away = () => Promise.reject(new StoreUnavailable('away'));
  const clock = new ManualClock();
  const carried = new CarriedTaint({ store: { get: away, compareAndSet: away }, clock, keepMs: () => keepMs });
  await assert.rejects(carried.of(fakeAgent), StoreUnavailable);
  await assert.rejects(carried.keep(fakeAgent, tainted), StoreUnavailable);
});

test('the end of a task is noted before it has ended, that of an ended one is not', async () => {
  const { clock, store, one } = await gateways();
  const tasks = new Tasks({ store, clock, carried: one });
  const record = await tasks.create({ ...fakeWish, ttlMs: 10 * keepMs, taint: ['private'] });
  assert.deepEqual(await one.of(fakeAgent), { taint: [] });
  const ended = await tasks.end(record, 'completed');
  assert.ok('state' in ended && ended.state === 'completed');
  assert.deepEqual(await one.of(fakeAgent), { taint: ['private'] });
  await clock.advance(2 * keepMs);
  await tasks.end(ended, 'killed');
  assert.deepEqual(await one.of(fakeAgent), { taint: [] });
  const refusing = new Tasks({
    ...{ store, clock },
    carried: { keep: () => Promise.reject(new StoreUnavailable('away')) },
  });
  const lasting = await refusing.create({ ...fakeWish, taint: ['private'] });
  await assert.rejects(refusing.end(lasting, 'completed'), StoreUnavailable);
  assert.equal((await refusing.load('acme', lasting.id))?.state, 'active');
});

test('what a task has caught only grows, and is the same value where nothing is new', () => {
  const known = { taint: ['a'], regions: [['eu-*']] };
  assert.equal(withCaught(known, { taint: ['a'], regions: [['eu-*']] }), known);
  const more = { taint: ['b', 'b'], regions: [['eu-west-1', 'us-*']] };
  assert.deepEqual(withCaught(known, more), { taint: ['a', 'b'], regions: [['eu-*'], ['eu-west-1', 'us-*']] });
});

test('data of several decisions may only be where each of them allows it; too many of them allow nothing', () => {
  assert.ok(mayBeIn({}, 'anywhere'));
  const both = { regions: [['eu-*'], ['eu-west-1', 'us-*']] };
  assert.deepEqual(
    ['eu-west-1', 'eu-central-1', 'us-east-1'].map((region) => mayBeIn(both, region)),
    [true, false, false],
  );
  assert.ok(!mayBeIn({ regions: [[]] }, 'eu-west-1'));
  const many = Array.from({ length: 40 }, (_, index) => ({ taint: [], regions: [['eu-*', `r-${index}`]] }));
  const all = many.reduce<{ taint: string[]; regions?: readonly (readonly string[])[] }>(
    (caught, more) => ({ ...withCaught(caught, more), taint: [] }),
    { taint: [] },
  );
  assert.equal(all.regions?.length, 17);
  assert.ok(!mayBeIn(all, 'eu-west-1'));
});

test('a call of a tainted task that adds nothing asks the store for nothing; a new label goes to all above, too', async () => {
  const { clock, store, asked, one } = await gateways();
  const tasks = new Tasks({ store, clock, carried: one });
  const whole = await tasks.create(fakeWish);
  const part = await tasks.create({ ...fakeWish, parent: whole, agent: { ...fakeAgent, id: 'legal-risk' } });
  const caught = { taint: ['private'], regions: [['eu-*']] };
  assert.equal(await taintTask({ tasks, carried: one }, part, caught), undefined);
  for (const { tenant, id } of [part, whole]) {
    const { taint, regions } = (await tasks.load(tenant, id)) ?? assert.fail('it is gone');
    assert.deepEqual({ taint, regions }, caught);
  }
  for (const { agent } of [part, whole]) assert.deepEqual(await one.of(agent), caught);
  const known = (await tasks.load('acme', whole.id)) ?? assert.fail('it is gone');
  asked.length = 0;
  for (let call = 0; call < 100; call++) await taintTask({ tasks, carried: one }, known, caught);
  assert.deepEqual(asked, []);
});
