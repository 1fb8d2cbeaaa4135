import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject, Recalled, Target } from '../../../../src/call.ts';
import { isDenial } from '../../../../src/denial.ts';
import { toldOf } from '../../../../src/wire/dialects/openai/responses/recall.ts';
import { ResponsesPayload } from '../../../../src/wire/dialects/openai/responses/request.ts';
import { readResponseStream } from '../../../../src/wire/dialects/openai/responses/stream.ts';
import { eventsOf, responseOf, sseOf } from '../../../gateway/responses.ts';

const target = { api: 'openai', model: 'm' } as Target;
const message = (id: string, text = id): JsonObject => ({
  ...{ id, type: 'message', role: 'assistant' },
  content: [{ type: 'output_text', text, annotations: [], logprobs: [] }],
});
const reference = (id: string) => ({ type: 'item_reference', id });
const said = (content: string) => ({ role: 'user', content });
const payloadOf = (body: JsonObject, more: object = {}) => {
  const whole = { model: 'gpt', ...body };
  return new ResponsesPayload({ route: 'gpt', text: JSON.stringify(whole), body: whole, keepsUnasked: false, ...more });
};
const found = (conversation: Recalled['conversation'], ...items: readonly JsonObject[]): Recalled => ({
  conversation,
  items: new Map(items.map((item) => [String(item.id), item])),
});
const sent = (payload: ResponsesPayload) => JSON.parse(String(payload.encode(target).body)) as JsonObject;

test('what a request names is found, and a request that names nothing says so', () => {
  const rows: readonly (readonly [JsonObject, unknown])[] = [
    [{ input: 'hi' }, null],
    [{ input: [said('hi'), message('msg_1')] }, null],
    [
      { input: 'hi', previous_response_id: 'resp_1' },
      { answer: 'resp_1', items: [] },
    ],
    [{ input: [reference('a'), { id: 'b' }, reference('a')] }, { answer: null, items: ['a', 'b'] }],
    [{ input: [{ type: 'reasoning', id: 'rs_1', summary: [] }] }, { answer: null, items: ['rs_1'] }],
    [{ input: [{ type: 'reasoning', id: 'rs_1', summary: [], encrypted_content: 'A' }] }, null],
    [{ input: [{ type: 'item_reference' }], previous_response_id: '' }, null],
  ];
  for (const [body, wanted] of rows) assert.deepEqual(payloadOf(body).recall?.wanted(), wanted, JSON.stringify(body));
  assert.equal(payloadOf({ input: 'hi' }, { remembers: false }).recall, undefined);
  assert.equal(payloadOf({ input: 'hi' }, { keepsUnasked: true }).recall, undefined);
  for (const body of [{ store: false }, { store: true }, { background: true }, { conversation: 'conv_1' }]) {
    assert.equal(payloadOf({ input: 'hi', ...body }).recall?.remembers, false);
  }
});

test('what was found takes the place of its id, in order, and what was not stays and is still named', () => {
  const payload = payloadOf({ metadata: { a: '1' }, input: 'go on', previous_response_id: 'resp_1', store: true });
  const before = [said('hi'), message('msg_1')];
  assert.equal(payload.recall?.fill(found(before, message('msg_1')), 10_000), 2);
  assert.deepEqual(payload.document(), {
    model: 'gpt',
    metadata: { a: '1' },
    input: [...before, said('go on')],
    store: true,
  });
  assert.deepEqual(payload.namedIds(), []);
  assert.deepEqual(payload.model.tools, [{ name: 'store', kind: 'field:store' }]);

  const half = payloadOf({ input: [reference('a'), reference('b'), said('x')], previous_response_id: 'resp_2' });
  assert.equal(half.recall?.fill(found(null, message('b')), 10_000), 1);
  assert.deepEqual(sent(half).input, [reference('a'), message('b'), said('x')]);
  assert.deepEqual(
    half.namedIds().map(({ where }) => where),
    ['/previous_response_id', '/input/0/id'],
  );
  assert.equal(half.recall?.conversation(), null, 'a part of it lies elsewhere');
  const none = payloadOf({ input: [reference('a')] });
  const text = none.encode(target).body;
  assert.equal(none.recall?.fill(found(null), 10_000), 0);
  assert.deepEqual(none.encode(target).body, text);
});

