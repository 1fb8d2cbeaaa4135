/**
 * Ways around the gate by what is particular to the surfaces of models: ids that a model made up counted as given by its
 * provider, containers of tools offered inside the conversation were bound to nobody, and text stood where inspection did
 * not look, or looked at another place than the client.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { EventStreamCodec } from '@smithy/eventstream-codec';
import type { AnswerHead, AnswerStream, JsonObject } from '../../src/call.ts';
import { messageEvents } from '../../src/upstream/providers/bedrock-stream.ts';
import { EmbeddingsAnswer } from '../../src/wire/dialects/openai/embeddings/answer.ts';
import { ResponseAnswer } from '../../src/wire/dialects/openai/responses/answer.ts';
import { namedIds } from '../../src/wire/dialects/openai/responses/ids.ts';
import { ResponsesPayload } from '../../src/wire/dialects/openai/responses/request.ts';
import { readResponseStream } from '../../src/wire/dialects/openai/responses/stream.ts';
import { EditableJson } from '../../src/wire/segments.ts';
import { post, responseReply, sseOf } from '../gateway/responses.ts';
import { World } from '../gateway/world.ts';
import { part } from '../parts.ts';
import { inChunks } from '../unit/wire/request.ts';
import { atChat, atMessages, payloadOf } from '../unit/wire/two-apis.ts';

const email = 'anna.schmidt@customer-mail.com';
/** The same in JSON, as no recognizer would find it. */
const hidden = email.replace('@', '\\u0040');
const json: AnswerHead = { status: 200, headers: { 'content-type': 'application/json' } };
const sse: AnswerHead = { status: 200, headers: { 'content-type': 'text/event-stream' } };
const misplaced = /place cannot be read/;
const said = { messages: [{ role: 'user', content: 'x' }], max_tokens: 50 };

const requestOf = (body: JsonObject): ResponsesPayload => {
  const whole = { model: 'r', ...body };
  return new ResponsesPayload({ route: 'r', text: JSON.stringify(whole), body: whole, keepsUnasked: false });
};
const answerOf = (body: JsonObject, kept = false): ResponseAnswer =>
  new ResponseAnswer('r', json, Buffer.from(JSON.stringify({ object: 'response', ...body })), kept);
const textsOf = (holder: Pick<ResponsesPayload, 'segments'>): string[] => holder.segments().map(({ text }) => text);
const streamed = (...events: readonly object[]): AsyncIterable<Uint8Array> =>
  inChunks(Buffer.from(events.map((event) => sseOf({ type: '', ...event })).join('')), 1000);
const heard = async (stream: AnswerStream) => {
  const frames = [];
  for await (const frame of stream) frames.push(frame);
  return frames;
};

describe('ids that nobody was given', part('opa'), () => {
  let world: World;
  before(async () => {
    world = await World.open({ config: { task: { budget: { cost_usd: 20, tokens: 20_000_000 } } } });
  });
  after(async () => world?.[Symbol.asyncDispose]());

  test('what a model writes into its calls, or some server into its tools, is given by no provider', async () => {
    const action = { type: 'exec', command: ['ls'], env: { file_id: 'file-foreign', container_id: 'cntr_foreign' } };
    const items = [
      { type: 'local_shell_call', id: 'lsh_1', call_id: 'call_1', status: 'completed', action },
      { type: 'tool_search_call', id: 'ts_1', execution: 'client', arguments: { container_id: 'cntr_foreign' } },
      { type: 'mcp_list_tools', id: 'm_1', tools: [{ name: 'x', annotations: { container_id: 'cntr_foreign' } }] },
    ];
    world.model.reply = responseReply({ items });
    for (const stream of [false, true]) {
      const task = await world.task();
      await (await post(world, task.token, 'responses', { input: 'hi', stream })).text();
      world.model.received.length = 0;
      const tool = { type: 'code_interpreter', container: 'cntr_foreign' };
      for (const body of [
        { input: 'x', tools: [tool] },
        { input: [{ type: 'additional_tools', role: 'developer', tools: [tool] }] },
        { input: 'x', tools: [{ type: 'namespace', name: 'n', tools: [tool] }] },
      ]) {
        const response = await post(world, task.token, 'responses', body);
        const { error } = (await response.json()) as { error: { reasons: { code: string }[] } };
        assert.deepEqual([response.status, error.reasons[0]?.code], [403, 'provider_id_foreign']);
        const [denial] = (await world.events({ task: task.id, type: 'denial' })).slice(-1);
        assert.ok(denial?.decision?.reasons.some(({ code }) => code === 'provider_id_foreign'));
      }
      assert.equal(world.model.received.length, 0);
    }
  });
});

