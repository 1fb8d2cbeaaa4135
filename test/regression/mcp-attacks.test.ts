/**
 * What agents and servers of MCP could do to each other beside the calls that were judged: data in what a client says of
 * itself, streams from servers that a task has nothing to do with, files that are none, floods.
 */
import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import { after, before, describe, it, test } from 'node:test';
import { FakeUpstream } from '../fakes/upstream.ts';
import { McpClient } from '../gateway/mcp-client.ts';
import { World } from '../gateway/world.ts';
import { part } from '../parts.ts';
import { call as callOf, client, openGateway, said, targetOf } from '../unit/upstream/mcp/scene.ts';

interface Message {
  readonly id?: string;
  readonly method?: string;
  readonly params?: { readonly name?: string; readonly _meta?: Record<string, unknown> };
  readonly result?: unknown;
}

const tools = ['act', 'confirm_twice', 'secrets'].map((name) => ({
  name,
  inputSchema: { type: 'object', properties: {} },
}));
const info = { name: 'hostile', version: '1' };
const json = { 'content-type': 'application/json' };
const stream = { 'content-type': 'text/event-stream' };
const event = (message: object) => `data: ${JSON.stringify({ jsonrpc: '2.0', ...message })}\n\n`;

async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  for (let waits = 0; waits < 300 && !(await isSo()); waits++) await new Promise((done) => setTimeout(done, 10));
  assert.ok(await isSo());
}

/** A server whose streams outside of calls are in the hands of the test. */
class Hostile implements AsyncDisposable {
  readonly upstream: FakeUpstream;
  readonly open: ServerResponse[] = [];
  #answers: (() => void)[] = [];

  private constructor(upstream: FakeUpstream, modern: boolean) {
    this.upstream = upstream;
    upstream.reply = (request, response, bytes) => {
      if (request.method === 'GET') return this.#listened(response);
      if (request.method !== 'POST') return void response.writeHead(200).end();
      const message = JSON.parse(bytes.toString()) as Message;
      if (message.method === undefined) this.#answers.shift()?.();
      if (message.id === undefined || message.method === undefined) return void response.writeHead(202).end();
      if (message.method === 'subscriptions/listen') return this.#listened(response);
      if (message.params?.name === 'confirm_twice') return void this.#confirm(response, message.id);
      const isModern = message.params?._meta?.['io.modelcontextprotocol/protocolVersion'] !== undefined;
      const result = modern === isModern ? resultOf(modern, message) : undefined;
      const answer = result === undefined ? { error: { code: -32600, message: 'no' } } : { result };
      const session = message.method === 'initialize' ? { 'mcp-session-id': 'of-the-server' } : {};
      response.writeHead(result === undefined ? 400 : 200, { ...json, ...session });
      response.end(JSON.stringify({ jsonrpc: '2.0', id: message.id, ...answer }));
    };
  }

  static async open(modern: boolean): Promise<Hostile> {
    return new Hostile(await FakeUpstream.open(), modern);
  }

  get messages(): readonly Message[] {
    return this.upstream.received.flatMap(({ body }) => (body.length === 0 ? [] : [JSON.parse(body.toString())]));
  }

