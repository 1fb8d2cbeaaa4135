/** Holes that were found by attacking the gate, each with the request that went through it. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { World } from '../gateway/world.ts';
import { part } from '../parts.ts';

const options = part('opa');
let world: World;
before(async () => {
  if (options.skip === undefined) {
    world = await World.open({ config: { task: { budget: { cost_usd: 100, tokens: 10_000_000 } } } });
  }
});
after(async () => world?.[Symbol.asyncDispose]());

/** A part of the task of `token`, for the same agent. */
async function partOf(token: string): Promise<{ readonly id: string; readonly token: string }> {
  const response = await fetch(`${world.gate.url}/oauth/token`, {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      subject_token: token,
      subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      actor_token: world.issuer.token('coordinator'),
      actor_token_type: 'urn:ietf:params:oauth:token-type:jwt',
      authorization_details: JSON.stringify([{ type: 'tollgate_task', purpose: 'test' }]),
    }),
  });
  const answer = (await response.json()) as { task_id: string; access_token: string };
  return { id: answer.task_id, token: answer.access_token };
}

const addresses = (count: number) => Array.from({ length: count }, (_, index) => `a${index}@example.com`);

test('of two limits of an answer the larger one is reserved for and held to the policy', options, async () => {
  const oblige = JSON.stringify({ max_tokens: { value: 50, on_excess: 'deny' } });
  const bounded = await world.task({ labels: { oblige } });
  world.model.received.length = 0;
  const over = await world.chat(bounded.token, { max_completion_tokens: 1, max_tokens: 100_000 });
  const denial = (await over.json()) as { error: { code: string } };
  assert.deepEqual([over.status, denial.error.code], [403, 'policy_denied']);
  const poor = await world.task({ budget: { tokens: 1000 } });
  const dear = await world.chat(poor.token, { max_completion_tokens: 1, max_tokens: 100_000 });
  assert.equal(dear.status, 402);
  assert.equal(world.model.received.length, 0);
});

test('a field that differs from a known one by its capitals is refused', options, async () => {
  const task = await world.task();
  world.model.received.length = 0;
  const response = await world.chat(task.token, { Model: 'other', MAX_TOKENS: 100_000 });
  const denial = (await response.json()) as { error: { reasons: { path: string }[] } };
  assert.equal(response.status, 422);
  assert.deepEqual(
    denial.error.reasons.map(({ path }) => path),
    ['/model', '/max_tokens'],
  );
  assert.equal(world.model.received.length, 0);
});

test('a part of a task has no more time than the task has left', options, async () => {
  const whole = await world.task({ budget: { seconds: 1 } });
  await new Promise((resolve) => setTimeout(resolve, 1_050));
  world.orders.received.length = 0;
  const late = await partOf(whole.token);
  assert.equal((await world.fetch('/tools/orders/orders/O-1', late.token)).status, 402);
  assert.equal((await world.fetch('/tools/orders/orders/O-1', whole.token)).status, 402);
  // The whole has ended by it, and gets no further part.
  assert.equal((await partOf(whole.token)).token, undefined);
  assert.equal(world.orders.received.length, 0);
});

test('what taints a task taints the parts it already has, before their next call', options, async () => {
  const whole = await world.task({ labels: { oblige: JSON.stringify({ taint: ['pii'] }) } });
  const early = await partOf(whole.token);
  assert.equal((await world.fetch('/tools/orders/orders/O-1', whole.token)).status, 200);
  assert.equal((await world.fetch('/tools/orders/orders/O-1', early.token)).status, 200);
  const seen = (await (await world.fetch(`/tasks/${early.id}`, early.token)).json()) as { taint: string[] };
  assert.ok(seen.taint.includes('pii'), String(seen.taint));
});

test('a part of a task that was killed gets no new token, no models and no thoughts', options, async () => {
  const whole = await world.task();
  const part = await partOf(whole.token);
  await world.fetch(`/tasks/${whole.id}/kill`, whole.token, { method: 'POST' });
  const asked = await Promise.all([
    world.fetch(`/tasks/${part.id}/token`, world.issuer.token('coordinator'), { method: 'POST' }),
    world.fetch('/v1/models', part.token),
    world.fetch(`/tasks/${part.id}/thoughts`, part.token, { method: 'POST', body: '{}' }),
  ]);
  assert.deepEqual(
    asked.map(({ status }) => status),
    [403, 403, 403],
  );
});

test('what names a route, a tool or a field never stands in the trail if it may be data', options, async () => {
  const data = 'ann@example.com';
  const task = await world.task();
  await (await world.chat(task.token, { model: data })).arrayBuffer();
  await (await world.chat(task.token, { model: 'x'.repeat(300_000) })).arrayBuffer();
  await (await world.fetch('/tools/4111111111111111/orders', task.token)).arrayBuffer();
  await (await world.fetch(`/${data}/4111111111111111`, task.token)).arrayBuffer();
  await world.task({ tools: [data] });
  await world.task({ [data]: 1 });
  await world.task({ labels: { [data]: 'x' } });
  const told = JSON.stringify(await world.events({ type: 'denial' }));
  assert.equal(told.includes(data), false);
  assert.equal(told.includes('4111111111111111'), false);
  assert.equal(told.includes('x'.repeat(100)), false);
});

test('a stranger gets a short answer to a task request that is wrong in every place', options, async () => {
  const post = (body: unknown) => fetch(`${world.gate.url}/tasks`, { method: 'POST', body: JSON.stringify(body) });
  const unknown = Object.fromEntries(addresses(20_000).map((name) => [name, 1]));
  for (const body of [{ purpose: 'x', tools: Array(90_000).fill(1) }, unknown]) {
    const response = await post(body);
    assert.equal(response.status, 422);
    assert.ok((await response.text()).length < 8_000);
  }
});

test('thousands of findings in one JSON text are redacted in the time that a few take', options, async () => {
  const task = await world.task({ labels: { oblige: JSON.stringify({ redact: [{ type: 'email' }] }) } });
  const called = async (args: unknown): Promise<string> => {
    world.model.received.length = 0;
    const call = { id: 'a', type: 'function', function: { name: 'f', arguments: JSON.stringify(args) } };
    const response = await world.chat(task.token, {
      messages: [{ role: 'assistant', content: null, tool_calls: [call] }],
    });
    assert.equal(response.status, 200);
    await response.arrayBuffer();
    const body = JSON.parse(String(world.model.received[0]?.body));
    return body.messages[0].tool_calls[0].function.arguments;
  };
  const startMs = performance.now();
  // It was minutes, when every finding wrote the whole text anew and every name was counted up to.
  const values = JSON.parse(await called(addresses(20_000))) as string[];
  const names = JSON.parse(await called(Object.fromEntries(addresses(15_000).map((name) => [name, 1])))) as object;
  assert.ok(performance.now() - startMs < 20_000);
  assert.deepEqual([values.length, Object.keys(names).length], [20_000, 15_000]);
  assert.equal(JSON.stringify([values, names]).includes('@'), false);
});
