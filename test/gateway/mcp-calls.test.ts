/** Calls of MCP servers in both eras: what a server gets, what its client is told, and what stands in the trail. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { FakeUpstream, type Received } from '../fakes/upstream.ts';
import { McpClient } from './mcp-client.ts';
import { type OpenedTask, World } from './world.ts';

const tools = [
  {
    name: 'find',
    description: 'Finds a customer.',
    inputSchema: {
      type: 'object',
      properties: { name: { type: 'string', 'x-mcp-header': 'Name' } },
      required: ['name'],
    },
    outputSchema: { type: 'object', properties: { mail: { type: 'string' } }, required: ['mail'] },
    annotations: { readOnlyHint: true },
  },
  { name: 'fail', inputSchema: { type: 'object', properties: {} } },
];

interface Message {
  readonly id?: string;
  readonly method: string;
  readonly params?: { readonly name?: string; readonly uri?: string; readonly _meta?: Record<string, unknown> };
}

const json = { 'content-type': 'application/json' };

/** What both servers know; undefined for a method that they do not have. */
function resultOf({ method, params }: Message): object | undefined {
  if (method === 'tools/list') return { tools };
  if (method === 'resources/read') return { contents: [{ uri: params?.uri, text: 'about Ann' }] };
  if (method !== 'tools/call') return undefined;
  if (params?.name === 'fail') return { content: [{ type: 'text', text: 'it broke' }], isError: true };
  const structuredContent = { mail: 'ann@example.com' };
  return { content: [{ type: 'text', text: JSON.stringify(structuredContent) }], structuredContent };
}

const info = { name: 'crm', version: '1' };
const capabilities = { tools: {}, resources: {} };

function answerOf(modern: boolean, message: Message): { readonly status: number; readonly body: object } {
  const { id, method, params } = message;
  const isModern = params?._meta?.['io.modelcontextprotocol/protocolVersion'] !== undefined;
  const error = (status: number, code: number) => ({
    status,
    body: { jsonrpc: '2.0', id, error: { code, message: 'no' } },
  });
  if (modern !== isModern) return error(400, -32600);
  const greeting = modern
    ? method === 'server/discover' && { supportedVersions: ['2026-07-28'], capabilities, serverInfo: info }
    : method === 'initialize' && { protocolVersion: '2025-06-18', capabilities, serverInfo: info };
  const result = greeting || resultOf(message);
  if (result === undefined) return error(modern ? 404 : 200, -32601);
  const more = modern ? { resultType: 'complete', ttlMs: 0, cacheScope: 'public' } : {};
  return { status: 200, body: { jsonrpc: '2.0', id, result: { ...result, ...more } } };
}

async function server(modern: boolean): Promise<FakeUpstream> {
  return FakeUpstream.open((request, response, bytes) => {
    if (request.method !== 'POST') return void response.writeHead(405).end();
    const message = JSON.parse(bytes.toString()) as Message;
    if (message.id === undefined) return void response.writeHead(202).end();
    const { status, body } = answerOf(modern, message);
    const session = message.method === 'initialize' ? { 'mcp-session-id': 'of-the-server' } : {};
    response.writeHead(status, { ...json, ...session }).end(JSON.stringify(body));
  });
}

const messageOf = ({ body }: Received) =>
  JSON.parse(body.toString()) as Message & { readonly params: Record<string, unknown> };

