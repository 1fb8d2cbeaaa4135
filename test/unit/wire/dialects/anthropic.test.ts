import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { ModelApi, Route } from '../../../../src/call.ts';
import { denialMembers, deny, isDenial } from '../../../../src/denial.ts';
import { anthropicModels } from '../../../../src/wire/dialects/anthropic/models.ts';
import { anthropic, messageOperations, supposedMessages } from '../../../../src/wire/dialects/anthropic.ts';
import { modelRoutes } from '../../../../src/wire/model-routes.ts';
import { allowed, rawRequest, registryOf, routeNamed, targetOf } from '../request.ts';

const settings = { openapi: null, operations: {} };
const route = routeNamed('claude', 'model');
const registry = registryOf(
  [route, routeNamed('orders', 'http')],
  messageOperations.operations(route, settings).operations,
);
const messages = [{ role: 'user', content: 'Hello' }];
const good = { model: 'claude', max_tokens: 100, messages };

type Headers = Record<string, string | readonly string[]>;
function resolve(body: unknown, headers: Headers = {}, path = '/v1/messages') {
  const request = allowed(anthropic.parse(rawRequest('POST', path, body, headers)));
  return request.resolve(registry);
}
const payloadOf = (body: unknown, headers?: Headers, path?: string) => allowed(resolve(body, headers, path)).payload;
const outbound = (body: unknown, headers?: Headers) =>
  payloadOf(body, headers).encode(targetOf('claude-real', 'anthropic'));

describe('a messages request', () => {
  test('is the messages operation of the route that model names, a write; a count is a read', () => {
    const { operation, payload } = allowed(resolve(good));
    assert.deepEqual([operation.name, operation.kind, operation.effect], ['claude.messages', 'model', 'write']);
    assert.deepEqual([payload.method, payload.path, payload.stream], ['POST', '/v1/messages', false]);
    const count = allowed(resolve({ model: 'claude', messages }, {}, '/v1/messages/count_tokens'));
    assert.deepEqual(
      [count.operation.name, count.operation.effect, count.payload.path],
      ['claude.count_tokens', 'read', '/v1/messages/count_tokens'],
    );
  });

  test('keeps its bytes but for the value of model', () => {
    const text =
      '{ "messages" : [ {"role":"user","content":"Gr\\u00fc\\u00dfe 1.50"} ],\n "max_tokens": 10, "temperature" : 1.0, "model":"claude" }';
    const read = allowed(anthropic.parse(rawRequest('POST', '/v1/messages', text)));
    assert.ok(isDenial(read.resolve(registry)) === false);
    assert.equal(String(outbound(text).body), text.replace('"claude"', '"claude-real"'));
    assert.equal(String(payloadOf(text).encode(targetOf('claude', 'anthropic')).body), text);
  });

  test('passes the version on, or names one, and the beta features as headers', () => {
    assert.equal(outbound(good).headers['anthropic-version'], '2023-06-01');
    const headers = {
      'anthropic-version': '2026-10-21',
      'anthropic-beta': ['context-1m-2025-08-07, pdfs-2024-09-25', 'own-1'],
      'anthropic-user-profile-id': 'up_1',
    };
    const { headers: sent, body } = outbound({ ...good, stream: true }, headers);
    assert.deepEqual(sent, {
      'content-type': 'application/json',
      accept: 'text/event-stream',
      'anthropic-version': '2026-10-21',
      'anthropic-beta': 'context-1m-2025-08-07,pdfs-2024-09-25,own-1',
      'anthropic-user-profile-id': 'up_1',
    });
    assert.deepEqual(JSON.parse(String(body)), { ...good, model: 'claude-real', stream: true });
    assert.equal(outbound(good).path, '/v1/messages');
    const asked = allowed(resolve(good, {}, '/v1/messages?beta=true')).payload;
    assert.equal(asked.encode(targetOf('m', 'anthropic')).path, '/v1/messages?beta=true');
  });

  test('shows the policy its settings and beta features, not its content', () => {
    const body = { ...good, system: 's', tools: [{ name: 'f', input_schema: {} }], temperature: 0 };
    const payload = payloadOf(body, { 'anthropic-beta': 'pdfs-2024-09-25' });
    assert.deepEqual(payload.args, {
      model: 'claude',
      max_tokens: 100,
      temperature: 0,
      betas: ['pdfs-2024-09-25'],
    });
    assert.deepEqual(payload.document(), { ...body, betas: ['pdfs-2024-09-25'] });
    payload.drop('/betas');
    assert.equal(payload.encode(targetOf('m', 'anthropic')).headers['anthropic-beta'], undefined);
  });

  test('that is only supposed has the arguments of a real one', () => {
    const { operation, payload } = allowed(resolve(good, { 'anthropic-beta': 'own-1' }));
    const supposed = supposedMessages(operation, payload.args);
    assert.deepEqual(supposed?.args, payload.args);
    assert.deepEqual(supposed?.model?.tools, payload.model?.tools);
    assert.equal(supposedMessages({ ...operation, name: 'claude.chat' }, null), undefined);
  });
});

