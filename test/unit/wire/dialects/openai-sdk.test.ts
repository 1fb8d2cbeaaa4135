/**
 * The real `openai` SDK against the dialect: a loopback server that parses with it, answers from recorded bytes through
 * it, or denies with it. What stands between the two in the gate (policy, budget, …) is left out.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, beforeEach, describe, test } from 'node:test';
import OpenAI, { APIError, PermissionDeniedError } from 'openai';
import type { OutboundRequest } from '../../../../src/call.ts';
import { type Denial, denialMembers, deny, isDenial } from '../../../../src/denial.ts';
import { modelOperations, openai } from '../../../../src/wire/dialects/openai.ts';
import { registryOf, routeNamed, targetOf } from '../request.ts';

const fixture = (name: string) => readFileSync(new URL(`../../../fixtures/wire/${name}`, import.meta.url));
const route = routeNamed('gpt-4.1', 'model');
const registry = registryOf([route], modelOperations.operations(route, { openapi: null, operations: {} }).operations);

let requests = 0;
let outbound: OutboundRequest | null = null;
/** What the gate would say instead of calling the target, and what it would cut a stream with. */
let refusal: Denial | null = null;
let cut: Denial | null = null;

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  requests += 1;
  const body = Buffer.concat(await Array.fromAsync(request as AsyncIterable<Buffer>));
  const url = new URL(request.url ?? '', 'http://gate');
  const raw = {
    method: request.method ?? '',
    path: url.pathname,
    query: url.search.slice(1),
    headers: request.headers,
    body,
  };
  const wire = openai.parse(raw);
  const resolved = refusal ?? (isDenial(wire) ? wire : wire.resolve(registry));
  if (isDenial(resolved)) {
    const denied = openai.denial(resolved, denialMembers(resolved, { task_id: 'task_1' }));
    response.writeHead(denied.status, denied.headers).end(denied.body);
    return;
  }
  const { payload } = resolved;
  outbound = payload.encode(targetOf('gpt-4.1-2025-04-14'));
  if (!payload.stream) {
    const head = { status: 200, headers: { 'content-type': 'application/json' } };
    const encoded = payload.readAnswer(head, fixture('chat-answer.json'), targetOf('m')).encode();
    response.writeHead(200, encoded.head.headers).end(encoded.body);
    return;
  }
  const head = { status: 200, headers: { 'content-type': 'text/event-stream' } };
  response.writeHead(200, head.headers);
  const recorded = (async function* () {
    yield fixture('chat-stream.sse');
  })();
  let frames = 0;
  for await (const frame of payload.readStream(head, recorded, targetOf('m'))) {
    if (cut !== null && ++frames === 4) {
      response.end(openai.denialFrame(cut, denialMembers(cut, { task_id: 'task_1' })));
      return;
    }
    response.write(frame.bytes);
  }
  response.end();
}

describe('the openai SDK', () => {
  const server = createServer((request, response) => void answer(request, response));
  let client: OpenAI;

  before(async () => {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    client = new OpenAI({ apiKey: 'task-token', baseURL: `http://127.0.0.1:${port}/v1`, maxRetries: 2 });
  });
  after(() => server.close());
  beforeEach(() => {
    requests = 0;
    outbound = null;
    refusal = null;
    cut = null;
  });

  const ask = { model: 'gpt-4.1', messages: [{ role: 'user' as const, content: 'Where is order A-1001?' }] };
  const tools = [{ type: 'function' as const, function: { name: 'get_order', parameters: { type: 'object' } } }];

  test('gets a completion whose model is the route', async () => {
    const completion = await client.chat.completions.create({ ...ask, tools });
    assert.equal(completion.model, 'gpt-4.1');
    assert.equal(completion.choices[0]?.message.content, 'Write to ann@example.com.');
    assert.equal(completion.choices[0]?.message.tool_calls?.[0]?.id, 'call_a');
    const sent = JSON.parse(String(outbound?.body));
    assert.deepEqual([sent.model, sent.messages, sent.tools], ['gpt-4.1-2025-04-14', ask.messages, tools]);
    assert.deepEqual([outbound?.path, outbound?.headers.accept], ['/chat/completions', 'application/json']);
  });

  test('streams, and assembles tool calls, without a usage it did not ask for', async () => {
    const stream = client.chat.completions.stream({ ...ask, tools });
    const models = new Set<string>();
    for await (const chunk of stream) {
      models.add(chunk.model);
      assert.equal(chunk.usage ?? null, null);
    }
    const completion = await stream.finalChatCompletion();
    assert.deepEqual([...models], ['gpt-4.1']);
    assert.equal(completion.choices[0]?.message.content, 'Grüße 😀');
    assert.deepEqual(
      completion.choices[0]?.message.tool_calls?.map((call) => call.type === 'function' && call.function.arguments),
      ['{"order_id":"A-1001"}', '{}'],
    );
    assert.deepEqual(JSON.parse(String(outbound?.body)).stream_options, { include_usage: true });
  });

  test('gets the usage it asked for', async () => {
    const stream = await client.chat.completions.create({
      ...ask,
      stream: true,
      stream_options: { include_usage: true },
    });
    const chunks = await Array.fromAsync(stream);
    assert.equal(chunks.at(-1)?.usage?.total_tokens, 105);
  });

  test('throws its own error class with our code and members, and does not retry', async () => {
    refusal = deny('policy_denied', 'The policy does not allow this.', { allowed: ['orders.get_order'] });
    const error = await client.chat.completions.create(ask).then(
      () => assert.fail('it was denied'),
      (thrown: unknown) => thrown,
    );
    assert.ok(error instanceof PermissionDeniedError);
    assert.deepEqual([error.status, error.code, error.type], [403, 'policy_denied', 'policy_denied']);
    const members = error.error as { allowed: string[]; task_id: string };
    assert.deepEqual([members.allowed, members.task_id], [['orders.get_order'], 'task_1']);
    assert.equal(requests, 1);
  });

  test('does not retry a conflict or a long wait, but does retry what a retry can help', async () => {
    for (const [denial, tries] of [
      [deny('task_conflict', 'x'), 1],
      [deny('rate_limited', 'x', { retryAfterMs: 120_000 }), 1],
      [deny('task_budget_exhausted', 'x'), 1],
      [deny('upstream_unavailable', 'x'), 3],
    ] as const) {
      requests = 0;
      refusal = denial;
      await assert.rejects(client.chat.completions.create(ask), { code: denial.code });
      assert.equal(requests, tries, denial.code);
    }
  });

  test('throws with our code where a stream is cut by a denial', async () => {
    cut = deny('task_killed', 'The task was killed.');
    const stream = await client.chat.completions.create({ ...ask, stream: true });
    const error = await Array.fromAsync(stream).then(
      () => assert.fail('it was cut'),
      (thrown: unknown) => thrown,
    );
    assert.ok(error instanceof APIError);
    assert.deepEqual([error.code, error.type], ['task_killed', 'task_killed']);
    assert.equal(requests, 1);
  });

  test('is told that a model has no route', async () => {
    await assert.rejects(client.chat.completions.create({ ...ask, model: 'gpt-9' }), {
      status: 404,
      code: 'route_unknown',
    });
  });
});
