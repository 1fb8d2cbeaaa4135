import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import type { Frame, StreamEvent } from '../../../../src/call.ts';
import { ChatAnswer } from '../../../../src/wire/dialects/openai/answer.ts';
import { readChatStream } from '../../../../src/wire/dialects/openai/stream.ts';
import { StreamBroken } from '../../../../src/wire/event-frames.ts';
import { inChunks } from '../request.ts';

const fixture = (name: string) => readFileSync(new URL(`../../../fixtures/wire/${name}`, import.meta.url));
const answerBytes = fixture('chat-answer.json');
const streamBytes = fixture('chat-stream.sse');
const json = { status: 200, headers: { 'content-type': 'application/json', etag: '"1"', 'x-request-id': 'r' } };
const sse = { status: 200, headers: { 'content-type': 'text/event-stream; charset=utf-8' } };

describe('a buffered chat answer', () => {
  test('gives its usage, its text, and its proposals with their arguments as written', () => {
    const answer = new ChatAnswer('gpt-4.1', json, answerBytes);
    // The total says more than the parts: hidden reasoning was left out of completion_tokens.
    assert.deepEqual(answer.usage, {
      inputTokens: 81,
      outputTokens: 59,
      cachedInputTokens: 64,
      reasoningTokens: 35,
    });
    assert.equal(answer.text, 'Write to ann@example.com.');
    assert.deepEqual(answer.proposals, [
      { id: 'call_a', name: 'create_refund', arguments: '{"note":"for ann\\u0040example.com","amount_cents":1200}' },
    ]);
  });

  test('names the route as its model and keeps all other bytes', () => {
    const { head, body } = new ChatAnswer('gpt-4.1', json, answerBytes).encode();
    assert.equal(String(body), String(answerBytes).replace('"gpt-4.1-2025-04-14"', '"gpt-4.1"'));
    assert.deepEqual(head.headers, { 'content-type': 'application/json', 'x-request-id': 'r' });
    const same = new ChatAnswer('gpt-4.1-2025-04-14', json, answerBytes).encode();
    assert.deepEqual([same.body, same.head], [answerBytes, json]);
  });

  test('shows its content, reasoning and arguments as pieces, escapes undone', () => {
    const answer = new ChatAnswer('gpt-4.1', json, answerBytes);
    const texts = answer.segments().map(({ text }) => text);
    for (const text of [
      'Write to ann@example.com.',
      'The address is known.',
      'for ann@example.com',
      '12345678901234567890',
    ]) {
      assert.ok(texts.includes(text), text);
    }
    assert.ok(!texts.includes('chatcmpl-2'));
  });

  test('that was redacted says so everywhere, in logprobs too, and keeps large numbers', () => {
    const answer = new ChatAnswer('gpt-4.1', json, answerBytes);
    for (const segment of answer.segments()) segment.write(segment.text.replace('ann@example.com', '[email]'));
    const text = String(answer.encode().body);
    assert.doesNotMatch(text, /example\.com/);
    assert.match(text, /"logprobs":null/);
    assert.match(text, /"model":"gpt-4\.1"/);
    assert.equal(answer.proposals[0]?.arguments, '{"note":"for [email]","amount_cents":1200}');
    const dropped = new ChatAnswer('gpt-4.1', json, answerBytes);
    dropped.drop('/choices/0/message/reasoning_content');
    assert.match(String(dropped.encode().body), /"account":12345678901234567890/);
  });

  test('that is not one passes as it came, with what text it has', () => {
    const error = Buffer.from('{"error":{"message":"no such deployment"}}');
    const failed = new ChatAnswer('gpt-4.1', { ...json, status: 404 }, error);
    assert.deepEqual([failed.usage, failed.proposals, failed.text, failed.encode().body], [null, [], '', error]);
    for (const text of [
      '<html>502</html>',
      '{"a":1,"a":"ann@example.com"}',
      '{"broken":',
      '[]',
      '"text"',
      'null',
      '',
    ]) {
      const answer = new ChatAnswer('gpt-4.1', json, Buffer.from(text));
      assert.deepEqual([answer.usage, answer.proposals, answer.text], [null, [], '']);
      assert.equal(String(answer.encode().body), text);
    }
    const twice = new ChatAnswer('gpt-4.1', json, Buffer.from('{"a":1,"a":"ann@example.com"}'));
    assert.deepEqual(
      twice.segments().map(({ where, text }) => [where, text]),
      [['', '{"a":1,"a":"ann@example.com"}']],
    );
  });

  test('tells what was written to the cache and what was reasoning, never more than there is', () => {
    const usage = (details: object) =>
      new ChatAnswer('r', json, Buffer.from(JSON.stringify({ usage: { ...counts, ...details } }))).usage;
    const counts = { prompt_tokens: 100, completion_tokens: 50 };
    const told = { inputTokens: 100, outputTokens: 50, cachedInputTokens: 20 };
    for (const [written, reasoning, expected] of [
      [30, 40, { ...told, cacheWriteTokens: 30, reasoningTokens: 40 }],
      [900, 900, { ...told, cacheWriteTokens: 80, reasoningTokens: 50 }],
      [0, -1, told],
    ] as const) {
      const details = {
        prompt_tokens_details: { cached_tokens: 20, cache_write_tokens: written },
        completion_tokens_details: { reasoning_tokens: reasoning },
      };
      assert.deepEqual(usage(details), expected);
    }
  });

  test('with a count that is not one has no usage', () => {
    for (const usage of [
      '{}',
      '{"prompt_tokens":1}',
      '{"prompt_tokens":-1,"completion_tokens":1}',
      '{"prompt_tokens":1.5,"completion_tokens":1}',
      '"x"',
      'null',
    ]) {
      assert.equal(new ChatAnswer('r', json, Buffer.from(`{"usage":${usage}}`)).usage, null, usage);
    }
  });
});

