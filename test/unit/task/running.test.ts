import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TaskRecord } from '../../../src/call.ts';
import { MemoryStore } from '../../../src/store/backends/memory.ts';
import { StoreUnavailable } from '../../../src/store/store.ts';
import { revokeToken } from '../../../src/task/revoked.ts';
import { RunningCalls } from '../../../src/task/running.ts';
import { Suspensions } from '../../../src/task/suspensions.ts';
import { Tasks } from '../../../src/task/tasks.ts';
import { ManualClock } from '../../fakes/clock.ts';
import { fakeAgent, fakeWish } from '../../fakes/task.ts';

const wanted = { ...fakeWish, ttlMs: 600_000 };

async function world() {
  const clock = new ManualClock();
  const store = new MemoryStore({ clock });
  await store.open();
  const tasks = new Tasks({ store, clock });
  const suspensionsOf = async (own: Pick<MemoryStore, 'get' | 'compareAndSet' | 'publish' | 'subscribe'> = store) => {
    const suspensions = new Suspensions({ store: own, clock, faulted: (_, fault) => assert.fail(String(fault)) });
    await suspensions.open();
    return suspensions;
  };
  const gateway = async (load: Pick<Tasks, 'load'> = tasks): Promise<RunningCalls> => {
    const running = new RunningCalls({ store, tasks: load, suspensions: await suspensionsOf(), clock, lostMs: 5000 });
    await running.open();
    return running;
  };
  return { clock, store, tasks, gateway, suspensionsOf, record: await tasks.create(wanted) };
}

/** A store whose messages never arrive. */
function deafened(store: MemoryStore): MemoryStore {
  return Object.create(store, {
    get: { value: store.get.bind(store) },
    compareAndSet: { value: store.compareAndSet.bind(store) },
    publish: { value: store.publish.bind(store) },
    subscribe: { value: async () => ({ close: async () => undefined }) },
  }) as MemoryStore;
}

/** A call to `route` that runs; its signal. */
function call(running: RunningCalls, record: TaskRecord, route = 'orders', tokenId = 'token-1'): AbortSignal {
  const abort = new AbortController();
  running.enter(record, route, tokenId, abort);
  return abort.signal;
}

test('[task.kill-ends-running-calls] a kill at one gateway ends the calls of the task at every gateway', async () => {
  const { clock, tasks, gateway, record } = await world();
  const gateways = [await gateway(), await gateway()];
  const signals = gateways.map((running) => call(running, record));
  await tasks.end(record, 'killed');
  await clock.advance(1000);
  for (const signal of signals) assert.equal(signal.reason?.code, 'task_killed');
});

test('a kill whose message was lost is seen within a second', async () => {
  const { clock, store, tasks, suspensionsOf, record } = await world();
  const suspensions = await suspensionsOf();
  const deaf = new RunningCalls({ store: deafened(store), tasks, suspensions, clock, lostMs: 5000 });
  await deaf.open();
  const part = await tasks.create({ ...wanted, parent: record });
  const signals = [call(deaf, record), call(deaf, part)];
  await clock.advance(2000);
  assert.ok(signals.every(({ aborted }) => !aborted));
  await tasks.end(record, 'killed');
  await clock.advance(1000);
  for (const signal of signals) assert.equal(signal.reason?.code, 'task_killed');
});

test('calls end once the store has been silent for the bound, whether it refuses or hangs, and not before', async () => {
  for (const silent of [
    () => Promise.reject(new StoreUnavailable('away')),
    () => new Promise<never>(() => undefined),
  ]) {
    const { clock, tasks, gateway, record } = await world();
    let away = false;
    const running = await gateway({ load: (tenant, id) => (away ? silent() : tasks.load(tenant, id)) });
    const abort = new AbortController();
    const leave = running.enter(record, 'orders', 'token-1', abort);
    await clock.advance(20_000);
    away = true;
    await clock.advance(3500);
    assert.equal(abort.signal.aborted, false);
    await clock.advance(2500);
    assert.equal(abort.signal.reason?.code, 'store_unavailable');
    leave();
    away = false;
    const later = call(running, record);
    await clock.advance(20_000);
    assert.equal(later.aborted, false);
  }
});

