import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AgentRuns, CallCap, TaskRecord } from '../../../src/call.ts';
import { MemoryStore } from '../../../src/store/backends/memory.ts';
import { StoreUnavailable } from '../../../src/store/store.ts';
import { type AgentLimits, AgentLoops, type AgentLoopsUse, denyAgentRuns } from '../../../src/task/agent-loops.ts';
import { ManualClock } from '../../fakes/clock.ts';
import { fakeAgent, fakeTask } from '../../fakes/task.ts';

const limits: AgentLimits = {
  ...{ bySubject: true, repeats: 3, reads: null, failuresInARow: 3, denials: 3 },
  ...{ windowMs: 600_000, tasksPerMinute: 5, coolDownMs: 60_000 },
};
const write = { name: 'refunds.create', effect: 'write' } as const;
const read = { name: 'orders.get', effect: 'read' } as const;
const task = fakeTask();
const none: AgentRuns = { failures: {} };

async function setUp(gateways = 1) {
  const clock = new ManualClock();
  const store = new MemoryStore({ clock });
  await store.open();
  const loops = Array.from({ length: gateways }, () => new AgentLoops({ store, clock }));
  let id = 0;
  /** Whether the store gives one more on what the call counts towards. */
  const goes = async (caps: readonly CallCap[]) => {
    const scopes = caps.map(({ key, calls, ttlMs }) => ({ key, limits: { calls }, ttlMs }));
    const name = `reservation-${id++}`;
    const { ok } = await store.reserve(name, scopes, { calls: 1 }, 60_000);
    if (ok) await store.settle(name, { calls: 1 });
    return ok;
  };
  const tries = async (
    use: AgentLoopsUse,
    times: number,
    whole = 'digest',
    record: TaskRecord = task,
    over = limits,
  ) => {
    let went = 0;
    for (let time = 0; time < times; time++) if (await goes(await use.capsOf(record, write, whole, over))) went++;
    return went;
  };
  return { clock, store, loops: loops[0] as AgentLoops, all: loops, goes, tries };
}

test('an equal call goes as often as it may in a window, over all tasks', async () => {
  const { clock, loops, tries } = await setUp();
  assert.equal(await tries(loops, 10), 3);
  assert.equal(await tries(loops, 10, 'other'), 3);
  assert.equal(await tries(loops, 10, 'digest', fakeTask({ id: 'task_2' as TaskRecord['id'] })), 0);
  await clock.advance(600_000);
  assert.equal(await tries(loops, 10), 3);
});

test('at several gateways each of them lets one more through at most', async () => {
  const { all, tries } = await setUp(3);
  let went = 0;
  for (let round = 0; round < 5; round++) for (const loops of all) went += await tries(loops, 1);
  assert.equal(went, 3 - 1 + 3);
});

test('tasks for another subject, purpose, agent, issuer or tenant are others', async () => {
  const { loops, tries } = await setUp();
  assert.equal(await tries(loops, 5), 3);
  const others: Partial<TaskRecord>[] = [
    { subject: { id: 'C-2', type: 'customer', claims: {}, assurance: 'asserted' } },
    { subject: null },
    { purpose: 'another' },
    { agent: { ...fakeAgent, id: 'other' } },
    { agent: { ...fakeAgent, issuer: 'other' } },
    { tenant: 'other', agent: { ...fakeAgent, tenant: 'other' } },
  ];
  for (const over of others) assert.equal(await tries(loops, 5, 'digest', fakeTask(over)), 3, JSON.stringify(over));
  const together = { ...limits, bySubject: false };
  assert.equal(await tries(loops, 5, 'more', task, together), 3);
  assert.equal(await tries(loops, 5, 'more', fakeTask({ subject: null }), together), 0);
});

test('reads are counted where a limit says so, and cost nothing where none does', async () => {
  const { store, loops } = await setUp();
  for (let time = 0; time < 3; time++) assert.deepEqual(await loops.capsOf(task, read, 'd', limits), []);
  assert.equal(await store.get('tg:{acme}:loop-key'), undefined);
  await loops.capsOf(task, read, 'd', { ...limits, reads: 7 });
  const [cap] = await loops.capsOf(task, read, 'd', { ...limits, reads: 7 });
  assert.equal(cap?.calls, 6);
  assert.deepEqual([cap?.denial.code, cap?.denial.details.retryAfterMs], ['task_looping', 600_000]);
});

test('the first call of its kind is no counter in the store, and names in the store tell no call', async () => {
  const { store, loops } = await setUp();
  for (let call = 0; call < 100; call++)
    assert.deepEqual(await loops.capsOf(task, write, `digest ${call}`, limits), []);
  const [cap] = await loops.capsOf(task, write, 'digest 7', limits);
  const key = (await store.get('tg:{acme}:loop-key'))?.value;
  assert.equal(Buffer.from(String(key), 'base64url').length, 32);
  assert.match(String(cap?.key), /^tg:\{acme\}:equal:[\w-]{43}:\d+$/);
  // Another tenant's secret is another: the same call has another name there.
  const elsewhere = fakeTask({ tenant: 'other' });
  await loops.capsOf(elsewhere, write, 'digest 7', limits);
  const [other] = await loops.capsOf(elsewhere, write, 'digest 7', limits);
  assert.notEqual(other?.key.split(':').at(-2), cap?.key.split(':').at(-2));
});

test('two gateways that make the key of a tenant at once have one key', async () => {
  const { all, goes } = await setUp(8);
  await Promise.all(all.map((loops) => loops.capsOf(task, write, 'd', limits)));
  const caps = await Promise.all(all.map((loops) => loops.capsOf(task, write, 'd', limits)));
  assert.equal(new Set(caps.map(([cap]) => cap?.key)).size, 1);
  const went = await Promise.all(caps.map(goes));
  assert.equal(went.filter(Boolean).length, 2);
});