async function read(body: AsyncIterable<Uint8Array>, usage = false, head = sse): Promise<Frame[]> {
  return Array.fromAsync(readChatStream(head, body, { route: 'gpt-4.1', usage }));
}
const bytesOf = (frames: readonly Frame[]) => Buffer.concat(frames.map(({ bytes }) => bytes));
const eventsOf = (frames: readonly Frame[]): StreamEvent[] => frames.flatMap(({ events }) => events);
const once = (text: string | Buffer) => inChunks(Buffer.from(text as string), 1 << 20);

const expectedEvents: readonly StreamEvent[] = [
  { type: 'text', text: 'Grüße 😀' },
  { type: 'reasoning', text: 'Look it up.' },
  { type: 'tool_arguments', index: 0, id: 'call_a', name: 'get_order', text: '' },
  { type: 'tool_arguments', index: 0, text: '{"order_id":' },
  { type: 'tool_arguments', index: 1, id: 'call_b', name: 'get_customer', text: '{}' },
  { type: 'tool_arguments', index: 0, text: '"A-1001"}' },
  { type: 'usage', usage: { inputTokens: 81, outputTokens: 24, cachedInputTokens: 64, reasoningTokens: 6 } },
  { type: 'end', reason: 'tool_calls' },
];
const renamed = String(streamBytes).replaceAll('gpt-4.1-2025-04-14', 'gpt-4.1');
const withoutUsage = renamed
  .replaceAll(',"usage":null', '')
  .replace(/data: [^\n]*"choices":\[\],"usage"[^\n]*\n\n/, '');