test('where nothing runs nobody asks the store, and no timer is left', async () => {
  const { clock, tasks, gateway, record } = await world();
  let asked = 0;
  const running = await gateway({
    load: (tenant, id) => {
      asked++;
      return tasks.load(tenant, id);
    },
  });
  const leave = running.enter(record, 'orders', 'token-1', new AbortController());
  await clock.advance(2500);
  leave();
  await clock.advance(60_000);
  assert.equal(asked, 2);
  assert.equal(running.count, 0);
  assert.equal(clock.timers, 0);
});

test('what runs of whom is suspended, or to where, ends at every gateway, and nothing else', async () => {
  const cases = [
    { kind: 'agent', issuer: 'azure', id: 'coordinator' },
    { kind: 'tenant', id: 'acme' },
    { kind: 'issuer', id: 'azure' },
    { kind: 'route', id: 'orders' },
  ] as const;
  for (const what of cases) {
    const { clock, tasks, gateway, suspensionsOf, record } = await world();
    const other = await tasks.create({
      ...wanted,
      agent: { ...fakeAgent, id: 'other', issuer: 'aws', tenant: 'umbrella' },
    });
    const part = await tasks.create({
      ...wanted,
      agent: { ...fakeAgent, id: 'helper', issuer: 'gcp' },
      parent: record,
    });
    const gateways = [await gateway(), await gateway()];
    const ending = gateways.flatMap((running) => [call(running, record), call(running, part)]);
    const standing = gateways.map((running) => call(running, other, 'mail'));
    await clock.advance(0);
    assert.ok(
      ending.every(({ aborted }) => !aborted),
      what.kind,
    );
    await (await suspensionsOf()).suspend(what, { reason: 'test', by: 'ann' });
    await clock.advance(0);
    assert.deepEqual(
      ending.map(({ reason }) => `${reason?.code} ${reason?.reasons[0]?.code}`),
      Array(4).fill(`agent_suspended ${what.kind}_suspended`),
    );
    assert.ok(
      standing.every(({ aborted }) => !aborted),
      what.kind,
    );
  }
});

test('a suspension whose message was lost is seen within a second', async () => {
  const { clock, store, tasks, suspensionsOf, record } = await world();
  const suspensions = await suspensionsOf(deafened(store));
  const running = new RunningCalls({ store, tasks, suspensions, clock, lostMs: 5000 });
  await running.open();
  const signal = call(running, record);
  await (await suspensionsOf()).suspend({ kind: 'tenant', id: 'acme' }, { reason: 'test', by: 'ann' });
  await clock.advance(500);
  assert.equal(signal.aborted, false, 'the message was not lost');
  await clock.advance(500);
  assert.equal(signal.reason?.code, 'agent_suspended');
});

test('a call of a revoked token ends within a second, and those of other tokens of the task go on', async () => {
  const { clock, tasks, gateway, record } = await world();
  const running = await gateway();
  const [revoked, other] = [call(running, record, 'orders', 'token-1'), call(running, record, 'orders', 'token-2')];
  await tasks.update(record.tenant, record.id, (current) =>
    revokeToken(current ?? record, { id: 'token-1', expiresAtMs: clock.nowMs() + 60_000 }, clock.nowMs()),
  );
  await clock.advance(1000);
  assert.deepEqual([revoked.reason?.code, other.aborted], ['unauthenticated', false]);
});

test('the calls of a task whose record is gone end: nobody could kill it any more', async () => {
  const { clock, store, gateway, record } = await world();
  const signal = call(await gateway(), record);
  await store.delete(Tasks.key(record.tenant, record.id));
  await clock.advance(1000);
  assert.equal(signal.reason?.code, 'task_unknown');
});
