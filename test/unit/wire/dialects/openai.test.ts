import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { describe, test } from 'node:test';
import { denialMembers, deny, isDenial } from '../../../../src/denial.ts';
import { chatFields, chatFieldsAsOf } from '../../../../src/wire/dialects/openai/fields.ts';
import { modelsDocument } from '../../../../src/wire/dialects/openai/models.ts';
import { modelOperations, openai } from '../../../../src/wire/dialects/openai.ts';
import { allowed, rawRequest, registryOf, routeNamed, targetOf } from '../request.ts';

const route = routeNamed('gpt-4.1', 'model');
const registry = registryOf(
  [route, routeNamed('orders', 'http')],
  modelOperations.operations(route, { openapi: null, operations: {} }).operations,
);
const messages = [{ role: 'user', content: 'Hello' }];

function resolve(body: unknown) {
  const request = allowed(openai.parse(rawRequest('POST', '/v1/chat/completions', body)));
  return request.resolve(registry);
}
const payloadOf = (body: unknown) => allowed(resolve(body)).payload;
const sent = (body: unknown, model = 'gpt-4.1-2025') => String(payloadOf(body).encode(targetOf(model)).body);

describe('a chat request', () => {
  test('is the chat operation of the route that model names, a write', () => {
    const { operation, payload } = allowed(resolve({ model: 'gpt-4.1', messages }));
    assert.deepEqual([operation.name, operation.kind, operation.effect], ['gpt-4.1.chat', 'model', 'write']);
    assert.deepEqual([payload.method, payload.path, payload.stream], ['POST', '/chat/completions', false]);
  });

  test('keeps its bytes but for the value of model', () => {
    const text =
      '{ "messages" : [ {"role":"user","content":"Gr\\u00fc\\u00dfe 1.50"} ],\n "temperature" : 1.0, "model":"gpt-4.1" }';
    assert.equal(sent(text), text.replace('"gpt-4.1"', '"gpt-4.1-2025"'));
    assert.equal(sent(text, 'gpt-4.1'), text);
  });

  test('asks for usage on streams, and keeps what else the client said of them', () => {
    const plain = '{"model":"gpt-4.1","messages":[{"role":"user","content":"x"}],"stream":true}';
    assert.equal(sent(plain, 'gpt-4.1'), plain.replace(/}$/, ',"stream_options":{"include_usage":true}}'));
    const options = { include_obfuscation: false };
    const changed = JSON.parse(sent({ model: 'gpt-4.1', messages, stream: true, stream_options: options }));
    assert.deepEqual(changed.stream_options, { include_obfuscation: false, include_usage: true });
    const asked = JSON.stringify({ model: 'gpt-4.1', messages, stream: true, stream_options: { include_usage: true } });
    assert.equal(sent(asked, 'gpt-4.1'), asked);
  });

  test('shows the policy its settings, not its content', () => {
    const tools = [{ type: 'function', function: { name: 'f', parameters: {} } }];
    assert.deepEqual(payloadOf({ model: 'gpt-4.1', messages, tools, temperature: 0, user: 'u' }).args, {
      model: 'gpt-4.1',
      temperature: 0,
      user: 'u',
    });
  });

  test('is committed to with everything in it', () => {
    const body = { model: 'gpt-4.1', messages, tools: [] };
    assert.deepEqual(payloadOf(body).document(), body);
  });
});

