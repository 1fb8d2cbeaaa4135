/**
 * Strings in members called `data`, `signature` or `id` were taken for base64 and ids wherever they stood: a document of
 * plain text, or the input of a tool, carried card numbers past inspection. Fields beyond 256 stood nowhere, and blocks
 * of an answer beyond 1,024 proposed calls that nobody saw. In a chat request `file_data` and data URLs were left out wherever
 * they stood, and whatever they were.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { JsonObject } from '../../src/call.ts';
import { isDenial } from '../../src/denial.ts';
import { readMessageStream } from '../../src/wire/dialects/anthropic/stream.ts';
import { anthropic, messageOperations } from '../../src/wire/dialects/anthropic.ts';
import { modelOperations, openai } from '../../src/wire/dialects/openai.ts';
import { StreamBroken } from '../../src/wire/event-frames.ts';
import { allowed, rawRequest, registryOf, routeNamed } from '../unit/wire/request.ts';

const route = routeNamed('claude', 'model');
const { operations } = messageOperations.operations(route, { openapi: null, operations: {} });
const registry = registryOf([route], operations);
const resolve = (body: JsonObject) =>
  allowed(anthropic.parse(rawRequest('POST', '/v1/messages', { model: 'claude', max_tokens: 9, ...body }))).resolve(
    registry,
  );
const saying = (...content: JsonObject[]) => resolve({ messages: [{ role: 'user', content }] });

const cards = '4111-1111-1111-1111-'.repeat(4);

describe('text under the name of what only the provider reads', () => {
  const rows: readonly (readonly [what: string, block: JsonObject])[] = [
    ['a document of plain text', { type: 'document', source: { type: 'text', media_type: 'text/plain', data: cards } }],
    ['the input of a tool', { type: 'tool_use', id: 'toolu_1', name: 'f', input: { data: cards } }],
    ['its input that looks like a source', { type: 'tool_use', name: 'f', input: { type: 'base64', data: cards } }],
    ['a signature of no thought', { type: 'text', text: 'x', signature: cards }],
    ['an id in the input of a tool', { type: 'tool_use', name: 'f', input: { id: 'toolu_4111111111111111' } }],
  ];
  for (const [what, block] of rows) {
    test(`is inspected: ${what}`, () => {
      const texts = allowed(saying(block)).payload.segments();
      assert.ok(
        texts.some(({ text }) => /4111-?1111/.test(text)),
        JSON.stringify(texts.map(({ text }) => text)),
      );
    });
  }

  test('is left alone where the format has it', () => {
    const opaque = 'A'.repeat(80);
    const blocks = [
      { type: 'image', source: { type: 'base64', media_type: 'image/png', data: opaque } },
      { type: 'redacted_thinking', data: opaque },
      { type: 'thinking', thinking: 'so', signature: opaque },
      {
        type: 'web_search_tool_result',
        tool_use_id: 'srvtoolu_1',
        content: [{ type: 'web_search_result', encrypted_content: opaque }],
      },
    ];
    const texts = allowed(saying(...blocks)).payload.segments();
    assert.deepEqual(
      texts.filter(({ text }) => text === opaque || text === 'srvtoolu_1'),
      [],
    );
  });
});

describe('text where a chat request has media', () => {
  const registryOfChat = registryOf(
    [route],
    modelOperations.operations(route, { openapi: null, operations: {} }).operations,
  );
  const textsOf = (body: JsonObject) => {
    const request = allowed(openai.parse(rawRequest('POST', '/v1/chat/completions', { model: 'claude', ...body })));
    return allowed(request.resolve(registryOfChat))
      .payload.segments()
      .map(({ text }) => text);
  };
  const chat = (...content: JsonObject[]) => textsOf({ messages: [{ role: 'user', content }] });
  const url = 'data:image/png;base64,4111111111111111';
  const messages = [{ role: 'user', content: 'x' }];

  test('is inspected unless it is base64, and unless it is of a message', () => {
    const rows = [
      chat({ type: 'file', file: { file_data: 'pay 4111-1111-1111-1111' } }),
      chat({ type: 'image_url', image_url: { url: 'data:image/svg+xml,<text>4111-1111</text>' } }),
      textsOf({ messages, tools: [{ type: 'function', function: { name: 'f', parameters: { default: { url } } } }] }),
      textsOf({ messages, tools: [{ type: 'function', function: { name: 'f', parameters: { file_data: '4111' } } }] }),
      chat({ type: 'text', text: 'x', data: '4111', format: 'mp3' }),
    ];
    for (const texts of rows)
      assert.ok(
        texts.some((text) => text.includes('4111')),
        JSON.stringify(texts),
      );
  });

  test('is left alone where it is', () => {
    // What is shorter may be a text by chance, and is read as one.
    const data = 'A'.repeat(400);
    const texts = chat(
      { type: 'image_url', image_url: { url: `data:image/png;base64,${data}` } },
      { type: 'input_audio', input_audio: { data, format: 'mp3' } },
      { type: 'file', file: { file_data: `data:application/pdf;base64,${data}` } },
    );
    assert.ok(!texts.some((text) => text.includes('AAAA')), JSON.stringify(texts));
  });
});

test('a request with more unknown fields than are told apart is refused', () => {
  const junk = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, index) => [`f${index}`, 1]));
  const messages = [{ role: 'user', content: 'x' }];
  const few = allowed(resolve({ ...junk(255), messages, mcp_servers: [{ url: 'https://x.example' }] }));
  assert.ok(few.payload.model?.tools.some(({ kind }) => kind === 'field:mcp_servers'));
  const many = resolve({ ...junk(256), messages, mcp_servers: [{ url: 'https://x.example' }] });
  assert.ok(isDenial(many) && many.code === 'args_invalid');
});

test('a stream of more blocks than are told apart breaks, before a call that nobody sees', async () => {
  async function* events() {
    for (let index = 0; index < 1_100; index++) {
      const content_block = { type: 'tool_use', id: `toolu_${index}`, name: 'pay', input: {} };
      yield Buffer.from(
        `event: content_block_start\ndata: ${JSON.stringify({ type: 'content_block_start', index, content_block })}\n\n`,
      );
    }
  }
  let proposals = 0;
  await assert.rejects(async () => {
    for await (const { events: said } of readMessageStream(events(), 'claude')) {
      assert.equal(said[0]?.type, 'tool_arguments');
      proposals += 1;
    }
  }, StreamBroken);
  assert.equal(proposals, 1_024);
});
