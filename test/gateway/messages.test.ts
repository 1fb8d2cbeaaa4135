/** The messages surface over a whole gate: what the agent gets, what the target received, and what the trail says. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { part } from '../parts.ts';
import { ask, message, messageReply } from './message.ts';
import { World } from './world.ts';

const options = part('opa');
const email = 'anna.schmidt@customer-mail.com';

describe('messages', options, () => {
  let world: World;
  before(async () => {
    world = await World.open({ claude: {} });
  });
  after(async () => world?.[Symbol.asyncDispose]());
  beforeEach(() => {
    world.model.reply = messageReply();
    world.model.received.length = 0;
  });

  const typesOf = async (query: Record<string, string>) => (await world.events(query)).map(({ type }) => type);

  test('a message reaches its target with the credential of the gate, and comes back as the route', async () => {
    const task = await world.task();
    const response = await message(world, task.token);
    assert.equal(response.status, 200);
    const answer = (await response.json()) as { model: string; content: { text: string }[] };
    assert.deepEqual([answer.model, answer.content[0]?.text], ['claude', 'hello back']);
    assert.equal(response.headers.get('request-id'), response.headers.get('x-request-id'));
    const [got] = world.model.received;
    assert.equal(`${got?.method} ${got?.url}`, 'POST /v1/messages');
    assert.deepEqual(JSON.parse(String(got?.body)), { ...ask, model: 'claude-real' });
    assert.deepEqual(
      [got?.headers['x-service-key'], got?.headers['anthropic-version'], got?.headers['x-api-key']],
      ['the-key-of-the-gate', '2023-06-01', undefined],
    );
    assert.ok(!JSON.stringify(got?.headers).includes(task.token));
    const events = await world.events({ task: task.id, operation: 'claude.messages' });
    assert.deepEqual(
      events.map(({ type }) => type).filter((type) => type !== 'thought'),
      ['intent', 'outcome'],
    );
  });

  test('usage settles with what was cached and written to the cache, whole and as a stream', async () => {
    const usage = {
      input_tokens: 10,
      cache_creation_input_tokens: 20,
      cache_read_input_tokens: 30,
      output_tokens: 5,
    };
    for (const stream of [false, true]) {
      world.model.reply = messageReply({ usage });
      const task = await world.task();
      await (await message(world, task.token, { stream })).text();
      const { spent, reserved } = (await world.taskDocument(task)).budget;
      assert.deepEqual([spent.tokens, spent.calls, reserved.tokens], [65, 1, 0]);
      const [outcome] = await world.events({ task: task.id, type: 'outcome' });
      assert.deepEqual(outcome?.usage, {
        ...{ input_tokens: 60, output_tokens: 5, cached_input_tokens: 30 },
        ...{ cache_write_tokens: 20, cache_write_1h_tokens: 20 },
      });
    }
  });

  test('without usage, and where a stream breaks, the upper bound is charged', async () => {
    const scripts = [
      { script: { usage: null }, stream: false },
      { script: { usage: null }, stream: true },
      { script: { text: 'a b c d', breakAfter: 5, paceMs: 10 }, stream: true },
    ];
    for (const { script, stream } of scripts) {
      world.model.reply = messageReply(script);
      const task = await world.task();
      const text = await (await message(world, task.token, { stream })).text();
      const { spent, reserved } = (await world.taskDocument(task)).budget;
      assert.ok(spent.tokens > 100, `${spent.tokens} tokens`);
      assert.deepEqual([spent.calls, reserved.tokens], [1, 0]);
      if ('breakAfter' in script)
        assert.match(text, /event: error\ndata: .*"type":"api_error".*"code":"upstream_error"/);
    }
  });

  test('a count costs nothing but a call, and nothing is held for it', async () => {
    const task = await world.task({ budget: { tokens: 1 } });
    const response = await message(world, task.token, { max_tokens: undefined }, '/v1/messages/count_tokens');
    assert.deepEqual([response.status, await response.json()], [200, { input_tokens: 42 }]);
    assert.equal(world.model.received[0]?.url, '/v1/messages/count_tokens');
    assert.deepEqual(JSON.parse(String(world.model.received[0]?.body)).model, 'claude-real');
    const { spent } = (await world.taskDocument(task)).budget;
    assert.deepEqual([spent.tokens, spent.cost_usd, spent.calls], [0, 0, 1]);
    assert.deepEqual(await typesOf({ task: task.id, operation: 'claude.count_tokens' }), ['intent', 'outcome']);
    const message402 = await message(world, task.token);
    assert.equal(message402.status, 402);
    assert.equal(world.model.received.length, 1);
  });

  test('a count is judged as what it is, and carries out no more than a message would', async () => {
    const denied = await world.task({ labels: { deny: 'claude.count_tokens' } });
    const path = '/v1/messages/count_tokens';
    assert.equal((await message(world, denied.token, {}, path)).status, 403);
    assert.equal(world.model.received.length, 0);
    assert.equal((await message(world, denied.token)).status, 200);
    world.model.received.length = 0;
    const task = await world.task({ labels: { oblige: JSON.stringify({ redact: [{ type: 'email' }] }) } });
    const prompt = { messages: [{ role: 'user', content: `Write to ${email}` }] };
    assert.equal((await message(world, task.token, prompt, path)).status, 200);
    assert.ok(!String(world.model.received[0]?.body).includes(email));
  });

  test('[inspection.streams-leak-nothing] what the policy redacts is gone from text, thinking and input of a stream', async () => {
    const redact = { oblige_response: JSON.stringify({ redact: [{ type: 'email' }] }) };
    const script = {
      thinking: `They are ${email} I think.`,
      text: `Write to ${email} today.`,
      toolUses: [{ id: 'toolu_1', name: 'orders__get_order', input: { order_id: `for ${email} now` } }],
    };
    for (const stream of [false, true]) {
      world.model.reply = messageReply(script);
      const task = await world.task({ labels: redact });
      const text = await (await message(world, task.token, { stream })).text();
      assert.ok(!text.includes(email) && !text.includes('anna.schmidt'), text);
      assert.match(text, /Write/);
      if (stream) assert.match(text, /event: message_stop\ndata: \{"type":"message_stop"\}\n\n$/);
      const [outcome] = await world.events({ task: task.id, type: 'outcome' });
      assert.equal(outcome?.status, 200);
    }
  });

  test('a stream that comes to the end of what was reserved is cut with a proper end', async () => {
    world.model.reply = messageReply({ text: 'word '.repeat(400), paceMs: 1 });
    const task = await world.task();
    const text = await (await message(world, task.token, { stream: true, max_tokens: 20 })).text();
    const events = [...text.matchAll(/^data: (.*)$/gm)].map(([, data = '']) => JSON.parse(data) as { type: string });
    assert.deepEqual(
      events.slice(-3).map(({ type }) => type),
      ['content_block_stop', 'message_delta', 'message_stop'],
    );
    const delta = events.at(-2) as unknown as {
      delta: object;
      tollgate: { code: string };
      usage: { output_tokens: number };
    };
    assert.deepEqual(delta.delta, { stop_reason: 'max_tokens', stop_sequence: null });
    assert.equal(delta.tollgate.code, 'task_budget_exhausted');
    assert.ok(delta.usage.output_tokens >= 20);
    assert.ok(events.filter(({ type }) => type === 'content_block_delta').length <= 20);
    const [outcome] = await world.events({ task: task.id, type: 'outcome' });
    assert.equal(outcome?.decision?.reasons[0]?.code, 'task_budget_exhausted');
  });

  test('the policy lowers the limit, and thinking with it', async () => {
    const oblige = JSON.stringify({ max_tokens: { value: 30, on_excess: 'lower' } });
    const task = await world.task({ labels: { oblige } });
    const thinking = { type: 'enabled', budget_tokens: 2000 };
    assert.equal((await message(world, task.token, { max_tokens: 900, thinking })).status, 200);
    const sent = JSON.parse(String(world.model.received[0]?.body));
    assert.deepEqual([sent.max_tokens, sent.thinking], [30, { type: 'disabled' }]);
  });

  test('an action is linked to the thought that proposed it, whole and as a stream', async () => {
    const toolUses = [{ id: 'toolu_x', name: 'orders__get_order', input: { order_id: 'O-9' } }];
    for (const stream of [false, true]) {
      world.model.reply = messageReply({ toolUses });
      const task = await world.task();
      await (await message(world, task.token, { stream })).text();
      const headers = { 'x-tollgate-tool-call-id': 'toolu_x' };
      assert.equal((await world.fetch('/tools/orders/orders/O-9', task.token, { headers })).status, 200);
      const [intent] = await world.events({ task: task.id, operation: 'orders.get_order', type: 'intent' });
      assert.equal(intent?.match, 'exact');
    }
  });

  test('what the provider answers in error passes as it is, and is not billed', async () => {
    const error = '{"type":"error","error":{"type":"invalid_request_error","message":"no"},"request_id":"req_up"}';
    world.model.reply = (_request, response) =>
      void response.writeHead(400, { 'content-type': 'application/json' }).end(error);
    const task = await world.task();
    const response = await message(world, task.token);
    assert.deepEqual([response.status, await response.text()], [400, error]);
    assert.equal((await world.taskDocument(task)).budget.spent.tokens, 0);
  });

  test('a route is counted with where a target counts, and says what there is elsewhere', async () => {
    const task = await world.task();
    const wrong = await message(world, task.token, { model: 'gpt' }, '/v1/messages/count_tokens');
    const body = (await wrong.json()) as {
      error: { type: string; code: string; allowed: string[] };
      request_id: string;
    };
    assert.deepEqual([wrong.status, body.error.type, body.error.code], [404, 'not_found_error', 'operation_unknown']);
    assert.ok(body.error.allowed.includes('gpt.chat') && body.error.allowed.includes('gpt.messages'));
    assert.equal(body.request_id, wrong.headers.get('request-id'));
    assert.equal(world.model.received.length, 0);
  });

  test('two different credentials, and requests that cannot be read, are refused in the shape of the surface', async () => {
    const task = await world.task();
    const send = (headers: Record<string, string>, body: string) =>
      fetch(`${world.gate.url}/v1/messages`, { method: 'POST', headers, body });
    const type = { 'content-type': 'application/json' };
    const two = await send({ ...type, 'x-api-key': task.token, authorization: 'Bearer other' }, JSON.stringify(ask));
    const broken = await send({ ...type, 'x-api-key': task.token }, '{"model":');
    for (const [response, status, kind] of [
      [two, 401, 'authentication_error'],
      [broken, 400, 'invalid_request_error'],
    ] as const) {
      const body = (await response.json()) as { type: string; error: { type: string }; request_id: string };
      assert.deepEqual([response.status, body.type, body.error.type], [status, 'error', kind]);
      assert.equal(body.request_id, response.headers.get('request-id'));
    }
    assert.equal(world.model.received.length, 0);
  });

  test('the list of models is that of the client, and holds what its task may call', async () => {
    const list = async (token: string, headers: Record<string, string> = {}) => {
      const response = await world.fetch('/v1/models', token, { headers });
      return ((await response.json()) as { data: { id: string }[] }).data.map(({ id }) => id);
    };
    const version = { 'anthropic-version': '2023-06-01' };
    const { token } = await world.task();
    const both = ['gpt', 'claude'];
    assert.deepEqual([await list(token), await list(token, version)], [both, both]);
    const narrow = await world.task({ tools: ['gpt.chat', 'claude.count_tokens'] });
    assert.deepEqual([await list(narrow.token), await list(narrow.token, version)], [['gpt'], ['claude']]);
    const refused = await world.fetch('/v1/models', 'nonsense', { headers: version });
    assert.equal(((await refused.json()) as { error: { type: string } }).error.type, 'authentication_error');
    assert.ok(refused.headers.get('request-id'));
  });
});