describe('what a chat request asks for', () => {
  test('is the larger of two limits, and null for none', () => {
    assert.equal(payloadOf({ model: 'gpt-4.1', messages }).model?.maxTokens, null);
    assert.equal(payloadOf({ model: 'gpt-4.1', messages, max_tokens: 9 }).model?.maxTokens, 9);
    assert.equal(
      payloadOf({ model: 'gpt-4.1', messages, max_tokens: 9, max_completion_tokens: 7 }).model?.maxTokens,
      9,
    );
    assert.equal(payloadOf({ model: 'gpt-4.1', messages, n: 3 }).model?.choices, 3);
  });

  test('can be lowered, and is never raised', () => {
    for (const [body, want] of [
      [{ max_tokens: 100 }, { max_tokens: 50 }],
      [{ max_tokens: 10 }, { max_tokens: 10 }],
      [
        { max_completion_tokens: 100, max_tokens: 20 },
        { max_completion_tokens: 50, max_tokens: 20 },
      ],
      [{}, { max_completion_tokens: 50 }],
    ] as const) {
      const payload = payloadOf({ model: 'gpt-4.1', messages, ...body });
      payload.limitTokens(50);
      const { model: _model, messages: _messages, ...rest } = JSON.parse(String(payload.encode(targetOf('m')).body));
      assert.deepEqual(rest, want);
      assert.ok((payload.model?.maxTokens ?? Infinity) <= 50);
    }
  });

  test('names tools by kind, and fields that act outside the gate or are not known', () => {
    const body = {
      model: 'gpt-4.1',
      messages: [
        { role: 'user', content: [{ type: 'image_url', image_url: { url: 'https://evil.example/?q=secret' } }] },
        {
          role: 'user',
          content: [
            { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } },
            { type: 'file', file: { file_id: 'f' } },
          ],
        },
        { role: 'assistant', content: 'x', audio: { id: 'audio_1' }, surprise: 1 },
      ],
      tools: [
        { type: 'function', function: { name: 'get_order' } },
        { type: 'custom', custom: { name: 'shell' } },
        { type: 'mcp', server_label: 'crm', server_url: 'https://evil.example' },
        { type: 'web_search' },
      ],
      store: true,
      web_search_options: {},
      not_yet_known: 0,
      metadata: { a: 'b' },
    };
    assert.deepEqual(
      payloadOf(body).model?.tools.map(({ name, kind }) => `${kind} ${name}`),
      [
        'function get_order',
        'custom shell',
        'mcp crm',
        'web_search web_search',
        ...['store', 'web_search_options', 'not_yet_known'].map((name) => `field:${name} ${name}`),
        ...['messages.content.image_url', 'messages.content.file', 'messages.audio', 'messages.surprise'].map(
          (name) => `field:${name} ${name}`,
        ),
      ],
    );
    const quiet = {
      model: 'gpt-4.1',
      messages,
      store: false,
      web_search_options: null,
      prompt_cache_retention: 'in_memory',
    };
    assert.deepEqual(payloadOf(quiet).model?.tools, []);
  });

  test('bounds the prompt by its bytes, whatever it is made of', () => {
    const bound = (body: object) => payloadOf({ model: 'gpt-4.1', messages, ...body }).model?.promptTokensMax ?? 0;
    const base = bound({});
    const text = 'ünï😀'.repeat(100);
    const bytes = Buffer.byteLength(text);
    assert.ok(base >= 5 + 4);
    assert.ok(bound({ messages: [{ role: 'user', content: text }] }) >= bytes);
    assert.ok(bound({ messages: [{ role: 'user', content: [{ type: 'text', text }] }] }) >= bytes);
    assert.ok(
      bound({
        messages: [
          { role: 'assistant', tool_calls: [{ id: 'c', type: 'function', function: { name: 'f', arguments: text } }] },
        ],
      }) >= bytes,
    );
    assert.ok(bound({ tools: [{ type: 'function', function: { name: 'f', description: text } }] }) >= base + bytes);
    assert.ok(bound({ response_format: { type: 'json_schema', json_schema: { name: text } } }) >= base + bytes);
    const image = { type: 'image_url', image_url: { url: `data:image/png;base64,${'A'.repeat(400_000)}` } };
    const withImage = bound({ messages: [{ role: 'user', content: [image] }] });
    assert.ok(withImage >= 48_169 && withImage < 60_000, 'the bytes of an image are not text');
    const audio = { type: 'input_audio', input_audio: { data: 'A'.repeat(10_000), format: 'mp3' } };
    assert.ok(bound({ messages: [{ role: 'user', content: [audio] }] }) >= 1000);
  });

  test('follows what obligations change', () => {
    const payload = payloadOf({ model: 'gpt-4.1', messages: [{ role: 'user', content: 'x' }], store: true });
    const before = payload.model?.promptTokensMax ?? 0;
    payload
      .segments()
      .find(({ text }) => text === 'x')
      ?.write('x'.repeat(1000));
    payload.drop('/store');
    assert.equal(payload.model?.promptTokensMax, before + 999);
    assert.deepEqual(payload.model?.tools, []);
  });
});

