import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import type { Frame, Piece, StreamEvent } from '../../../../src/call.ts';
import { CountAnswer, MessageAnswer } from '../../../../src/wire/dialects/anthropic/answer.ts';
import { readMessageStream } from '../../../../src/wire/dialects/anthropic/stream.ts';
import { readUsage } from '../../../../src/wire/dialects/anthropic/usage.ts';
import { StreamBroken } from '../../../../src/wire/event-frames.ts';
import { inChunks } from '../request.ts';

const fixture = (name: string) => readFileSync(new URL(`../../../fixtures/wire/${name}`, import.meta.url));
const answerBytes = fixture('message-answer.json');
const streamBytes = fixture('message-stream.sse');
const json = { status: 200, headers: { 'content-type': 'application/json', etag: '"1"' } };
const real = 'claude-sonnet-5-20260601';
/** Written to the cache in both fixtures, it is not said for how long. */
const written = { cacheWriteTokens: 5, cacheWriteHourTokens: 5 };

describe('a buffered message', () => {
  test('gives its usage with what was cached, its text, and its proposals with their numbers as written', () => {
    const answer = new MessageAnswer('claude', json, answerBytes);
    assert.deepEqual(answer.usage, { inputTokens: 81, outputTokens: 59, cachedInputTokens: 64, ...written });
    assert.equal(answer.text, 'The address is known.\nWrite to ann@example.com.');
    assert.deepEqual(answer.proposals, [
      {
        id: 'toolu_01A',
        name: 'create_refund',
        arguments: '{"note":"for ann@example.com","amount_cents":1200,"account":12345678901234567890}',
      },
    ]);
  });

  test('names the route as its model and keeps all other bytes', () => {
    const { head, body } = new MessageAnswer('claude', json, answerBytes).encode();
    assert.equal(String(body), String(answerBytes).replace(real, 'claude'));
    assert.deepEqual(head.headers, { 'content-type': 'application/json' });
    const same = new MessageAnswer(real, json, answerBytes).encode();
    assert.deepEqual([same.body, same.head], [answerBytes, json]);
  });

  test('that was redacted says so everywhere, and keeps large numbers, ids and signatures', () => {
    const answer = new MessageAnswer('claude', json, answerBytes);
    const texts = answer.segments().map(({ text }) => text);
    for (const text of ['Write to ann@example.com.', 'The address is known.', 'for ann@example.com']) {
      assert.ok(texts.includes(text), text);
    }
    assert.ok(!texts.some((text) => /^(?:EqQB|toolu_|msg_|claude-)/.test(text)));
    for (const segment of answer.segments()) segment.write(segment.text.replace('ann@example.com', '[email]'));
    const text = String(answer.encode().body);
    assert.doesNotMatch(text, /example\.com/);
    assert.match(text, /"model":"claude"/);
    assert.match(text, /"account":"?12345678901234567890"?/);
    assert.match(answer.proposals[0]?.arguments ?? '', /"note":"for \[email\]"/);
  });

  test('that is not one passes as it came, with what text it has', () => {
    for (const text of ['{"type":"error","error":{"type":"api_error"}}', '<html>', '{"a":1,"a":2}', '[]', 'null', '']) {
      const answer = new MessageAnswer('claude', json, Buffer.from(text));
      assert.deepEqual([answer.usage, answer.proposals, answer.text], [null, [], '']);
      assert.equal(String(answer.encode().body), text);
    }
  });

  test('is not what the provider itself did', () => {
    const content = [{ type: 'server_tool_use', id: 'srvtoolu_1', name: 'web_search', input: { query: 'x' } }];
    assert.deepEqual(new MessageAnswer('r', json, Buffer.from(JSON.stringify({ content }))).proposals, []);
  });

  test('that only counts has no usage, and passes as it came', () => {
    const answer = new CountAnswer(json, Buffer.from('{"input_tokens": 7}'));
    assert.deepEqual(
      [answer.usage, answer.body, String(answer.encode().body)],
      [null, { input_tokens: 7 }, '{"input_tokens": 7}'],
    );
  });
});

