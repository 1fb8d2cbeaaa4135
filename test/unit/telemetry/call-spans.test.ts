import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Attempt, Outcome, Target, Underway } from '../../../src/call.ts';
import type { CallId, TaskId, ThoughtId } from '../../../src/clock.ts';
import { deny } from '../../../src/denial.ts';
import { callSpans } from '../../../src/telemetry/call-spans.ts';
import { callPriceOf } from '../../../src/wire/price.ts';
import { ManualClock } from '../../fakes/clock.ts';
import { fakeOperation, fakeOutcome } from '../../fakes/task.ts';

const target: Target = {
  name: 'azure-we',
  route: 'gpt',
  kind: 'model',
  cloud: 'azure',
  region: 'westeurope',
  provider: 'openai',
  api: 'openai',
  url: 'https://key:secret@models.example.com/v1?key=secret',
  model: 'gpt-real',
  weight: 1,
  credential: 'azure',
  maxOutputTokens: 100,
  price: callPriceOf(0, 'config'),
  timeoutMs: { connect: 1, firstByte: 1, total: 1 },
  txnToken: false,
};

function underway(over: Partial<Underway> = {}): Underway {
  const model = { name: 'gpt', maxTokens: 50, tools: [], promptTokensMax: 1, choices: 1 };
  return {
    id: 'call_1' as CallId,
    requestId: 'r',
    receivedAtMs: 1_000_000,
    startMs: 500,
    trace: {
      traceId: 'a'.repeat(32),
      spanId: 'b'.repeat(16),
      parentSpanId: 'c'.repeat(16),
      sampled: true,
      state: 'v=1',
    },
    surface: 'openai',
    credential: 'the-token',
    shown: { scheme: 'bearer', certificate: null, proof: null, method: 'POST', path: '/' },
    toolCallId: 'ada@example.org',
    deadlineMs: null,
    request: { kind: 'model', route: 'gpt', resolve: () => deny('route_unknown', 'none') },
    abort: new AbortController(),
    caller: {
      taskId: 'task_1' as TaskId,
      agentId: 'coordinator',
      tenant: 'acme',
      tokenId: 't',
      expiresAtMs: 1,
      binding: null,
      scope: null,
      mayAct: null,
    },
    resolved: {
      operation: fakeOperation('gpt.chat', { kind: 'model' }),
      payload: { model, stream: false },
    } as unknown as NonNullable<Underway['resolved']>,
    targets: [target],
    ...over,
  };
}

const attempt = (over: Partial<Attempt> = {}): Attempt => ({
  target: 'azure-we',
  status: 200,
  error: null,
  latencyMs: 20,
  sent: true,
  span: { id: 'd'.repeat(16), startMs: 510, outside: { traceId: 'e'.repeat(32), spanId: 'f'.repeat(16) } },
  ...over,
});

function spansOf(call: Underway, outcome: Partial<Outcome>, stages: Parameters<typeof callSpans>[0]['stages'] = []) {
  const ended = { call, outcome: fakeOutcome({ latencyMs: 80, ...outcome }), stages, endMs: 600 };
  return callSpans(ended, new ManualClock());
}

test('providers have the names that the conventions give them', () => {
  const names = { openai: 'openai', anthropic: 'anthropic', azure: 'azure.ai.openai', bedrock: 'aws.bedrock' };
  for (const [provider, name] of Object.entries({ ...names, vertex: 'gcp.vertex_ai' })) {
    const own = { ...target, provider };
    const spans = spansOf(underway({ targets: [own] }), { target: own, attempts: [attempt()] }, []);
    assert.deepEqual(
      spans.map(({ attributes }) => attributes['gen_ai.provider.name']),
      [name, name],
    );
  }
});

