/** How a call of MCP can end, and that it is settled and recorded each time: nothing stays reserved, each intent has an outcome. */
import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import { after, before, describe, it } from 'node:test';
import { FakeUpstream } from '../fakes/upstream.ts';
import { McpClient } from '../gateway/mcp-client.ts';
import { type OpenedTask, World } from '../gateway/world.ts';
import { part } from '../parts.ts';

interface Message {
  readonly id?: string;
  readonly method?: string;
  readonly params?: { readonly name?: string; readonly requestId?: string };
}

const tools = ['hang', 'ask'].map((name) => ({ name, inputSchema: { type: 'object', properties: {} } }));
const json = { 'content-type': 'application/json' };

async function until(isSo: () => boolean | Promise<boolean>, what: string): Promise<void> {
  for (let waits = 0; waits < 250 && !(await isSo()); waits++) await new Promise((done) => setTimeout(done, 10));
  assert.ok(await isSo(), what);
}

describe('calls of MCP that end before their answer', part('opa'), () => {
  let world: World;
  let server: FakeUpstream;
  const hanging: ServerResponse[] = [];
  before(async () => {
    server = await FakeUpstream.open((request, response, bytes) => {
      if (request.method !== 'POST') return void response.writeHead(405).end();
      const { id, method, params } = JSON.parse(bytes.toString()) as Message;
      if (id === undefined || method === undefined) return void response.writeHead(202).end();
      if (method === 'tools/call') {
        response.writeHead(200, { 'content-type': 'text/event-stream' }).write(': \n\n');
        hanging.push(response);
        const question = { message: 'Who?', requestedSchema: { type: 'object', properties: {} } };
        const asked = { jsonrpc: '2.0', id: 'q', method: 'elicitation/create', params: question };
        if (params?.name === 'ask') response.write(`data: ${JSON.stringify(asked)}\n\n`);
        return;
      }
      const known: Record<string, object> = {
        initialize: {
          protocolVersion: '2025-11-25',
          capabilities: { tools: {} },
          serverInfo: { name: 's', version: '1' },
        },
        'tools/list': { tools },
      };
      const result = known[method];
      const answer = result === undefined ? { error: { code: -32601, message: 'no' } } : { result };
      response
        .writeHead(200, { ...json, 'mcp-session-id': 's' })
        .end(JSON.stringify({ jsonrpc: '2.0', id, ...answer }));
    });
    const targets = [{ name: 'one', cloud: 'azure', region: 'westeurope', url: `${server.url}/mcp` }];
    world = await World.open({ config: { routes: [{ name: 'old', kind: 'mcp', targets }] } });
  });
  after(async () => {
    await world?.[Symbol.asyncDispose]();
    await server?.[Symbol.asyncDispose]();
  });
  const clientOf = ({ token }: OpenedTask) => new McpClient(`${world.gate.url}/mcp/old`, token);
  const call = (name: string) => ({ name, arguments: {} });
  const begun = async (count: number) => until(() => hanging.length > count, 'the call reaches its server');
  async function settled(task: OpenedTask, status: number): Promise<void> {
    const ofCalls = async () =>
      (await world.events({ task: task.id })).filter(({ operation }) => /old\.(?:hang|ask)/.test(operation ?? ''));
    await until(async () => (await ofCalls()).length === 2, 'an intent and an outcome');
    const [intent, outcome] = await ofCalls();
    assert.deepEqual([intent?.type, outcome?.type, outcome?.status], ['intent', 'outcome', status]);
    await until(
      () => server.received.some(({ body }) => body.includes('notifications/cancelled')),
      'the server is told',
    );
    server.received.splice(0);
  }

  it('by its older client, which cancels it', async () => {
    const task = await world.task();
    const one = clientOf(task);
    await one.initialize('2025-11-25');
    const count = hanging.length;
    const leave = new AbortController();
    const answer = one.request('tools/call', call('hang'), 77, leave.signal).catch(() => undefined);
    await begun(count);
    leave.abort();
    await answer;
    await new Promise((done) => setTimeout(done, 50));
    assert.equal((await world.events({ task: task.id, type: 'outcome' })).length, 0);
    await one.notify('notifications/cancelled', { requestId: 77 });
    await settled(task, 499);
  });

  it('by the end of its session', async () => {
    const task = await world.task();
    const one = clientOf(task);
    await one.initialize('2025-11-25');
    const count = hanging.length;
    const answer = one.request('tools/call', call('hang'));
    const changes = await one.get();
    await begun(count);
    assert.equal((await one.end()).status, 204);
    await settled(task, 499);
    assert.match(JSON.stringify((await answer).result), /given up/);
    for await (const _chunk of changes.body ?? []);
  });

  it('by a stateless client that leaves', async () => {
    const task = await world.task();
    const one = clientOf(task);
    const count = hanging.length;
    const leave = new AbortController();
    const _meta = {
      'io.modelcontextprotocol/protocolVersion': '2026-07-28',
      'io.modelcontextprotocol/clientCapabilities': {},
    };
    const message = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { ...call('hang'), _meta } };
    const headers = { 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'tools/call', 'mcp-name': 'hang' };
    const answer = one.post(message, headers, leave.signal).catch(() => undefined);
    await begun(count);
    leave.abort();
    await answer;
    await settled(task, 499);
  });

  it('by the end of its task, while it waits for its client', async () => {
    const task = await world.task();
    const one = clientOf(task);
    const asked = await one.modern('tools/call', call('ask'), { elicitation: {} });
    assert.equal(asked.result.resultType, 'input_required');
    const stream = await one.open('subscriptions/listen', { notifications: { toolsListChanged: true } });
    assert.equal((await stream.next())?.method, 'notifications/subscriptions/acknowledged');
    const killed = Date.now();
    await world.admin(`/tasks/${task.id}/kill`, { method: 'POST' });
    while ((await stream.next()) !== undefined);
    assert.ok(Date.now() - killed < 1_000);
    await settled(task, 403);
    assert.ok(Date.now() - killed < 1_500);
  });
});