describe('usage', () => {
  test('that is not made of whole numbers is none', () => {
    for (const usage of [{}, { input_tokens: 1 }, { input_tokens: -1, output_tokens: 1 }, 'x', null]) {
      assert.equal(readUsage(usage), null);
    }
  });

  test('tells what was written to the cache for minutes and for an hour, and what was thought', () => {
    const usage = { input_tokens: 10, output_tokens: 9, cache_read_input_tokens: 30, cache_creation_input_tokens: 20 };
    const split = { ephemeral_5m_input_tokens: 15, ephemeral_1h_input_tokens: 5 };
    const output_tokens_details = { thinking_tokens: 7 };
    const counts = { inputTokens: 60, outputTokens: 9, cachedInputTokens: 30, cacheWriteTokens: 20 };
    assert.deepEqual(readUsage({ ...usage, cache_creation: split, output_tokens_details }), {
      ...counts,
      cacheWriteHourTokens: 5,
      reasoningTokens: 7,
    });
    // Of what is not told the dearer is taken, and never more than there is.
    assert.deepEqual(readUsage(usage), { ...counts, cacheWriteHourTokens: 20 });
    const odd = { cache_creation: { ephemeral_5m_input_tokens: 99 }, output_tokens_details: { thinking_tokens: 10 } };
    assert.deepEqual(readUsage({ ...usage, ...odd }), { ...counts, reasoningTokens: 9 });
  });

  test('counts the passes that stand beside the whole', () => {
    const pass = (type: string, input_tokens: number, output_tokens: number) => ({ type, input_tokens, output_tokens });
    const usage = {
      input_tokens: 10,
      output_tokens: 5,
      iterations: [pass('compaction', 900, 40), pass('message', 10, 5)],
    };
    assert.deepEqual(readUsage(usage), { inputTokens: 910, outputTokens: 45, cachedInputTokens: 0 });
    assert.equal(readUsage({ ...usage, iterations: [pass('message', 4, 5)] })?.inputTokens, 10);
  });
});

async function read(body: AsyncIterable<Uint8Array>, route = 'claude'): Promise<Frame[]> {
  return Array.fromAsync(readMessageStream(body, route));
}
const bytesOf = (frames: readonly Frame[]) => Buffer.concat(frames.map(({ bytes }) => bytes));
const eventsOf = (frames: readonly Frame[]): StreamEvent[] => frames.flatMap(({ events }) => events);
const once = (text: string | Buffer) => inChunks(Buffer.from(text as string), 1 << 20);
const event = (data: { readonly type: string; readonly [name: string]: unknown }) =>
  `event: ${data.type}\ndata: ${JSON.stringify(data)}\n\n`;
const start = event({ type: 'message_start', message: { model: real, usage: { input_tokens: 3, output_tokens: 1 } } });
const textStart = event({ type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } });
const textDelta = (text: string) =>
  event({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text } });

const expectedEvents: readonly StreamEvent[] = [
  { type: 'usage', usage: { inputTokens: 81, outputTokens: 1, cachedInputTokens: 64, ...written } },
  { type: 'reasoning', text: 'Look it up.' },
  { type: 'text', text: 'Grüße ' },
  { type: 'text', text: '😀' },
  { type: 'tool_arguments', index: 0, id: 'toolu_01A', name: 'get_order', text: '' },
  { type: 'tool_arguments', index: 0, text: '' },
  { type: 'tool_arguments', index: 0, text: '{"order_id":' },
  { type: 'tool_arguments', index: 0, text: ' "A-1001"}' },
  { type: 'tool_arguments', index: 1, id: 'toolu_01B', name: 'get_customer', text: '' },
  { type: 'tool_arguments', index: 1, text: '{}' },
  { type: 'usage', usage: { inputTokens: 81, outputTokens: 24, cachedInputTokens: 64, ...written } },
  { type: 'end', reason: 'tool_use' },
];
const expectedPieces: readonly Piece[] = [
  { where: '/content/0/thinking', text: 'Look it up.', reading: 'flow' },
  { where: '/content/1/text', text: 'Grüße ', reading: 'flow' },
  { where: '/content/1/text', text: '😀', reading: 'flow' },
  { where: '/content/2/name', text: 'get_order', reading: 'whole' },
  { where: '/content/2/input', text: '{"order_id":', reading: 'json' },
  { where: '/content/2/input', text: ' "A-1001"}', reading: 'json' },
  { where: '/content/3/name', text: 'get_customer', reading: 'whole' },
  { where: '/content/3/input', text: '{}', reading: 'json' },
];
const renamed = String(streamBytes).replaceAll(real, 'claude');