describe('the text of a chat request', () => {
  const body = {
    model: 'gpt-4.1',
    user: 'ann',
    metadata: { note: 'meta' },
    tools: [{ type: 'function', function: { name: 'f', description: 'describes', parameters: { type: 'object' } } }],
    messages: [
      { role: 'system', content: 'system' },
      {
        role: 'user',
        name: 'Ann',
        content: [
          { type: 'text', text: 'part' },
          { type: 'image_url', image_url: { url: `data:image/png;base64,${'A'.repeat(400)}` } },
        ],
      },
      {
        role: 'assistant',
        tool_calls: [
          { id: 'c', type: 'function', function: { name: 'f', arguments: '{"to":"ann\\u0040example.com"}' } },
        ],
      },
      { role: 'tool', tool_call_id: 'c', content: 'result' },
    ],
  };

  test('is found wherever it stands, escapes undone, and media left out', () => {
    const texts = payloadOf(body)
      .segments()
      .map(({ text }) => text);
    for (const text of ['ann', 'meta', 'describes', 'system', 'Ann', 'part', 'ann@example.com', 'result']) {
      assert.ok(texts.includes(text), text);
    }
    assert.ok(!texts.some((text) => text.startsWith('data:') || text === 'gpt-4.1'));
  });

  test('goes out as it was written back', () => {
    const payload = payloadOf(body);
    for (const segment of payload.segments()) if (segment.text.includes('@')) segment.write('[email]');
    payload.drop('/metadata/note');
    assert.equal(payload.validate(), undefined);
    const out = JSON.parse(String(payload.encode(targetOf('m')).body));
    assert.equal(out.messages[2].tool_calls[0].function.arguments, '{"to":"[email]"}');
    assert.deepEqual([out.metadata, out.model], [{}, 'm']);
  });

  test('that a policy drops too much of is no request any more', () => {
    const payload = payloadOf(body);
    payload.drop('/messages');
    assert.equal(payload.validate()?.code, 'args_invalid');
  });
});

