/** Calls to servers of both eras, and what those receive: sessions, questions, streams that break, and listings. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import type { McpQuestion, McpReply, Target } from '../../../../src/call.ts';
import { openLegacyReference } from '../../../fakes/mcp-reference/legacy.ts';
import { openModernReference } from '../../../fakes/mcp-reference/modern.ts';
import type { Witness } from '../../../fakes/mcp-reference/witness.ts';
import { FakeUpstream } from '../../../fakes/upstream.ts';
import { call, client, openGateway, recordOf, said, targetOf } from './scene.ts';

const tool = (name: string, args = {}) => ['tools/call', { name, arguments: args }] as const;
const forms = { elicitation: {} };
const fill = ({ method }: McpQuestion): McpReply =>
  method === 'roots/list'
    ? { result: { roots: [{ uri: 'file:///orders' }] } }
    : { result: { action: 'accept', content: { username: 'ada', email: 'a@b.example', name: 'Ada', color: 'red' } } };

async function until(isSo: () => boolean): Promise<void> {
  for (let waits = 0; waits < 200 && !isSo(); waits++) await new Promise((done) => setTimeout(done, 10));
  assert.ok(isSo());
}

describe('a server of an older version', () => {
  let server: Witness;
  let target: Target;
  before(async () => {
    server = await openLegacyReference();
    target = targetOf(server.url);
  });
  after(() => server[Symbol.asyncDispose]());
  beforeEach(() => void server.received.splice(0));
  const sent = () => server.received.map(({ method, message }) => `${method} ${message?.method ?? ''}`.trim());

  it('[upstream.mcp-session-of-all-gateways] is found out, given a session, and called in it, by every gateway of the store', async () => {
    await using one = await openGateway([target]);
    const { conversation } = client('2025-11-25', {}, undefined, { sessionId: 'c1' });
    const first = await said(await one.servers.attempt(call(...tool('test_simple_text'), conversation), target));
    assert.equal(first.text, 'This is a simple text response for testing.');
    assert.deepEqual(first.head, { status: 200, headers: { 'content-type': 'application/json' } });
    assert.deepEqual(sent(), [
      ...['POST server/discover', 'POST initialize', 'POST notifications/initialized', 'POST tools/call'],
    ]);
    await using other = await openGateway([target], one.store);
    assert.ok((await said(await other.servers.attempt(call(...tool('test_simple_text'), conversation), target))).text);
    assert.deepEqual(sent().slice(4), ['POST tools/call']);
    const ids = server.received.slice(2).map(({ headers }) => headers['mcp-session-id']);
    assert.equal(new Set(ids).size, 1);
    assert.equal(server.received.at(-1)?.headers['mcp-protocol-version'], '2025-11-25');
    await one.servers.endClient(recordOf('task_1') as never, 'c1');
    assert.equal(sent().at(-1), 'DELETE');
  });

  it('has a session for each task, and for what its client can do', async () => {
    await using gateway = await openGateway([target]);
    const able = client('2026-07-28', forms);
    const unable = client('2026-07-28');
    for (const [who, task] of [
      [able, 'task_1'],
      [able, 'task_1'],
      [unable, 'task_1'],
      [able, 'task_2'],
    ] as const) {
      await said(await gateway.servers.attempt(call(...tool('test_simple_text'), who.conversation, task), target));
    }
    assert.deepEqual(
      server.calls('initialize').map(({ capabilities }) => capabilities),
      [forms, {}, forms],
    );
    await gateway.store.publish('tg:task-ended', { task: 'task_1', state: 'completed' });
    await until(() => sent().filter((one) => one === 'DELETE').length >= 2);
    assert.equal(sent().filter((one) => one === 'DELETE').length, 2);
  });

  it('whose session is gone is given a new one, and called again once', async () => {
    await using gateway = await openGateway([target]);
    const { conversation } = client('2025-11-25');
    await said(await gateway.servers.attempt(call(...tool('test_simple_text'), conversation), target));
    const id = String(server.received.at(-1)?.headers['mcp-session-id']);
    await fetch(server.url, {
      method: 'DELETE',
      headers: { 'mcp-session-id': id, 'mcp-protocol-version': '2025-11-25' },
    });
    server.received.splice(0);
    const again = await said(await gateway.servers.attempt(call(...tool('test_simple_text'), conversation), target));
    assert.ok(again.text);
    assert.deepEqual(sent(), [
      ...['POST tools/call', 'POST initialize', 'POST notifications/initialized', 'POST tools/call'],
    ]);
  });

  it('asks its client what that can answer, and is told what it cannot be asked', async () => {
    await using gateway = await openGateway([target]);
    const able = client('2025-11-25', forms, fill);
    const answered = await said(
      await gateway.servers.attempt(call(...tool('test_elicitation', { message: 'Who?' }), able.conversation), target),
    );
    assert.match(String(answered.text), /action=accept.*ada/);
    assert.deepEqual(
      able.asked.map(({ method }) => method),
      ['elicitation/create'],
    );
    const refused = await said(
      await gateway.servers.attempt(call(...tool('test_list_roots'), able.conversation), target),
    );
    assert.match(JSON.stringify(refused), /does not support|cannot be asked|Method not found/i);
    assert.equal(able.asked.length, 1);
  });

  it('tells its client how far it is and what it logs, at the level that it wants', async () => {
    await using gateway = await openGateway([target]);
    const { conversation, told } = client('2025-11-25', {}, undefined, { logLevel: 'info' });
    await said(await gateway.servers.attempt(call(...tool('test_tool_with_logging'), conversation), target));
    await said(await gateway.servers.attempt(call(...tool('test_tool_with_progress'), conversation), target));
    assert.deepEqual(server.calls('logging/setLevel'), [{ level: 'info' }]);
    const methods = told.map(({ method }) => method);
    assert.equal(methods.filter((one) => one === 'notifications/message').length, 3);
    assert.equal(methods.filter((one) => one === 'notifications/progress').length, 3);
  });

  it('that ends a stream early is heard on from its last event', async () => {
    await using gateway = await openGateway([target]);
    const { conversation } = client('2025-11-25');
    const done = await said(await gateway.servers.attempt(call(...tool('test_reconnection'), conversation), target));
    assert.equal(done.text, 'It has been taken up again.');
    assert.ok(
      server.received.some(({ method, headers }) => method === 'GET' && headers['last-event-id'] !== undefined),
    );
    assert.equal(server.calls('tools/call').length, 1);
  });

  it('is told of a call that is given up', async () => {
    await using gateway = await openGateway([target]);
    const { conversation, told } = client('2025-11-25');
    const given = call(...tool('wait_until_cancelled'), conversation);
    const reading = gateway.servers.attempt(given, target).then(said);
    await until(() => told.length > 0);
    given.abort.abort();
    await assert.rejects(reading);
    await until(() => server.broken.length > 0);
    assert.deepEqual(server.broken, ['wait_until_cancelled']);
    assert.equal(server.calls('notifications/cancelled').length, 1);
  });

  it('tells whoever listens in its session that a resource has changed', async () => {
    await using gateway = await openGateway([target]);
    const { conversation } = client('2025-11-25', {}, undefined, { sessionId: 'c7' });
    const abort = new AbortController();
    const heard: string[] = [];
    const errand = { ...call('resources/list', {}, conversation), abort };
    const ear = { errand, conversation, heard: async ({ method }: { method: string }) => void heard.push(method) };
    const listening = gateway.servers.listen(ear, [target]);
    await said(await gateway.servers.attempt(call('resources/list', {}, conversation), target));
    await until(() => sent().includes('GET'));
    await new Promise((done) => setTimeout(done, 30));
    const uri = 'test://watched-resource';
    await said(await gateway.servers.attempt(call('resources/subscribe', { uri }, conversation), target));
    await until(() => heard.length > 0);
    abort.abort();
    await listening;
    assert.deepEqual(heard, ['notifications/resources/updated']);
  });

  it('is asked by the gate for itself what it offers, and left again', async () => {
    const trusted = targetOf(server.url, { txnToken: true });
    await using gateway = await openGateway([trusted]);
    const tools = await gateway.servers.listTools(trusted, new AbortController().signal);
    assert.ok(tools.some(({ name, description }) => name === 'test_simple_text' && description !== undefined));
    assert.deepEqual([...new Set(gateway.minted)], ['files.tools/list by gateway:gw']);
    await until(() => sent().at(-1) === 'DELETE');
    assert.deepEqual(sent().slice(-2), ['POST tools/list', 'DELETE']);
    assert.deepEqual(server.calls('initialize')[0]?.capabilities, {});
  });
});

describe('a server of 2026-07-28', () => {
  let server: Witness;
  let target: Target;
  before(async () => {
    server = await openModernReference();
    target = targetOf(server.url);
  });
  after(() => server[Symbol.asyncDispose]());
  beforeEach(() => void server.received.splice(0));
  const sent = () => server.received.map(({ method, message }) => `${method} ${message?.method ?? ''}`.trim());

  it('is found out once, and called without a session', async () => {
    await using gateway = await openGateway([target]);
    const { conversation } = client('2025-11-25');
    for (let time = 0; time < 2; time++) {
      const done = await said(await gateway.servers.attempt(call(...tool('test_simple_text'), conversation), target));
      assert.equal(done.text, 'This is a simple text response for testing.');
    }
    assert.deepEqual(sent(), ['POST server/discover', 'POST tools/call', 'POST tools/call']);
    assert.equal(server.received.at(-1)?.headers['mcp-name'], 'test_simple_text');
  });

  it('has its questions put to an older client, round by round, and passes them to a modern one', async () => {
    await using gateway = await openGateway([target]);
    const older = client('2025-11-25', forms, fill);
    const name = 'test_input_required_result_multi_round';
    const done = await said(await gateway.servers.attempt(call(...tool(name), older.conversation), target));
    assert.equal(done.text, 'Ada likes red.');
    assert.equal(older.asked.length, 2);
    assert.equal(server.calls('tools/call').length, 3);
    const modern = client('2026-07-28', forms, fill);
    const asked = await said(await gateway.servers.attempt(call(...tool(name), modern.conversation), target));
    assert.equal(asked.result?.resultType, 'input_required');
    assert.equal(modern.asked.length, 0);
  });

  it('sees a call that is given up as a stream that closes', async () => {
    await using gateway = await openGateway([target]);
    const { conversation, told } = client('2026-07-28');
    const given = call(...tool('wait_until_cancelled'), conversation);
    const reading = gateway.servers.attempt(given, target).then(said);
    await until(() => told.length > 0);
    given.abort.abort();
    await assert.rejects(reading);
    await until(() => server.broken.length > 0);
    assert.deepEqual(server.broken, ['wait_until_cancelled']);
    assert.equal(server.calls('notifications/cancelled').length, 0);
  });

  it('is not sent what only older ones have, and tells listeners what has changed', async () => {
    await using gateway = await openGateway([target]);
    const { conversation } = client('2025-11-25', {}, undefined, { sessionId: 'c9' });
    await gateway.servers.listTools(target, new AbortController().signal);
    const changed: string[] = [];
    gateway.servers.tellOfChanges(({ route }, method) => void changed.push(`${route} ${method}`));
    const abort = new AbortController();
    const heard: string[] = [];
    const errand = { ...call('resources/list', {}, conversation), abort };
    const ear = { errand, conversation, heard: async ({ method }: { method: string }) => void heard.push(method) };
    const uri = 'test://watched-resource';
    const kept = await said(await gateway.servers.attempt(call('resources/subscribe', { uri }, conversation), target));
    assert.deepEqual(kept.result, { resultType: 'complete' });
    assert.equal(kept.attempt.sent, false);
    const listening = gateway.servers.listen(ear, [target]);
    await until(() => sent().includes('POST subscriptions/listen'));
    await new Promise((done) => setTimeout(done, 50));
    await said(await gateway.servers.attempt(call(...tool('test_trigger_tool_change'), conversation), target));
    await until(() => heard.length > 0);
    abort.abort();
    await listening;
    assert.deepEqual(heard, ['notifications/tools/list_changed']);
    assert.deepEqual(changed, ['files notifications/tools/list_changed']);
    const [filter] = server.calls('subscriptions/listen').map(({ notifications }) => notifications as object);
    assert.deepEqual(Object.entries(filter ?? {}).at(-1), ['resourceSubscriptions', [uri]]);
  });

  it('lists all its tools to the gate', async () => {
    await using gateway = await openGateway([target]);
    const tools = await gateway.servers.listTools(target, new AbortController().signal);
    assert.ok(tools.some(({ name }) => name === 'test_region'));
  });
});

describe('what is no server of MCP, or breaks off', () => {
  let server: FakeUpstream;
  let target: Target;
  before(async () => {
    server = await FakeUpstream.open();
    target = targetOf(`${server.url}/mcp`);
  });
  after(() => server[Symbol.asyncDispose]());
  beforeEach(() => void server.received.splice(0));
  const discovered = { supportedVersions: ['2026-07-28'], capabilities: {}, resultType: 'complete', ttlMs: 0 };
  const answer = (reply: (id: unknown, method: string, response: Parameters<FakeUpstream['reply']>[1]) => void) => {
    server.reply = (_request, response, body) => {
      const { id, method } = JSON.parse(body.toString()) as { id: unknown; method: string };
      if (method !== 'server/discover') return reply(id, method, response);
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ jsonrpc: '2.0', id, result: discovered }));
    };
  };
  const attempt = async (conversation = client('2026-07-28').conversation) => {
    await using gateway = await openGateway([target]);
    return await said(await gateway.servers.attempt(call(...tool('x'), conversation), target));
  };

  it('is denied where nothing could be agreed on, and nothing of the call is sent', async () => {
    server.reply = (_request, response) => void response.writeHead(404).end('<html>');
    const denied = await attempt();
    assert.equal(denied.denial?.code, 'upstream_error');
    assert.equal(denied.attempt.sent, false);
    server.reply = (_request, response) => void response.writeHead(503, { 'retry-after': '2' }).end();
    const away = await attempt();
    assert.equal(away.denial?.code, 'upstream_unavailable');
    assert.equal(away.attempt.retryAfterMs, 2_000);
    assert.ok(server.received.every(({ body }) => !body.includes('tools/call')));
  });

  it('that ends its stream without a response has lost the call, which is sent once', async () => {
    answer((_id, _method, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).end('id: 1\ndata: \n\n');
    });
    await assert.rejects(attempt(), /ended before the response/);
    assert.equal(server.received.length, 2);
  });

  it('never shows its session, and an error of HTTP is no answer', async () => {
    answer((_id, _method, response) => void response.writeHead(401, { 'mcp-session-id': 's' }).end('no'));
    const refused = await attempt();
    assert.equal(refused.denial?.code, 'upstream_error');
    assert.deepEqual([refused.attempt.sent, refused.attempt.status], [true, 401]);
    answer((id, _method, response) => {
      response.writeHead(400, { 'content-type': 'application/json', 'mcp-session-id': 's' });
      response.end(JSON.stringify({ jsonrpc: '2.0', id, error: { code: -32602, message: 'no such tool' } }));
    });
    const told = await attempt();
    assert.equal(told.error?.code, -32602);
    assert.deepEqual(told.head, { status: 200, headers: { 'content-type': 'application/json' } });
  });

  it('that answers with too much is broken off', async () => {
    answer((_id, _method, response) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(Buffer.alloc(17 * 1_048_576, 32));
    });
    await assert.rejects(attempt(), /more than one request may bring/);
  });
});
