/**
 * Suspension of an agent, a tenant, an issuer and a route, at every gateway of a store: what is refused, what is cut, and
 * that it goes on afterwards. With Redis there are two gateways; the store must then be this file's own, because a
 * suspension is for the whole of it.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import type { Gate } from '../../src/main.ts';
import type { Rooms } from '../../src/pipeline.ts';
import type { Reply } from '../fakes/upstream.ts';
import { part } from '../parts.ts';
import { chatReply } from './chat.ts';
import { type OpenedTask, World } from './world.ts';

type What = Readonly<Record<string, string>>;

const kinds: readonly What[] = [
  { kind: 'agent', issuer: 'azure', id: 'coordinator' },
  { kind: 'agent', issuer: 'azure', id: 'coordinator', tenant: 'acme' },
  { kind: 'tenant', id: 'acme' },
  { kind: 'issuer', id: 'azure' },
  { kind: 'route', id: 'orders' },
];

/** Words for as long as somebody listens; `closed` resolves once nobody does. */
function endless(): { readonly reply: Reply; readonly closed: Promise<void> } {
  const { promise, resolve } = Promise.withResolvers<void>();
  const chunk = { id: 'c', object: 'chat.completion.chunk', created: 1, model: 'gpt-real' };
  const frame = `data: ${JSON.stringify({ ...chunk, choices: [{ index: 0, delta: { content: 'word ' } }] })}\n\n`;
  const reply: Reply = async (_request, response: ServerResponse) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    while (!response.destroyed) {
      if (!response.write(frame)) await Promise.race([once(response, 'drain'), wait(50)]);
      await wait(10);
    }
    resolve();
  };
  return { reply, closed: promise };
}

