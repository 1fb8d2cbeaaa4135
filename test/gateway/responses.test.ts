/**
 * The surfaces of responses and embeddings over a whole gate, with the SDK that people use: what the agent gets, what the
 * target received, and what the trail says. And that what a provider gave to one task is good in no other.
 */
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import OpenAI, { APIError, BadRequestError, NotFoundError, PermissionDeniedError } from 'openai';
import { part } from '../parts.ts';
import { message, messageReply } from './message.ts';
import { embeddingsReply, post, responseReply } from './responses.ts';
import { World } from './world.ts';

const options = part('opa');
const email = 'anna.schmidt@customer-mail.com';
const thrownBy = (call: Promise<unknown>): Promise<unknown> =>
  call.then(
    () => assert.fail('it was refused'),
    (thrown: unknown) => thrown,
  );

describe('responses and embeddings', options, () => {
  let world: World;
  before(async () => {
    world = await World.open({
      claude: {},
      // Nobody knows how long what a provider keeps is: a request that names it is held at the longest prompt.
      config: { task: { budget: { cost_usd: 20, tokens: 20_000_000 }, taint_seconds: 0 } },
    });
  });
  after(async () => world?.[Symbol.asyncDispose]());
  beforeEach(() => {
    world.model.reply = responseReply();
    world.model.received.length = 0;
  });

  const clientOf = (token: string) => new OpenAI({ apiKey: token, baseURL: `${world.gate.url}/v1`, maxRetries: 0 });
  const received = () => world.model.received.map(({ body }) => JSON.parse(String(body)) as Record<string, unknown>);
  const typesOf = async (query: Record<string, string>) =>
    (await world.events(query)).map(({ type }) => type).filter((type) => type !== 'thought');

  test('a response comes back as the route, is paid by its usage, and is stored nowhere unless asked for', async () => {
    const usage = {
      input_tokens: 30,
      input_tokens_details: { cached_tokens: 10 },
      output_tokens: 20,
      output_tokens_details: { reasoning_tokens: 15 },
      total_tokens: 50,
    };
    world.model.reply = responseReply({ reasoning: 'they greet me', usage });
    const task = await world.task();
    const image = {
      type: 'input_image' as const,
      detail: 'auto' as const,
      image_url: 'data:image/png;base64,iVBORw0KGgo=',
    };
    const input = [{ role: 'user' as const, content: [{ type: 'input_text' as const, text: 'hello' }, image] }];
    const answer = await clientOf(task.token).responses.create({ model: 'gpt', input, reasoning: { effort: 'low' } });
    assert.deepEqual([answer.model, answer.output_text, answer.status], ['gpt', 'hello back', 'completed']);
    assert.equal(world.model.received[0]?.url, '/v1/responses');
    assert.equal(world.model.received[0]?.headers['x-service-key'], 'the-key-of-the-gate');
    const include = ['reasoning.encrypted_content'];
    assert.deepEqual(received(), [{ model: 'gpt-real', input, reasoning: { effort: 'low' }, store: false, include }]);
    const { spent, reserved } = (await world.taskDocument(task)).budget;
    assert.deepEqual([spent.tokens, spent.calls, reserved.tokens], [50, 1, 0]);
    assert.deepEqual(await typesOf({ task: task.id, operation: 'gpt.responses' }), ['intent', 'outcome']);
    const [outcome] = await world.events({ task: task.id, type: 'outcome' });
    assert.deepEqual([outcome?.usage?.input_tokens, outcome?.usage?.output_tokens], [30, 20]);
  });

  test('a tool loop streams: the call that a response proposes is known as its thought', async () => {
    world.model.reply = responseReply({
      text: '',
      calls: [{ id: 'call_7', name: 'orders__get_order', arguments: '{"order_id": "A-1"}' }],
    });
    const task = await world.task();
    const client = clientOf(task.token);
    const tools = [
      { type: 'function' as const, name: 'orders__get_order', parameters: { type: 'object' }, strict: false },
    ];
    const stream = client.responses.stream({ model: 'gpt', input: 'Where is A-1?', tools });
    const seen: string[] = [];
    for await (const { type } of stream) seen.push(type);
    const first = await stream.finalResponse();
    assert.deepEqual([seen[0], seen.at(-1), first.model], ['response.created', 'response.completed', 'gpt']);
    const call = first.output.find(({ type }) => type === 'function_call');
    assert.ok(call?.type === 'function_call' && call.arguments === '{"order_id": "A-1"}');
    const headers = { 'x-tollgate-tool-call-id': call.call_id };
    assert.equal((await world.fetch('/tools/orders/orders/A-1', task.token, { headers })).status, 200);
    const [action] = await world.events({ task: task.id, operation: 'orders.get_order', type: 'outcome' });
    assert.equal(action?.match, 'exact');
    world.model.reply = responseReply({ text: 'It is on its way.' });
    const output = [{ type: 'function_call_output' as const, call_id: call.call_id, output: '{"state":"sent"}' }];
    const second = await client.responses.create({
      model: 'gpt',
      input: [...(first.output as OpenAI.Responses.ResponseInput), ...output],
      tools,
    });
    assert.equal(second.output_text, 'It is on its way.');
  });

  test('errors are of the classes of the SDK, those of the provider too', async () => {
    const denied = await world.task({ labels: { deny: 'gpt.responses' } });
    const refused = await thrownBy(clientOf(denied.token).responses.create({ model: 'gpt', input: 'hi' }));
    assert.ok(refused instanceof PermissionDeniedError);
    assert.equal(refused.code, 'policy_denied');
    assert.deepEqual(
      [received().length, await typesOf({ task: denied.id, operation: 'gpt.responses' })],
      [0, ['denial']],
    );
    const task = await world.task();
    const stored = await thrownBy(clientOf(task.token).responses.retrieve('resp_1'));
    assert.ok(stored instanceof NotFoundError);
    assert.match(stored.message, /not offered/);
    world.model.reply = (_request, response) => {
      const error = { message: 'no such thing', type: 'invalid_request_error', code: 'odd', param: 'x' };
      response.writeHead(400, { 'content-type': 'application/json' }).end(JSON.stringify({ error }));
    };
    const bad = await thrownBy(clientOf(task.token).responses.create({ model: 'gpt', input: 'hi' }));
    assert.ok(bad instanceof BadRequestError);
    assert.equal(bad.code, 'odd');
  });

  test('[inspection.streams-leak-nothing] what the policy redacts is gone wherever a stream repeats it, and counts once', async () => {
    const labels = { oblige_response: JSON.stringify({ redact: [{ type: 'email' }] }) };
    world.model.reply = responseReply({
      ...{ text: `Write to ${email} today.`, reasoning: `They are ${email} I think.` },
      calls: [{ id: 'call_1', name: 'f', arguments: JSON.stringify({ to: `mail ${email} now` }) }],
    });
    for (const stream of [false, true]) {
      const task = await world.task({ labels });
      const text = await (await post(world, task.token, 'responses', { input: 'hi', stream })).text();
      assert.ok(!text.includes('anna.schmidt'), text);
      assert.equal(text.includes('Write to ') || text.includes('"delta":"Write "'), true);
      const [outcome] = await world.events({ task: task.id, type: 'outcome' });
      assert.deepEqual(
        outcome?.findings.map(({ type, count }) => `${type} ${count}`),
        ['email 1', 'email 1', 'email 1'],
      );
    }
  });

  test('a stream that comes to the end of what was reserved is cut with a proper end', async () => {
    world.model.reply = responseReply({ text: 'word '.repeat(400), paceMs: 1 });
    const task = await world.task();
    const stream = clientOf(task.token).responses.stream({ model: 'gpt', input: 'hi', max_output_tokens: 20 });
    const numbers: number[] = [];
    for await (const event of stream) numbers.push(event.sequence_number);
    assert.deepEqual(numbers, [...numbers.keys()]);
    const answer = await stream.finalResponse();
    assert.deepEqual([answer.status, answer.incomplete_details], ['incomplete', { reason: 'max_output_tokens' }]);
    assert.equal((answer as unknown as { tollgate: { code: string } }).tollgate.code, 'task_budget_exhausted');
    assert.match(answer.output_text, /^(word ){15,20}$/);
    assert.equal(received()[0]?.max_output_tokens, 20);
    const { spent, reserved } = (await world.taskDocument(task)).budget;
    assert.ok(spent.tokens >= 20 && reserved.tokens === 0, `${spent.tokens}`);
    const [outcome] = await world.events({ task: task.id, type: 'outcome' });
    assert.equal(outcome?.decision?.reasons[0]?.code, 'task_budget_exhausted');
  });

  test('a stream that is killed, or breaks off, ends with an error that the SDK throws', async () => {
    world.model.reply = responseReply({ text: 'word '.repeat(400), breakAfter: 8, paceMs: 5 });
    const task = await world.task();
    const stream = await clientOf(task.token).responses.create({ model: 'gpt', input: 'hi', stream: true });
    const thrown = await thrownBy(Array.fromAsync(stream));
    assert.ok(thrown instanceof APIError);
    assert.equal(thrown.code, 'upstream_error');
    const text = await (await post(world, task.token, 'responses', { input: 'hi', stream: true })).text();
    const [, last = ''] = /event: error\ndata: (.*)\n\n$/.exec(text) ?? [];
    const { type, sequence_number, code, error } = JSON.parse(last) as Record<string, unknown> & {
      error: { code: string };
    };
    assert.deepEqual([type, sequence_number, code, error.code], ['error', 8, 'upstream_error', 'upstream_error']);
  });

  test('[wire.provider-ids-bound] what a provider keeps for one task is named by no other, and only where it lies', async () => {
    world.model.reply = responseReply({ id: 'resp_of_one' });
    const one = await world.task({ budget: { tokens: 3000 } });
    const store = { input: 'remember this', store: true };
    assert.equal((await post(world, one.token, 'responses', store)).status, 200);
    const next = { input: 'and now?', previous_response_id: 'resp_of_one', store: true };
    assert.equal((await post(world, one.token, 'responses', next)).status, 200);
    assert.equal(received().at(-1)?.previous_response_id, 'resp_of_one');
    // Held for it was what the provider had counted, and not the longest prompt there is.
    const { remaining } = (await world.taskDocument(one)).budget;
    assert.ok(remaining.tokens > 0 && remaining.tokens < 3000, `${remaining.tokens}`);
    const items = { input: [{ type: 'item_reference', id: 'msg_1' }], store: true, stream: true };
    assert.equal((await post(world, one.token, 'responses', items)).status, 200);
    world.model.received.length = 0;
    const other = await world.task();
    const child = await world.task();
    for (const [task, body] of [
      [other, next],
      [child, { input: [{ id: 'msg_1' }] }],
      [one, { input: 'x', previous_response_id: 'resp_unheard_of' }],
      [other, { input: 'x', tools: [{ type: 'code_interpreter', container: 'cntr_1' }] }],
    ] as const) {
      const response = await post(world, task.token, 'responses', body);
      const { error } = (await response.json()) as { error: { code: string; reasons: { code: string }[] } };
      assert.deepEqual(
        [response.status, error.code, error.reasons[0]?.code],
        [403, 'policy_denied', 'provider_id_foreign'],
      );
      const denials = await world.events({ task: task.id, type: 'denial' });
      assert.ok(denials.at(-1)?.decision?.reasons.some(({ code }) => code === 'provider_id_foreign'));
    }
    assert.equal(received().length, 0);
  });

  test('an answer that is not kept gives no ids, but for containers and files, whole or streamed', async () => {
    const container = {
      id: 'ci_1',
      type: 'code_interpreter_call',
      code: '1',
      container_id: 'cntr_9',
      outputs: [],
      status: 'completed',
    };
    world.model.reply = responseReply({ items: [container] });
    for (const stream of [false, true]) {
      const task = await world.task();
      await (await post(world, task.token, 'responses', { input: 'hi', store: false, stream })).text();
      const chained = await post(world, task.token, 'responses', { input: 'x', previous_response_id: 'resp_1' });
      assert.equal(chained.status, 403);
      const again = { input: 'x', tools: [{ type: 'code_interpreter', container: 'cntr_9' }] };
      assert.equal((await post(world, task.token, 'responses', again)).status, 200);
      const messages = await message(world, task.token, { container: 'cntr_9' });
      const { error } = (await messages.json()) as { error: { code: string } };
      assert.deepEqual(
        [messages.status, error.code],
        [403, 'residency_violation'],
        'it lies at a target of another route',
      );
    }
  });

  test('containers of messages, and files and spoken answers of chats, are bound in the same way', async () => {
    for (const stream of [false, true]) {
      world.model.reply = messageReply({ container: 'container_1' });
      const [one, other] = [await world.task(), await world.task()];
      await (await message(world, one.token, { stream })).text();
      assert.equal((await message(world, one.token, { container: { id: 'container_1' } })).status, 200);
      world.model.received.length = 0;
      const file = { type: 'document', source: { type: 'file', file_id: 'file_1' } };
      const spoken = { role: 'assistant', audio: { id: 'audio_1' } };
      for (const refused of [
        await message(world, other.token, { container: 'container_1' }),
        await message(world, one.token, { messages: [{ role: 'user', content: [file] }] }),
        await world.chat(one.token, { messages: [spoken, { role: 'user', content: 'go on' }] }),
        await world.chat(one.token, {
          messages: [{ role: 'user', content: [{ type: 'file', file: { file_id: 'file-1' } }] }],
        }),
      ]) {
        const { error } = (await refused.json()) as { error: { reasons: { code: string }[] } };
        assert.deepEqual([refused.status, error.reasons[0]?.code], [403, 'provider_id_foreign']);
      }
      assert.equal(world.model.received.length, 0);
    }
  });

  test('a spoken answer of a chat can be named in the task that got it, whole or streamed', async () => {
    const audio = { id: 'audio_7', transcript: 'hello', data: '', expires_at: 1 };
    for (const stream of [false, true]) {
      world.model.reply = (_request, response, body) => {
        const streams = (JSON.parse(String(body)) as { stream?: boolean }).stream === true;
        const said = { role: 'assistant', content: null, audio };
        const choice = { index: 0, finish_reason: 'stop', ...(streams ? { delta: said } : { message: said }) };
        const text = JSON.stringify({ id: 'c', object: 'x', created: 1, model: 'gpt-real', choices: [choice] });
        response.writeHead(200, { 'content-type': streams ? 'text/event-stream' : 'application/json' });
        response.end(streams ? `data: ${text}\n\ndata: [DONE]\n\n` : text);
      };
      const task = await world.task();
      const messages = [
        { role: 'assistant', audio: { id: 'audio_7' } },
        { role: 'user', content: 'go on' },
      ];
      assert.equal((await world.chat(task.token, { messages })).status, 403);
      await (await world.chat(task.token, { stream })).text();
      assert.equal((await world.chat(task.token, { messages })).status, 200);
    }
  });

  test('embeddings of the SDK come as they are, and are paid by their prompt', async () => {
    world.model.reply = embeddingsReply;
    const task = await world.task();
    const answer = await clientOf(task.token).embeddings.create({ model: 'gpt', input: ['one', 'two'] });
    assert.deepEqual(
      [answer.model, answer.data.length, answer.data[0]?.embedding[0], answer.usage.prompt_tokens],
      ['gpt', 2, 0.25, 14],
    );
    assert.deepEqual([world.model.received[0]?.url, received()[0]?.encoding_format], ['/v1/embeddings', 'base64']);
    const raw = await (await post(world, task.token, 'embeddings', { input: 'x' })).text();
    assert.ok(raw.includes('[0.25,-0.0012345678901234567]'), raw);
    const { spent, reserved } = (await world.taskDocument(task)).budget;
    assert.deepEqual([spent.tokens, spent.calls, reserved.tokens], [21, 2, 0]);
    assert.deepEqual(await typesOf({ task: task.id, operation: 'gpt.embeddings' }), [
      'intent',
      'outcome',
      'intent',
      'outcome',
    ]);
    const redact = await world.task({ labels: { oblige: JSON.stringify({ redact: [{ type: 'email' }] }) } });
    await post(world, redact.token, 'embeddings', { input: [`about ${email}`] });
    assert.ok(!String(world.model.received.at(-1)?.body).includes(email));
    const claude = await post(world, task.token, 'embeddings', { model: 'claude', input: 'x' });
    assert.equal(claude.status, 404);
  });
});
