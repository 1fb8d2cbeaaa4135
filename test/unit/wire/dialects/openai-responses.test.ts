/** Responses and embeddings as they are asked for: what goes out, what stands before the policy, what is refused. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Json, ModelAsk, Payload } from '../../../../src/call.ts';
import { isDenial } from '../../../../src/denial.ts';
import { modelOperations, openai, openaiResponses } from '../../../../src/wire/dialects/openai.ts';
import { allowed, rawRequest, registryOf, routeNamed, targetOf } from '../request.ts';

const route = routeNamed('gpt', 'model');
const registry = registryOf([route], modelOperations.operations(route, { openapi: null, operations: {} }).operations);

function payloadOf(body: object, path = '/v1/responses'): Payload {
  const dialect = path === '/v1/responses' ? openaiResponses : openai;
  const request = rawRequest('POST', path, { model: 'gpt', ...body });
  assert.ok(dialect.handles(path, request.headers));
  return allowed(allowed(dialect.parse(request)).resolve(registry)).payload;
}

const kindsOf = ({ model }: Payload): readonly string[] => (model as ModelAsk).tools.map(({ kind }) => kind);
const sentBy = (payload: Payload): string => String(payload.encode(targetOf('gpt-real')).body);

describe('a responses request', () => {
  test('goes out byte for byte but for its model, and says that nothing is to be stored', () => {
    const text = '{ "input" : "h\\u0069",  "model":"gpt", "n":1.50}';
    const wire = allowed(openaiResponses.parse(rawRequest('POST', '/v1/responses', text)));
    const sent = sentBy(allowed(wire.resolve(registry)).payload);
    assert.equal(sent, text.replace('"gpt"', '"gpt-real"').replace('}', ',"store":false}'));
    const stored = sentBy(payloadOf({ input: 'hi', store: true }));
    assert.deepEqual(JSON.parse(stored), { model: 'gpt-real', input: 'hi', store: true });
    const reasoning = JSON.parse(sentBy(payloadOf({ input: 'hi', reasoning: { effort: 'low' }, include: ['x'] })));
    assert.deepEqual([reasoning.store, reasoning.include], [false, ['x', 'reasoning.encrypted_content']]);
    assert.equal(
      JSON.parse(sentBy(payloadOf({ input: 'hi', store: false, reasoning: { effort: 'low' } }))).include,
      undefined,
    );
  });

  test('where nothing is kept, a model known to reason is asked for its reasoning, and what came without is left out', () => {
    const hollow = { type: 'reasoning', id: 'rs_1', summary: [{ type: 'summary_text', text: 'I thought' }] };
    const whole = { ...hollow, id: 'rs_2', encrypted_content: 'AAAA' };
    const said = { role: 'user', content: 'hi' };
    const forgetting = payloadOf({ input: [said, hollow, whole] });
    assert.deepEqual(JSON.parse(sentBy(forgetting)).input, [said, whole]);
    assert.deepEqual(forgetting.namedIds?.(), []);
    assert.ok((forgetting.model?.promptTokensMax ?? 0) < 1000, 'nothing that is kept counts in it');
    for (const store of [true, false]) {
      const asked = payloadOf({ input: [hollow], store });
      assert.deepEqual(JSON.parse(sentBy(asked)).input, [hollow], 'who says it means it');
      assert.deepEqual(asked.namedIds?.(), [{ where: '/input/0/id', id: 'rs_1', standsFor: 'answer' }]);
    }
    const includes = (model: string) =>
      JSON.parse(String(payloadOf({ input: 'hi' }).encode(targetOf(model)).body)).include;
    for (const model of ['o3', 'o4-mini-2025-04-16', 'gpt-5', 'gpt-5.1-codex', 'ft:o4-mini:acme::x', 'codex-mini']) {
      assert.deepEqual(includes(model), ['reasoning.encrypted_content'], model);
    }
    for (const model of ['gpt-4.1', 'gpt-5-chat-latest', 'o3x', 'our-gpt-5', 'gpt-4o']) {
      assert.equal(includes(model), undefined, `${model} would refuse to be asked`);
    }
  });

  test('what acts outside the gate stands in its tools, wherever it comes in', () => {
    const image = (image_url: string) => [{ role: 'user', content: [{ type: 'input_image', image_url }] }];
    const rows: readonly [body: object, kinds: readonly string[]][] = [
      [{ input: 'hi', tools: [{ type: 'function', name: 'f', parameters: {} }], store: false }, ['function']],
      [{ input: 'hi', store: true }, ['field:store']],
      [{ input: 'hi', background: true }, ['field:background']],
      [{ input: 'hi', previous_response_id: 'resp_1' }, ['field:previous_response_id']],
      [{ input: 'hi', conversation: { id: 'conv_1' } }, ['field:conversation']],
      [{ prompt: { id: 'pmpt_1' } }, ['field:prompt']],
      [{ input: 'hi', tomorrow: 1 }, ['field:tomorrow']],
      [{ input: 'hi', tools: [{ type: 'mcp', server_label: 'x', server_url: 'https://x' }] }, ['mcp']],
      [
        { input: 'hi', tools: [{ type: 'web_search' }, { type: 'code_interpreter', container: { type: 'auto' } }] },
        ['web_search', 'code_interpreter'],
      ],
      [
        {
          input: 'hi',
          tools: [{ type: 'namespace', name: 'n', description: '', tools: [{ type: 'function', name: 'f' }] }],
        },
        ['function'],
      ],
      [{ input: 'hi', tools: [{ type: 'function', name: 'f', runs_at: 'x' }] }, ['function', 'field:tools.runs_at']],
      [
        { input: [{ type: 'additional_tools', role: 'developer', tools: [{ type: 'mcp', server_label: 'x' }] }] },
        ['mcp'],
      ],
      [{ input: [{ id: 'msg_1' }] }, ['field:input.item_reference']],
      [
        { input: [{ type: 'mcp_approval_response', approval_request_id: 'mcpr_1', approve: true }] },
        ['field:input.mcp_approval_response'],
      ],
      [{ input: [{ type: 'unheard_of' }] }, ['field:input.unheard_of']],
      [{ input: image('https://example.com/a.png') }, ['field:input.image_url']],
      [{ input: image('data:image/png;base64,AAAA') }, []],
      [{ input: [{ role: 'user', content: [{ type: 'input_file', file_id: 'file-1' }] }] }, ['field:input.file_id']],
      [
        {
          input: [
            { type: 'function_call_output', call_id: 'c', output: [{ type: 'input_file', file_url: 'https://x' }] },
          ],
        },
        ['field:input.file_url'],
      ],
    ];
    for (const [body, kinds] of rows) assert.deepEqual(kindsOf(payloadOf(body)), kinds, JSON.stringify(body));
  });

  test('where the routing table has it kept unasked, silence stands before the policy, and goes out as silence', () => {
    const kept = { openapi: null, operations: { responses: { keeps_unasked: true } } };
    const { operations } = modelOperations.operations(route, kept);
    const wire = allowed(openaiResponses.parse(rawRequest('POST', '/v1/responses', { model: 'gpt', input: 'hi' })));
    const { payload } = allowed(wire.resolve(registryOf([route], operations)));
    assert.deepEqual(kindsOf(payload), ['field:store']);
    assert.deepEqual(JSON.parse(sentBy(payload)), { model: 'gpt-real', input: 'hi' });
    const { faults } = modelOperations.operations(route, {
      openapi: null,
      operations: { chat: { keeps_unasked: true, remembers: false }, responses: { remembers: false } },
    });
    assert.deepEqual(
      faults.map(({ pointer }) => pointer),
      ['/operations/chat/keeps_unasked', '/operations/chat/remembers'],
    );
  });

  test('ids that stand for what lies at the provider are named, and those of a history are not', () => {
    const named = (body: object) =>
      payloadOf(body)
        .namedIds?.()
        .map(({ where, id }) => `${where}=${id}`);
    const history = [
      {
        type: 'message',
        role: 'assistant',
        id: 'msg_1',
        content: [
          { type: 'output_text', text: 'x', annotations: [{ type: 'file_path', file_id: 'file-0', index: 0 }] },
        ],
      },
      { type: 'function_call', id: 'fc_1', call_id: 'call_1', name: 'f', arguments: '{"file_id":"file-9"}' },
      { type: 'reasoning', id: 'rs_1', summary: [], encrypted_content: 'AAAA' },
    ];
    assert.deepEqual(named({ input: history }), []);
    const input = [
      { type: 'item_reference', id: 'msg_2' },
      { type: 'reasoning', id: 'rs_2', summary: [] },
      {
        type: 'code_interpreter_call',
        id: 'ci_1',
        code: '',
        container_id: 'cntr_1',
        outputs: null,
        status: 'completed',
      },
      { role: 'user', content: [{ type: 'input_image', file_id: 'file-1' }] },
    ];
    const tools = [
      { type: 'code_interpreter', container: 'cntr_2' },
      { type: 'shell', environment: { type: 'container_auto', file_ids: ['file-2'] } },
      { type: 'function', name: 'f', parameters: { default: { file_id: 'file-3' } } },
    ];
    const keeping = { previous_response_id: 'resp_1', conversation: 'conv_1', store: true };
    assert.deepEqual(named({ ...keeping, input, tools }), [
      ...['/previous_response_id=resp_1', '/conversation=conv_1', '/input/0/id=msg_2', '/input/1/id=rs_2'],
      ...['/input/2/container_id=cntr_1', '/input/3/content/0/file_id=file-1', '/tools/0/container=cntr_2'],
      '/tools/1/environment/file_ids/0=file-2',
    ]);
  });

  test('its content is no argument, and is text for inspection; what only the provider can read is not', () => {
    const opaque = 'QUJD'.repeat(30);
    const payload = payloadOf({
      instructions: 'be brief',
      input: [
        {
          type: 'reasoning',
          id: 'rs_1',
          summary: [{ type: 'summary_text', text: 'I thought' }],
          encrypted_content: opaque,
        },
        { type: 'function_call', call_id: 'call_1', name: 'f', arguments: '{"to":"a\\u0040b"}' },
        { type: 'function_call_output', call_id: 'call_1', output: '{"from":"c"}' },
        {
          role: 'user',
          content: [
            { type: 'input_text', text: 'look' },
            { type: 'input_image', image_url: `data:image/png;base64,${opaque}` },
          ],
        },
      ],
      prompt: { id: 'pmpt_1', variables: { name: 'Ann' } },
      temperature: 1,
    });
    assert.deepEqual(payload.args, { model: 'gpt', prompt: { id: 'pmpt_1' }, temperature: 1 });
    const texts = payload.segments().map(({ text }) => text);
    for (const text of ['be brief', 'I thought', 'a@b', 'c', 'look', 'Ann']) assert.ok(texts.includes(text), text);
    assert.ok(!texts.some((text) => text.includes('QUJD')), 'what is encrypted or drawn');
    // The same where nothing of that kind has its place.
    const smuggled = payloadOf({ input: [{ role: 'user', content: [{ type: 'input_text', text: opaque }] }] });
    assert.ok(smuggled.segments().some(({ text }) => text === opaque));
  });

  test('its answer is bounded by max_output_tokens, and its prompt by what it holds', () => {
    const payload = payloadOf({ input: 'x'.repeat(100), max_output_tokens: 500 });
    assert.equal(payload.model?.maxTokens, 500);
    assert.ok((payload.model?.promptTokensMax ?? 0) >= 100 && (payload.model?.promptTokensMax ?? 0) < 400);
    payload.limitTokens(900);
    assert.equal(payload.model?.maxTokens, 500);
    payload.limitTokens(40);
    assert.deepEqual([payload.model?.maxTokens, JSON.parse(sentBy(payload)).max_output_tokens], [40, 40]);
    const kept = payloadOf({ input: 'x', previous_response_id: 'resp_1' });
    assert.ok((kept.model?.promptTokensMax ?? 0) > 1_000_000, 'nobody knows how long what is kept is');
  });

  test('what is not a request is refused, and so is what the provider has stored', () => {
    const rows: readonly [body: object, path: string][] = [
      [{ input: 7 }, '/input'],
      [{ input: ['x'] }, '/input/0'],
      [{ input: [{ role: 'user', content: ['x'] }] }, '/input/0/content/0'],
      [{ input: 'x', tools: [{ name: 'f' }] }, '/tools/0'],
      [{ input: 'x', tools: [{ type: 'function' }] }, '/tools/0'],
      [{ input: 'x', max_output_tokens: 0 }, '/max_output_tokens'],
      [{ input: 'x', store: 'yes' }, '/store'],
      [{ input: 'x', Store: true }, '/store'],
      [{ input: 'x', conversation: {} }, '/conversation'],
    ];
    for (const [body, path] of rows) {
      const wire = allowed(openaiResponses.parse(rawRequest('POST', '/v1/responses', { model: 'gpt', ...body })));
      const denial = wire.resolve(registry);
      assert.ok(isDenial(denial), path);
      assert.deepEqual([denial.code, denial.reasons?.map((reason) => reason.path)], ['args_invalid', [path]]);
    }
    for (const [method, path] of [
      ['GET', '/v1/responses/resp_1'],
      ['POST', '/v1/responses/resp_1/cancel'],
      ['DELETE', '/v1/responses/resp_1'],
    ] as const) {
      const denial = openaiResponses.parse(rawRequest(method, path));
      assert.ok(isDenial(denial));
      assert.equal(denial.code, 'operation_unknown');
      assert.match(denial.message, /stored are not offered/);
    }
  });
});

describe('an embeddings request', () => {
  test('is bounded by its texts, has no answer to bound, and says where a text came as tokens', () => {
    const rows: readonly [input: Json, kinds: readonly string[], least: number][] = [
      ['hello', [], 5],
      [['hello', 'there'], [], 10],
      [[1, 2, 3], ['field:input.tokens'], 3],
      [[[1, 2], [3]], ['field:input.tokens'], 3],
    ];
    for (const [input, kinds, least] of rows) {
      const payload = payloadOf({ input, dimensions: 2 }, '/v1/embeddings');
      assert.deepEqual(kindsOf(payload), kinds);
      assert.equal(payload.model?.maxTokens, 0);
      assert.ok((payload.model?.promptTokensMax ?? 0) >= least && (payload.model?.promptTokensMax ?? 0) < least + 64);
      assert.deepEqual(payload.args, { model: 'gpt', dimensions: 2 });
      assert.deepEqual(JSON.parse(sentBy(payload)), { model: 'gpt-real', input, dimensions: 2 });
    }
    for (const input of [undefined, 7, [], ['a', 1], [[]], [{}]]) {
      const wire = allowed(openai.parse(rawRequest('POST', '/v1/embeddings', { model: 'gpt', input })));
      assert.ok(isDenial(wire.resolve(registry)), JSON.stringify(input));
    }
  });
});