describe('what cannot be a chat request', () => {
  const post = (path: string, body: unknown, headers = {}) => openai.parse(rawRequest('POST', path, body, headers));
  const chat = '/v1/chat/completions';
  const good = { model: 'gpt-4.1', messages };
  const cases: readonly (readonly [string, ReturnType<typeof openai.parse>, string])[] = [
    ['another method', openai.parse(rawRequest('GET', chat)), 'method_not_allowed'],
    ['a query', post(`${chat}?api-version=1`, good), 'request_invalid'],
    ['another media type', post(chat, good, { 'content-type': 'text/plain' }), 'media_type_unsupported'],
    ['no media type', post(chat, good, { 'content-type': undefined }), 'media_type_unsupported'],
    ['two media types', post(chat, good, { 'content-type': ['application/json', 'text/plain'] }), 'request_invalid'],
    [
      'another charset',
      post(chat, good, { 'content-type': 'application/json; charset=utf-16' }),
      'media_type_unsupported',
    ],
    ['a compressed body', post(chat, good, { 'content-encoding': 'gzip' }), 'media_type_unsupported'],
    ['a body that is not JSON', post(chat, '{"model":'), 'request_invalid'],
    ['an empty body', post(chat, '', { 'content-type': 'application/json' }), 'request_invalid'],
    ['a model named twice', post(chat, '{"model":"a","model":"b","messages":[]}'), 'request_invalid'],
    ['no model', post(chat, { messages }), 'request_invalid'],
    ['an array', post(chat, [good]), 'request_invalid'],
    ['a realtime session', openai.parse(rawRequest('GET', '/v1/realtime?model=x')), 'operation_unknown'],
    ['another operation', post('/v1/files', {}), 'operation_unknown'],
    ['a path that only looks alike', post('/v1/chat/completions/', good), 'operation_unknown'],
  ];
  for (const [what, parsed, code] of cases) {
    test(`${what} is ${code}`, () => {
      assert.ok(isDenial(parsed));
      assert.equal(parsed.code, code);
    });
  }

  test('a model that is no model route is route_unknown', () => {
    for (const model of ['gpt-5', 'orders', '', '__proto__', 'gpt-4.1.chat']) {
      const denial = resolve({ model, messages });
      assert.ok(isDenial(denial) && denial.code === 'route_unknown', model);
    }
  });

  test('every fault of the arguments is a reason with a pointer', () => {
    const denial = resolve({
      model: 'gpt-4.1',
      messages: [1, { role: 'user', content: 5 }, { role: 'user', content: [{}] }],
      n: 0,
      max_tokens: -1,
      max_completion_tokens: 1.5,
      stream: 'yes',
      stream_options: [],
      tools: [{}, { type: 'function', function: {} }],
    });
    assert.ok(isDenial(denial));
    assert.deepEqual(denial.reasons.map(({ path }) => path).sort(), [
      '/max_completion_tokens',
      '/max_tokens',
      '/messages/0',
      '/messages/1/content',
      '/messages/2/content/0',
      '/n',
      '/stream',
      '/stream_options',
      '/tools/0',
      '/tools/1',
    ]);
  });
});

test('Anthropic paths and foreign ones belong to other dialects', () => {
  assert.deepEqual(
    ['/v1/chat/completions', '/v1/models', '/v1/messages', '/v1/messages/count_tokens', '/v1', '/tools/x'].map((path) =>
      openai.handles(path, {}),
    ),
    [true, true, false, false, false, false],
  );
});

test('a denial is an OpenAI error with all members, and says when a retry is useless', () => {
  const denial = deny('policy_denied', 'no', { reasons: [{ code: 'r', message: 'because' }] });
  const { status, headers, body } = openai.denial(denial, denialMembers(denial, { call_id: 'call_1' }));
  assert.deepEqual([status, headers['content-type'], headers['x-should-retry']], [403, 'application/json', 'false']);
  assert.deepEqual(JSON.parse(String(body)), {
    error: {
      message: 'no',
      type: 'policy_denied',
      param: null,
      code: 'policy_denied',
      reasons: [{ code: 'r', message: 'because' }],
      decision_id: null,
      task_id: null,
      call_id: 'call_1',
      trace_id: null,
      retryable: false,
    },
  });
});

test('the list of models is the model routes', () => {
  assert.deepEqual(modelsDocument([route, routeNamed('orders', 'http')]), {
    object: 'list',
    data: [{ id: 'gpt-4.1', object: 'model', created: 0, owned_by: 'tollgate' }],
  });
});

test('every field of a chat request that the SDK knows is classed', () => {
  const require = createRequire(import.meta.url);
  const types = require.resolve('openai/resources/chat/completions/completions.js').replace(/\.js$/, '.d.ts');
  const source = readFileSync(types, 'utf8');
  const start = source.indexOf('export interface ChatCompletionCreateParamsBase {');
  const members = source.slice(start, source.indexOf('\n}\n', start)).matchAll(/^ {4}([a-z_]+)\??:/gm);
  const names = [...members].map(([, name]) => name as string);
  assert.ok(names.length > 30, 'the members were found');
  assert.deepEqual(
    names.filter((name) => !Object.hasOwn(chatFields, name)),
    [],
  );
  assert.match(chatFieldsAsOf, /^\d{4}-\d\d-\d\d$/);
});
