import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryStore } from '../../../src/store/backends/memory.ts';
import { StoreUnavailable } from '../../../src/store/store.ts';
import { RunningCalls } from '../../../src/task/running.ts';
import { Tasks } from '../../../src/task/tasks.ts';
import { ManualClock } from '../../fakes/clock.ts';
import { fakeAgent } from '../../fakes/task.ts';

const wanted = {
  agent: fakeAgent,
  subject: null,
  purpose: 'p',
  tools: null,
  labels: {},
  parent: null,
  ttlMs: 600_000,
  budget: { tokens: 1, costMicroUsd: 1, calls: 1, seconds: 60 },
  taint: [],
};

async function world() {
  const clock = new ManualClock();
  const store = new MemoryStore({ clock });
  await store.open();
  const tasks = new Tasks({ store, clock });
  const gateway = async (load: Pick<Tasks, 'load'> = tasks): Promise<RunningCalls> => {
    const running = new RunningCalls({ store, tasks: load, clock, lostMs: 5000 });
    await running.open();
    return running;
  };
  return { clock, store, tasks, gateway, record: await tasks.create(wanted) };
}

test('[task.kill-ends-running-calls] a kill at one gateway ends the calls of the task at every gateway', async () => {
  const { clock, tasks, gateway, record } = await world();
  const gateways = [await gateway(), await gateway()];
  const aborts = gateways.map((running) => {
    const abort = new AbortController();
    running.enter(record, abort);
    return abort;
  });
  await tasks.end(record, 'killed');
  await clock.advance(1000);
  for (const { signal } of aborts) assert.equal(signal.reason?.code, 'task_killed');
});

test('a kill whose message was lost is seen within a second', async () => {
  const { clock, store, tasks, record } = await world();
  const deaf = new RunningCalls({
    store: Object.create(store, {
      subscribe: { value: async () => ({ close: async () => undefined }) },
    }) as MemoryStore,
    tasks,
    clock,
    lostMs: 5000,
  });
  await deaf.open();
  const abort = new AbortController();
  deaf.enter(record, abort);
  await clock.advance(2000);
  assert.equal(abort.signal.aborted, false);
  await tasks.end(record, 'killed');
  await clock.advance(1000);
  assert.equal(abort.signal.reason?.code, 'task_killed');
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
    const leave = running.enter(record, abort);
    await clock.advance(20_000);
    away = true;
    await clock.advance(3500);
    assert.equal(abort.signal.aborted, false);
    await clock.advance(2500);
    assert.equal(abort.signal.reason?.code, 'store_unavailable');
    leave();
    away = false;
    const later = new AbortController();
    running.enter(record, later);
    await clock.advance(20_000);
    assert.equal(later.signal.aborted, false);
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
  const leave = running.enter(record, new AbortController());
  await clock.advance(2500);
  leave();
  await clock.advance(60_000);
  assert.equal(asked, 2);
  assert.equal(running.count, 0);
  assert.equal(clock.timers, 0);
});
