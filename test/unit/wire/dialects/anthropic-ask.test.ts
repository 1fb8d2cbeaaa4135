import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { anthropic, messageOperations } from '../../../../src/wire/dialects/anthropic.ts';
import { allowed, rawRequest, registryOf, routeNamed, targetOf } from '../request.ts';

const route = routeNamed('claude', 'model');
const registry = registryOf([route], messageOperations.operations(route, { openapi: null, operations: {} }).operations);
const messages = [{ role: 'user', content: 'Hello' }];
const good = { model: 'claude', max_tokens: 100, messages };

type Headers = Record<string, string>;
function payloadOf(body: unknown, headers: Headers = {}, path = '/v1/messages') {
  const request = allowed(anthropic.parse(rawRequest('POST', path, body, headers)));
  return allowed(request.resolve(registry)).payload;
}
const kindsOf = (body: object, headers?: Headers) =>
  payloadOf({ ...good, ...body }, headers).model?.tools.map(({ name, kind }) => `${kind} ${name}`);

describe('what a messages request asks for', () => {
  test('is its limit, null for none, and nothing at all for a count', () => {
    assert.equal(payloadOf(good).model?.maxTokens, 100);
    assert.equal(payloadOf({ model: 'claude', messages }).model?.maxTokens, null);
    const count = payloadOf({ model: 'claude', messages }, {}, '/v1/messages/count_tokens').model;
    assert.deepEqual([count?.maxTokens, count?.promptTokensMax, count?.choices], [0, 0, 1]);
  });

  test('can be lowered, never raised, and thinking goes along', () => {
    for (const [body, limit, want] of [
      [{ max_tokens: 100 }, 50, { max_tokens: 50 }],
      [{ max_tokens: 10 }, 50, { max_tokens: 10 }],
      [{ max_tokens: undefined }, 50, { max_tokens: 50 }],
      [
        { max_tokens: 9000, thinking: { type: 'enabled', budget_tokens: 4000 } },
        3000,
        { max_tokens: 3000, thinking: { type: 'enabled', budget_tokens: 2999 } },
      ],
      [
        { max_tokens: 9000, thinking: { type: 'enabled', budget_tokens: 4000 } },
        1000,
        { max_tokens: 1000, thinking: { type: 'disabled' } },
      ],
      [
        { max_tokens: 9000, thinking: { type: 'enabled', budget_tokens: 2000 } },
        3000,
        { max_tokens: 3000, thinking: { type: 'enabled', budget_tokens: 2000 } },
      ],
    ] as const) {
      const payload = payloadOf({ ...good, ...body });
      payload.limitTokens(limit);
      const { model: _, messages: __, ...rest } = JSON.parse(String(payload.encode(targetOf('m', 'anthropic')).body));
      assert.deepEqual(rest, want);
      assert.equal(payload.model?.maxTokens, want.max_tokens);
    }
  });

  test('names tools by kind: the own ones are functions, all others stand by their type', () => {
    const tools = [
      { name: 'get_order', input_schema: { type: 'object' } },
      { type: 'custom', name: 'mail', input_schema: {}, surprise: 1 },
      { type: 'bash_20250124', name: 'bash' },
      { type: 'computer_20251124', name: 'computer', display_width_px: 1, display_height_px: 1 },
      { type: 'web_search_20260318', name: 'web_search', max_uses: 1 },
      { type: 'mcp_toolset', mcp_server_name: 'crm' },
      { type: 'not_yet_known_20300101', name: 'x' },
    ];
    assert.deepEqual(kindsOf({ tools }), [
      'function get_order',
      'function mail',
      'bash_20250124 bash',
      'computer_20251124 computer',
      'web_search_20260318 web_search',
      'mcp_toolset crm',
      'not_yet_known_20300101 x',
      'field:tools.surprise tools.surprise',
    ]);
  });

  test('[wire.fields-classed] names fields that act outside the gate, or are not known, at any depth', () => {
    const body = {
      container: 'container_1',
      mcp_servers: [{ type: 'url', url: 'https://evil.example', name: 'crm' }],
      fallbacks: 'default',
      inference_geo: 'us',
      diagnostics: null,
      metadata: { user_id: 'u', more: 1 },
      thinking: { type: 'adaptive', surprise: true },
      context_management: { edits: [{ type: 'clear_thinking_20251015' }, { type: 'later_1' }] },
      not_yet_known: 0,
      system: [{ type: 'text', text: 's', surprise: 1 }],
      messages: [
        {
          role: 'user',
          surprise: 1,
          content: [
            { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'AAAA' } },
            { type: 'image', source: { type: 'url', url: 'https://evil.example/?q=secret' } },
            {
              type: 'tool_result',
              tool_use_id: 't',
              content: [
                {
                  type: 'document',
                  source: { type: 'content', content: [{ type: 'image', source: { type: 'file', file_id: 'f' } }] },
                },
              ],
            },
            { type: 'container_upload', file_id: 'f' },
            { type: 'later', x: 1 },
          ],
        },
        {
          role: 'system',
          content: [
            {
              type: 'tool_addition',
              tool: { type: 'tool_definition', definition: { type: 'web_fetch_20260318', name: 'web_fetch' } },
            },
          ],
        },
      ],
    };
    assert.deepEqual(
      kindsOf(body, {
        'anthropic-beta': 'pdfs-2024-09-25,later-2030-01-01',
        'anthropic-workspace-id': 'w',
      })?.toSorted(),
      [
        'web_fetch_20260318 web_fetch',
        'beta:later-2030-01-01 later-2030-01-01',
        ...[
          ...[
            'container',
            'mcp_servers',
            'fallbacks',
            'inference_geo',
            'metadata.more',
            'thinking.surprise',
            'not_yet_known',
          ],
          ...['context_management.edits.later_1', 'system.text.surprise', 'messages.surprise', 'workspace_id'],
          ...['messages.content.image.url', 'messages.content.image.file', 'messages.content.container_upload'],
          'messages.content.later',
        ].map((name) => `field:${name} ${name}`),
      ].toSorted(),
    );
    const quiet = {
      cache_control: { type: 'ephemeral', ttl: '1h' },
      service_tier: 'auto',
      speed: 'fast',
      thinking: { type: 'enabled', budget_tokens: 1024 },
      container: null,
      messages: [
        { role: 'user', content: [{ type: 'text', text: 'x', cache_control: { type: 'ephemeral' } }] },
        { role: 'assistant', content: [{ type: 'server_tool_use', id: 's', name: 'web_search', input: {} }] },
      ],
    };
    assert.deepEqual(kindsOf(quiet, { 'anthropic-beta': 'interleaved-thinking-2025-05-14' }), []);
  });

  test('tells whether anything of the prompt may be written to the cache of the provider', () => {
    const writes = (body: object) => payloadOf({ ...good, ...body }).model?.cacheWrites;
    const cache_control = { type: 'ephemeral', ttl: '1h' };
    assert.deepEqual([writes({}), writes({ system: [{ type: 'text', text: 'cache_control' }] })], [false, false]);
    for (const body of [
      { cache_control },
      { thread: { type: 'continue', previous_message_id: 'msg_1' } },
      { system: [{ type: 'text', text: 's', cache_control }] },
      { messages: [{ role: 'user', content: [{ type: 'text', text: 'u', cache_control }] }] },
      { tools: [{ name: 't', input_schema: { type: 'object' }, cache_control }] },
    ])
      assert.equal(writes(body), true, JSON.stringify(body));
    assert.equal(writes({ cache_control: null }), false);
  });

  test('bounds the prompt by its bytes, whatever it is made of', () => {
    const bound = (body: object) => payloadOf({ ...good, ...body }).model?.promptTokensMax ?? 0;
    const say = (...content: object[]) => ({ messages: [{ role: 'user', content }] });
    const base = bound({});
    const text = 'ünï😀'.repeat(100);
    const bytes = Buffer.byteLength(text);
    for (const body of [
      { messages: [{ role: 'user', content: text }] },
      say({ type: 'text', text }),
      say({ type: 'tool_use', id: 't', name: 'f', input: { text } }),
      say({ type: 'tool_result', tool_use_id: 't', content: [{ type: 'text', text }] }),
      say({ type: 'document', source: { type: 'text', media_type: 'text/plain', data: text } }),
      say({ type: 'document', source: { type: 'content', content: [{ type: 'text', text }] } }),
      say({ type: 'search_result', title: 't', source: text, content: [] }),
      say({ type: 'thinking', thinking: 'x', signature: text }),
      { system: text },
      { system: [{ type: 'text', text }] },
      { tools: [{ name: 'f', description: text, input_schema: {} }] },
      { output_config: { format: { type: 'json_schema', schema: { title: text } } } },
    ]) {
      assert.ok(bound(body) >= bytes + 4, JSON.stringify(body).slice(0, 80));
    }
    const image = { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'A'.repeat(400_000) } };
    assert.ok(bound(say(image)) >= 4_784 && bound(say(image)) < 20_000, 'the bytes of an image are not text');
    const pdf = { type: 'document', source: { type: 'base64', media_type: 'application/pdf', data: 'AAAA' } };
    assert.ok(bound(say(pdf)) >= 1_000_000, 'what is packed may be as long as a prompt can be');
    assert.ok(bound(say({ type: 'tool_result', tool_use_id: 't', content: [pdf] })) >= 1_000_000);
    assert.ok(bound({ tools: [{ type: 'web_search_20260318', name: 'web_search' }] }) >= 1_000_000);
    assert.ok(bound({ thread: { type: 'continue', previous_message_id: 'msg_1' } }) >= 1_000_000);
    assert.ok(bound({ tools: [{ type: 'bash_20250124', name: 'bash' }] }) < base + 4_000);
    const compact = { context_management: { edits: [{ type: 'compact_20260112' }] } };
    assert.ok(bound(compact) >= 2 * base);
    assert.equal(payloadOf({ ...good, ...compact }).model?.choices, 2);
  });
});
