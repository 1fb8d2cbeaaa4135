/** The checkpoint of a task: who reads and writes it, what is refused, what whoever resumes takes over. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { systemClock } from '../../src/clock.ts';
import { part } from '../parts.ts';
import { happened, keptOf, readCheckpoint, taintOf, writeCheckpoint } from './checkpoint-world.ts';
import { exchange, partOf } from './exchange-form.ts';
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
const state = { step: 3, orders: ['O-1'] };

describe('checkpoints', part('opa'), () => {
  let world: World;
  let skewMs = 0;
  const system = systemClock();
  const clock = { ...system, nowMs: () => system.nowMs() + skewMs };
  before(async () => {
    world = await World.open({ rows, clock, config: { task: { taint_seconds: 0, checkpoint_seconds: 120 } } });
  });
  after(() => world?.[Symbol.asyncDispose]());
  beforeEach(() => {
    skewMs = 0;
    world.orders.received.length = 0;
  });
  const order = (token: string) => world.fetch('/tools/orders/orders/O-1', token);
  const workload = (agent = 'coordinator') => world.issuer.token(agent);
  const end = (task: OpenedTask, how: 'complete' | 'kill') =>
    world.fetch(`/tasks/${task.id}/${how}`, task.token, { method: 'POST' });
  const read = (id: string, token: string, headers?: Record<string, string>) =>
    readCheckpoint(world.gate, id, token, headers);
  const write = (id: string, token: string, body: unknown, headers?: Record<string, string>) =>
    writeCheckpoint(world.gate, id, token, body, headers);

  test('[task.checkpoint-recorded] is written and read byte for byte, each time recorded, and its contents never', async () => {
    const task = await world.task();
    const none = await read(task.id, task.token);
    assert.deepEqual([none.status, none.denial], [404, 'route_unknown checkpoint_absent']);
    const text = '{ "step": 3.0, "note": "a word that stands nowhere else", "mail": "ann@example.com" }';
    const written = await write(task.id, task.token, text, first);
    assert.equal(written.status, 201);
    const told = JSON.parse(written.text) as { etag: string; bytes: number; findings: { type: string }[] };
    assert.deepEqual([told.etag, told.bytes, told.findings[0]?.type], [written.etag, Buffer.byteLength(text), 'email']);
    const found = await read(task.id, task.token);
    assert.deepEqual([found.status, found.text, found.etag], [200, text, written.etag]);
    const known = await read(task.id, task.token, { 'if-none-match': written.etag });
    assert.deepEqual([known.status, known.text], [304, '']);
    const again = await write(task.id, task.token, state, { 'if-match': written.etag });
    assert.equal(again.status, 200);
    assert.notEqual(again.etag, written.etag);
    assert.deepEqual(await happened(world, task.id), [
      ['task.checkpoint', 201],
      ['task.checkpoint_read', 200],
      ['task.checkpoint_read', 304],
      ['task.checkpoint', 200],
    ]);
    const kept = await keptOf(world, task.id);
    assert.ok(kept.includes(written.etag.replaceAll('"', '')) && kept.includes('/mail'), kept);
    assert.ok(!/nowhere else|ann@example/.test(kept));
    assert.equal(world.orders.received.length, 0);
  });

  test('[task.checkpoint-recorded] secrets are refused by their place alone, and nothing is kept', async () => {
    const task = await world.task();
    const key = `sk-proj-${'aB3dE5gH7jK9mN1pQ2rS4tU6vW8xY0zA'.repeat(2)}`;
    const refused = await write(task.id, task.token, { state: { api_key: key, mail: 'ann@example.com' } }, first);
    assert.deepEqual([refused.status, refused.denial], [403, 'secret_blocked secret_blocked']);
    assert.ok(
      refused.text.includes('/state/api_key') && !refused.text.includes(key) && !refused.text.includes('/mail'),
    );
    assert.equal((await read(task.id, task.token)).status, 404);
    assert.deepEqual(await happened(world, task.id), [['task.checkpoint', 403]]);
    assert.ok(!(await keptOf(world, task.id)).includes(key));
  });

  test('[task.checkpoint-one-writer] of parallel writers exactly one wins, first and later', async () => {
    const task = await world.task();
    const statuses = async (headers: Record<string, string>) =>
      (await Promise.all(Array.from({ length: 12 }, (_, n) => write(task.id, task.token, { n }, headers))))
        .map(({ status }) => status)
        .toSorted();
    const lost = Array.from({ length: 11 }, () => 412);
    assert.deepEqual(await statuses(first), [201, ...lost]);
    const { etag } = await read(task.id, task.token);
    assert.deepEqual(await statuses({ 'if-match': etag }), [200, ...lost]);
    assert.deepEqual(await statuses({}), [412, ...lost]);
    assert.deepEqual(await statuses({ 'if-match': '"another"' }), [412, ...lost]);
    const done = (await happened(world, task.id)).filter(([operation]) => operation === 'task.checkpoint');
    assert.deepEqual(
      done.map(([, status]) => status),
      [201, 200],
      'who lost has changed nothing',
    );
  });

  test('what is too large, too deep, no JSON, or has two readings is refused', async () => {
    const task = await world.task();
    const large = JSON.stringify('x'.repeat(262_144 - 2));
    const cases: [unknown, Record<string, string>, number, string][] = [
      [`${large} `, {}, 413, 'too_large'],
      ['['.repeat(65) + ']'.repeat(65), {}, 400, 'request_invalid'],
      ['['.repeat(100_000), {}, 400, 'request_invalid'],
      ['{"a":1,"a":2}', {}, 400, 'request_invalid'],
      ['{"n":9007199254740993}', {}, 400, 'request_invalid'],
      ['{"s":"\\ud800"}', {}, 400, 'request_invalid'],
      ['nothing', {}, 400, 'request_invalid'],
      ['', {}, 400, 'request_invalid'],
      [Buffer.from([0x22, 0xff, 0x22]), {}, 400, 'request_invalid'],
      [state, { 'content-type': 'text/plain' }, 415, 'media_type_unsupported'],
      [state, { 'content-type': 'application/merge-patch+json' }, 415, 'media_type_unsupported'],
      [state, { 'content-encoding': 'gzip' }, 415, 'media_type_unsupported'],
      [state, { 'if-match': 'no tag' }, 400, 'request_invalid'],
    ];
    for (const [body, headers, status, code] of cases) {
      const refused = await write(task.id, task.token, body, { ...first, ...headers });
      assert.deepEqual([refused.status, refused.denial.split(' ')[0]], [status, code], String(body).slice(0, 30));
    }
    const other = await world.fetch(`/tasks/${task.id}/checkpoint`, task.token, { method: 'DELETE' });
    assert.deepEqual([other.status, other.headers.get('allow')], [405, 'GET, PUT']);
    assert.equal((await write(task.id, task.token, large, first)).status, 201, 'up to the very byte');
    assert.equal((await read(task.id, task.token)).text, large);
  });

  test('[task.checkpoint-own] to anybody but its agent, its parent and the agent’s next task it does not exist', async () => {
    const subject = { id: 'C-1' };
    const task = await world.task({ subject });
    await write(task.id, task.token, state, first);
    const { answer: sub } = await exchange(world, partOf(task.token, workload('legal-risk')));
    await write(sub.task_id, sub.access_token, { of: 'the part' }, first);
    const other = await world.task({ subject: { id: 'C-2' } });
    const stranger = await world.task({ subject }, 'stranger');
    const unknown: [string, string][] = [
      [task.id, world.issuer.token('coordinator', { tid: 'umbrella' })],
      [task.id, workload('stranger')],
      [task.id, workload('legal-risk')],
      [task.id, stranger.token],
      [task.id, other.token],
      [task.id, sub.access_token],
      [sub.task_id, other.token],
      ['task_00000000000000000000000000', task.token],
    ];
    for (const [id, token] of unknown) {
      assert.equal((await read(id, token)).denial.split(' ')[0], 'task_unknown');
      assert.equal((await write(id, token, { mine: true }, { 'if-match': '*' })).denial.split(' ')[0], 'task_unknown');
    }
    assert.equal((await read(task.id, 'no token')).status, 401);
    assert.equal((await read(sub.task_id, task.token)).text, '{"of":"the part"}', 'its parent reads');
    const byParent = await write(sub.task_id, task.token, { by: 'the parent' }, { 'if-match': '*' });
    assert.deepEqual([byParent.status, byParent.denial], [403, 'insufficient_scope not_own_task']);
    const next = await world.task({ subject });
    assert.equal((await read(task.id, next.token)).text, JSON.stringify(state), 'its next task reads');
    const byNext = await write(task.id, next.token, { by: 'the next' }, { 'if-match': '*' });
    assert.deepEqual([byNext.status, byNext.denial], [403, 'insufficient_scope not_own_task']);
    assert.equal((await read(task.id, task.token)).text, JSON.stringify(state));
    const written = (await happened(world, task.id)).filter(([operation]) => operation === 'task.checkpoint');
    assert.equal(written.length, 1);
  });

  test('[task.checkpoint-own] a narrowed token and a delegation token do not open it; the workload token does both', async () => {
    const task = await world.task();
    const further = async (body: object) =>
      (await (
        await world.fetch(`/tasks/${task.id}/token`, workload(), { method: 'POST', body: JSON.stringify(body) })
      ).json()) as { task_token: string; delegation_token: string };
    const { task_token: narrowed } = await further({ tools: ['orders.get_order'] });
    const { delegation_token: handed } = await further({ for: { agent: 'legal-risk', issuer: 'azure' } });
    for (const [token, code] of [
      [narrowed, 'insufficient_scope token_narrowed'],
      [handed, 'unauthenticated token_kind'],
    ] as const) {
      assert.equal((await read(task.id, token)).denial, code);
      assert.equal((await write(task.id, token, state, first)).denial, code);
    }
    assert.equal((await write(task.id, workload(), state, first)).status, 201);
    assert.equal((await read(task.id, workload())).text, JSON.stringify(state));
  });

  test('[task.checkpoint-taints] whoever reads it has read what its task had: the parent, the next task', async () => {
    const subject = { id: 'C-1' };
    const task = await world.task({ subject });
    assert.equal((await order(task.token)).status, 200);
    await write(task.id, task.token, state, first);
    const next = await world.task({ subject });
    assert.deepEqual(await taintOf(world, next), []);
    assert.equal((await read(task.id, next.token)).status, 200);
    assert.deepEqual(await taintOf(world, next), ['private']);
    assert.equal(world.orders.received.length, 1);
    const [event] = await world.events({ task: task.id, operation: 'task.checkpoint_read' });
    assert.equal(event?.status, 200);
    assert.ok((await keptOf(world, task.id)).includes(next.id), 'the trail names the task that read it');
  });

  test('of a task that has ended it is not written; it is read for a bounded time, and never once it was killed', async () => {
    const expired = await world.task({ ttl_seconds: 60 });
    const completed = await world.task({ ttl_seconds: 60 });
    const killed = await world.task({ ttl_seconds: 60 });
    for (const task of [expired, completed, killed]) await write(task.id, task.token, state, first);
    await end(completed, 'complete');
    await end(killed, 'kill');
    assert.equal((await read(killed.id, workload())).denial, 'task_killed');
    assert.equal((await write(killed.id, workload(), {}, { 'if-match': '*' })).denial, 'task_killed');
    assert.equal((await write(completed.id, completed.token, {}, { 'if-match': '*' })).denial, 'task_completed');
    assert.equal((await read(completed.id, completed.token)).status, 200);
    skewMs = 61_000;
    assert.equal((await write(expired.id, workload(), {}, { 'if-match': '*' })).denial, 'task_expired');
    for (const task of [expired, completed]) {
      assert.equal((await read(task.id, workload())).text, JSON.stringify(state));
    }
    skewMs = 181_000;
    for (const task of [expired, completed]) assert.equal((await read(task.id, workload())).denial, 'task_expired');
    assert.equal((await read(killed.id, workload())).denial, 'task_killed');
  });

  test('a part’s checkpoint goes with the whole when that is killed', async () => {
    const task = await world.task();
    const { answer: sub } = await exchange(world, partOf(task.token, workload('legal-risk')));
    await write(sub.task_id, sub.access_token, state, first);
    await end(task, 'kill');
    assert.equal((await read(sub.task_id, workload('legal-risk'))).denial, 'task_killed');
    assert.equal((await read(sub.task_id, task.token)).denial, 'task_killed');
    const refused = await write(sub.task_id, workload('legal-risk'), {}, { 'if-match': '*' });
    assert.equal(refused.denial, 'task_killed');
  });

  test('a suspended agent neither reads nor writes it', async () => {
    const task = await world.task({}, 'suspect');
    await write(task.id, task.token, state, first);
    const what = { kind: 'agent', issuer: 'azure', id: 'suspect', reason: 'test' };
    const suspended = await world.admin('/suspensions', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(what),
    });
    assert.ok(suspended.ok, await suspended.text());
    for (const token of [task.token, workload('suspect')]) {
      assert.equal((await read(task.id, token)).denial.split(' ')[0], 'agent_suspended');
      assert.equal((await write(task.id, token, {}, { 'if-match': '*' })).denial.split(' ')[0], 'agent_suspended');
    }
    assert.deepEqual(await happened(world, task.id), [['task.checkpoint', 201]]);
  });

  test('[task.checkpoint-regions] what a decision kept to some regions is not written where the gateway is not in one', async () => {
    const oblige = (regions: string[]) => ({ labels: { oblige: JSON.stringify({ regions }) } });
    for (const [region, status, denial] of [
      ['westeurope', 201, ''],
      ['eastus', 403, 'residency_violation checkpoint_region'],
    ] as const) {
      await using there = await World.open({ rows, config: { gateway: { region, cloud: 'azure' } } });
      const task = await there.task(oblige(['west*']));
      assert.equal((await there.fetch('/tools/orders/orders/O-1', task.token)).status, 200);
      assert.equal(there.orders.received.length, 1);
      const written = await writeCheckpoint(there.gate, task.id, task.token, state, first);
      assert.deepEqual([written.status, written.denial], [status, denial]);
      assert.equal((await readCheckpoint(there.gate, task.id, task.token)).status, status === 201 ? 200 : 404);
      assert.deepEqual((await happened(there, task.id))[0], ['task.checkpoint', status]);
      const free = await there.task(oblige(['*']), 'another');
      assert.equal((await there.fetch('/tools/orders/orders/O-1', free.token)).status, 200);
      assert.equal((await writeCheckpoint(there.gate, free.id, free.token, state, first)).status, 201);
    }
  });
});
