/** MCP as agents speak it, in both eras, over the tools of an HTTP route: sessions, streams, lists, refusals. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Rooms } from '../../src/pipeline.ts';
import { part } from '../parts.ts';
import { McpClient, modernMeta } from './mcp-client.ts';
import { type OpenedTask, World } from './world.ts';

/** Stands for a server that tells its client something before it answers: labels of the task say what. */
function telling(rooms: Rooms): Rooms {
  const { exchange } = rooms;
  return {
    ...rooms,
    exchange: {
      ...exchange,
      attempt: async (call, target) => {
        const { tells } = call.task.record.labels as { tells?: string };
        for (let step = 1; step <= Number(tells ?? 0); step++) {
          const params = { progress: step, message: `step ${step}` };
          await call.conversation?.tell({ method: 'notifications/progress', params }, target);
        }
        return exchange.attempt(call, target);
      },
    },
  };
}

describe('MCP over the tools of an HTTP route', part('opa'), () => {
  let world: World;
  let task: OpenedTask;
  /** The service answers once this has resolved. */
  let held: Promise<void> | undefined;
  before(async () => {
    world = await World.open({ alterRooms: telling });
    world.orders.reply = async (_request, response) => {
      await held;
      response.writeHead(200, { 'content-type': 'application/json' }).end('{"order":1}');
    };
    task = await world.task();
  });
  after(() => world?.[Symbol.asyncDispose]());
  const client = (token = task.token, path = '/mcp/orders') => new McpClient(`${world.gate.url}${path}`, token);

  it('a modern client discovers, lists and calls, and nothing is kept between its requests', async () => {
    const one = client();
    const found = await one.modern('server/discover');
    assert.deepEqual(found.result.supportedVersions, ['2026-07-28', '2025-11-25', '2025-06-18', '2025-03-26']);
    assert.equal(found.result.resultType, 'complete');
    const list = await one.modern('tools/list');
    assert.equal(list.result.cacheScope, 'private');
    assert.deepEqual(
      (list.result.tools as { name: string }[]).map(({ name }) => name),
      ['create_refund', 'delete_order', 'get_order'],
    );
    const before = world.orders.received.length;
    const called = await one.modern('tools/call', { name: 'get_order', arguments: { path: { order_id: '7' } } });
    assert.equal(called.status, 200);
    assert.deepEqual(called.result.structuredContent, { order: 1 });
    assert.equal(world.orders.received.length, before + 1);
    assert.equal(world.orders.received.at(-1)?.url, '/orders/7');
    const callId = called.headers.get('x-tollgate-call-id') as string;
    const events = await world.events({ call: callId });
    assert.deepEqual(
      events.map(({ operation }) => operation),
      ['orders.get_order', 'orders.get_order'],
      'an intent and an outcome',
    );
  });

  it('names of many routes are told apart on /mcp, and pages go on where they ended', async () => {
    const list = await client(task.token, '/mcp').modern('tools/list');
    const names = (list.result.tools as { name: string }[]).map(({ name }) => name);
    assert.deepEqual(names, ['orders__create_refund', 'orders__delete_order', 'orders__get_order']);
    const wrong = await client(task.token, '/mcp').modern('tools/list', { cursor: 'bm9uZQ' });
    assert.equal(wrong.error?.code, -32602);
    const called = await client(task.token, '/mcp').modern('tools/call', {
      name: 'orders__get_order',
      arguments: { path: { order_id: '9' } },
    });
    assert.equal(world.orders.received.at(-1)?.url, '/orders/9');
    assert.equal(called.result.isError, undefined);
  });

  it('a task sees its own tools alone, and a call of another is refused as a result that a model can read', async () => {
    const narrow = await world.task({ tools: ['orders.get_order'] });
    const one = client(narrow.token);
    const list = await one.modern('tools/list');
    assert.deepEqual(
      (list.result.tools as { name: string }[]).map(({ name }) => name),
      ['get_order'],
    );
    const before = world.orders.received.length;
    const refused = await one.modern('tools/call', { name: 'delete_order', arguments: { path: { order_id: '7' } } });
    assert.equal(refused.status, 200);
    assert.equal(refused.result.isError, true);
    assert.equal((refused.result.structuredContent as { code: string }).code, 'policy_denied');
    assert.equal(world.orders.received.length, before);
    const events = await world.events({ task: narrow.id, operation: 'orders.delete_order' });
    assert.equal(events.at(-1)?.decision?.allow, false);
  });

  it('headers that say something else than the body are refused, and so are other methods of HTTP', async () => {
    const one = client();
    const params = { name: 'get_order', arguments: { path: { order_id: '7' } }, _meta: modernMeta };
    const before = world.orders.received.length;
    const wrong = await one.post(
      { jsonrpc: '2.0', id: 1, method: 'tools/call', params },
      {
        'mcp-protocol-version': '2026-07-28',
        'mcp-method': 'tools/call',
        'mcp-name': 'delete_order',
      },
    );
    assert.equal(wrong.status, 400);
    assert.equal(((await wrong.json()) as { error: { code: number } }).error.code, -32020);
    for (const method of ['GET', 'DELETE']) {
      const answer = await world.fetch('/mcp', task.token, {
        method,
        headers: { 'mcp-protocol-version': '2026-07-28' },
      });
      assert.equal(answer.status, 405);
    }
    const unknown = await one.modern('resources/subscribe', { uri: 'x:y' });
    assert.deepEqual([unknown.status, unknown.error?.code], [404, -32601]);
    const told = await one.post({ jsonrpc: '2.0', method: 'notifications/x', params: { _meta: modernMeta } }, {});
    assert.equal(told.status, 202);
    assert.equal(world.orders.received.length, before);
  });

  it('a foreign origin or host, another media type, and no token are refused before anything else', async () => {
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list', params: { _meta: modernMeta } });
    const json = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' };
    const send = (headers: Record<string, string>) =>
      world.fetch('/mcp', task.token, { method: 'POST', body, headers });
    assert.equal((await send({ ...json, origin: 'https://evil.test' })).status, 403);
    assert.equal(
      (
        await send({
          ...json,
          origin: world.gate.url,
          'mcp-protocol-version': '2026-07-28',
          'mcp-method': 'tools/list',
        })
      ).status,
      200,
    );
    assert.equal((await send({ ...json, 'content-type': 'text/plain' })).status, 415);
    assert.equal((await send({ ...json, accept: 'application/json' })).status, 406);
    const bare = await fetch(`${world.gate.url}/mcp/orders`, { method: 'POST', body, headers: json });
    assert.equal(bare.status, 401);
    const challenge = bare.headers.get('www-authenticate') ?? '';
    const metadata = /resource_metadata="http:\/\/gate\.test([^"]+)"/.exec(challenge)?.[1];
    assert.equal(metadata, '/.well-known/oauth-protected-resource/mcp/orders');
    const document = (await (await fetch(`${world.gate.url}${metadata}`)).json()) as Record<string, unknown>;
    assert.equal(document.resource, 'http://gate.test/mcp/orders');
    assert.equal(document.authorization_servers, undefined);
  });

  for (const version of ['2025-11-25', '2025-06-18', '2025-03-26']) {
    it(`[session.belongs-to-its-task] a client of ${version} has a session, which belongs to its task and its route`, async () => {
      const one = client();
      const begun = await one.initialize(version);
      assert.equal(begun.result.protocolVersion, version);
      assert.deepEqual((await one.request('ping')).result, {});
      const called = await one.request('tools/call', { name: 'get_order', arguments: { path: { order_id: '8' } } });
      assert.deepEqual((called.result.content as unknown[])[0], { type: 'text', text: '{"order":1}' });
      const other = await world.task();
      const thief = client(other.token);
      thief.session = one.session;
      assert.equal((await thief.request('ping')).status, 404);
      const elsewhere = client(task.token, '/mcp');
      elsewhere.session = one.session;
      assert.equal((await elsewhere.request('ping')).status, 404);
      const without = client();
      assert.equal((await without.request('ping')).status, 400);
      assert.equal((await one.end()).status, 204);
      assert.equal((await one.request('ping')).status, 404);
    });
  }

  it('what is told before the response makes it a stream, which a client goes on with where it was cut', async () => {
    const teller = await world.task({ labels: { tells: '3' } });
    const one = client(teller.token);
    await one.initialize('2025-11-25');
    const params = { name: 'get_order', arguments: { path: { order_id: '5' } }, _meta: { progressToken: 'p' } };
    const events = await one.stream('tools/call', params);
    assert.equal(events.headers.get('x-accel-buffering'), 'no');
    assert.equal(events.list[0]?.data, '', 'a stream begins with an id to come back with');
    const told = events.list
      .slice(1)
      .map(({ data }) => JSON.parse(data) as { method?: string; params?: object; result?: object });
    assert.deepEqual(told[0]?.params, { progress: 1, message: 'step 1', progressToken: 'p' });
    assert.deepEqual(
      told.map(({ method }) => method),
      [...Array(3).fill('notifications/progress'), undefined],
    );
    const again = await one.resume(events.list[2]?.id as string);
    assert.deepEqual(
      again.map(({ data }) => data),
      events.list.slice(3).map(({ data }) => data),
    );
    assert.equal((await one.get('AAAAAAAAAAAAAAAAAAAA.7')).status, 404);
    const modern = await client(teller.token).modern('tools/call', params);
    assert.equal(modern.told.length, 3);
    assert.deepEqual(modern.result.structuredContent, { order: 1 });
  });

  it('an older client that is gone has not cancelled, and one that says so has', { timeout: 10_000 }, async () => {
    const mine = await world.task();
    const one = client(mine.token);
    await one.initialize('2025-11-25');
    const gate = Promise.withResolvers<void>();
    held = gate.promise;
    try {
      const before = world.orders.received.length;
      const gone = new AbortController();
      const left = one.request(
        'tools/call',
        { name: 'get_order', arguments: { path: { order_id: 'gone' } } },
        71,
        gone.signal,
      );
      await until(() => world.orders.received.length === before + 1);
      gone.abort();
      await left.catch(() => undefined);
      const cancelled = one.request('tools/call', { name: 'get_order', arguments: { path: { order_id: 'over' } } }, 72);
      await until(() => world.orders.received.length === before + 2);
      await one.notify('notifications/cancelled', { requestId: 72 });
      await cancelled;
      gate.resolve();
      await until(async () => (await statuses()).length >= 2);
      assert.deepEqual(await statuses(), [200, 499]);
    } finally {
      gate.resolve();
      held = undefined;
    }
    async function statuses(): Promise<number[]> {
      const events = await world.events({ task: mine.id, operation: 'orders.get_order' });
      return events.flatMap(({ type, status }) => (type === 'outcome' && status !== null ? [status] : [])).toSorted();
    }
  });

  it('who listens for changes hears of them, and the stream ends with the task', { timeout: 10_000 }, async () => {
    const mine = await world.task();
    const one = client(mine.token);
    const open = await one.open('subscriptions/listen', { notifications: { toolsListChanged: true } });
    const first = await open.next();
    assert.deepEqual(first?.params?.notifications, { toolsListChanged: true });
    await world.fetch(`/tasks/${mine.id}/complete`, mine.token, { method: 'POST' });
    const last = await open.next();
    assert.equal(last?.result?.resultType, 'complete');
    assert.equal(await open.next(), undefined);
  });

  it('several messages at once are taken of the one version that has them', async () => {
    const one = client();
    await one.initialize('2025-03-26');
    const batch = [
      { jsonrpc: '2.0', id: 1, method: 'ping' },
      {
        jsonrpc: '2.0',
        id: 2,
        method: 'tools/call',
        params: { name: 'get_order', arguments: { path: { order_id: '1' } } },
      },
    ];
    const answers = (await (await one.post(batch, {})).json()) as { id: number; result: object }[];
    assert.deepEqual(
      answers.map(({ id }) => id),
      [1, 2],
    );
    const newer = client();
    await newer.initialize('2025-11-25');
    assert.equal((await newer.post(batch, {})).status, 400);
  });

  it('a task that has ended is told so, as a result, and by each of its sessions', async () => {
    const mine = await world.task();
    const one = client(mine.token);
    await one.initialize('2025-11-25');
    await world.fetch(`/tasks/${mine.id}/complete`, mine.token, { method: 'POST' });
    const before = world.orders.received.length;
    const refused = await client(mine.token).modern('tools/call', {
      name: 'get_order',
      arguments: { path: { order_id: '1' } },
    });
    assert.equal((refused.result.structuredContent as { code: string }).code, 'task_completed');
    assert.equal((await one.request('tools/list')).status, 403);
    assert.equal(world.orders.received.length, before);
  });
});

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 10));
}
