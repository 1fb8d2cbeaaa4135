/** Answers and streams of either API for clients of the other. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { AnswerHead, JsonObject, Payload, Target } from '../../../src/call.ts';
import { StreamBroken } from '../../../src/wire/event-frames.ts';
import { listOf, objectOf } from '../../../src/wire/json-value.ts';
import { inChunks, inTwo } from './request.ts';
import { atChat, atMessages, fixture, payloadOf } from './two-apis.ts';

const json: AnswerHead = { status: 200, headers: { 'content-type': 'application/json', etag: '"x"' } };
const ask = { messages: [{ role: 'user', content: 'x' }], max_tokens: 50 };
const chat = payloadOf('chat', ask);
const messages = payloadOf('messages', ask);

function answerOf(payload: Payload, target: Target, body: unknown, head = json) {
  const bytes = Buffer.isBuffer(body) ? body : Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
  return payload.readAnswer(head, bytes, target);
}

const message = (content: readonly object[], rest: object = {}): object => {
  const whole = { id: 'msg_1', type: 'message', role: 'assistant', model: 'claude-real', content };
  return { ...whole, stop_reason: 'end_turn', usage: { input_tokens: 3, output_tokens: 2 }, ...rest };
};
const completion = (said: object, rest: object = {}): object => {
  const usage = { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 };
  return {
    id: 'chatcmpl-1',
    model: 'gpt-real',
    choices: [{ index: 0, message: said, finish_reason: 'stop', ...rest }],
    usage,
  };
};

describe('an answer of the other API', () => {
  test('a message is a completion, with its calls, its thinking and what it used', () => {
    const answer = answerOf(chat, atMessages, fixture('message-answer.json'));
    const own = answerOf(messages, atMessages, fixture('message-answer.json'));
    assert.deepEqual([answer.usage, answer.proposals], [own.usage, own.proposals]);
    const { head, body } = answer.encode();
    assert.deepEqual(head.headers, { 'content-type': 'application/json' });
    const said = JSON.parse(body.toString());
    assert.deepEqual([said.object, said.model, said.choices.length], ['chat.completion', 'r', 1]);
    assert.match(said.id, /^chatcmpl-msg_/);
    const [{ message: spoken, finish_reason }] = said.choices;
    assert.deepEqual([spoken.role, finish_reason], ['assistant', 'tool_calls']);
    assert.equal(typeof spoken.reasoning_content, 'string');
    assert.equal(said.usage.total_tokens, said.usage.prompt_tokens + said.usage.completion_tokens);
  });

  test('a completion is a message, with its calls and what it used', () => {
    const answer = answerOf(messages, atChat, fixture('chat-answer.json'));
    const own = answerOf(chat, atChat, fixture('chat-answer.json'));
    assert.deepEqual(
      answer.proposals.map(({ id, name, arguments: text }) => [id, name, JSON.parse(text)]),
      own.proposals.map(({ id, name, arguments: text }) => [id, name, JSON.parse(text)]),
    );
    assert.deepEqual(answer.usage, own.usage);
    const said = JSON.parse(answer.encode().body.toString());
    assert.deepEqual([said.type, said.role, said.model, said.stop_reason], ['message', 'assistant', 'r', 'tool_use']);
    assert.match(said.id, /^msg_[A-Za-z0-9]+$/);
  });

  test('usage tells what was read from a cache and written to one, both ways', () => {
    const used = { input_tokens: 10, cache_read_input_tokens: 30, cache_creation_input_tokens: 20, output_tokens: 5 };
    const { usage } = JSON.parse(
      answerOf(chat, atMessages, message([], { usage: used }))
        .encode()
        .body.toString(),
    );
    assert.deepEqual(
      [usage.prompt_tokens, usage.prompt_tokens_details],
      [60, { cached_tokens: 30, cache_write_tokens: 20, cache_write_1h_tokens: 20 }],
    );
    const details = { cached_tokens: 30, cache_write_tokens: 20 };
    const counted = { prompt_tokens: 60, completion_tokens: 5, total_tokens: 65, prompt_tokens_details: details };
    const answer = answerOf(messages, atChat, { ...completion({ content: 'x' }), usage: counted });
    const there = JSON.parse(answer.encode().body.toString()).usage;
    assert.deepEqual(
      [there.input_tokens, there.cache_read_input_tokens, there.cache_creation_input_tokens, there.output_tokens],
      [10, 30, 20, 5],
    );
    // Such a provider has no cache of an hour, which would be dearer.
    const tokens = { inputTokens: 60, outputTokens: 5, cachedInputTokens: 30, cacheWriteTokens: 20 };
    assert.deepEqual(answer.usage, tokens);
    assert.equal(
      answerOf(messages, atChat, { ...completion({ content: 'x' }), usage: null }).usage?.inputTokens ?? 0,
      0,
    );
  });

  test('every reason to stop has one there', () => {
    const reasons = {
      end_turn: 'stop',
      stop_sequence: 'stop',
      pause_turn: 'stop',
      max_tokens: 'length',
      refusal: 'content_filter',
    };
    for (const [stop_reason, expected] of Object.entries(reasons)) {
      const answer = answerOf(chat, atMessages, message([{ type: 'text', text: 'x' }], { stop_reason }));
      const [choice] = JSON.parse(answer.encode().body.toString()).choices;
      assert.deepEqual([choice.finish_reason, choice.native_finish_reason], [expected, stop_reason]);
    }
    const others = { stop: 'end_turn', length: 'max_tokens', content_filter: 'refusal', tool_calls: 'tool_use' };
    for (const [finish_reason, expected] of Object.entries(others)) {
      const answer = answerOf(messages, atChat, completion({ content: 'x' }, { finish_reason }));
      assert.equal(JSON.parse(answer.encode().body.toString()).stop_reason, expected);
    }
    const refused = answerOf(messages, atChat, completion({ content: null, refusal: 'I will not.' }));
    const { content, stop_reason } = JSON.parse(refused.encode().body.toString());
    assert.deepEqual([content, stop_reason], [[{ type: 'text', text: 'I will not.' }], 'refusal']);
  });

  test('numbers of arguments stay as the model wrote them', () => {
    const input = '{"id": 12345678901234567890, "rate": 0.10}';
    const use = `{"type":"message","content":[{"type":"tool_use","id":"t","name":"f","input":${input}}]}`;
    const [call] = answerOf(chat, atMessages, use).proposals;
    assert.match(call?.arguments ?? '', /12345678901234567890/);
    const made = { tool_calls: [{ id: 'c', type: 'function', function: { name: 'f', arguments: input } }] };
    assert.match(answerOf(messages, atChat, completion(made)).encode().body.toString(), /12345678901234567890/);
  });

  test('an error keeps its status and its message, and has the shape of the surface', () => {
    const failed = (status: number): AnswerHead => ({ ...json, status });
    const overloaded = { type: 'error', error: { type: 'overloaded_error', message: 'busy' }, request_id: 'req_1' };
    const there = answerOf(chat, atMessages, overloaded, failed(529)).encode();
    assert.equal(there.head.status, 529);
    const error = { message: 'busy', type: 'server_error', param: null, code: 'overloaded_error' };
    assert.deepEqual(JSON.parse(there.body.toString()), { error });
    const limited = { error: { message: 'slow down', type: 'requests', param: null, code: 'rate_limit_exceeded' } };
    const here = answerOf(messages, atChat, limited, failed(429)).encode();
    const said = { type: 'rate_limit_error', message: 'slow down', code: 'rate_limit_exceeded' };
    assert.deepEqual(JSON.parse(here.body.toString()), { type: 'error', error: said, request_id: null });
    for (const odd of [{ detail: 'no' }, { error: 'no' }, { message: 'no' }]) {
      assert.equal(
        JSON.parse(answerOf(messages, atChat, odd, failed(400)).encode().body.toString()).error.message,
        'no',
      );
    }
    const page = answerOf(messages, atChat, 'gone', { status: 502, headers: { 'content-type': 'text/html' } });
    assert.deepEqual([page.encode().head.status, page.encode().body.toString()], [502, 'gone']);
  });

  test('what is no answer of its API, or has no place in the other, cannot be read', () => {
    const call = { id: 'c', type: 'function', function: { name: 'f', arguments: '{"half":' } };
    for (const answer of [
      answerOf(chat, atMessages, {}),
      answerOf(chat, atMessages, 'not JSON'),
      answerOf(chat, atMessages, message([{ type: 'server_tool_use', id: 's', name: 'web_search', input: {} }])),
      answerOf(messages, atChat, { choices: [] }),
      answerOf(messages, atChat, completion({ tool_calls: [call] })),
      answerOf(messages, atChat, completion({ tool_calls: [{ id: 'c', type: 'custom', custom: {} }] })),
    ]) {
      assert.equal(answer.body, null);
    }
  });
});

describe('a stream of the other API', () => {
  const events: AnswerHead = { status: 200, headers: { 'content-type': 'text/event-stream' } };
  const streams = [
    { name: 'of message events', payload: chat, target: atMessages, own: messages, file: 'message-stream.sse' },
    { name: 'of chat chunks', payload: messages, target: atChat, own: chat, file: 'chat-stream.sse' },
  ];

  async function read(payload: Payload, target: Target, body: AsyncIterable<Uint8Array>) {
    const frames = await Array.fromAsync(payload.readStream(events, body, target));
    const said = { text: '', reasoning: '', end: '' };
    const calls: { id: string; name: string; text: string }[] = [];
    let usage: unknown = null;
    for (const event of frames.flatMap((frame) => frame.events)) {
      if (event.type === 'text' || event.type === 'reasoning') said[event.type] += event.text;
      else if (event.type === 'usage') usage = event.usage;
      else if (event.type === 'end') said.end = event.reason;
      else {
        calls[event.index] ??= { id: '', name: '', text: '' };
        const call = calls[event.index] as (typeof calls)[number];
        call.id ||= event.id ?? '';
        call.name ||= event.name ?? '';
        call.text += event.text;
      }
    }
    return { bytes: Buffer.concat(frames.map((frame) => frame.bytes)).toString(), said, calls, usage };
  }

  for (const { name, payload, target, own, file } of streams) {
    test(`${name} says the same, wherever its bytes are split`, async () => {
      const bytes = fixture(file);
      const whole = await read(payload, target, inChunks(bytes, bytes.length));
      const original = await read(own, target, inChunks(bytes, bytes.length));
      assert.deepEqual([whole.said.text, whole.said.reasoning], [original.said.text, original.said.reasoning]);
      assert.deepEqual(whole.usage, original.usage);
      const parsed = (calls: typeof whole.calls) =>
        calls.map(({ id, name: called, text }) => [id, called, JSON.parse(text || '{}')]);
      assert.deepEqual(parsed(whole.calls), parsed(original.calls));
      assert.ok(whole.said.text !== '' && whole.calls.length > 0 && whole.usage !== null);
      for (const size of [1, 2, 3, 7, 61]) assert.deepEqual(await read(payload, target, inChunks(bytes, size)), whole);
      for (const pieces of inTwo(bytes, 5)) assert.deepEqual(await read(payload, target, pieces()), whole);
    });

    test(`${name} that ends early is broken, wherever it ends`, async () => {
      const bytes = fixture(file);
      for (const share of [0.05, 0.3, 0.6]) {
        const part = bytes.subarray(0, Math.floor(bytes.length * share));
        await assert.rejects(read(payload, target, inChunks(part, 100)), StreamBroken);
      }
    });
  }

  const sse = (...items: readonly object[]): Buffer =>
    Buffer.from(
      items.map((item) => `event: ${(item as { type?: string }).type}\ndata: ${JSON.stringify(item)}\n\n`).join(''),
    );
  const dataOf = (text: string): JsonObject[] =>
    [...text.matchAll(/^data: (\{.*)$/gm)].map(([, data = '']) => JSON.parse(data) as JsonObject);

  test('an error in the middle is the error of the surface', async () => {
    const failed = { type: 'error', error: { type: 'overloaded_error', message: 'busy' } };
    const there = await read(chat, atMessages, inChunks(sse(failed), 9));
    assert.equal(there.said.end, 'error');
    assert.deepEqual(dataOf(there.bytes).at(-1)?.error, {
      ...{ message: 'busy', type: 'server_error', param: null, code: 'overloaded_error' },
    });
    const error = { message: 'busy', type: 'server_error', code: null };
    const here = await read(messages, atChat, inChunks(Buffer.from(`data: ${JSON.stringify({ error })}\n\n`), 9));
    assert.equal(here.said.end, 'error');
    assert.match(here.bytes, /^event: error\ndata: /);
    assert.equal(objectOf(dataOf(here.bytes)[0]?.error).message, 'busy');
  });

  test('a call without arguments has an empty object of them', async () => {
    const content_block = { type: 'tool_use', id: 't', name: 'f', input: {} };
    const { calls } = await read(
      chat,
      atMessages,
      inChunks(
        sse(
          { type: 'message_start', message: { id: 'msg_1', model: 'm', content: [] } },
          { type: 'content_block_start', index: 0, content_block },
          { type: 'content_block_stop', index: 0 },
          { type: 'message_delta', delta: { stop_reason: 'tool_use' } },
          { type: 'message_stop' },
        ),
        50,
      ),
    );
    assert.deepEqual(calls, [{ id: 't', name: 'f', text: '{}' }]);
  });

  test('a block that has no place there breaks it', async () => {
    const content_block = { type: 'server_tool_use', id: 's', name: 'web_search', input: {} };
    const stream = sse({ type: 'content_block_start', index: 0, content_block });
    await assert.rejects(read(chat, atMessages, inChunks(stream, 50)), StreamBroken);
  });

  test('a message without a count has none, and blocks come one after the other', async () => {
    const delta = (said: object, more: object = {}) => ({
      id: 'chatcmpl-9',
      choices: [{ index: 0, delta: said, ...more }],
    });
    const call = (index: number, made: object) => delta({ tool_calls: [{ index, ...made }] });
    const chunks = [
      delta({ role: 'assistant', content: '' }),
      delta({ reasoning_content: 'hm' }),
      delta({ content: 'one' }),
      call(0, { id: 'c0', type: 'function', function: { name: 'f', arguments: '{' } }),
      call(0, { function: { arguments: '}' } }),
      call(1, { id: 'c1', type: 'function', function: { name: 'g', arguments: '{}' } }),
      delta({}, { finish_reason: 'stop' }),
    ];
    const stream = Buffer.from(
      `${chunks.map((chunk) => `data: ${JSON.stringify(chunk)}\n\n`).join('')}data: [DONE]\n\n`,
    );
    const { bytes, usage } = await read(messages, atChat, inChunks(stream, 33));
    assert.equal(usage, null);
    const said = dataOf(bytes);
    assert.deepEqual(
      said.map(({ type, index = '' }) => `${type} ${index}`.trim()),
      [
        ...['message_start', 'content_block_start 0', 'content_block_delta 0', 'content_block_stop 0'],
        ...['content_block_start 1', 'content_block_delta 1', 'content_block_stop 1'],
        ...['content_block_start 2', 'content_block_delta 2', 'content_block_delta 2', 'content_block_stop 2'],
        ...['content_block_start 3', 'content_block_delta 3', 'content_block_stop 3', 'message_delta', 'message_stop'],
      ],
    );
    // Some servers say `stop` where tools are to be called.
    assert.equal(objectOf(said.at(-2)?.delta).stop_reason, 'tool_use');
  });

  test('the cut ends it as the surface of the client does', async () => {
    const usage = { inputTokens: 5, outputTokens: 7, cachedInputTokens: 0 };
    for (const { payload, target, file } of streams) {
      const stream = payload.readStream(events, inChunks(fixture(file), 40), target);
      let frames = 0;
      for await (const frame of stream) if (frame.bytes.length > 0 && ++frames === 4) break;
      const end = Buffer.from(stream.cut({ code: 'task_budget_exhausted', message: 'spent', usage })).toString();
      const said = dataOf(end);
      if (payload === chat) {
        assert.equal(objectOf(listOf(said[0]?.choices)[0]).finish_reason, 'length');
        assert.match(end, /data: \[DONE\]\n\n$/);
      } else assert.deepEqual([said.at(-2)?.type, said.at(-1)?.type], ['message_delta', 'message_stop']);
    }
  });
});