test('a call that is only supposed counts nowhere, and sees what counts', async () => {
  const { store, loops, tries } = await setUp();
  const trial = loops.onTrial();
  assert.deepEqual(await trial.capsOf(task, write, 'd', limits), []);
  assert.equal(await store.get('tg:{acme}:loop-key'), undefined);
  await tries(loops, 3, 'd');
  for (let time = 0; time < 3; time++) assert.equal((await trial.capsOf(task, write, 'd', limits)).length, 1);
  assert.deepEqual(await trial.capsOf(task, write, 'never seen', limits), []);
  assert.deepEqual(await trial.capsOf(task, write, 'never seen', limits), []);
  await trial.note(task, { what: 'denied', route: null, runs: none }, limits);
  assert.deepEqual(await trial.runsOf(task, limits), none);
});

test('failures in a row close a route to the tasks of the agent, until one is answered', async () => {
  const { clock, loops } = await setUp();
  const note = async (what: 'failed' | 'answered', route = 'vendor') =>
    loops.note(task, { what, route, runs: await loops.runsOf(task, limits) }, limits);
  const denial = async (route = 'vendor') =>
    denyAgentRuns(await loops.runsOf(task, limits), route, limits, clock.nowMs());
  for (let time = 0; time < 3; time++) {
    assert.equal(await denial(), undefined);
    await note('failed');
    await clock.advance(1_000);
  }
  const refused = await denial();
  assert.deepEqual([refused?.code, refused?.details.retryAfterMs], ['circuit_open', 59_000]);
  assert.match(
    refused?.message ?? '',
    /last 3 calls of this agent's tasks to vendor failed since 2026-11-02T09:00:00Z/,
  );
  assert.equal(await denial('orders'), undefined);
  await clock.advance(59_000);
  assert.equal(await denial(), undefined);
  await note('failed');
  assert.equal((await denial())?.details.retryAfterMs, 60_000);
  await clock.advance(60_000);
  await note('answered');
  assert.deepEqual(await loops.runsOf(task, limits), none);
});

test('refusals of one agent stop all its tasks; answered calls take them back', async () => {
  const { clock, loops } = await setUp();
  const note = async (what: 'denied' | 'answered') =>
    loops.note(task, { what, route: what === 'denied' ? null : 'x', runs: await loops.runsOf(task, limits) }, limits);
  for (const what of ['denied', 'denied', 'answered', 'denied', 'denied'] as const) await note(what);
  const runs = await loops.runsOf(task, limits);
  assert.equal(runs.denials?.count, 3);
  const denial = denyAgentRuns(runs, 'any', limits, clock.nowMs());
  assert.deepEqual([denial?.code, denial?.reasons[0]?.code], ['task_looping', 'denial_storm']);
  await clock.advance(600_000);
  assert.deepEqual(await loops.runsOf(task, limits), none, 'forgotten after the window');
});

test('what comes at once is counted whole, in few writes', async () => {
  const { clock, store } = await setUp();
  let writes = 0;
  const counting = {
    get: store.get.bind(store),
    reserve: store.reserve.bind(store),
    settle: store.settle.bind(store),
    compareAndSet: (...args: Parameters<typeof store.compareAndSet>) => {
      writes++;
      return store.compareAndSet(...args);
    },
  };
  const loops = new AgentLoops({ store: counting, clock });
  const denied = { what: 'denied', route: null, runs: none } as const;
  await Promise.all(Array.from({ length: 500 }, () => loops.note(task, denied, limits)));
  assert.equal((await loops.runsOf(task, limits)).denials?.count, 500);
  assert.ok(writes <= 3, `${writes}`);
  writes = 0;
  const other = fakeTask({ agent: { ...fakeAgent, id: 'well' } });
  await loops.note(other, { what: 'answered', route: 'x', runs: none }, limits);
  assert.equal(writes, 0, 'what is well costs no write');
});

test('a store that is away is told, and the next news goes through once it is back', async () => {
  const { clock, store } = await setUp();
  let away = true;
  const gone = async () => {
    throw new StoreUnavailable('away');
  };
  const failing = {
    get: (key: string) => (away ? gone() : store.get(key)),
    compareAndSet: store.compareAndSet.bind(store),
    reserve: store.reserve.bind(store),
    settle: store.settle.bind(store),
  };
  const loops = new AgentLoops({ store: failing, clock });
  const denied = { what: 'denied', route: null, runs: none } as const;
  await assert.rejects(loops.note(task, denied, limits), StoreUnavailable);
  await assert.rejects(loops.runsOf(task, limits), StoreUnavailable);
  await assert.rejects(loops.capsOf(task, write, 'd', limits), StoreUnavailable);
  away = false;
  await loops.note(task, denied, limits);
  assert.equal((await loops.runsOf(task, limits)).denials?.count, 1);
});

test('an agent gets so many tasks a minute', async () => {
  const { clock, loops } = await setUp();
  await clock.advance(20_000);
  const asked = await Promise.all(Array.from({ length: 8 }, () => loops.deniesTask(fakeAgent, limits)));
  assert.equal(asked.filter((denial) => denial === undefined).length, 5);
  const denial = asked.at(-1);
  assert.deepEqual([denial?.code, denial?.details.retryAfterMs], ['rate_limited', 40_000]);
  assert.equal(await loops.deniesTask({ ...fakeAgent, id: 'other' }, limits), undefined);
  await clock.advance(40_000);
  assert.equal(await loops.deniesTask(fakeAgent, limits), undefined);
});
