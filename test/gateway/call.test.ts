/** The way of a call, whole: what comes back, what the target got, and what the trail says. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { part } from '../parts.ts';
import { chatReply } from './chat.ts';
import { World } from './world.ts';

const options = part('opa');
let world: World;
before(async () => {
  if (options.skip === undefined) world = await World.open();
});
after(async () => world?.[Symbol.asyncDispose]());

test(
  'a tool call reaches its service with the credential of the gate and never with the token of the agent',
  options,
  async () => {
    const task = await world.task({ subject: { id: 'C-1' } });
    world.orders.received.length = 0;
    const response = await world.fetch('/tools/orders/orders/O-1', task.token, {
      headers: { cookie: 'a=b', 'x-forwarded-for': '1.2.3.4' },
    });
    assert.equal(response.status, 200);
    assert.equal(world.orders.received.length, 1);
    const got = world.orders.received[0];
    assert.equal(`${got?.method} ${got?.url}`, 'GET /orders/O-1');
    assert.equal(got?.headers['x-service-key'], 'the-key-of-the-gate');
    assert.equal(JSON.stringify(got?.headers).includes(task.token), false);
    for (const name of ['cookie', 'x-forwarded-for', 'authorization']) assert.equal(got?.headers[name], undefined);
    const events = await world.events({ task: task.id, operation: 'orders.get_order' });
    assert.deepEqual(
      events.map(({ type }) => type),
      ['intent', 'outcome'],
    );
    assert.equal(events[1]?.intent_hash, events[0]?.hash);
  },
);

test('[wire.unchanged-bytes] a body that nothing changed goes out byte for byte', options, async () => {
  const task = await world.task();
  world.orders.received.length = 0;
  const body = '{ "note":"caf\\u00e9",\n "amount_cents":  7 }';
  const response = await world.fetch('/tools/orders/refunds', task.token, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body,
  });
  assert.equal(response.status, 200);
  assert.equal(world.orders.received[0]?.body.toString(), body);
});

test('every answer to a call says who it was and what is left', options, async () => {
  const task = await world.task({ budget: { tokens: 5000, cost_usd: 0.5 } });
  const response = await world.chat(
    task.token,
    {},
    {
      headers: {
        'content-type': 'application/json',
        authorization: `Bearer ${task.token}`,
        'x-request-id': 'mine-1',
        traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
      },
    },
  );
  const { headers } = response;
  assert.equal(headers.get('x-request-id'), 'mine-1');
  assert.equal(headers.get('x-tollgate-task-id'), task.id);
  assert.match(headers.get('x-tollgate-call-id') ?? '', /^call_/);
  assert.match(headers.get('x-tollgate-decision-id') ?? '', /^dec_/);
  assert.match(headers.get('traceresponse') ?? '', /^00-4bf92f3577b34da6a3ce929d0e0e4736-[0-9a-f]{16}-01$/);
  assert.equal(headers.get('x-tollgate-budget-remaining-tokens'), '4985');
  assert.equal(headers.get('x-tollgate-budget-remaining-usd'), '0.49998');
  assert.ok(Number(headers.get('x-tollgate-overhead-ms')) >= 0);
  const [intent] = await world.events({ task: task.id, type: 'intent' });
  assert.equal(intent?.trace_id, '4bf92f3577b34da6a3ce929d0e0e4736');
});

test('[task.thought-links-action] an action is linked to the thought that proposed it', options, async () => {
  const task = await world.task();
  world.model.reply = chatReply({
    toolCalls: [{ id: 'call_x', name: 'orders__get_order', arguments: '{"order_id":"O-9"}' }],
  });
  const stream = await world.chat(task.token, { stream: true });
  await stream.text();
  const exact = await world.fetch('/tools/orders/orders/O-9', task.token, {
    headers: { 'x-tollgate-tool-call-id': 'call_x' },
  });
  assert.equal(exact.status, 200);
  await world.fetch('/tools/orders/orders/O-8', task.token, { headers: { 'x-tollgate-tool-call-id': 'call_x' } });
  world.model.reply = chatReply();
  const intents = await world.events({ task: task.id, operation: 'orders.get_order', type: 'intent' });
  assert.deepEqual(
    intents.map(({ match }) => match),
    ['exact', 'changed'],
  );
  const story = (await (await world.admin(`/audit/tasks/${task.id}`)).json()) as {
    entries: { kind: string; thought_id?: string; children?: { operation: string; match: string }[] }[];
  };
  const thought = story.entries.find(({ kind }) => kind === 'thought');
  assert.equal(thought?.thought_id, intents[0]?.thought);
  assert.deepEqual(
    thought?.children?.map(({ operation, match }) => [operation, match]),
    [
      ['orders.get_order', 'exact'],
      ['orders.get_order', 'changed'],
    ],
  );
});

test(
  '[policy.default-deny] what the policy denies ends at the gate, with one denial and no intent',
  options,
  async () => {
    const task = await world.task({ labels: { deny: 'orders.delete_order' } });
    world.orders.received.length = 0;
    const response = await world.fetch('/tools/orders/orders/O-1', task.token, { method: 'DELETE' });
    assert.equal(response.status, 403);
    assert.equal(response.headers.get('content-type'), 'application/problem+json');
    assert.equal(response.headers.get('x-should-retry'), 'false');
    assert.equal(response.headers.get('www-authenticate'), null);
    const body = (await response.json()) as Record<string, unknown>;
    assert.equal(body.code, 'policy_denied');
    assert.deepEqual(
      (body.reasons as { code: string }[]).map(({ code }) => code),
      ['labelled'],
    );
    assert.equal(body.task_id, task.id);
    assert.equal(world.orders.received.length, 0);
    const events = await world.events({ task: task.id, operation: 'orders.delete_order' });
    assert.deepEqual(
      events.map(({ type }) => type),
      ['denial'],
    );
    assert.equal(events[0]?.decision?.id, body.decision_id);
  },
);

test(
  'a tool off the toolset of the task is denied before the policy is asked, and the agent is told what it has',
  options,
  async () => {
    const task = await world.task({ tools: ['orders.get_order'] });
    world.orders.received.length = 0;
    const response = await world.refund(task.token, 5);
    const body = (await response.json()) as { code: string; allowed: string[]; reasons: { code: string }[] };
    assert.deepEqual(
      [response.status, body.code, body.reasons[0]?.code, body.allowed],
      [403, 'policy_denied', 'not_in_task', ['orders.get_order']],
    );
    assert.equal(world.orders.received.length, 0);
  },
);

test(
  '[wire.arguments-validated] hallucinated arguments and operations end at the gate with what was expected',
  options,
  async () => {
    const task = await world.task();
    world.orders.received.length = 0;
    const wrong = await world.refund(task.token, 5, { amount: 5 });
    const body = (await wrong.json()) as { code: string; reasons: { path: string; message: string }[] };
    assert.deepEqual([wrong.status, body.code], [422, 'args_invalid']);
    assert.ok(
      body.reasons.some(({ path }) => path === '/body/amount'),
      JSON.stringify(body.reasons),
    );
    const unknown = await world.fetch('/tools/orders/nothing', task.token);
    const missing = (await unknown.json()) as { code: string; allowed: string[] };
    assert.deepEqual([unknown.status, missing.code], [404, 'operation_unknown']);
    assert.deepEqual(missing.allowed, ['orders.get_order', 'orders.delete_order', 'orders.create_refund']);
    assert.equal(world.orders.received.length, 0);
    const denied = (await world.events({ task: task.id, type: 'denial' })).map(
      ({ decision, operation }) => `${decision?.reasons[0]?.code} ${operation}`,
    );
    assert.deepEqual(denied, ['args_invalid orders.create_refund', 'operation_unknown null']);
  },
);

test('what the upstream itself answers passes through as it is', options, async () => {
  const task = await world.task();
  world.orders.reply = (_request, response) =>
    void response
      .writeHead(404, { 'content-type': 'application/json', 'set-cookie': 'a=b', server: 'x' })
      .end('{"error":"none"}');
  const response = await world.fetch('/tools/orders/orders/O-404', task.token);
  world.orders.reply = (_request, response) =>
    void response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
  assert.equal(response.status, 404);
  assert.deepEqual(await response.json(), { error: 'none' });
  for (const name of ['set-cookie', 'server']) assert.equal(response.headers.get(name), null);
});