test('ids are named wherever a tool is offered, and an item without content is a reference', () => {
  const tool = { type: 'code_interpreter', container: 'cntr_1' };
  const wheres = namedIds({
    input: [
      { type: 'additional_tools', role: 'developer', tools: [tool] },
      { type: 'reasoning', id: 'rs_1', summary: [], encrypted_content: '' },
      { type: 'image_generation_call', id: 'ig_1', result: '' },
      { type: 'local_shell_call', call_id: 'call_1', action: { env: { container: 'podman', file_id: 'x' } } },
    ],
    tools: [tool, { type: 'namespace', name: 'n', tools: [tool] }],
  }).map(({ where }) => where);
  assert.deepEqual(wheres, [
    '/input/0/tools/0/container',
    '/input/1/id',
    '/input/2/id',
    '/tools/0/container',
    '/tools/1/tools/0/container',
  ]);
});

describe('text is seen wherever it stands', () => {
  test('names of the format hide nothing where the format does not have them', () => {
    const parameters = { logprobs: [{ token: email, note: email }] };
    const call = {
      type: 'function_call',
      call_id: 'ghp_16C7e42F292c6912E7710c838347Ae178B4a',
      name: 'f',
      arguments: '',
    };
    const part = { type: 'output_text', text: 'x', logprobs: [{ token: email }] };
    const payload = requestOf({
      input: [call, { role: 'assistant', content: [part] }],
      tools: [{ type: 'function', name: 'f', parameters }],
    });
    const texts = textsOf(payload);
    assert.deepEqual([texts.filter((text) => text === email).length, texts.includes(call.call_id)], [3, true]);
    const logprobs = [{ token: 'hi', bytes: [104, 105], top_logprobs: [{ token: 'hi' }], note: email }];
    const answer = answerOf({
      output: [{ type: 'message', content: [{ type: 'output_text', text: 'hi', logprobs }] }],
    });
    assert.deepEqual(
      textsOf(answer).filter((text) => text === 'hi' || text === email),
      ['hi', email],
    );
  });

  test('arguments that the gate reads as nobody else would are read without their escapes, too', () => {
    for (const text of [
      `{"id":12345678901234567890,"to":"${hidden}"}`,
      `{"to":1,"to":"${hidden}"}`,
      `{"to":"${hidden}","half":"\\ud83d"}`,
      `{"to":"${hidden}"`,
      `${'['.repeat(70)}"${hidden}"${']'.repeat(70)}`,
    ]) {
      const item = { type: 'function_call', id: 'fc_1', call_id: 'call_1', name: 'f', arguments: text };
      const answer = answerOf({ output: [item] });
      const found = answer.segments().filter((segment) => segment.text.includes(email));
      assert.equal(found.length, 1, text);
      for (const segment of found) segment.write(segment.text.replace(email, '[EMAIL]'));
      const encoded = JSON.parse(String(answer.encode().body)) as { output: { arguments: string }[] };
      assert.equal(encoded.output[0]?.arguments, text.replace(hidden, '[EMAIL]'), 'and nothing else changes');
      // What is not said as an escape stays: an escaped backslash before it is none of it.
      assert.ok(!textsOf(answerOf({ output: [{ ...item, arguments: '{"a":"\\\\u0040"' }] })).includes('{"a":"\\\\@"'));
    }
    const broken = Buffer.from(`{"error":{"message":"x","message":"${hidden}"}}`);
    const error = new ResponseAnswer('r', { ...json, status: 400 }, broken, false);
    assert.ok(textsOf(error).some((text) => text.includes(email)));
  });

  test('a file that holds text is read, whatever it is said to be', () => {
    const base64 = (text: string | Buffer): string => Buffer.from(text).toString('base64');
    const csv = (name: string): string => `data:${name};base64,${base64(`name;mail\nAnna Schmidt;${email}\n`)}`;
    const png = `data:image/png;base64,${base64(Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]))}`;
    const part = (file_data: string) => ({ type: 'input_file', filename: 'customers', file_data });
    const responses = requestOf({
      input: [{ role: 'user', content: [part(csv('text/csv')), part(csv('application/pdf')), part(png)] }],
    });
    const file = { type: 'file', file: { filename: 'customers', file_data: csv('text/csv') } };
    const chat = payloadOf('chat', { messages: [{ role: 'user', content: [file] }] });
    for (const [payload, times] of [
      [responses, 2],
      [chat, 1],
    ] as const) {
      const found = payload.segments().filter(({ text }) => text.includes(email));
      assert.equal(found.length, times);
      for (const segment of found) segment.write(segment.text.replace(email, '[EMAIL]'));
      const sent = String(payload.encode(atChat).body);
      assert.ok(sent.includes(base64('name;mail\nAnna Schmidt;[EMAIL]\n')) && !sent.includes(csv('text/csv')));
    }
    assert.ok(String(responses.encode(atChat).body).includes(png), 'what is no text stays');
  });

  test('an index that is none breaks a stream: its client would find the text elsewhere', async () => {
    const delta = (output_index: unknown) => ({
      type: 'response.output_text.delta',
      output_index,
      content_index: 0,
      delta: 'x',
    });
    const inPart = { type: 'response.output_text.delta', output_index: 0, content_index: '0', delta: 'x' };
    for (const event of [delta('0'), delta(0.5), delta(-1), inPart]) {
      await assert.rejects(heard(readResponseStream(streamed(event), 'r', false)), misplaced, JSON.stringify(event));
    }
    const block = { type: 'content_block_delta', index: '0', delta: { type: 'text_delta', text: 'x' } };
    const messages = payloadOf('messages', said).readStream(sse, streamed(block), atMessages);
    await assert.rejects(heard(messages), misplaced);
    const call = { index: '0', function: { arguments: 'x' } };
    for (const choice of [
      { index: '0', delta: { content: 'x' } },
      { index: 0, delta: { tool_calls: [call] } },
    ]) {
      const chat = payloadOf('chat', said).readStream(sse, streamed({ choices: [choice] }), atChat);
      await assert.rejects(heard(chat), misplaced);
    }
  });

  test('a summary is one text, whatever else its events say of their place', async () => {
    const at = (content_index: number) => ({ output_index: 0, summary_index: 0, content_index, delta: 'x' });
    const events = [0, 1].map((index) => ({ type: 'response.reasoning_summary_text.delta', ...at(index) }));
    const end = { type: 'response.completed', response: { output: [] } };
    const frames = await heard(readResponseStream(streamed(...events, end), 'r', false));
    const places = frames.flatMap((frame) => frame.pieces().map(({ where }) => where));
    assert.deepEqual([...new Set(places)], ['/output/0/summary/0/text']);
  });

  test('the id of a message is no text in a chat completion, so it holds none', () => {
    const body = { id: `msg ${email}`, type: 'message', model: 'm', content: [{ type: 'text', text: 'hi' }] };
    const answer = payloadOf('chat', said).readAnswer(json, Buffer.from(JSON.stringify(body)), atMessages);
    assert.ok(!String(answer.encode().body).includes('@'));
  });
});