describe('a call of an MCP server', () => {
  let world: World;
  let task: OpenedTask;
  const servers: Record<string, FakeUpstream> = {};
  before(async () => {
    servers.crm = await server(true);
    servers.old = await server(false);
    const target = { name: 'one', cloud: 'azure', region: 'westeurope' };
    const routes = Object.entries(servers).map(([name, { url }]) => ({
      ...{ name, kind: 'mcp', operations: { find: { effect: 'read' }, fail: { effect: 'read' } } },
      targets: [{ ...target, url: `${url}/mcp` }],
    }));
    world = await World.open({ config: { routes } });
    task = await world.task();
  });
  after(async () => {
    await world[Symbol.asyncDispose]();
    for (const one of Object.values(servers)) await one[Symbol.asyncDispose]();
  });

  const callsOf = (route: string) =>
    servers[route]?.received.filter((one) => one.method === 'POST' && messageOf(one).method === 'tools/call') ?? [];
  async function clientOf(version: string, path = '/mcp'): Promise<McpClient> {
    const client = new McpClient(`${world.gate.url}${path}`, task.token);
    if (version !== '2026-07-28') await client.initialize(version);
    return client;
  }
  const ask = (client: McpClient, method: string, params: Record<string, unknown>) =>
    client.version === undefined ? client.modern(method, params) : client.request(method, params);

  for (const version of ['2026-07-28', '2025-11-25', '2025-03-26']) {
    for (const route of ['crm', 'old']) {
      it(`reaches ${route} from a client of ${version}, each spoken to in its own version`, async () => {
        const client = await clientOf(version, `/mcp/${route}`);
        const sentBefore = callsOf(route).length;
        const headers = { 'mcp-param-name': 'Ann' };
        const params = { name: 'find', arguments: { name: 'Ann' } };
        const answer =
          version === '2026-07-28'
            ? await client.modern('tools/call', params, {}, headers)
            : await ask(client, 'tools/call', params);
        assert.deepEqual(answer.result.structuredContent, { mail: 'ann@example.com' });
        assert.equal(answer.result.resultType, version === '2026-07-28' ? 'complete' : undefined);
        const [sent, ...more] = callsOf(route).slice(sentBefore);
        assert.ok(sent !== undefined && more.length === 0);
        assert.deepEqual(messageOf(sent).params.arguments, { name: 'Ann' });
        const { headers: got } = sent;
        assert.equal(got['mcp-protocol-version'], route === 'crm' ? '2026-07-28' : '2025-06-18');
        assert.deepEqual(
          [got['mcp-name'], got['mcp-param-name']],
          route === 'crm' ? ['find', 'Ann'] : [undefined, undefined],
        );
        assert.equal(got['mcp-session-id'], route === 'old' ? 'of-the-server' : undefined);
        assert.equal(got.authorization, undefined);
        const events = await world.events({ call: answer.headers.get('x-tollgate-call-id') as string });
        assert.deepEqual([events.at(-1)?.operation, events.at(-1)?.status], [`${route}.find`, 200]);
      });
    }
  }

  it('[wire.mcp-arguments-judged] with arguments that do not fit ends at the gate, and the model is told why', async () => {
    const client = await clientOf('2025-11-25');
    const sentBefore = callsOf('crm').length;
    const { status, result, headers } = await ask(client, 'tools/call', {
      name: 'crm__find',
      arguments: { nam: 'Ann' },
    });
    assert.deepEqual([status, result.isError], [200, true]);
    const { code, reasons } = result.structuredContent as {
      code: string;
      reasons: { path: string; message: string }[];
    };
    assert.equal(code, 'args_invalid');
    assert.deepEqual(reasons.map(({ path }) => path).toSorted(), ['/nam', '/name']);
    assert.ok(reasons.some(({ message }) => message.includes('did you mean name?')));
    assert.equal(callsOf('crm').length, sentBefore);
    const events = await world.events({ call: headers.get('x-tollgate-call-id') as string });
    assert.equal(events.at(-1)?.decision?.reasons[0]?.code, 'args_invalid');
  });

  it('[wire.mcp-headers-agree] of a modern client whose header names another argument is refused, and sent nowhere', async () => {
    const client = await clientOf('2026-07-28');
    const sentBefore = callsOf('crm').length;
    const params = { name: 'crm__find', arguments: { name: 'Ann' } };
    const { status, error } = await client.modern('tools/call', params, {}, { 'mcp-param-name': 'Bob' });
    assert.deepEqual([status, error?.code], [400, -32020]);
    assert.equal(callsOf('crm').length, sentBefore);
  });

  it('that its tool says has failed is a failed call, though its status is 200', async () => {
    const client = await clientOf('2026-07-28');
    const { status, result, headers } = await ask(client, 'tools/call', { name: 'old__fail', arguments: {} });
    assert.deepEqual([status, result.isError, result.content], [200, true, [{ type: 'text', text: 'it broke' }]]);
    const events = await world.events({ call: headers.get('x-tollgate-call-id') as string });
    assert.deepEqual(
      events.at(-1)?.attempts.map((attempt) => [attempt.status, attempt.error]),
      [[200, 'tool_error']],
    );
  });

  it('reads a resource by the name that a client of all routes knows', async () => {
    const client = await clientOf('2025-11-25');
    const { result } = await ask(client, 'resources/read', { uri: 'tollgate:old/file:///ann' });
    assert.deepEqual(result.contents, [{ uri: 'tollgate:old/file:///ann', text: 'about Ann' }]);
    const sent = servers.old?.received.filter(({ body }) => body.includes('resources/read')) ?? [];
    assert.deepEqual(
      sent.map((one) => messageOf(one).params.uri),
      ['file:///ann'],
    );
    const { error } = await ask(client, 'resources/read', { uri: 'file:///ann' });
    assert.deepEqual([error?.code, (error?.data as { code?: string } | undefined)?.code], [404, 'route_unknown']);
  });

  it('can be checked before it is made, and reaches nobody by that', async () => {
    const sentBefore = callsOf('old').length;
    const message = {
      jsonrpc: '2.0',
      id: 1,
      method: 'tools/call',
      params: { name: 'find', arguments: { name: 'Ann' } },
    };
    const wrong = { ...message, params: { name: 'find', arguments: {} } };
    const calls = [message, wrong].map((body) => ({ method: 'POST', path: '/mcp/old', body }));
    const response = await world.fetch(`/tasks/${task.id}/check`, task.token, {
      method: 'POST',
      headers: json,
      body: JSON.stringify({ calls }),
    });
    const checked = (await response.json()) as { calls: { operation: string; decision: string; code?: string }[] };
    assert.deepEqual(
      checked.calls.map(({ operation, decision, code }) => [operation, decision, code]),
      [
        ['old.find', 'allow', undefined],
        [null, 'deny', 'args_invalid'],
      ],
    );
    assert.equal(callsOf('old').length, sentBefore);
  });
});