describe('a streamed message', () => {
  test('gives its events and its pieces, and only the name of the model changes', async () => {
    const frames = await read(once(streamBytes));
    assert.deepEqual(eventsOf(frames), expectedEvents);
    assert.deepEqual(
      frames.flatMap((frame) => frame.pieces()),
      expectedPieces,
    );
    assert.equal(String(bytesOf(frames)), renamed);
    assert.deepEqual(bytesOf(await read(once(streamBytes), real)), streamBytes);
  });

  test('is the same wherever it is split', async () => {
    const split = async function* (at: number) {
      yield streamBytes.subarray(0, at);
      yield streamBytes.subarray(at);
    };
    for (let at = 1; at < streamBytes.length; at++) {
      const frames = await read(split(at));
      assert.equal(String(bytesOf(frames)), renamed, `split at ${at}`);
      assert.deepEqual(eventsOf(frames), expectedEvents, `split at ${at}`);
    }
    for (const size of [1, 2, 3, 7, 64])
      assert.equal(String(bytesOf(await read(inChunks(streamBytes, size)))), renamed);
  });

  test('is the same with CRLF, and keeps the name of an event that is written anew', async () => {
    const crlf = Buffer.from(String(streamBytes).replaceAll('\n', '\r\n'));
    assert.deepEqual(eventsOf(await read(once(crlf))), expectedEvents);
    const lines = 'event: message_start\ndata: {"type":"message_start",\ndata: "message":{"model":"m"}}\n\n';
    const frames = await read(once(`${lines}${event({ type: 'message_stop' })}`));
    assert.match(String(bytesOf(frames)), /^event: message_start\ndata: \{"type":"message_start",\n?/);
    assert.match(String(bytesOf(frames)), /"model":"claude"/);
  });

  test('is written anew piece by piece, with its events, and nothing else of it changes', async () => {
    const frames = await read(once(streamBytes));
    const changed = frames.map((frame) =>
      frame.rewrite(frame.pieces().map(({ text }) => text.replace('A-1001', '[id]').replace('Grüße', 'x'))),
    );
    const dataOf = (text: string) => [...text.matchAll(/^data: (.*)$/gm)].map(([, data = '']) => JSON.parse(data));
    const want = renamed.replace('A-1001', '[id]').replace('Grüße', 'x');
    assert.deepEqual(dataOf(String(bytesOf(changed))), dataOf(want));
    assert.equal(changed.filter((frame, index) => frame.bytes !== frames[index]?.bytes).length, 2);
    const said = eventsOf(changed).filter((one) => one.type === 'tool_arguments' && one.index === 0);
    assert.equal(said.map((one) => ('text' in one ? one.text : '')).join(''), '{"order_id": "[id]"}');
    assert.deepEqual(eventsOf(changed)[2], { type: 'text', text: 'x ' });
    for (const frame of frames) assert.equal(frame.rewrite(frame.pieces().map(({ text }) => text)), frame);
  });

  test('shows citations, results of tools of the provider, and what is not known to inspection', async () => {
    const citation = { type: 'char_location', cited_text: 'ann@example.com', document_title: null };
    const found = {
      type: 'web_search_tool_result',
      content: [{ type: 'web_search_result', title: 'bob@example.com' }],
    };
    const frames = await read(
      once(
        start +
          textStart +
          event({ type: 'content_block_delta', index: 0, delta: { type: 'citations_delta', citation } }) +
          event({ type: 'content_block_start', index: 1, content_block: found }) +
          event({ type: 'content_block_delta', index: 1, delta: { type: 'later_delta', more: 'carl@example.com' } }) +
          event({ type: 'later', text: 'dora@example.com' }) +
          event({ type: 'message_delta', delta: { stop_reason: 'stop_sequence', stop_sequence: 'eve@example.com' } }) +
          event({ type: 'message_stop' }),
      ),
    );
    const pieces = frames.flatMap((frame) => frame.pieces()).filter(({ text }) => text.includes('@'));
    assert.deepEqual(
      pieces.map(({ where, reading }) => [where, reading]),
      [
        ['/content/0/citations/cited_text', 'whole'],
        ['/content/1/content/0/title', 'whole'],
        ['/content/1/more', 'flow'],
        ['/text', 'whole'],
        ['/delta/stop_sequence', 'whole'],
      ],
    );
    // Only what the model wrote counts: a citation and a result were read.
    assert.deepEqual(
      eventsOf(frames).map((one) => ('text' in one ? one.text : one.type)),
      ['usage', 'carl@example.com', 'end'],
    );
  });

  test('that is cut ends as at its limit, with every block closed, usage, and why', async () => {
    const stream = readMessageStream(once(streamBytes), 'claude');
    const seen: Frame[] = [];
    let end = '';
    for await (const frame of stream) {
      seen.push(frame);
      if (seen.length < 8) continue;
      const usage = { inputTokens: 81, outputTokens: 9, cachedInputTokens: 64 };
      end = String(stream.cut({ code: 'task_budget_exhausted', message: 'spent', usage }));
      break;
    }
    const data = [...end.matchAll(/^event: (\w+)\ndata: (.*)\n\n/gm)].map(([, name, text = '']) => [
      name,
      JSON.parse(text),
    ]);
    assert.deepEqual(data, [
      ['content_block_stop', { type: 'content_block_stop', index: 1 }],
      [
        'message_delta',
        {
          type: 'message_delta',
          delta: { stop_reason: 'max_tokens', stop_sequence: null },
          usage: {
            input_tokens: 12,
            cache_creation_input_tokens: 5,
            cache_read_input_tokens: 64,
            output_tokens: 9,
          },
          tollgate: { code: 'task_budget_exhausted', message: 'spent' },
        },
      ],
      ['message_stop', { type: 'message_stop' }],
    ]);
  });

  test('that is cut at the beginning of a block does not speak of that block', async () => {
    const long = { type: 'content_block_start', index: 1, content_block: { type: 'text', text: 'too much' } };
    const stream = readMessageStream(once(start + textStart + textDelta('a') + event(long)), 'claude');
    const frames = stream[Symbol.asyncIterator]();
    for (let count = 0; count < 4; count++) await frames.next();
    const end = String(
      stream.cut({ code: 'c', message: 'm', usage: { inputTokens: 3, outputTokens: 1, cachedInputTokens: 0 } }),
    );
    assert.deepEqual(end.match(/"index":\d/g), ['"index":0']);
  });

  test('that sends an error ends there, and the event passes', async () => {
    const error = event({ type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } });
    const frames = await read(once(`${start}${error}${textDelta('never')}`));
    assert.equal(String(bytesOf(frames)), start.replace(real, 'claude') + error);
    assert.deepEqual(eventsOf(frames).slice(1), [
      { type: 'text', text: 'Overloaded' },
      { type: 'end', reason: 'error' },
    ]);
  });

  test('that breaks off or is no stream of messages fails, and its last bytes are held back', async () => {
    const good = start + textStart + textDelta('a');
    for (const rest of ['', 'event: mess', 'data: hello\n\n', 'data: [1]\n\n', 'data: {"a":1,"a":2}\n\n']) {
      const frames: Frame[] = [];
      const reading = async () => {
        for await (const frame of readMessageStream(once(good + rest), 'claude')) frames.push(frame);
      };
      await assert.rejects(reading, StreamBroken, rest);
      assert.equal(String(bytesOf(frames)), good.replace(real, 'claude'));
      assert.ok(!eventsOf(frames).some(({ type }) => type === 'end'));
    }
    const endless = async function* () {
      yield Buffer.from('data: ');
      for (;;) yield Buffer.alloc(64 * 1024, 'x');
    };
    await assert.rejects(read(endless()), StreamBroken);
  });

  test('without its last event is whole if the model gave its reason, and is not read on for ever', async () => {
    const delta = event({ type: 'message_delta', delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 2 } });
    const frames = await read(once(start + delta));
    assert.deepEqual(eventsOf(frames).at(-1), { type: 'end', reason: 'end_turn' });
    let chunks = 0;
    const more = async function* () {
      yield streamBytes;
      for (; chunks < 10_000; chunks++) yield Buffer.alloc(4096, '\n');
    };
    assert.deepEqual(eventsOf(await read(more())), expectedEvents);
    assert.ok(chunks < 100);
  });
});