describe('the text of a messages request', () => {
  const body = {
    ...good,
    metadata: { user_id: 'ann' },
    system: [{ type: 'text', text: 'system' }],
    tools: [{ name: 'f', description: 'describes', input_schema: { type: 'object' } }],
    messages: [
      {
        role: 'user',
        content: [
          { type: 'text', text: 'part' },
          { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'A'.repeat(400) } },
          { type: 'document', title: 'title', source: { type: 'text', media_type: 'text/plain', data: 'document' } },
        ],
      },
      {
        role: 'assistant',
        content: [
          { type: 'thinking', thinking: 'thought', signature: `Eq${'B'.repeat(400)}==` },
          { type: 'tool_use', id: 'toolu_01A', name: 'f', input: { to: 'ann@example.com' } },
        ],
      },
      { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'toolu_01A', content: 'result' }] },
    ],
  };

  test('is found wherever it stands, and what only the provider can read is left out', () => {
    const payload = payloadOf(body, { 'anthropic-beta': 'own-1' });
    const texts = payload.segments().map(({ text }) => text);
    for (const text of ['ann', 'system', 'describes', 'part', 'title', 'document', 'thought', 'result', 'own-1']) {
      assert.ok(texts.includes(text), text);
    }
    assert.ok(texts.includes('ann@example.com'));
    assert.ok(!texts.some((text) => /^(?:A{9}|EqB|toolu_|claude$)/.test(text)));
    // Nothing gets past inspection under a name that is left out.
    const hidden = [{ type: 'thinking', thinking: 'x', signature: 'write to ann@example.com' }];
    const shown = payloadOf({ ...good, messages: [{ role: 'assistant', content: hidden }] }).segments();
    assert.ok(shown.some(({ text }) => text.includes('ann@example.com')));
  });

  test('goes out as it was written back, without what travels as headers', () => {
    const payload = payloadOf(body, { 'anthropic-beta': 'own-1' });
    for (const segment of payload.segments()) if (segment.text.includes('@')) segment.write('[email]');
    assert.equal(payload.validate(), undefined);
    const { body: bytes, headers } = payload.encode(targetOf('m', 'anthropic'));
    const out = JSON.parse(String(bytes));
    assert.equal(out.messages[1].content[1].input.to, '[email]');
    assert.deepEqual([out.model, out.betas, headers['anthropic-beta']], ['m', undefined, 'own-1']);
    payload.drop('/messages');
    assert.equal(payload.validate()?.code, 'args_invalid');
  });
});

describe('what cannot be a messages request', () => {
  const path = '/v1/messages';
  const post = (to: string, body: unknown, headers = {}) => anthropic.parse(rawRequest('POST', to, body, headers));
  for (const [what, parsed, code] of [
    ['another method', anthropic.parse(rawRequest('GET', path)), 'method_not_allowed'],
    ['a query', post(`${path}?x=1`, good), 'request_invalid'],
    ['another media type', post(path, good, { 'content-type': 'text/plain' }), 'media_type_unsupported'],
    ['a model named twice', post(path, '{"model":"a","model":"b","messages":[]}'), 'request_invalid'],
    ['no model', post(path, { messages }), 'request_invalid'],
    ['a batch', post('/v1/messages/batches', good), 'operation_unknown'],
    ['a version that is none', post(path, good, { 'anthropic-version': 'new' }), 'request_invalid'],
    ['two versions', post(path, good, { 'anthropic-version': ['2023-06-01', '2026-10-21'] }), 'request_invalid'],
    ['a beta with a space', post(path, good, { 'anthropic-beta': 'a b' }), 'request_invalid'],
    ['too many betas', post(path, good, { 'anthropic-beta': 'a,'.repeat(65) }), 'request_invalid'],
    ['two workspaces', post(path, good, { 'anthropic-workspace-id': ['a', 'b'] }), 'request_invalid'],
  ] as const) {
    test(`${what} is ${code}`, () => {
      assert.ok(isDenial(parsed));
      assert.equal(parsed.code, code);
    });
  }

  test('a model that is no model route is route_unknown, one of another API takes no messages', () => {
    for (const model of ['gpt-5', 'orders', '', '__proto__']) {
      const denial = resolve({ ...good, model });
      assert.ok(isDenial(denial) && denial.code === 'route_unknown', model);
    }
    const parsed = allowed(post(path, { ...good, model: 'gpt' }));
    const denial = parsed.resolve(registryOf([routeNamed('gpt', 'model')], []));
    assert.ok(isDenial(denial) && denial.code === 'operation_unknown');
  });

  test('every fault of the arguments is a reason with a pointer', () => {
    const denial = resolve({
      model: 'claude',
      messages: [1, { role: 'user', content: 5 }, { role: 'user', content: [{}] }],
      system: 5,
      max_tokens: -1,
      stream: 'yes',
      thinking: 1,
      Container: 'x',
      tools: [1, { type: 5 }, { description: 'x' }],
    });
    assert.ok(isDenial(denial));
    assert.deepEqual(denial.reasons.map(({ path: at }) => at).toSorted(), [
      '/container',
      '/max_tokens',
      '/messages/0',
      '/messages/1/content',
      '/messages/2/content/0',
      '/stream',
      '/system',
      '/thinking',
      '/tools/0',
      '/tools/1',
      '/tools/2',
    ]);
    const misplaced = resolve({ ...good, betas: ['x'] });
    assert.ok(isDenial(misplaced) && misplaced.reasons[0]?.path === '/betas');
  });
});