test('a conversation is told with the ids of what was put in place, and with the text as obligations left it', () => {
  const payload = payloadOf({ input: [said('to ann'), reference('a'), reference('b'), reference('b'), message('c')] });
  payload.recall?.fill(found(null, message('a', 'of ann'), message('b')), 10_000);
  for (const segment of payload.segments()) segment.write(segment.text.replace('ann', '[name]'));
  assert.match(JSON.stringify(sent(payload).input), /of \[name\]/);
  assert.deepEqual(payload.recall?.conversation(), [
    ...[said('to [name]'), reference('a')],
    ...[message('b'), message('b'), message('c')],
  ]);
  assert.deepEqual(payloadOf({ input: 'hi' }).recall?.conversation(), [said('hi')]);
});

test('what would be too much is refused, however often the same item is named', () => {
  const payload = payloadOf({ input: Array.from({ length: 500 }, () => reference('a')) });
  const refused = payload.recall?.fill(found(null, message('a', 'x'.repeat(100_000))), 1_000_000);
  assert.ok(isDenial(refused) && refused.code === 'too_large' && refused.reasons[0]?.code === 'recalled_too_large');
  const deep = JSON.parse(`${'['.repeat(70)}${']'.repeat(70)}`) as JsonObject;
  const nested = payloadOf({ input: [reference('a')] }).recall?.fill(found(null, { id: 'a', deep }), 1_000_000);
  assert.ok(isDenial(nested) && nested.code === 'too_large');
  const odd = payloadOf({ input: [reference('a')] }).recall?.fill(
    found(null, { id: 'a', type: 'message', content: 5 }),
    9_000,
  );
  assert.ok(isDenial(odd) && odd.code === 'args_invalid');
});

test('an answer is told whole if it came to an end and has an id, without the odds of its tokens', () => {
  const part = { type: 'output_text', text: 'hi', annotations: [] };
  const output = [{ id: 'a', type: 'message', content: [{ ...part, logprobs: [{ token: 'hi' }] }] }];
  const response = { object: 'response', id: 'resp_1', status: 'completed', output };
  const items = [{ id: 'a', type: 'message', content: [{ ...part, logprobs: [] }] }];
  assert.deepEqual(toldOf(response), { id: 'resp_1', items });
  for (const odd of [{ status: 'failed' }, { id: 5 }, { id: 'x'.repeat(129) }, { object: 'error' }]) {
    assert.equal(toldOf({ ...response, ...odd }), undefined);
  }
});

test('of a stream the whole is told once it has ended, also where its end is all that the last event says', async () => {
  const wholeOf = async (change: (event: JsonObject) => JsonObject, whole = true) => {
    const events = eventsOf({ text: 'hello there', reasoning: 'hm' }).map((event) => change(event as JsonObject));
    const text = events.map((event) => sseOf(event as never)).slice(0, whole ? undefined : -1);
    const body = (async function* () {
      yield Buffer.from(text.join(''));
    })();
    const stream = readResponseStream(body, 'gpt', false);
    await Array.fromAsync(stream).catch(() => undefined);
    return stream.told;
  };
  const { output } = responseOf({ text: 'hello there', reasoning: 'hm' });
  assert.deepEqual(await wholeOf((event) => event), { id: 'resp_1', items: output });
  const bare = await wholeOf((event) =>
    event.type === 'response.completed'
      ? { ...event, response: { ...(event.response as JsonObject), output: [] } }
      : event,
  );
  assert.deepEqual(bare, { id: 'resp_1', items: output });
  assert.equal(await wholeOf((event) => event, false), undefined);
});