describe('what a translated answer used', () => {
  test('how it was served is paid for, too', () => {
    const usage = { input_tokens: 3, output_tokens: 2, inference_geo: 'us', speed: 'fast' };
    const message = { id: 'msg_1', type: 'message', model: 'm', content: [], stop_reason: 'end_turn', usage };
    const chat = payloadOf('chat', said).readAnswer(json, Buffer.from(JSON.stringify(message)), atMessages);
    assert.deepEqual(chat.usage?.services, ['fast', 'us']);
    const counted = { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 };
    const choices = [{ index: 0, message: { content: 'x' }, finish_reason: 'stop' }];
    const completion = { id: 'c', model: 'm', choices, usage: counted, service_tier: 'priority' };
    const other = payloadOf('messages', said).readAnswer(json, Buffer.from(JSON.stringify(completion)), atChat);
    assert.deepEqual(other.usage?.services, ['priority']);
  });

  test('a stream that was counted at its beginning alone was not counted', async () => {
    const message = { id: 'msg_1', model: 'm', usage: { input_tokens: 9, output_tokens: 1 } };
    const stream = [
      { type: 'message_start', message },
      { type: 'content_block_start', index: 0, content_block: { type: 'text', text: 'a long answer' } },
      { type: 'message_delta', delta: { stop_reason: 'end_turn' } },
      { type: 'message_stop' },
    ];
    const frames = await heard(payloadOf('chat', said).readStream(sse, streamed(...stream), atMessages));
    assert.ok(!frames.some(({ events }) => events.some(({ type }) => type === 'usage')));
  });

  test('a call that has no place there, or was never begun, is not left out in silence', async () => {
    const orphan = { type: 'content_block_delta', index: 4, delta: { type: 'input_json_delta', partial_json: '{' } };
    await assert.rejects(heard(payloadOf('chat', said).readStream(sse, streamed(orphan), atMessages)), /not begun/);
    const function_call = { name: 'f', arguments: '{}' };
    const chunk = { choices: [{ index: 0, delta: { function_call } }] };
    await assert.rejects(heard(payloadOf('messages', said).readStream(sse, streamed(chunk), atChat)), /no place/);
    const whole = Buffer.from(JSON.stringify({ choices: [{ message: { function_call } }] }));
    assert.equal(payloadOf('messages', said).readAnswer(json, whole, atChat).body, null);
  });
});

