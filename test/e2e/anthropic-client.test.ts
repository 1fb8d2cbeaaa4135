/** The Anthropic SDK, unchanged but for base URL and key, against a whole gate. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import Anthropic, {
  APIConnectionError,
  APIError,
  AuthenticationError,
  NotFoundError,
  PaymentRequiredError,
  PermissionDeniedError,
  RateLimitError,
  UnprocessableEntityError,
} from '@anthropic-ai/sdk';
import { ask, messageReply } from '../gateway/message.ts';
import { World } from '../gateway/world.ts';
import { part } from '../parts.ts';

const options = part('opa');
const toolUses = [{ id: 'toolu_s', name: 'orders__get_order', input: { order_id: 'O-1' } }];
const tools = [
  {
    name: 'orders__get_order',
    input_schema: { type: 'object' as const, properties: { order_id: { type: 'string' } } },
  },
];

describe('the Anthropic SDK', options, () => {
  let world: World;
  before(async () => {
    world = await World.open({ claude: {} });
  });
  after(async () => world?.[Symbol.asyncDispose]());
  beforeEach(() => {
    world.model.reply = messageReply();
    world.model.received.length = 0;
  });

  const clientOf = (apiKey: string) => new Anthropic({ apiKey, baseURL: world.gate.url, maxRetries: 2 });
  const failure = (promise: Promise<unknown>): Promise<unknown> =>
    promise.then(
      () => assert.fail('it was refused'),
      (thrown: unknown) => thrown,
    );

  test('gets a message, and the target never sees the key of the SDK', async () => {
    const task = await world.task();
    const { data, response, request_id } = await clientOf(task.token).messages.create(ask).withResponse();
    assert.equal(data.model, 'claude');
    assert.deepEqual(
      data.content.map((block) => block.type === 'text' && block.text),
      ['hello back'],
    );
    assert.equal(request_id, response.headers.get('x-request-id'));
    assert.equal(response.headers.get('x-tollgate-task-id'), task.id);
    const [got] = world.model.received;
    assert.equal(got?.headers['x-service-key'], 'the-key-of-the-gate');
    assert.match(String(got?.headers['anthropic-version']), /^\d{4}-\d\d-\d\d$/);
    assert.ok(!JSON.stringify(got?.headers).includes(task.token));
    assert.ok(!Object.keys(got?.headers ?? {}).some((name) => name.startsWith('x-stainless')));
  });

  test('may show its token as a bearer, too', async () => {
    const { token } = await world.task();
    const client = new Anthropic({ apiKey: null, authToken: token, baseURL: world.gate.url });
    assert.equal((await client.messages.create(ask)).model, 'claude');
  });

  test('streams thinking, text and tool calls through a loop that the gate remembers', async () => {
    const task = await world.task();
    const client = clientOf(task.token);
    world.model.reply = messageReply({ thinking: 'look it up', text: 'let me look', toolUses, paceMs: 5 });
    const stream = client.messages.stream({ ...ask, tools });
    let events = 0;
    let text = '';
    stream.on('text', (piece) => {
      text += piece;
    });
    for await (const event of stream) {
      events++;
      if (event.type === 'message_start') assert.equal(event.message.model, 'claude');
    }
    const message = await stream.finalMessage();
    assert.ok(events > 8);
    assert.deepEqual([text, message.stop_reason, message.usage.output_tokens], ['let me look', 'tool_use', 5]);
    const use = message.content.find((block) => block.type === 'tool_use');
    assert.deepEqual([use?.id, use?.input], ['toolu_s', { order_id: 'O-1' }]);
    const tool = await world.fetch('/tools/orders/orders/O-1', task.token);
    assert.equal(tool.status, 200);
    const [intent] = await world.events({ task: task.id, operation: 'orders.get_order', type: 'intent' });
    assert.equal(intent?.match, 'exact');

    world.model.reply = messageReply({ text: 'it is on its way' });
    const content = [{ type: 'tool_result' as const, tool_use_id: 'toolu_s', content: await tool.text() }];
    const messages = [
      ...ask.messages,
      { role: 'assistant' as const, content: message.content },
      { role: 'user' as const, content },
    ];
    const last = await client.messages.create({ ...ask, tools, messages });
    assert.equal(last.stop_reason, 'end_turn');
    // What the model said goes back to it as it came, the signature of its thinking included.
    const sent = JSON.parse(String(world.model.received.at(-1)?.body)) as { messages: unknown[] };
    assert.deepEqual(sent.messages, JSON.parse(JSON.stringify(messages)));
  });

  test('uses beta features, which stand before the policy by their name where they are not known', async () => {
    const task = await world.task();
    const betas = ['interleaved-thinking-2025-05-14', 'later-2030-01-01'];
    await clientOf(task.token).beta.messages.create({ ...ask, betas });
    assert.equal(world.model.received[0]?.headers['anthropic-beta'], betas.join(','));
  });

  test('counts tokens, and lists the models of the task', async () => {
    const { token } = await world.task();
    const { max_tokens: _, ...prompt } = ask;
    assert.deepEqual((await clientOf(token).messages.countTokens(prompt)).input_tokens, 42);
    const models = await Array.fromAsync(clientOf(token).models.list());
    assert.deepEqual(
      models.map(({ id, type }) => [id, type]),
      [
        ['gpt', 'model'],
        ['claude', 'model'],
      ],
    );
  });

  test('throws its own classes with our codes, asks once, and nothing reaches the model', async () => {
    const good = await world.task();
    const denied = await world.task({ labels: { deny: 'claude.messages' } });
    const poor = await world.task({ budget: { calls: 0 } });
    const cases = [
      [clientOf('nonsense'), ask, AuthenticationError, 401, 'authentication_error', 'unauthenticated'],
      [clientOf(denied.token), ask, PermissionDeniedError, 403, 'permission_error', 'policy_denied'],
      [clientOf(poor.token), ask, PaymentRequiredError, 402, 'billing_error', 'task_budget_exhausted'],
      [clientOf(good.token), { ...ask, model: 'claude-9' }, NotFoundError, 404, 'not_found_error', 'route_unknown'],
      [
        clientOf(good.token),
        { ...ask, max_tokens: -1 },
        UnprocessableEntityError,
        422,
        'invalid_request_error',
        'args_invalid',
      ],
    ] as const;
    for (const [client, body, kind, status, type, code] of cases) {
      const traceId = Buffer.from(crypto.getRandomValues(new Uint8Array(16))).toString('hex');
      const headers = { traceparent: `00-${traceId}-00f067aa0ba902b7-01` };
      const thrown = await failure(client.messages.create(body, { headers }));
      assert.ok(thrown instanceof kind, code);
      const told = thrown.error as { error: { code: string; message: string }; request_id: string };
      assert.deepEqual([thrown.status, thrown.type, told.error.code], [status, type, code]);
      assert.equal(thrown.requestID, told.request_id);
      const tries = await world.events({ trace_id: traceId });
      assert.deepEqual(
        tries.map((event) => event.type),
        ['denial'],
        `${code} is not asked for again`,
      );
    }
    assert.equal(world.model.received.length, 0);
  });

  test('sees the limits of the provider as its own class, and what it is told of retries', async () => {
    const { token } = await world.task();
    world.model.reply = (_request, response) => {
      const headers = { 'content-type': 'application/json', 'x-should-retry': 'false' };
      response.writeHead(429, headers).end('{"type":"error","error":{"type":"rate_limit_error","message":"slow"}}');
    };
    const thrown = await failure(clientOf(token).messages.create(ask));
    assert.ok(thrown instanceof RateLimitError);
    assert.equal(world.model.received.length, 1);
  });

  test('ends quietly where a budget cuts the stream, and throws with our code where a kill does', async () => {
    const task = await world.task();
    world.model.reply = messageReply({ text: 'word '.repeat(200), paceMs: 5 });
    const cut = clientOf(task.token).messages.stream({ ...ask, max_tokens: 20 });
    const message = await cut.finalMessage();
    assert.equal(message.stop_reason, 'max_tokens');
    assert.ok(message.usage.output_tokens >= 20);
    assert.ok(message.content[0]?.type === 'text' && message.content[0].text.startsWith('word word'));

    world.model.reply = messageReply({ text: 'word '.repeat(200), paceMs: 20 });
    const stream = await clientOf(task.token).messages.create({ ...ask, stream: true });
    let events = 0;
    const thrown = await failure(
      (async () => {
        for await (const _ of stream) {
          if (++events === 5) await world.fetch(`/tasks/${task.id}/kill`, task.token, { method: 'POST' });
        }
      })(),
    );
    assert.ok(thrown instanceof APIError && !(thrown instanceof APIConnectionError));
    const { error } = thrown.error as { error: { type: string; code: string } };
    assert.deepEqual([thrown.type, error.code], ['permission_error', 'task_killed']);
  });
});
