/** Clients of either SDK on targets of either API, and routes that have both: answers, what was received, the trail. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import Anthropic, { RateLimitError, UnprocessableEntityError } from '@anthropic-ai/sdk';
import OpenAI, { BadRequestError, InternalServerError } from 'openai';
import { FakeUpstream, type Reply } from '../fakes/upstream.ts';
import { part } from '../parts.ts';
import { type ChatScript, chatReply } from './chat.ts';
import { type MessageScript, message, messageReply } from './message.ts';
import { type OpenedTask, World } from './world.ts';

const options = part('opa');
const email = 'anna.schmidt@customer-mail.com';
const json = { 'content-type': 'application/json' };
const png = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';

/** A model that speaks both APIs, and says the same in both. */
function bothReply(chat: ChatScript = {}, other: MessageScript = {}): Reply {
  const replies = { chat: chatReply(chat), message: messageReply(other) };
  return (request, response, body) =>
    replies[request.url?.startsWith('/v1/messages') ? 'message' : 'chat'](request, response, body);
}

describe('routes of both APIs', options, () => {
  let world: World;
  let model: FakeUpstream;
  before(async () => {
    model = await FakeUpstream.open();
    const place = { cloud: 'azure', region: 'westeurope', max_output_tokens: 1000 };
    const price = { input_usd_per_mtok: 1, output_usd_per_mtok: 2 };
    const dear = { input_usd_per_mtok: 300, output_usd_per_mtok: 600 };
    const ofChat = { ...place, name: 'chat', provider: 'openai', model: 'gpt-real', url: `${model.url}/v1`, price };
    const ofMessages = {
      ...place,
      name: 'messages',
      provider: 'anthropic',
      model: 'claude-real',
      url: model.url,
      price,
    };
    const dead = { ...ofChat, url: 'http://127.0.0.1:1/v1', timeout_ms: { connect: 500 } };
    const route = (name: string, ...targets: readonly object[]) => ({ name, kind: 'model', targets });
    world = await World.open({
      config: {
        routes: [
          route('gpt', ofChat),
          route('claude', ofMessages),
          route('both', ofChat, { ...ofMessages, weight: 0, price: dear }),
          route('failing', dead, {
            ...ofMessages,
            weight: 0,
            price: { input_usd_per_mtok: 3, output_usd_per_mtok: 7 },
          }),
        ],
      },
    });
  });
  after(async () => {
    await world?.[Symbol.asyncDispose]();
    await model?.[Symbol.asyncDispose]();
  });
  beforeEach(() => {
    model.reply = bothReply();
    model.received.length = 0;
  });

  const openai = ({ token }: OpenedTask) =>
    new OpenAI({ apiKey: token, baseURL: `${world.gate.url}/v1`, maxRetries: 0 });
  const anthropic = ({ token }: OpenedTask) => new Anthropic({ apiKey: token, baseURL: world.gate.url, maxRetries: 0 });
  const sent = (index = 0) => JSON.parse(String(model.received[index]?.body));
  const outcomeOf = async ({ id }: OpenedTask) => (await world.events({ task: id, type: 'outcome' })).at(-1);
  const failure = (promise: Promise<unknown>): Promise<unknown> =>
    promise.then(
      () => assert.fail('it was refused'),
      (thrown: unknown) => thrown,
    );
  const said = { model: 'claude', max_tokens: 60, messages: [{ role: 'user' as const, content: 'hello' }] };
  const asked = { ...said, model: 'gpt' };

  test('[route.apis-translated] the openai SDK goes through a loop of tools on a target of messages, with an image', async () => {
    const toolUses = [{ id: 'toolu_1', name: 'get_order', input: { order_id: 'O-1' } }];
    const usage = { input_tokens: 10, cache_read_input_tokens: 30, output_tokens: 5 };
    model.reply = bothReply({}, { thinking: 'look it up', text: 'let me look', toolUses, usage });
    const task = await world.task();
    const url = `data:image/png;base64,${png}`;
    const messages: OpenAI.ChatCompletionMessageParam[] = [
      { role: 'system', content: 'Be brief.' },
      {
        role: 'user',
        content: [
          { type: 'image_url', image_url: { url } },
          { type: 'text', text: 'Where is it?' },
        ],
      },
    ];
    const tools = [{ type: 'function' as const, function: { name: 'get_order', parameters: { type: 'object' } } }];
    const first = await openai(task).chat.completions.create({ model: 'claude', messages, tools });
    const [choice] = first.choices;
    assert.deepEqual(
      [first.model, choice?.finish_reason, choice?.message.content],
      ['claude', 'tool_calls', 'let me look'],
    );
    assert.deepEqual([first.usage?.prompt_tokens, first.usage?.prompt_tokens_details?.cached_tokens], [40, 30]);
    const call = choice?.message.tool_calls?.[0] as OpenAI.ChatCompletionMessageFunctionToolCall;
    assert.deepEqual([call.id, call.function], ['toolu_1', { name: 'get_order', arguments: '{"order_id":"O-1"}' }]);
    const got = model.received[0];
    assert.deepEqual(
      [got?.url, got?.headers['anthropic-version'], sent().model, sent().max_tokens],
      ['/v1/messages', '2023-06-01', 'claude-real', 1000],
    );
    assert.deepEqual(sent().messages[0].content[0].source, { type: 'base64', media_type: 'image/png', data: png });

    model.reply = bothReply({}, { text: 'It is shipped.' });
    const again = [...messages, choice?.message as OpenAI.ChatCompletionMessageParam];
    again.push({ role: 'tool', tool_call_id: call.id, content: 'shipped' });
    const stream = openai(task).chat.completions.stream({ model: 'claude', messages: again, tools });
    assert.equal(await stream.finalContent(), 'It is shipped.');
    const result = { type: 'tool_result', tool_use_id: 'toolu_1', content: [{ type: 'text', text: 'shipped' }] };
    assert.deepEqual(sent(1).messages.at(-1), { role: 'user', content: [result] });
    const { spent, reserved } = (await world.taskDocument(task)).budget;
    assert.deepEqual([spent.tokens, spent.calls, reserved.tokens], [45 + 15, 2, 0]);
    const outcome = await outcomeOf(task);
    assert.deepEqual([outcome?.operation, outcome?.target?.name, outcome?.status], ['claude.chat', 'messages', 200]);
  });

  test('[route.apis-translated] the Anthropic SDK goes through a loop of tools on a target of chat, with an image', async () => {
    const toolCalls = [{ id: 'call_1', name: 'get_order', arguments: '{"order_id":"O-1"}' }];
    model.reply = bothReply({ text: 'let me look', toolCalls });
    const task = await world.task();
    const source = { type: 'base64' as const, media_type: 'image/png' as const, data: png };
    const messages: Anthropic.MessageParam[] = [
      {
        role: 'user',
        content: [
          { type: 'image', source },
          { type: 'text', text: 'Where is it?' },
        ],
      },
    ];
    const tools = [{ name: 'get_order', input_schema: { type: 'object' as const } }];
    const rest = { model: 'gpt', max_tokens: 60, system: 'Be brief.', tools };
    const first = await anthropic(task).messages.create({ ...rest, messages });
    assert.deepEqual([first.model, first.stop_reason, first.usage.input_tokens], ['gpt', 'tool_use', 10]);
    const use = first.content.find(({ type }) => type === 'tool_use');
    assert.deepEqual(use, { type: 'tool_use', id: 'call_1', name: 'get_order', input: { order_id: 'O-1' } });
    assert.deepEqual(
      [model.received[0]?.url, sent().model, sent().max_completion_tokens, sent().messages[0]],
      ['/v1/chat/completions', 'gpt-real', 60, { role: 'system', content: 'Be brief.' }],
    );
    assert.equal(sent().messages[1].content[0].image_url.url, `data:image/png;base64,${png}`);

    const result = { type: 'tool_result' as const, tool_use_id: 'call_1', content: 'no such order', is_error: true };
    const again: Anthropic.MessageParam[] = [
      ...messages,
      { role: 'assistant', content: first.content },
      { role: 'user', content: [result] },
    ];
    const stream = anthropic(task).messages.stream({ ...rest, messages: again });
    const last = await stream.finalMessage();
    assert.deepEqual([last.model, last.stop_reason, last.usage.output_tokens], ['gpt', 'tool_use', 5]);
    assert.deepEqual(
      last.content.map((block) => (block.type === 'text' ? block.text : block.type === 'tool_use' && block.input)),
      ['let me look', { order_id: 'O-1' }],
    );
    assert.deepEqual(sent(1).messages.slice(-1), [
      { role: 'tool', tool_call_id: 'call_1', content: 'Error: no such order' },
    ]);
    assert.deepEqual(sent(1).stream_options, { include_usage: true });
    const { spent, reserved } = (await world.taskDocument(task)).budget;
    assert.deepEqual([spent.tokens, spent.calls, reserved.tokens], [30, 2, 0]);
    const outcome = await outcomeOf(task);
    assert.deepEqual([outcome?.operation, outcome?.target?.name, outcome?.status], ['gpt.messages', 'chat', 200]);
  });

  test('a target that is away is followed by one of the other API, and its price is what is charged', async () => {
    for (const stream of [false, true]) {
      const task = await world.task();
      const response = await world.chat(task.token, { model: 'failing', stream });
      assert.equal(response.status, 200);
      assert.match(await response.text(), /hello/);
      const { spent, reserved } = (await world.taskDocument(task)).budget;
      assert.deepEqual([spent.tokens, spent.cost_usd, reserved.cost_usd], [15, (10 * 3 + 5 * 7) / 1e6, 0]);
      const outcome = await outcomeOf(task);
      assert.deepEqual(
        [outcome?.target?.name, outcome?.attempts?.map(({ target, sent: left }) => [target, left])],
        [
          'messages',
          [
            ['chat', false],
            ['messages', true],
          ],
        ],
      );
    }
  });

  test('[route.unfit-is-named] what no target of a route can be asked for is named, and nothing is sent', async () => {
    const task = await world.task();
    const chat = openai(task).chat.completions.create({ ...said, seed: 7, temperature: 1.7 });
    const refused = (await failure(chat)) as InstanceType<typeof UnprocessableEntityError>;
    const error = refused.error as { code: string; reasons: { path: string }[] };
    assert.deepEqual([refused.status, error.code], [422, 'args_invalid']);
    assert.deepEqual(
      error.reasons.map(({ path }) => path),
      ['/seed', '/temperature'],
    );
    const thinking = { type: 'enabled' as const, budget_tokens: 1024 };
    const thrown = await failure(anthropic(task).messages.create({ ...asked, max_tokens: 2000, thinking }));
    assert.ok(thrown instanceof UnprocessableEntityError);
    assert.match(thrown.message, /\/thinking/);
    assert.equal(model.received.length, 0);
    const denied = await world.events({ task: task.id, type: 'denial' });
    const reasons = denied.map(({ decision }) =>
      decision?.reasons.map(({ code, path = '' }) => `${code} ${path}`.trim()),
    );
    assert.deepEqual(reasons, [
      ['args_invalid', 'unfit /seed', 'unfit /temperature'],
      ['args_invalid', 'unfit /thinking'],
    ]);
    assert.equal((await world.taskDocument(task)).budget.reserved.tokens, 0);
  });

  test('[route.unfit-is-named] of a route with both only those that fit are reckoned with, and tried', async () => {
    // What the dear one could cost would not fit: it is not reckoned with where it cannot be asked.
    const task = await world.task({ budget: { cost_usd: 0.01 } });
    const fits = await world.chat(task.token, { model: 'both', seed: 7 });
    assert.equal(fits.status, 200);
    assert.equal(model.received[0]?.url, '/v1/chat/completions');
    assert.equal((await world.chat(task.token, { model: 'both' })).status, 402);
    const other = await world.task();
    const thinking = { type: 'enabled' as const, budget_tokens: 1024 };
    const answer = await anthropic(other).messages.create({ ...asked, model: 'both', max_tokens: 1100, thinking });
    assert.equal(answer.model, 'both');
    assert.equal(model.received.at(-1)?.url, '/v1/messages');
    assert.equal(model.received.length, 2);
  });

  test('an error of a target is one of the surface, with the class of its status', async () => {
    const task = await world.task();
    const error =
      '{"type":"error","error":{"type":"invalid_request_error","message":"too long"},"request_id":"req_up"}';
    model.reply = (_request, response) => void response.writeHead(400, json).end(error);
    const refused = await failure(openai(task).chat.completions.create(said));
    assert.ok(refused instanceof BadRequestError);
    assert.deepEqual(refused.error, {
      message: 'too long',
      type: 'invalid_request_error',
      param: null,
      code: 'invalid_request_error',
    });
    model.reply = (_request, response) =>
      void response
        .writeHead(429, json)
        .end('{"error":{"message":"slow down","type":"requests","code":"rate_limit_exceeded"}}');
    const limited = await failure(anthropic(task).messages.create(asked));
    assert.ok(limited instanceof RateLimitError);
    assert.match(limited.message, /slow down/);
    model.reply = (_request, response) => void response.writeHead(200, json).end('{"type":"message"}');
    const nonsense = await failure(openai(task).chat.completions.create(said));
    assert.ok(nonsense instanceof InternalServerError);
    assert.equal((nonsense.error as { code: string }).code, 'upstream_error');
  });

  test('[inspection.streams-leak-nothing] what the policy redacts is gone from translated streams', async () => {
    const labels = { oblige_response: JSON.stringify({ redact: [{ type: 'email' }] }) };
    const spoken = { text: `Write to ${email} today.` };
    model.reply = bothReply(spoken, { ...spoken, thinking: `They are ${email} I think.` });
    for (const stream of [false, true]) {
      const task = await world.task({ labels });
      const chat = await (await world.chat(task.token, { model: 'claude', stream })).text();
      const events = await (await message(world, task.token, { model: 'gpt', stream })).text();
      for (const text of [chat, events]) {
        assert.ok(!text.includes(email) && !text.includes('anna.schmidt'), text);
        assert.match(text, /Write/);
      }
      assert.equal((await outcomeOf(task))?.status, 200);
    }
    assert.equal(model.received.length, 4);
  });

  test('a translated stream that comes to the end of what was reserved is cut as its client knows it', async () => {
    const long = { text: 'word '.repeat(300), paceMs: 1 };
    model.reply = bothReply(long, long);
    const task = await world.task();
    const chat = await (await world.chat(task.token, { model: 'claude', max_tokens: 20, stream: true })).text();
    assert.match(chat, /"finish_reason":"length".*"code":"task_budget_exhausted"[\s\S]*data: \[DONE\]\n\n$/);
    const stream = await anthropic(task).messages.create({ ...asked, max_tokens: 20, stream: true });
    const events = await Array.fromAsync(stream);
    assert.deepEqual(
      events.slice(-3).map(({ type }) => type),
      ['content_block_stop', 'message_delta', 'message_stop'],
    );
    assert.ok(events.length < 40, `${events.length} events`);
    const outcome = await outcomeOf(task);
    assert.equal(outcome?.decision?.reasons[0]?.code, 'task_budget_exhausted');
  });

  test('without a count the upper bound is charged, whole and as a stream, whichever way it is translated', async () => {
    model.reply = bothReply({ usage: null }, { usage: null });
    for (const stream of [false, true]) {
      const task = await world.task();
      await (await world.chat(task.token, { model: 'claude', stream })).text();
      const between = (await world.taskDocument(task)).budget.spent.tokens;
      await (await message(world, task.token, { model: 'gpt', max_tokens: 60, stream })).text();
      const { spent, reserved } = (await world.taskDocument(task)).budget;
      assert.ok(between > 50 && spent.tokens - between > 60, `${between} of ${spent.tokens} tokens`);
      assert.deepEqual([spent.calls, reserved.tokens], [2, 0]);
    }
  });

  test('both SDKs list every route that the task may call, and only targets that count are asked for a count', async () => {
    const task = await world.task();
    const all = ['gpt', 'claude', 'both', 'failing'];
    assert.deepEqual(
      (await openai(task).models.list()).data.map(({ id }) => id),
      all,
    );
    assert.deepEqual(
      (await anthropic(task).models.list()).data.map(({ id }) => id),
      all,
    );
    const narrow = await world.task({ tools: ['claude.chat', 'gpt.messages'] });
    assert.deepEqual(
      (await openai(narrow).models.list()).data.map(({ id }) => id),
      ['claude'],
    );
    assert.deepEqual(
      (await anthropic(narrow).models.list()).data.map(({ id }) => id),
      ['gpt'],
    );
    const prompt = { messages: said.messages };
    assert.equal((await anthropic(task).messages.countTokens({ ...prompt, model: 'both' })).input_tokens, 42);
    assert.equal(model.received[0]?.url, '/v1/messages/count_tokens');
    const none = await failure(anthropic(task).messages.countTokens({ ...prompt, model: 'gpt' }));
    assert.match(String(none), /operation_unknown|does not take/);
    assert.equal(model.received.length, 1);
  });
});