describe('suspension', part('opa'), () => {
  let world: World;
  let gates: Gate[];
  /** Done at the last moment before a send. */
  let beforeSend: () => Promise<unknown> = async () => undefined;
  const alterRooms = (rooms: Rooms): Rooms => ({
    ...rooms,
    exchange: {
      ...rooms.exchange,
      stillAlive: async (call) => {
        await beforeSend();
        return rooms.exchange.stillAlive(call);
      },
    },
  });
  const suspended: What[] = [];

  before(async () => {
    const budget = { tokens: 10_000_000, cost_usd: 1000, calls: 1000, seconds: 600 };
    world = await World.open({ alterRooms, config: { task: { loop: { repeats: 49 }, budget } } });
    const second = process.env.TOLLGATE_TEST_REDIS === undefined ? [] : [await world.secondGate('gw-second')];
    gates = [world.gate, ...second];
  });
  after(async () => world?.[Symbol.asyncDispose]());
  beforeEach(() => {
    world.model.reply = chatReply();
    for (const target of [world.model, world.orders]) target.received.length = 0;
  });
  afterEach(async () => {
    beforeSend = async () => undefined;
    for (const what of suspended.splice(0)) await resume(what);
  });

  const admin = async (path: string, body: object): Promise<Record<string, unknown>> => {
    const headers = { 'content-type': 'application/json' };
    const response = await world.admin(path, { method: 'POST', headers, body: JSON.stringify(body) });
    const answer = (await response.json()) as Record<string, unknown>;
    assert.equal(response.status, 200, JSON.stringify(answer));
    return answer;
  };
  const suspend = async (what: What, more: object = {}) => {
    suspended.push(what);
    return admin('/suspensions', { ...what, reason: 'it behaves oddly', ...more });
  };
  const resume = (what: What) => admin('/suspensions/resume', what);

  const order = async (task: OpenedTask, gate: Gate = world.gate) => {
    const response = await fetch(`${gate.url}/tools/orders/orders/O-1`, {
      headers: { authorization: `Bearer ${task.token}` },
    });
    const body = (await response.json()) as { code?: string; reasons?: { code: string; message: string }[] };
    return { said: `${response.status} ${body.code ?? 'ok'} ${body.reasons?.[0]?.code ?? ''}`.trim(), body };
  };

  for (const what of kinds) {
    const reason = `${what.kind}_suspended`;
    test(`[task.suspension-refuses-at-every-gateway] ${Object.values(what).join(' ')}: the next call is refused at every gateway, nothing is sent, and the task goes on after it is resumed`, async () => {
      const task = await world.task();
      for (const gate of gates) assert.equal((await order(task, gate)).said, '200 ok');
      assert.equal(world.orders.received.length, gates.length);

      await suspend(what);
      for (const gate of gates) {
        const { said, body } = await order(task, gate);
        assert.equal(said, `403 agent_suspended ${reason}`);
        assert.match(body.reasons?.[0]?.message ?? '', /operator/);
        assert.doesNotMatch(JSON.stringify(body), /oddly/, 'the reason is for operators');
      }
      assert.equal(world.orders.received.length, gates.length);
      const events = await world.events({ task: task.id, type: 'denial' });
      assert.deepEqual(
        events.map(({ status, decision }) => [status, ...(decision?.reasons ?? []).map(({ code }) => code)]),
        [[403, 'agent_suspended', reason]],
      );
      assert.equal((await world.taskDocument(task)).state, 'active');

      await resume(what);
      for (const gate of gates) assert.equal((await order(task, gate)).said, '200 ok');
      assert.equal(world.orders.received.length, 2 * gates.length);
    });
  }

  test('a suspended route is refused and the others serve', async () => {
    const task = await world.task();
    await suspend({ kind: 'route', id: 'orders' });
    assert.equal((await order(task)).said, '403 agent_suspended route_suspended');
    assert.equal((await world.chat(task.token)).status, 200);
  });

  test('the same id in another tenant is another agent, and goes on', async () => {
    await suspend({ kind: 'agent', issuer: 'azure', id: 'coordinator', tenant: 'acme' });
    const response = await world.fetch('/tasks', world.issuer.token('coordinator', { tid: 'umbrella' }), {
      method: 'POST',
      body: JSON.stringify({ purpose: 'test' }),
    });
    const { task_id: id, task_token: token } = (await response.json()) as { task_id: string; task_token: string };
    assert.equal((await order({ id, token, status: 201, body: {} })).said, '200 ok');
  });

  test('a suspended agent opens no task, renews no token, and takes no part of a task', async () => {
    const [own, whole] = [await world.task(), await world.task({}, 'boss')];
    const renew = async () =>
      (await world.fetch(`/tasks/${own.id}/token`, world.issuer.token('coordinator'), { method: 'POST' })).status;
    const exchange = async () => {
      const jwt = 'urn:ietf:params:oauth:token-type:jwt';
      const form = new URLSearchParams({
        grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
        ...{ subject_token: whole.token, subject_token_type: 'urn:ietf:params:oauth:token-type:access_token' },
        ...{ actor_token: world.issuer.token('coordinator'), actor_token_type: jwt },
        authorization_details: JSON.stringify([{ type: 'tollgate_task', purpose: 'test' }]),
      });
      const response = await fetch(`${world.gate.url}/oauth/token`, { method: 'POST', body: form });
      const { error, code } = (await response.json()) as { error?: string; code?: string };
      return `${response.status} ${error} ${code}`;
    };
    assert.deepEqual([await renew(), (await exchange()).slice(0, 3)], [200, '200']);
    await suspend(kinds[0] as What);
    assert.equal((await world.task()).body.code, 'agent_suspended');
    assert.equal(await renew(), 403);
    assert.equal(await exchange(), '400 unauthorized_client agent_suspended');
    assert.equal((await world.task({}, 'boss')).status, 201);
  });

  test('a part stops with the agent above it', async () => {
    const whole = await world.task({}, 'boss');
    const form = new URLSearchParams({
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      ...{ subject_token: whole.token, subject_token_type: 'urn:ietf:params:oauth:token-type:access_token' },
      actor_token: world.issuer.token('coordinator'),
      actor_token_type: 'urn:ietf:params:oauth:token-type:jwt',
      authorization_details: JSON.stringify([{ type: 'tollgate_task', purpose: 'test' }]),
    });
    const response = await fetch(`${world.gate.url}/oauth/token`, { method: 'POST', body: form });
    const { access_token: token, task_id: id } = (await response.json()) as { access_token: string; task_id: string };
    const partOfIt = { id, token, status: 200, body: {} };
    assert.equal((await order(partOfIt)).said, '200 ok');
    await suspend({ kind: 'agent', issuer: 'azure', id: 'boss' });
    assert.equal((await order(partOfIt)).said, '403 agent_suspended agent_suspended');
    assert.equal(world.orders.received.length, 1);
  });

  test('[task.suspension-seen-before-the-send] what is suspended after the intent is not sent', async () => {
    for (const what of kinds) {
      const task = await world.task();
      world.orders.received.length = 0;
      assert.equal((await order(task)).said, '200 ok');
      assert.equal(world.orders.received.length, 1);
      beforeSend = () => suspend(what);
      assert.equal((await order(task)).said, `403 agent_suspended ${what.kind}_suspended`);
      beforeSend = async () => undefined;
      assert.equal(world.orders.received.length, 1);
      const events = await world.events({ task: task.id, operation: 'orders.get_order' });
      assert.deepEqual(
        events.map(({ type, decision }) => `${type} ${decision?.allow ? '' : decision?.reasons[0]?.code}`.trim()),
        ['intent', 'outcome', 'intent', 'outcome agent_suspended'],
      );
      await resume(what);
    }
  });

  test('[task.suspension-cuts-streams] running streams of whom or to where is suspended are cut within a second at every gateway, and others go on', async () => {
    for (const what of [...kinds.slice(0, 4), { kind: 'route', id: 'gpt' }]) {
      const model = endless();
      world.model.reply = model.reply;
      const task = await world.task();
      const others = what.kind === 'agent' ? [await world.task({}, 'somebody-else')] : [];
      const leave = new AbortController();
      const open = (gate: Gate, token: string) =>
        fetch(`${gate.url}/v1/chat/completions`, {
          method: 'POST',
          headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
          body: JSON.stringify({ model: 'gpt', stream: true, messages: [{ role: 'user', content: 'go' }] }),
          signal: leave.signal,
        });
      const streams = await Promise.all(gates.map((gate) => open(gate, task.token)));
      const standing = await Promise.all(others.map(({ token }) => open(world.gate, token)));
      assert.ok([...streams, ...standing].every(({ status }) => status === 200));
      const ended = streams.map(async (response) => ({ text: await response.text(), atMs: performance.now() }));
      await wait(100);
      await suspend(what);
      const fromMs = performance.now();
      for (const { text, atMs } of await Promise.all(ended)) {
        assert.match(text, /"code":"agent_suspended"/, Object.values(what).join(' '));
        assert.ok(atMs - fromMs < 1000, `${atMs - fromMs} ms`);
      }
      for (const response of standing) {
        const reader = response.body?.getReader();
        for (let chunks = 0; chunks < 3; chunks++) assert.equal((await reader?.read())?.done, false);
      }
      leave.abort();
      await model.closed;
      const [outcome] = await world.events({ task: task.id, type: 'outcome' });
      assert.equal(outcome?.decision?.reasons[0]?.code, 'agent_suspended');
      await resume(what);
    }
  });

  test('a suspension with an end ends by itself', async () => {
    const task = await world.task();
    const until = new Date(Date.now() + 1500).toISOString();
    await suspend(kinds[0] as What, { until });
    assert.equal((await order(task)).said, '403 agent_suspended agent_suspended');
    await wait(Date.parse(until) - Date.now() + 50);
    assert.equal((await order(task)).said, '200 ok');
  });
});
