/** Two gateways on one Redis: a task belongs to both, and so do its budget, its kill and its keys. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Gate } from '../../src/main.ts';
import { openLegacyReference } from '../fakes/mcp-reference/legacy.ts';
import { RedisServer } from '../fakes/redis-server.ts';
import { chatReply } from '../gateway/chat.ts';
import { McpClient } from '../gateway/mcp-client.ts';
import { type OpenedTask, World } from '../gateway/world.ts';
import { part } from '../parts.ts';

const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const skip = part('opa').skip ?? part('redis-server').skip;
const options = skip === undefined ? {} : { skip };

describe('two gateways on one Redis', options, () => {
  let redis: RedisServer;
  let world: World;
  let second: Gate;
  before(async () => {
    redis = await RedisServer.start();
    const store = { kind: 'redis', url: `redis://127.0.0.1:${redis.port}`, command_timeout_ms: 500 };
    world = await World.open({ config: { store, keys: { secret: 'the secret of all gateways of this test' } } });
    second = await world.secondGate('gw-second');
  });
  after(async () => {
    await world?.[Symbol.asyncDispose]();
    await redis?.[Symbol.asyncDispose]();
  });

  const at = (gate: Gate, path: string, task: OpenedTask, init: RequestInit = {}) =>
    fetch(`${gate.url}${path}`, { ...init, headers: { authorization: `Bearer ${task.token}` } });
  const chatAt = (gate: Gate, task: OpenedTask, more: object = {}) =>
    fetch(`${gate.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${task.token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'gpt', messages: [{ role: 'user', content: 'hello' }], max_tokens: 50, ...more }),
    });

  test('[identity.keys-of-all-gateways] a task opened at one is called at the other, and both publish both keys', async () => {
    const task = await world.task();
    assert.equal((await at(second, '/tools/orders/orders/O-1', task)).status, 200);
    const kids = async (gate: Gate) => {
      const { keys } = (await (await fetch(`${gate.url}/.well-known/jwks.json`)).json()) as { keys: { kid: string }[] };
      return keys
        .map(({ kid }) => kid)
        .filter((kid) => /\.(task|txn)\./.test(kid))
        .sort();
    };
    assert.deepEqual(await kids(world.gate), await kids(second));
    assert.equal((await kids(second)).length, 4);
  });

  test('[budget.no-overspend] parallel calls over both are admitted exactly as often as the budget lets them', async () => {
    const task = await world.task({ budget: { calls: 7 } });
    const calls = Array.from({ length: 40 }, (_, index) =>
      at(index % 2 === 0 ? world.gate : second, `/tools/orders/orders/O-${index}`, task).then(({ status }) => status),
    );
    const statuses = await Promise.all(calls);
    assert.equal(statuses.filter((status) => status === 200).length, 7);
    const { budget } = await world.taskDocument(task);
    assert.deepEqual([budget.spent.calls, budget.reserved.calls], [7, 0]);
  });

  test('[task.parallel-writes-see-each-other] fifty refunds over both stay within the sum that the policy lets the task have', async () => {
    const task = await world.task({ labels: { sum_limit: '100' } });
    world.orders.received.length = 0;
    const statuses = await Promise.all(
      Array.from({ length: 50 }, async (_, index) => {
        const gate = index % 2 === 0 ? world.gate : second;
        const response = await fetch(`${gate.url}/tools/orders/refunds`, {
          method: 'POST',
          headers: { authorization: `Bearer ${task.token}`, 'content-type': 'application/json' },
          body: JSON.stringify({ amount_cents: 10, note: `refund ${index}` }),
        });
        return response.status;
      }),
    );
    assert.equal(statuses.filter((status) => status === 200).length, 10);
    assert.equal(world.orders.received.length, 10);
  });

  test('[idempotency.one-of-many] forty equal refunds under one key over both: one is sent, and both give its answer again', async () => {
    const task = await world.task();
    world.orders.received.length = 0;
    const refund = (gate: Gate) =>
      fetch(`${gate.url}/tools/orders/refunds`, {
        method: 'POST',
        headers: {
          ...{ authorization: `Bearer ${task.token}`, 'content-type': 'application/json' },
          'idempotency-key': '"one-refund"',
        },
        body: JSON.stringify({ amount_cents: 10 }),
      });
    const all = Array.from({ length: 40 }, (_, index) => refund(index % 2 === 0 ? world.gate : second));
    const statuses = (await Promise.all(all)).map(({ status }) => status);
    assert.equal(world.orders.received.length, 1);
    assert.deepEqual(
      [...new Set(statuses)].filter((status) => status !== 409),
      [200],
    );
    for (const gate of [world.gate, second]) {
      const again = await refund(gate);
      assert.deepEqual([again.status, again.headers.get('idempotent-replayed')], [200, 'true']);
    }
    assert.equal(world.orders.received.length, 1);
    const { budget } = await world.taskDocument(task);
    assert.deepEqual([budget.spent.calls, budget.reserved.calls], [1, 0]);
  });

  test('[task.kill-ends-running-calls] a kill at one ends a stream at the other within a second', async () => {
    world.model.reply = chatReply({ text: 'one two three four five six seven eight nine ten '.repeat(20), paceMs: 50 });
    const task = await world.task();
    const stream = await chatAt(second, task, { stream: true });
    assert.equal(stream.status, 200);
    const reader = (stream.body as ReadableStream<Uint8Array>).getReader();
    await reader.read();
    const killedAt = performance.now();
    await at(world.gate, `/tasks/${task.id}/kill`, task, { method: 'POST' });
    let rest = '';
    for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read())
      rest += Buffer.from(chunk.value).toString();
    assert.ok(performance.now() - killedAt < 1000, `the stream went on for ${performance.now() - killedAt} ms`);
    assert.ok(rest.includes('task_killed'), rest.slice(-300));
    world.model.reply = chatReply();
    assert.equal((await chatAt(second, task)).status, 403);
  });

  test('[budget.settled-once] Redis hung, stopped and started again under load: nothing is overspent, and all that was sent is charged', async () => {
    const task = await world.task({ budget: { calls: 400 } });
    world.orders.received.length = 0;
    let running = true;
    let answered = 0;
    const caller = async (gate: Gate, name: string) => {
      for (let index = 0; running; index++) {
        const response = await at(gate, `/tools/orders/orders/${name}-${index}`, task);
        await response.text();
        if (response.status === 200) answered++;
        else await wait(20);
      }
    };
    const callers = ['a', 'b', 'c'].flatMap((name) => [caller(world.gate, `${name}1`), caller(second, `${name}2`)]);
    await wait(300);
    redis.pause();
    await wait(700);
    redis.resume();
    await wait(300);
    await redis.restart();
    await wait(600);
    running = false;
    await Promise.all(callers);
    const sent = world.orders.received.length;
    assert.ok(answered > 20 && sent >= answered && sent <= 400, `${answered} answered, ${sent} sent`);
    // Settlements that waited for Redis are made within moments; what was sent is what is spent.
    let balance = (await world.taskDocument(task)).budget;
    for (let tries = 0; tries < 50 && (balance.reserved.calls > 0 || balance.spent.calls !== sent); tries++) {
      await wait(200);
      balance = (await world.taskDocument(task)).budget;
    }
    assert.deepEqual([balance.spent.calls, balance.reserved.calls], [sent, 0]);
  });

  test('while Redis is away calls are refused, nothing is sent, and both gateways are not ready; then it all goes on', async () => {
    const task = await world.task();
    await redis.stop();
    world.orders.received.length = 0;
    const refused = await at(second, '/tools/orders/orders/O-1', task);
    assert.deepEqual([refused.status, ((await refused.json()) as { code: string }).code], [503, 'store_unavailable']);
    assert.equal((await fetch(`${second.url}/readyz`)).status, 503);
    assert.equal(world.orders.received.length, 0);
    await redis.start();
    const deadline = performance.now() + 10_000;
    while ((await fetch(`${second.url}/readyz`)).status !== 200 && performance.now() < deadline) {
      await wait(100);
    }
    assert.equal((await at(second, '/tools/orders/orders/O-1', task)).status, 200);
  });

  test('[session.any-gateway] a session of MCP goes on at the other: calls, cut streams, answers of both eras', async () => {
    const server = await openLegacyReference();
    const place = { cloud: 'azure', region: 'westeurope' };
    const store = { kind: 'redis', url: `redis://127.0.0.1:${redis.port}`, command_timeout_ms: 500 };
    const routes = [{ name: 'asking', kind: 'mcp', targets: [{ ...place, name: 'one', url: server.url }] }];
    const keys = { secret: 'the secret of all gateways of this test' };
    const here = await World.open({ config: { store, keys, routes, gateway: { id: 'gw-mcp' } } });
    try {
      const there = await here.secondGate('gw-mcp-second');
      const task = await here.task();
      const one = new McpClient(`${here.gate.url}/mcp/asking`, task.token);
      const other = new McpClient(`${there.url}/mcp/asking`, task.token);
      await one.initialize('2025-11-25', { elicitation: {} });
      other.session = one.session;
      other.version = one.version;
      assert.equal((await other.request('tools/list')).status, 200);
      const ask = { name: 'test_elicitation', arguments: { message: 'Who?' } };
      const content = { username: 'ann', email: 'none' };
      const events = await one.begin('tools/call', ask);
      const question = await events.next();
      const result = { action: 'accept', content };
      assert.equal((await other.post({ jsonrpc: '2.0', id: question?.id, result }, {})).status, 202);
      assert.match(JSON.stringify((await events.next())?.result), /ann/);
      const again = await other.resume(events.lastId() as string).catch(() => []);
      assert.deepEqual(again, [], 'after the last event nothing comes');
      const whole = await other.resume((events.lastId() as string).replace(/\d+$/, '0'));
      assert.equal(whole.length, 2);
      // What the server saw: one session that both gateways went on with.
      const simple = { name: 'test_simple_text', arguments: {} };
      for (const client of [other, one]) assert.equal((await client.request('tools/call', simple)).status, 200);
      const called = server.received.filter(({ message }) => message?.method === 'tools/call');
      const sessions = new Set(called.map(({ headers }) => headers['mcp-session-id']));
      assert.deepEqual([called.length, sessions.size, sessions.has(undefined)], [3, 1, false]);
      const begun = server.calls('initialize').filter(({ capabilities }) => 'elicitation' in (capabilities as object));
      assert.equal(begun.length, 1, 'all others are the gateways asking for tools');
      const asked = (await one.modern('tools/call', ask, { elicitation: {} })).result as {
        inputRequests: object;
        requestState: string;
      };
      const inputResponses = { [Object.keys(asked.inputRequests)[0] as string]: { action: 'accept', content } };
      const more = { inputResponses, requestState: asked.requestState };
      const stateless = new McpClient(`${there.url}/mcp/asking`, task.token);
      const done = await stateless.modern('tools/call', { ...ask, ...more }, { elicitation: {} });
      assert.match(JSON.stringify(done.result), /ann/);
      assert.equal(server.calls('tools/call').length, 4);
      assert.equal((await other.end()).status, 204);
      assert.equal((await one.request('ping')).status, 404);
    } finally {
      await here[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    }
  });
});
