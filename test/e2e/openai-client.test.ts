/** The openai SDK, unchanged but for base URL and key, against a whole gate. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import OpenAI, {
  APIConnectionError,
  APIError,
  AuthenticationError,
  NotFoundError,
  PermissionDeniedError,
} from 'openai';
import { chatReply } from '../gateway/chat.ts';
import { World } from '../gateway/world.ts';
import { part } from '../parts.ts';

const options = part('opa');
const ask = { model: 'gpt', max_tokens: 50, messages: [{ role: 'user' as const, content: 'Where is order O-1?' }] };
const toolCalls = [{ id: 'call_s', name: 'orders__get_order', arguments: '{"order_id":"O-1"}' }];

describe('the openai SDK', options, () => {
  let world: World;
  before(async () => {
    world = await World.open();
  });
  after(async () => world?.[Symbol.asyncDispose]());
  beforeEach(() => {
    world.model.reply = chatReply();
    world.model.received.length = 0;
  });

  const clientOf = (apiKey: string) => new OpenAI({ apiKey, baseURL: `${world.gate.url}/v1`, maxRetries: 2 });
  const failure = (promise: Promise<unknown>): Promise<unknown> =>
    promise.then(
      () => assert.fail('it was refused'),
      (thrown: unknown) => thrown,
    );

  test('gets a completion, and the target never sees the key of the SDK', async () => {
    const task = await world.task();
    const { data: completion, response } = await clientOf(task.token).chat.completions.create(ask).withResponse();
    assert.deepEqual([completion.model, completion.choices[0]?.message.content], ['gpt', 'hello back']);
    assert.equal(response.headers.get('x-tollgate-task-id'), task.id);
    const [got] = world.model.received;
    assert.equal(got?.headers['x-service-key'], 'the-key-of-the-gate');
    assert.ok(!JSON.stringify(got?.headers).includes(task.token));
    assert.ok(!Object.keys(got?.headers ?? {}).some((name) => name.startsWith('x-stainless')));
    const events = await world.events({ task: task.id, operation: 'gpt.chat' });
    assert.deepEqual(
      events.map(({ type }) => type).filter((type) => type !== 'thought'),
      ['intent', 'outcome'],
    );
  });

  test('streams text and tool calls, which the gate remembers', async () => {
    const task = await world.task();
    world.model.reply = chatReply({ text: 'let me look', toolCalls, paceMs: 5 });
    const stream = clientOf(task.token).chat.completions.stream(ask);
    let pieces = 0;
    for await (const chunk of stream) {
      pieces++;
      assert.equal(chunk.model, 'gpt');
    }
    const completion = await stream.finalChatCompletion();
    assert.ok(pieces > 3);
    assert.equal(completion.choices[0]?.message.content, 'let me look');
    assert.deepEqual(
      completion.choices[0]?.message.tool_calls?.map(({ id }) => id),
      ['call_s'],
    );
    const tool = await world.fetch('/tools/orders/orders/O-1', task.token);
    assert.equal(tool.status, 200);
    const [intent] = await world.events({ task: task.id, operation: 'orders.get_order', type: 'intent' });
    assert.equal(intent?.match, 'exact');
  });

  test('lists the models of the task', async () => {
    const { token } = await world.task();
    assert.deepEqual(
      (await Array.fromAsync(clientOf(token).models.list())).map(({ id }) => id),
      ['gpt'],
    );
  });

  test('throws its own classes with our codes, asks once, and nothing reaches the model', async () => {
    const good = await world.task();
    const denied = await world.task({ labels: { deny: 'gpt.chat' } });
    const poor = await world.task({ budget: { calls: 0 } });
    const cases = [
      [clientOf('nonsense'), ask, AuthenticationError, 401, 'unauthenticated'],
      [clientOf(denied.token), ask, PermissionDeniedError, 403, 'policy_denied'],
      [clientOf(poor.token), ask, APIError, 402, 'task_budget_exhausted'],
      [clientOf(good.token), { ...ask, model: 'gpt-9' }, NotFoundError, 404, 'route_unknown'],
    ] as const;
    for (const [client, body, kind, status, code] of cases) {
      const traceId = Buffer.from(crypto.getRandomValues(new Uint8Array(16))).toString('hex');
      const headers = { traceparent: `00-${traceId}-00f067aa0ba902b7-01` };
      const thrown = await failure(client.chat.completions.create(body, { headers }));
      assert.ok(thrown instanceof kind, code);
      assert.deepEqual([thrown.status, thrown.code], [status, code]);
      const tries = await world.events({ trace_id: traceId });
      assert.deepEqual(
        tries.map(({ type }) => type),
        ['denial'],
        `${code} is not asked for again`,
      );
    }
    assert.equal(world.model.received.length, 0);
  });

  test('throws with our code where a kill cuts the stream', async () => {
    const task = await world.task();
    world.model.reply = chatReply({ text: 'word '.repeat(200), paceMs: 20 });
    const stream = await clientOf(task.token).chat.completions.create({ ...ask, stream: true });
    let pieces = 0;
    const thrown = await failure(
      (async () => {
        for await (const _ of stream) {
          if (++pieces === 5) await world.fetch(`/tasks/${task.id}/kill`, task.token, { method: 'POST' });
        }
      })(),
    );
    assert.ok(thrown instanceof APIError && !(thrown instanceof APIConnectionError));
    assert.equal(thrown.code, 'task_killed');
  });
});