test('a model call is one span under the ids of its trace, with a client span for each attempt', () => {
  const usage = { inputTokens: 10, outputTokens: 5, cachedInputTokens: 3 };
  const failed = attempt({
    status: null,
    error: 'connect',
    latencyMs: 2,
    span: { id: '1'.repeat(16), startMs: 505, outside: { traceId: '2'.repeat(32), spanId: '3'.repeat(16) } },
  });
  const stages = [{ name: 'response', startMs: 550, endMs: 555, code: null }];
  const [call, stage, first, second] = spansOf(underway(), { usage, target, attempts: [failed, attempt()] }, stages);
  assert.deepEqual(
    [call?.name, call?.kind, call?.traceId, call?.spanId, call?.parent, call?.startMs, call?.endMs],
    [
      'chat gpt',
      'server',
      'a'.repeat(32),
      'b'.repeat(16),
      { spanId: 'c'.repeat(16), remote: true },
      1_000_000,
      1_000_100,
    ],
  );
  assert.deepEqual(call?.attributes, {
    'tollgate.call_id': 'call_1',
    'tollgate.surface': 'openai',
    'http.response.status_code': 200,
    'gen_ai.agent.id': 'coordinator',
    'tollgate.task_id': 'task_1',
    'gen_ai.operation.name': 'chat',
    'tollgate.route': 'gpt',
    'tollgate.operation': 'gpt.chat',
    'gen_ai.request.model': 'gpt',
    'gen_ai.request.max_tokens': 50,
    'gen_ai.provider.name': 'openai',
    'gen_ai.response.model': 'gpt-real',
    'gen_ai.usage.input_tokens': 10,
    'gen_ai.usage.output_tokens': 5,
    'gen_ai.usage.cache_read.input_tokens': 3,
    'tollgate.cost_micro_usd': 0,
    'tollgate.target': 'azure-we',
  });
  assert.equal(stage?.name, 'tollgate.response');
  assert.deepEqual(
    [first?.name, first?.kind, first?.spanId, first?.attributes['error.type'], first?.failed],
    ['chat gpt-real', 'client', '1'.repeat(16), 'connect', true],
  );
  // It ends when the body is there, not when its head is.
  assert.deepEqual(
    [second?.spanId, second?.startMs, second?.endMs, second?.failed],
    ['d'.repeat(16), 1_000_010, 1_000_050, false],
  );
  assert.deepEqual(second?.links, [{ traceId: 'e'.repeat(32), spanId: 'f'.repeat(16) }]);
  assert.equal(second?.attributes['server.address'], 'models.example.com');
});

test('an attempt that streams lasts until the call is settled', () => {
  const call = underway();
  const payload = { ...call.resolved?.payload, stream: true };
  const streaming = { ...call, resolved: { ...call.resolved, payload } } as unknown as Underway;
  const spans = spansOf(streaming, { attempts: [attempt()] }, [
    { name: 'response', startMs: 531, endMs: 532, code: null },
  ]);
  assert.equal(spans.at(-1)?.endMs, 1_000_080);
});

test('an action links to the model call that proposed it, and names the tool call as the model did', () => {
  const thought = {
    id: 'tht_1' as ThoughtId,
    source: 'observed' as const,
    match: 'exact' as const,
    toolCallId: 'call_x',
    span: `${'1'.repeat(32)}-${'2'.repeat(16)}`,
  };
  const resolved = {
    operation: fakeOperation('orders.get_order'),
    payload: { model: null, stream: false },
  } as unknown as NonNullable<Underway['resolved']>;
  const entry = { thought, repeats: 0, facts: {} } as unknown as NonNullable<Underway['entry']>;
  const [call] = spansOf(underway({ resolved, entry }), {});
  assert.equal(call?.name, 'execute_tool orders.get_order');
  assert.deepEqual(call?.links, [{ traceId: '1'.repeat(32), spanId: '2'.repeat(16) }]);
  const { attributes = {} } = call ?? {};
  assert.deepEqual(
    ['gen_ai.tool.name', 'gen_ai.tool.call.id', 'tollgate.thought_id', 'tollgate.thought_match'].map(
      (name) => attributes[name],
    ),
    ['orders.get_order', 'call_x', 'tht_1', 'exact'],
  );
});

test('a denial is the type of the error and no failure; a fault of the gate is one', () => {
  const denied = spansOf(underway(), { denial: deny('policy_denied', 'no'), status: 403, attempts: [] }, [
    { name: 'identity', startMs: 500, endMs: 501, code: null },
    { name: 'policy', startMs: 501, endMs: 503, code: 'policy_denied' },
  ]);
  assert.deepEqual(
    denied.map(({ name, failed, attributes }) => [name, failed, attributes['error.type']]),
    [
      ['chat gpt', false, 'policy_denied'],
      ['tollgate.identity', false, undefined],
      ['tollgate.policy', false, 'policy_denied'],
    ],
  );
  assert.equal(new Set(denied.map(({ spanId }) => spanId)).size, 3);
  const [broken] = spansOf(underway(), { denial: deny('store_unavailable', 'no'), status: 503, attempts: [] });
  assert.equal(broken?.failed, true);
});

test('nothing that a caller or a target wrote freely stands in a span', () => {
  const { resolved: _resolved, caller: _caller, ...bare } = underway();
  const thought = {
    id: 'tht_1' as ThoughtId,
    source: 'reported' as const,
    match: 'name' as const,
    toolCallId: 'ada@example.org 4111111111111111',
    span: 'not a span',
  };
  const entry = { thought, repeats: 0, facts: {} } as unknown as NonNullable<Underway['entry']>;
  const text = JSON.stringify([
    spansOf({ ...bare, entry }, {}),
    spansOf(underway({ entry }), { attempts: [attempt()], target, text: 'ada@example.org' }),
  ]);
  for (const secret of ['ada@example.org', '4111111111111111', 'the-token', 'secret', 'key'])
    assert.equal(text.includes(secret), false, secret);
});
