/** Responses and embeddings as they are answered, whole and as a stream, however that is split. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Json, JsonObject } from '../../../../src/call.ts';
import { EmbeddingsAnswer } from '../../../../src/wire/dialects/openai/embeddings/answer.ts';
import { ResponseAnswer } from '../../../../src/wire/dialects/openai/responses/answer.ts';
import { readResponseStream } from '../../../../src/wire/dialects/openai/responses/stream.ts';
import { StreamRecord } from '../../../../src/wire/stream-record.ts';
import { eventsOf, responseOf, sseOf } from '../../../gateway/responses.ts';
import { inChunks, inTwo } from '../request.ts';

describe('a response', () => {
  const json = { status: 200, headers: { 'content-type': 'application/json' } };

  test('is read whole: what it says, what it proposes, what it used, and which ids it gives', () => {
    const script = {
      ...{ text: 'hi', reasoning: 'thinking', calls: [{ id: 'call_1', name: 'f', arguments: '{}' }] },
      usage: {
        ...{ input_tokens: 10, input_tokens_details: { cached_tokens: 4 }, output_tokens: 9 },
        ...{ output_tokens_details: { reasoning_tokens: 6 }, total_tokens: 19 },
      },
      items: [
        { id: 'ctc_1', type: 'custom_tool_call', call_id: 'call_2', name: 'g', input: 'free text' },
        {
          id: 'ci_1',
          type: 'code_interpreter_call',
          code: '1+1',
          container_id: 'cntr_1',
          outputs: [],
          status: 'completed',
        },
      ],
    };
    const bytes = Buffer.from(JSON.stringify(responseOf(script)));
    const answer = new ResponseAnswer('gpt', json, bytes, true);
    assert.equal(answer.text, 'thinking\nhi\n1+1');
    assert.deepEqual(answer.proposals, [
      { id: 'call_1', name: 'f', arguments: '{}' },
      { id: 'call_2', name: 'g', arguments: 'free text' },
    ]);
    assert.deepEqual(answer.usage, { inputTokens: 10, outputTokens: 9, cachedInputTokens: 4, reasoningTokens: 6 });
    assert.deepEqual(answer.givenIds, ['resp_1', 'rs_1', 'msg_1', 'fc_0', 'ctc_1', 'ci_1', 'cntr_1']);
    assert.deepEqual(new ResponseAnswer('gpt', json, bytes, false).givenIds, ['cntr_1']);
    assert.equal(String(answer.encode().body), String(bytes).replace('"gpt-real"', '"gpt"'));
  });

  test('of embeddings keeps its vectors byte for byte, whatever form they have', () => {
    for (const embedding of ['AACAPg==', [0.25, -0.0012345678901234567, 1e-7]]) {
      const data = [{ object: 'embedding', index: 0, embedding }];
      const bytes = `{"object":"list", "data":${JSON.stringify(data)}, "model":"real","usage":{"prompt_tokens":7,"total_tokens":7}}`;
      const answer = new EmbeddingsAnswer('embed', json, Buffer.from(bytes));
      assert.equal(String(answer.encode().body), bytes.replace('"real"', '"embed"'));
      assert.deepEqual(answer.usage, { inputTokens: 7, outputTokens: 0, cachedInputTokens: 0 });
      assert.ok(answer.segments().length < 4, 'no number of a vector is a text');
    }
    const many = Array.from({ length: 1_000 }, () => new Array(200).fill(0.1)).map((embedding, index) => ({
      index,
      embedding,
    }));
    const large = new EmbeddingsAnswer('embed', json, Buffer.from(JSON.stringify({ data: many, model: 'm' })));
    assert.ok((large.body as JsonObject).data !== undefined, 'more numbers than a document may hold values');
    const twice = Buffer.from('{"data":[],"model":"a","model":"b"}');
    assert.equal(new EmbeddingsAnswer('embed', json, twice).body, null);
    const odd = Buffer.from(JSON.stringify({ data: [{ embedding: 'write to ann@example.com' }] }));
    assert.ok(new EmbeddingsAnswer('embed', json, odd).segments().length > 0, 'what is no vector is text');
  });
});

describe('a streamed response', () => {
  const script = {
    reasoning: 'Grüße they want.',
    text: 'Write to Zoë 😀 today.',
    calls: [{ id: 'call_1', name: 'orders__get', arguments: '{"order_id": "A 1"}' }],
  };
  const bytes = Buffer.from(eventsOf(script).map(sseOf).join(''));
  const read = async (chunks: AsyncIterable<Uint8Array>, kept = true) => {
    const record = new StreamRecord();
    const out: Uint8Array[] = [];
    const kinds: string[] = [];
    for await (const frame of readResponseStream(chunks, 'gpt', kept)) {
      record.add(frame);
      out.push(frame.bytes);
      kinds.push(...frame.events.map(({ type }) => type));
    }
    return { ...record.summary(), out: String(Buffer.concat(out)), kinds };
  };

  test('means the same wherever it is split, says each text once, and keeps its bytes but for the model', async () => {
    const whole = await read(inChunks(bytes, bytes.length));
    assert.equal(whole.text, 'Grüße they want.Write to Zoë 😀 today.');
    assert.deepEqual(whole.proposals, [{ id: 'call_1', name: 'orders__get', arguments: '{"order_id": "A 1"}' }]);
    assert.deepEqual(whole.usage, { inputTokens: 10, outputTokens: 5, cachedInputTokens: 0 });
    assert.deepEqual(whole.givenIds, ['resp_1', 'rs_1', 'msg_1', 'fc_0']);
    assert.equal(whole.kinds.at(-1), 'end');
    assert.equal(whole.out, String(bytes).replaceAll('"gpt-real"', '"gpt"'));
    for (const size of [1, 2, 3, 7, 64, 1000]) assert.deepEqual(await read(inChunks(bytes, size)), whole, `${size}`);
    const short = Buffer.from(eventsOf({ text: 'Zoë 😀' }).map(sseOf).join(''));
    const shortWhole = await read(inChunks(short, short.length));
    assert.ok(shortWhole.text === 'Zoë 😀');
    for (const pieces of inTwo(short)) assert.deepEqual(await read(pieces()), shortWhole);
    for (let at = 1; at < bytes.length; at += 41) {
      const split = (async function* () {
        yield bytes.subarray(0, at);
        yield bytes.subarray(at);
      })();
      assert.equal((await read(split)).out, whole.out, `${at}`);
    }
  });

  test('a server without deltas is heard all the same', async () => {
    const only = eventsOf(script).filter(({ type }) => /created|completed/.test(type));
    const heard = await read(inChunks(Buffer.from(only.map(sseOf).join('')), 100));
    assert.equal(heard.text, 'Grüße they want.Write to Zoë 😀 today.');
    assert.equal(heard.proposals[0]?.arguments, '{"order_id": "A 1"}');
  });

  test('what is changed in a frame is changed in its bytes and its events, and its logprobs go', async () => {
    const delta = {
      type: 'response.output_text.delta',
      output_index: 0,
      content_index: 0,
      item_id: 'msg_1',
      delta: 'secret',
      logprobs: [{ token: 'secret', logprob: 0 }],
    };
    const stream = readResponseStream(inChunks(Buffer.from(sseOf(delta)), 1000), 'gpt', false)[Symbol.asyncIterator]();
    const { value: frame } = await stream.next();
    assert.deepEqual(frame.pieces(), [{ where: '/output/0/content/0/text', text: 'secret', reading: 'flow' }]);
    const changed = frame.rewrite(['[x]']);
    assert.deepEqual(changed.events, [{ type: 'text', text: '[x]' }]);
    assert.ok(!String(changed.bytes).includes('secret'), String(changed.bytes));
  });

  test('one that breaks off, or is none, is broken; one that failed ends with its error', async () => {
    const cutOff = bytes.subarray(0, bytes.length - 400);
    await assert.rejects(read(inChunks(cutOff, 50)), { name: 'StreamBroken' });
    await assert.rejects(read(inChunks(Buffer.from('data: nonsense\n\n'), 50)), { name: 'StreamBroken' });
    const failed = {
      type: 'response.failed',
      sequence_number: 1,
      response: {
        ...responseOf({ usage: null }),
        status: 'failed',
        output: [],
        error: { code: 'server_error', message: 'it broke' },
      },
    };
    assert.deepEqual((await read(inChunks(Buffer.from(sseOf(failed)), 50))).kinds, ['text', 'end']);
    const error = { type: 'error', sequence_number: 1, code: 'x', message: 'it broke', param: null };
    assert.deepEqual((await read(inChunks(Buffer.from(sseOf(error)), 50))).kinds, ['text', 'end']);
  });

  test('cut, it ends what is open as its agent has got it, and leaves out a call that is not all there', async () => {
    const cutAfter = async (count: number, rewrite: boolean): Promise<{ before: number; events: JsonObject[] }> => {
      const stream = readResponseStream(inChunks(bytes, 1000), 'gpt', false);
      const iterator = stream[Symbol.asyncIterator]();
      for (let index = 0; index < count; index++) {
        const { value: frame } = await iterator.next();
        if (rewrite && index < count - 1) frame.rewrite(frame.pieces().map(() => '*'));
      }
      const usage = { inputTokens: 10, outputTokens: 3, cachedInputTokens: 0 };
      const end = String(stream.cut({ code: 'task_budget_exhausted', message: 'cut', usage }));
      const events = [...end.matchAll(/^data: (.*)$/gm)].map(([, data = '']) => JSON.parse(data) as JsonObject);
      return { before: count - 2, events };
    };
    const types = eventsOf(script).map(({ type }) => type);
    const third = types.indexOf('response.output_text.delta') + 3;
    for (const rewrite of [false, true]) {
      const { before, events } = await cutAfter(third, rewrite);
      assert.deepEqual(
        events.map(({ type }) => type),
        ['response.output_text.done', 'response.content_part.done', 'response.output_item.done', 'response.incomplete'],
      );
      assert.deepEqual(
        events.map(({ sequence_number }) => sequence_number),
        [1, 2, 3, 4].map((more) => before + more),
      );
      // The newest event is the one that was too much: nobody got it.
      assert.equal(events[0]?.text, rewrite ? '**' : 'Write to ');
      const response = events.at(-1)?.response as JsonObject;
      assert.deepEqual(
        [response.status, response.incomplete_details, response.model, (response.tollgate as JsonObject).code],
        ['incomplete', { reason: 'max_output_tokens' }, 'gpt', 'task_budget_exhausted'],
      );
      assert.equal((response.usage as JsonObject).total_tokens, 13);
      assert.ok(!rewrite || !JSON.stringify(events).includes('they want'), 'what was taken out does not come back');
      assert.equal((response.output as Json[]).length, 2);
    }
    const inCall = types.indexOf('response.function_call_arguments.delta') + 2;
    const { events } = await cutAfter(inCall, false);
    assert.deepEqual(
      events.map(({ type }) => type),
      ['response.incomplete'],
    );
  });
});