test('a vector stays with its item where another one is dropped', () => {
  const data = [1, 2, 3].map((index) => ({ object: 'embedding', index, embedding: [index] }));
  const answer = new EmbeddingsAnswer('r', json, Buffer.from(JSON.stringify({ object: 'list', data, model: 'm' })));
  answer.drop('/data/1');
  const { data: left } = JSON.parse(String(answer.encode().body)) as { data: { index: number; embedding: number[] }[] };
  assert.deepEqual(
    left.map(({ index, embedding }) => [index, embedding[0]]),
    [
      [1, 1],
      [3, 3],
    ],
  );
});

describe('what a hostile document costs', () => {
  test('JSON texts in a document are bounded together, and what is beyond is one text', () => {
    const text = JSON.stringify(Array.from({ length: 40_000 }, () => 'x'));
    const document = new EditableJson([text, text, text, text], () => 'json');
    const pieces = document.segments();
    assert.ok(pieces.length > 80_000 && pieces.length < 100_000, `${pieces.length}`);
    assert.equal(pieces.at(-1)?.text, text);
  });

  test('of many small messages in one chunk none is copied for each that follows', async () => {
    const codec = new EventStreamCodec(
      (bytes) => (typeof bytes === 'string' ? bytes : Buffer.from(bytes).toString('utf8')),
      (text) => Buffer.from(text, 'utf8'),
    );
    const headers = { ':message-type': { type: 'string', value: 'event' } } as const;
    const one = codec.encode({ headers, body: new Uint8Array(0) });
    const chunk = Buffer.concat(Array.from({ length: 4000 }, () => one));
    const { concat } = Buffer;
    let copied = 0;
    Buffer.concat = (list) => {
      const whole = concat(list);
      copied += whole.length;
      return whole;
    };
    try {
      for await (const _event of messageEvents(inChunks(chunk, chunk.length))) assert.fail('they say nothing');
    } finally {
      Buffer.concat = concat;
    }
    assert.ok(copied <= chunk.length * 2, `${copied}`);
  });
});