  #listened(response: ServerResponse): void {
    response.writeHead(200, stream).write(': \n\n');
    this.open.push(response);
  }

  async #confirm(response: ServerResponse, id: string): Promise<void> {
    response.writeHead(200, stream);
    for (const number of [1, 2]) {
      const params = { message: 'Really?', requestedSchema: { type: 'object', properties: {} } };
      response.write(event({ id: `q${number}`, method: 'elicitation/create', params }));
      await new Promise<void>((done) => this.#answers.push(done));
    }
    const said = this.messages.filter((one) => one.method === undefined && 'result' in one).length;
    response.end(event({ id, result: { content: [{ type: 'text', text: `confirmed ${said} times` }] } }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.upstream[Symbol.asyncDispose]();
  }
}

function resultOf(modern: boolean, { method, params }: Message): object | undefined {
  const complete = modern ? { resultType: 'complete', ttlMs: 0, cacheScope: 'private' } : {};
  const capabilities = { tools: { listChanged: true }, prompts: { listChanged: true }, logging: {} };
  if (method === 'server/discover')
    return { ...complete, supportedVersions: ['2026-07-28'], capabilities, serverInfo: info };
  if (method === 'initialize') return { protocolVersion: '2025-11-25', capabilities, serverInfo: info };
  if (method === 'tools/list') return { ...complete, tools };
  if (method !== 'tools/call') return undefined;
  if (params?.name !== 'secrets') return { ...complete, content: [{ type: 'text', text: 'done' }] };
  const structuredContent = { blob: 'write to bob@example.com', requestState: '4111111111111111' };
  return {
    ...complete,
    content: [{ type: 'image', data: 'ask eve@example.com!', mimeType: 'x/y' }],
    structuredContent,
  };
}

describe('MCP, attacked', part('opa'), () => {
  let world: World;
  let modern: Hostile;
  let legacy: Hostile;
  let vault: Hostile;
  before(async () => {
    [modern, legacy, vault] = await Promise.all([Hostile.open(true), Hostile.open(false), Hostile.open(true)]);
    const place = { name: 'one', cloud: 'azure', region: 'westeurope' };
    const routes = Object.entries({ modern, legacy, vault }).map(([name, { upstream }]) => ({
      ...{ name, kind: 'mcp' },
      targets: [{ ...place, url: `${upstream.url}/mcp` }],
    }));
    world = await World.open({ config: { routes } });
  });
  after(async () => {
    await world?.[Symbol.asyncDispose]();
    await Promise.all([modern, legacy, vault].map((one) => one?.[Symbol.asyncDispose]()));
  });
  const clientOf = (token: string, route: string) => new McpClient(`${world.gate.url}/mcp${route}`, token);
  const act = { name: 'act', arguments: {} };

  it('what a client says it can do carries nothing else to a server', async () => {
    const task = await world.task();
    const secret = 'ann@example.com';
    const able = { elicitation: { form: { [secret]: {} }, note: secret }, sampling: { tools: { secret } }, roots: {} };
    await clientOf(task.token, '/modern').modern('tools/call', act, able);
    await clientOf(task.token, '/legacy').modern('tools/call', act, able);
    const older = clientOf(task.token, '/legacy');
    await older.initialize('2025-11-25', able);
    await older.request('tools/call', act);
    for (const { upstream, messages } of [modern, legacy]) {
      assert.ok(!upstream.received.some(({ body }) => body.includes(secret)));
      assert.ok(messages.some(({ method }) => method === 'tools/call'));
    }
    const declared = modern.messages.find(({ method }) => method === 'tools/call')?.params?._meta;
    assert.deepEqual(declared?.['io.modelcontextprotocol/clientCapabilities'], {
      ...{ elicitation: { form: {} }, sampling: { tools: {} }, roots: {} },
    });
    const begun = () => legacy.messages.filter(({ method }) => method === 'initialize').length;
    const before = begun();
    for (const note of ['a', 'b', 'c'])
      await clientOf(task.token, '/legacy').modern('tools/call', act, { ...able, elicitation: { form: {}, note } });
    assert.equal(begun(), before, 'no session of its own for each word');
  });

  it('a stream listens to no server that the task may not call, nor to one of a suspended route', async () => {
    await clientOf((await world.task()).token, '/vault').modern('tools/call', act);
    const narrow = await world.task({ tools: ['modern.*'] });
    const heard = (one: Hostile) => one.messages.filter(({ method }) => method === 'subscriptions/listen').length;
    const counts = [heard(modern), heard(vault)];
    const listen = { notifications: { toolsListChanged: true } };
    const first = await clientOf(narrow.token, '').open('subscriptions/listen', listen);
    assert.equal((await first.next())?.method, 'notifications/subscriptions/acknowledged');
    await until(() => heard(modern) === (counts[0] as number) + 1);
    assert.equal(heard(vault), counts[1]);
    const whom = { kind: 'route', id: 'modern' };
    const body = JSON.stringify({ ...whom, reason: 'it is attacked' });
    const suspended = await world.admin('/suspensions', { method: 'POST', body, headers: json });
    assert.ok(suspended.ok, await suspended.text());
    while ((await first.next()) !== undefined);
    const second = await clientOf(narrow.token, '').open('subscriptions/listen', listen);
    assert.equal((await second.next())?.method, 'notifications/subscriptions/acknowledged');
    await new Promise((done) => setTimeout(done, 100));
    await world.admin('/suspensions/resume', { method: 'POST', body: JSON.stringify(whom), headers: json });
    assert.equal(heard(modern), (counts[0] as number) + 1);
  });

  it('a text in the place of a file is inspected', async () => {
    const task = await world.task({ labels: { oblige_response: '{"redact":[{"type":"email"},{"type":"card"}]}' } });
    const { result } = await clientOf(task.token, '/modern').modern('tools/call', { name: 'secrets', arguments: {} });
    assert.doesNotMatch(JSON.stringify(result), /bob@|eve@/);
  });

  it('the same answer to two questions of one call is given twice, whatever the call is known by', {
    timeout: 10_000,
  }, async () => {
    const task = await world.task();
    const one = clientOf(task.token, '/legacy');
    const call = { name: 'confirm_twice', arguments: {} };
    const ask = (more: object) =>
      one.modern('tools/call', { ...call, ...more }, { elicitation: {} }, { 'x-tollgate-tool-call-id': 'toolu_1' });
    let { result } = await ask({});
    for (const _question of [1, 2]) {
      assert.equal(result.resultType, 'input_required', JSON.stringify(result));
      const { inputRequests, requestState } = result as { inputRequests: object; requestState: string };
      const [key = ''] = Object.keys(inputRequests);
      const again = { inputResponses: { [key]: { action: 'accept', content: {} } }, requestState };
      ({ result } = await ask(again));
    }
    assert.deepEqual(result.content, [{ type: 'text', text: 'confirmed 2 times' }]);
  });

  it('a narrowed token goes on with nothing that a wider one of its task has begun', async () => {
    const task = await world.task();
    const narrow = await world.fetch(`/tasks/${task.id}/token`, world.issuer.token('coordinator'), {
      method: 'POST',
      body: JSON.stringify({ tools: ['legacy.elicitation/create'] }),
    });
    const { task_token: token } = (await narrow.json()) as { task_token: string };
    const wide = clientOf(task.token, '/legacy');
    const call = { name: 'confirm_twice', arguments: {} };
    const { result } = await wide.modern('tools/call', call, { elicitation: {} });
    const { inputRequests, requestState } = result as { inputRequests: object; requestState: string };
    const [key = ''] = Object.keys(inputRequests);
    const again = { ...call, requestState, inputResponses: { [key]: { action: 'accept', content: {} } } };
    const thief = clientOf(token, '/legacy');
    assert.equal((await thief.modern('tools/call', again, { elicitation: {} })).error?.code, -32602);
    await wide.initialize('2025-11-25');
    Object.assign(thief, { session: wide.session, version: wide.version });
    assert.equal((await thief.get('nothing.0')).status, 404);
    assert.equal((await thief.end()).status, 404);
    const own = clientOf(token, '/legacy');
    await own.initialize('2025-11-25');
    assert.equal((await own.request('ping')).status, 200);
    assert.equal((await wide.request('ping')).status, 200);
  });

  it('streams that are taken up again are counted with the others', async () => {
    const task = await world.task();
    const one = clientOf(task.token, '/legacy');
    await one.initialize('2025-11-25');
    const leave = new AbortController();
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_item, index) => one.get(`nothing${index}.0`, leave.signal)),
    );
    const statuses = answers.map(({ status }) => status);
    leave.abort();
    assert.equal(statuses.filter((status) => status === 200).length, 16, statuses.join());
    assert.equal(statuses.filter((status) => status === 429).length, 4);
  });

  it('a server that tells of changes without end does not set the pace of its clients', async () => {
    const task = await world.task();
    const one = clientOf(task.token, '/legacy');
    await one.initialize('2025-11-25');
    await one.request('tools/call', act);
    const leave = new AbortController();
    const before = legacy.open.length;
    const answer = await one.get(undefined, leave.signal);
    await until(() => legacy.open.length > before);
    const flood = setInterval(() => {
      for (const kind of ['prompts', 'tools']) {
        legacy.open.at(-1)?.write(event({ method: `notifications/${kind}/list_changed` }).repeat(20));
      }
    }, 2);
    const told: string[] = [];
    const read = (async () => {
      for await (const chunk of answer.body ?? []) told.push(Buffer.from(chunk as Uint8Array).toString());
    })().catch(() => undefined);
    await new Promise((done) => setTimeout(done, 600));
    clearInterval(flood);
    leave.abort();
    await read;
    const count = told.join('').split('prompts/list_changed').length - 1;
    assert.ok(count >= 1 && count <= 3, `${count}`);
  });
});

test('a server that asks faster than it takes the replies is listened to no more', async () => {
  let replies = 0;
  await using server = await FakeUpstream.open((request, response, bytes) => {
    const { id, method, params } = JSON.parse(bytes.toString() || '{}') as Message;
    if (method === undefined) return void replies++;
    if (id === undefined) return void response.writeHead(202).end();
    if (method !== 'tools/call' || request.method !== 'POST') {
      const result = method === 'server/discover' ? undefined : resultOf(false, { method, params: params ?? {} });
      const answer = result === undefined ? { error: { code: -32601, message: 'no' } } : { result };
      return void response.writeHead(200, json).end(JSON.stringify({ jsonrpc: '2.0', id, ...answer }));
    }
    response.writeHead(200, stream);
    for (let count = 0; count < 500; count++) response.write(event({ id: `p${count}`, method: 'ping' }));
    response.end(event({ id, result: { content: [] } }));
  });
  const target = targetOf(server.url);
  await using gateway = await openGateway([target]);
  const { conversation } = client('2025-11-25');
  const call = callOf('tools/call', { name: 'act', arguments: {} }, conversation);
  await assert.rejects(gateway.servers.attempt(call, target).then(said), /faster than it listens/);
  assert.ok(replies <= 32, `${replies}`);
});