test('its paths are its own, and so is the list of models for clients that send its version', () => {
  const version = { 'anthropic-version': '2023-06-01' };
  assert.deepEqual(
    ['/v1/messages', '/v1/messages/count_tokens', '/v1/models', '/v1/chat/completions', '/tools/x'].map((path) => [
      anthropic.handles(path, {}),
      anthropic.handles(path, version),
    ]),
    [
      [true, true],
      [true, true],
      [false, true],
      [false, false],
      [false, false],
    ],
  );
});

test('a denial is an error of the type that goes with its status, with all members and the id of the request', () => {
  const denial = deny('policy_denied', 'no', { reasons: [{ code: 'r', message: 'because' }] });
  const members = denialMembers(denial, { call_id: 'call_1' });
  const { status, headers, body } = anthropic.denial(denial, members, 'req_1');
  assert.deepEqual([status, headers['content-type'], headers['x-should-retry']], [403, 'application/json', 'false']);
  const document = {
    type: 'error',
    error: {
      type: 'permission_error',
      message: 'no',
      code: 'policy_denied',
      reasons: [{ code: 'r', message: 'because' }],
      decision_id: null,
      task_id: null,
      call_id: 'call_1',
      trace_id: null,
      retryable: false,
    },
    request_id: 'req_1',
  };
  assert.deepEqual(JSON.parse(String(body)), document);
  const frame = String(anthropic.denialFrame(denial, members, 'req_1'));
  assert.equal(frame, `event: error\ndata: ${JSON.stringify(document)}\n\n`);
  for (const [code, type] of [
    ['request_invalid', 'invalid_request_error'],
    ['args_invalid', 'invalid_request_error'],
    ['unauthenticated', 'authentication_error'],
    ['task_budget_exhausted', 'billing_error'],
    ['route_unknown', 'not_found_error'],
    ['task_conflict', 'conflict_error'],
    ['too_large', 'request_too_large'],
    ['rate_limited', 'rate_limit_error'],
    ['upstream_error', 'api_error'],
    ['store_unavailable', 'overloaded_error'],
    ['upstream_timeout', 'timeout_error'],
  ] as const) {
    const one = deny(code, 'x');
    const { error } = JSON.parse(String(anthropic.denial(one, denialMembers(one, {}), 'r').body));
    assert.equal(error.type, type, code);
  }
});

describe('what a model route can be called for', () => {
  const speaking = (...apis: ModelApi[]): Route => ({
    ...route,
    targets: apis.map((api) => targetOf('m', api)),
  });
  const namesOf = (one: Route) => modelRoutes.operations(one, settings).operations.map(({ name }) => name);

  test('is chat and messages for every route, and what else the APIs of its targets have', () => {
    assert.deepEqual(namesOf(speaking('anthropic', 'anthropic')).toSorted(), [
      ...['claude.chat', 'claude.count_tokens', 'claude.messages'],
    ]);
    const ofChat = namesOf(speaking('openai'));
    assert.ok(ofChat.includes('claude.chat') && ofChat.includes('claude.messages'));
    assert.ok(!ofChat.includes('claude.count_tokens'));
    const ofBoth = namesOf(speaking('openai', 'anthropic'));
    assert.deepEqual(ofBoth.toSorted(), [...new Set([...ofChat, 'claude.count_tokens'])].toSorted());
  });

  test('is listed with what is known of it', () => {
    const { data, ...page } = anthropicModels([speaking('anthropic')]) as { data: Record<string, unknown>[] };
    assert.deepEqual(page, { has_more: false, first_id: 'claude', last_id: 'claude' });
    assert.deepEqual([data[0]?.type, data[0]?.id, data[0]?.max_tokens], ['model', 'claude', 4096]);
    assert.deepEqual(anthropicModels([]), { data: [], has_more: false, first_id: null, last_id: null });
  });
});