describe('a streamed chat answer', () => {
  test('gives its events, and hides the usage that only the gate asked for', async () => {
    const frames = await read(once(streamBytes));
    assert.deepEqual(eventsOf(frames), expectedEvents);
    assert.equal(String(bytesOf(frames)), withoutUsage);
  });

  test('keeps the usage that the client asked for', async () => {
    assert.equal(String(bytesOf(await read(once(streamBytes), true))), renamed);
  });

  test('keeps every byte where nothing has to change', async () => {
    const frames = await Array.fromAsync(
      readChatStream(sse, once(streamBytes), { route: 'gpt-4.1-2025-04-14', usage: true }),
    );
    assert.deepEqual(bytesOf(frames), streamBytes);
  });

  test('is the same wherever it is split', async () => {
    const split = async function* (at: number) {
      yield streamBytes.subarray(0, at);
      yield streamBytes.subarray(at);
    };
    for (let at = 1; at < streamBytes.length; at++) {
      const frames = await read(split(at));
      assert.equal(String(bytesOf(frames)), withoutUsage, `split at ${at}`);
      assert.deepEqual(eventsOf(frames), expectedEvents, `split at ${at}`);
    }
    for (const size of [1, 2, 3, 7, 64])
      assert.equal(String(bytesOf(await read(inChunks(streamBytes, size)))), withoutUsage);
  });

  test('is the same with CRLF and with several data lines an event', async () => {
    const crlf = Buffer.from(String(streamBytes).replaceAll('\n', '\r\n'));
    assert.deepEqual(eventsOf(await read(once(crlf))), expectedEvents);
    const lines =
      'data: {"model":"m","choices":[{"index":0,\ndata: "delta":{"content":"x"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n';
    const frames = await read(once(lines));
    assert.deepEqual(eventsOf(frames), [
      { type: 'text', text: 'x' },
      { type: 'end', reason: 'stop' },
    ]);
    assert.match(String(bytesOf(frames)), /^data: \{"model":"gpt-4\.1",/);
  });

  test('takes usage out of a chunk that also says something', async () => {
    const chunk =
      'data: {"choices":[{"index":0,"delta":{"content":"x"},"finish_reason":"length"}],"usage":{"prompt_tokens":1,"completion_tokens":2}}\n\n';
    const frames = await read(once(`${chunk}data: [DONE]\n\n`));
    assert.deepEqual(
      eventsOf(frames).map(({ type }) => type),
      ['text', 'usage', 'end'],
    );
    assert.doesNotMatch(String(bytesOf(frames)), /usage/);
  });

  test('tells the proposals of several choices apart, and the old ones', async () => {
    const chunk = (index: number, delta: object) =>
      `data: ${JSON.stringify({ choices: [{ index, delta, finish_reason: 'stop' }] })}\n\n`;
    const call = { tool_calls: [{ index: 0, function: { arguments: 'a' } }] };
    const frames = await read(
      once(
        chunk(0, call) + chunk(1, call) + chunk(0, { function_call: { name: 'f', arguments: 'b' } }) + chunk(1, call),
      ),
    );
    assert.deepEqual(
      eventsOf(frames).map((event) => (event.type === 'tool_arguments' ? event.index : event.type)),
      [0, 1, 2, 1, 'end'],
    );
  });

  test('shows text in fields that other servers add', async () => {
    const delta = { reasoning_details: [{ type: 'reasoning.text', text: 'hidden thought' }], annotations: null };
    const frames = await read(once(`data: ${JSON.stringify({ choices: [{ delta, finish_reason: 'stop' }] })}\n\n`));
    assert.ok(eventsOf(frames).some((event) => event.type === 'reasoning' && event.text === 'hidden thought'));
  });

  test('that sends an error frame ends there, and the frame passes', async () => {
    const error = 'data: {"error":{"message":"overloaded","code":"503"}}\n\n';
    const frames = await read(once(`${error}data: {"choices":[]}\n\ndata: [DONE]\n\n`));
    assert.equal(String(bytesOf(frames)), error);
    assert.deepEqual(eventsOf(frames).at(-1), { type: 'end', reason: 'error' });
  });

  test('that breaks off or is no chat stream fails, and its last bytes are held back', async () => {
    const chunk = 'data: {"choices":[{"delta":{"content":"a"},"finish_reason":null}]}\n\n';
    const cases = [
      '',
      chunk,
      `${chunk}data: {"choi`,
      `${chunk}data: hello\n\n`,
      `${chunk}data: [1]\n\n`,
      `${chunk}data: [DONE]\n\n`,
      `data: {"a":1,"a":2}\n\n`,
    ];
    for (const text of cases) {
      const frames: Frame[] = [];
      const reading = async () => {
        for await (const frame of readChatStream(sse, once(text), { route: 'r', usage: true })) frames.push(frame);
      };
      await assert.rejects(reading, StreamBroken, text);
      assert.ok([0, chunk.length].includes(bytesOf(frames).length), text);
      assert.ok(!eventsOf(frames).some(({ type }) => type === 'end'));
    }
  });

  test('with an event that never ends fails within its bound', async () => {
    const endless = async function* () {
      yield Buffer.from('data: ');
      for (;;) yield Buffer.alloc(64 * 1024, 'x');
    };
    await assert.rejects(read(endless()), StreamBroken);
  });

  test('passes on what its connection throws', async () => {
    const broken = async function* () {
      yield streamBytes.subarray(0, 400);
      throw new Error('socket hang up');
    };
    await assert.rejects(read(broken()), /socket hang up/);
  });

  test('without an end mark is whole if the model gave its reason', async () => {
    const frames = await read(once('data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n'));
    assert.deepEqual(eventsOf(frames), [{ type: 'end', reason: 'stop' }]);
  });

  test('is not read on for ever after its end', async () => {
    let chunks = 0;
    const endless = async function* () {
      yield streamBytes;
      for (; chunks < 10_000; chunks++) yield Buffer.alloc(4096, '\n');
    };
    const frames = await read(endless());
    assert.deepEqual(eventsOf(frames), expectedEvents);
    assert.ok(chunks < 100);
  });

  test('may be a plain answer, which then is one frame', async () => {
    const frames = await read(inChunks(answerBytes, 100), false, json);
    assert.equal(frames.length, 1);
    assert.deepEqual(eventsOf(frames).slice(-2), [
      { type: 'usage', usage: { inputTokens: 81, outputTokens: 59, cachedInputTokens: 64, reasoningTokens: 35 } },
      { type: 'end', reason: 'tool_calls' },
    ]);
    assert.match(String(bytesOf(frames)), /"model": "gpt-4\.1"/);
    const html = await read(once('<html>'), false, { status: 502, headers: { 'content-type': 'text/html' } });
    assert.deepEqual(eventsOf(html), [
      { type: 'text', text: '<html>' },
      { type: 'end', reason: 'error' },
    ]);
  });
});
