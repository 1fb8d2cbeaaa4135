/** What an agent has read in one task and brings along into its next: for a bounded time, whoever the task is for. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { systemClock } from '../../src/clock.ts';
import { part } from '../parts.ts';
import { keptOf, readCheckpoint, taintOf, writeCheckpoint } from './checkpoint-world.ts';
import { details, exchange, jwt, partOf, subjectOf } from './exchange-form.ts';
import { type OpenedTask, World } from './world.ts';

const rows = {
  orders: {
    operations: {
      get_order: { reads: ['private'], sends: 'inside' },
      create_refund: { reads: ['untrusted'], sends: 'inside' },
    },
  },
  gpt: { operations: { chat: { reads: [] } } },
};
const first = { 'if-none-match': '*' };

describe('taint into the next task', part('opa'), () => {
  let world: World;
  let skewMs = 0;
  let agents = 0;
  const system = systemClock();
  const clock = { ...system, nowMs: () => system.nowMs() + skewMs };
  before(async () => {
    world = await World.open({ rows, clock, config: { task: { taint_seconds: 60 } } });
  });
  after(() => world?.[Symbol.asyncDispose]());
  beforeEach(() => {
    skewMs = 0;
    world.orders.received.length = 0;
  });
  /** An agent that nobody has heard of. */
  const fresh = () => `agent-${++agents}`;
  const order = (task: OpenedTask) => world.fetch('/tools/orders/orders/O-1', task.token);
  const end = (task: OpenedTask, how: 'complete' | 'kill' = 'complete') =>
    world.fetch(`/tasks/${task.id}/${how}`, task.token, { method: 'POST' });
  const taintOfNext = async (agent: string, body: Record<string, unknown> = {}) =>
    taintOf(world, await world.task(body, agent));

  test('[task.taint-into-the-next-task] the next task begins with it, whoever it is for and whatever is granted, and the trail says why', async () => {
    const agent = fresh();
    const task = await world.task({ subject: { id: 'C-1' } }, agent);
    assert.equal((await order(task)).status, 200);
    assert.equal(world.orders.received.length, 1);
    const grants = { labels: { grant: JSON.stringify({ taint: ['granted'] }) }, subject: { id: 'C-2' } };
    const next = await world.task(grants, agent);
    assert.deepEqual(await taintOf(world, next), ['granted', 'private']);
    const [created] = await world.events({ task: next.id, operation: 'task.create' });
    assert.equal(created?.status, 201);
    assert.ok((await keptOf(world, next.id)).includes('\\"taint_carried\\":[\\"private\\"]'));
    assert.ok(!(await keptOf(world, task.id)).includes('taint_carried'));
    assert.deepEqual(await taintOfNext(fresh()), [], 'another agent has read nothing');
    const { answer } = await exchange(world, {
      ...subjectOf(world.issuer.token(agent), jwt),
      authorization_details: details(),
    });
    assert.deepEqual(await taintOf(world, { id: answer.task_id, token: answer.access_token }), ['private']);
  });

  test('[task.taint-into-the-next-task] it ends some time after the last sign of the task, not after its first', async () => {
    const agent = fresh();
    const task = await world.task({}, agent);
    await order(task);
    skewMs = 55_000;
    assert.equal((await world.chat((await renewed(task, agent)).token)).status, 200, 'a call that reads nothing new');
    skewMs = 114_000;
    assert.deepEqual(await taintOfNext(agent), ['private'], 'a minute after its last call');
    skewMs = 55_000 + 91_000;
    assert.deepEqual(await taintOfNext(agent), []);
  });

  test('the end of a task counts as a sign of it, by complete, kill and revocation', async () => {
    const ends: ((task: OpenedTask) => Promise<unknown>)[] = [
      (task) => end(task),
      (task) => end(task, 'kill'),
      async (task) => {
        const gone = await fetch(`${world.gate.url}/oauth/revoke`, {
          method: 'POST',
          body: new URLSearchParams({ token: task.token }),
        });
        assert.equal(gone.status, 200);
      },
    ];
    for (const endIt of ends) {
      skewMs = 0;
      const agent = fresh();
      const task = await world.task({ labels: { grant: JSON.stringify({ taint: ['private'] }) } }, agent);
      assert.deepEqual(await taintOfNext(agent), [], 'nothing was called');
      await endIt(task);
      skewMs = 59_000;
      assert.deepEqual(await taintOfNext(agent), ['private']);
      skewMs = 91_000;
      assert.deepEqual(await taintOfNext(agent), []);
    }
  });

  test('a part brings what it has read to the next tasks of both agents', async () => {
    const [agent, other] = [fresh(), fresh()];
    const whole = await world.task({}, agent);
    const { answer } = await exchange(world, partOf(whole.token, world.issuer.token(other)));
    assert.equal((await world.fetch('/tools/orders/orders/O-1', answer.access_token)).status, 200);
    for (const either of [agent, other]) assert.deepEqual(await taintOfNext(either), ['private']);
  });

  test('a call that is refused, or only asked about, leaves nothing', async () => {
    const agent = fresh();
    const task = await world.task({ labels: { deny: 'orders.get_order' } }, agent);
    assert.equal((await order(task)).status, 403);
    const allowed = await world.task({}, agent);
    const asked = await world.fetch(`/tasks/${allowed.id}/check`, allowed.token, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ calls: [{ method: 'GET', path: '/tools/orders/orders/O-1' }] }),
    });
    assert.ok(asked.ok, await asked.text());
    assert.deepEqual(await taintOfNext(agent), []);
    assert.equal(world.orders.received.length, 0);
  });

  test('[task.checkpoint-taints] a checkpoint that is read with a workload token taints the next task of the agent', async () => {
    const agent = fresh();
    const task = await world.task({ ttl_seconds: 30 }, agent);
    await order(task);
    await writeCheckpoint(world.gate, task.id, task.token, { step: 1 }, first);
    skewMs = 200_000;
    assert.deepEqual(await taintOfNext(agent), [], 'what the agent knew is forgotten');
    assert.equal((await readCheckpoint(world.gate, task.id, world.issuer.token(agent))).status, 200);
    const next = await world.task({}, agent);
    assert.deepEqual(await taintOf(world, next), ['private']);
    const written = await writeCheckpoint(world.gate, next.id, world.issuer.token(agent), { step: 2 }, first);
    assert.equal(written.status, 201);
  });

  test('[task.checkpoint-taints] what an agent without a task writes holds what it has just read elsewhere', async () => {
    const agent = fresh();
    const [one, other] = [await world.task({}, agent), await world.task({}, agent)];
    await order(one);
    assert.deepEqual(await taintOf(world, other), []);
    await writeCheckpoint(world.gate, other.id, world.issuer.token(agent), { of: 'the one' }, first);
    assert.equal((await readCheckpoint(world.gate, other.id, other.token)).status, 200);
    assert.deepEqual(await taintOf(world, other), ['private']);
  });

  async function renewed({ id }: OpenedTask, agent: string): Promise<{ token: string }> {
    const response = await world.fetch(`/tasks/${id}/token`, world.issuer.token(agent), { method: 'POST' });
    return { token: ((await response.json()) as { task_token: string }).task_token };
  }
});
