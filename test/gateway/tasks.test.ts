/** The life of a task: who may see, renew and end it, what it may ask for, and what its end does to its calls. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { systemClock } from '../../src/clock.ts';
import { part } from '../parts.ts';
import { chatReply } from './chat.ts';
import { accessToken, actorOf, exchange, subjectOf } from './exchange-form.ts';
import { World } from './world.ts';

const options = part('opa');
const system = systemClock();
let skewMs = 0;
const clock = { ...system, nowMs: () => system.nowMs() + skewMs };
const allTools = [
  ...['gpt.chat', 'gpt.responses', 'gpt.embeddings', 'gpt.messages'],
  ...['orders.get_order', 'orders.delete_order', 'orders.create_refund'],
];

describe('tasks', options, () => {
  let world: World;
  before(async () => {
    const budget = { tokens: 1000, cost_usd: 1, calls: 20, seconds: 600 };
    world = await World.open({ clock, config: { task: { ttl_seconds: 600, budget } } });
  });
  after(async () => world?.[Symbol.asyncDispose]());
  beforeEach(() => {
    world.model.reply = chatReply();
    world.orders.received.length = 0;
  });

  const post = (path: string, token: string) => world.fetch(path, token, { method: 'POST' });
  const answerOf = async (response: Promise<Response>) => {
    const got = await response;
    const body = (await got.json()) as { code?: string; state?: string };
    return `${got.status} ${body.code ?? body.state ?? ''}`;
  };

  test('[task.foreign-id-is-unknown] a task of another agent, tenant or task is answered like one that does not exist', async () => {
    const mine = await world.task({}, 'coordinator');
    const other = await world.task({}, 'coordinator');
    const foreigners = {
      'another task of the same agent': other.token,
      'another agent': world.issuer.token('somebody-else'),
      'the same agent of another tenant': world.issuer.token('coordinator', { tid: 'umbrella' }),
    };
    for (const [who, token] of Object.entries(foreigners)) {
      for (const [method, verb] of [
        ['GET', ''],
        ['POST', '/token'],
        ['POST', '/complete'],
        ['POST', '/kill'],
      ]) {
        const [there, gone] = await Promise.all(
          [mine.id, 'task_00000000000000000000000000'].map(async (id) => {
            const response = await world.fetch(`/tasks/${id}${verb}`, token, { method: String(method) });
            const { trace_id: _, ...body } = (await response.json()) as Record<string, unknown>;
            return [response.status, body];
          }),
        );
        assert.deepEqual(there, gone, `${who} ${method} ${verb}`);
        assert.equal((there as [number, { code: string }])[1].code, 'task_unknown');
      }
    }
    assert.equal((await world.taskDocument(mine)).state, 'active');
    const events = await world.events({ task: mine.id });
    assert.deepEqual(
      events.map(({ operation }) => operation),
      ['task.create'],
    );
  });

  test('[task.nothing-outside-a-task] without a task of its own an agent calls nothing', async () => {
    world.model.received.length = 0;
    const workload = world.issuer.token('coordinator');
    for (const response of [
      await world.chat(workload),
      await world.refund(workload, 5),
      await fetch(`${world.gate.url}/tools/orders/orders/O-1`),
    ]) {
      assert.equal(response.status, 401);
    }
    assert.equal(world.model.received.length + world.orders.received.length, 0);
  });

  test('a token is renewed with the workload token of its agent alone', async () => {
    const task = await world.task();
    assert.equal(await answerOf(post(`/tasks/${task.id}/token`, task.token)), '401 unauthenticated');
    const renewed = await post(`/tasks/${task.id}/token`, world.issuer.token('coordinator'));
    const body = (await renewed.json()) as { task_id: string; task_token: string; expires_in: number };
    assert.deepEqual([renewed.status, body.task_id], [200, task.id]);
    assert.ok(body.expires_in > 290 && body.expires_in <= 300);
    assert.equal((await world.fetch(`/tasks/${task.id}`, body.task_token)).status, 200);
    const kinds = (await world.events({ task: task.id })).map(({ operation }) => operation);
    assert.deepEqual(kinds, ['task.create', 'task.renew']);
  });

  test('a completed or killed task makes no more calls, is not renewed, and stays what it is', async () => {
    for (const [verb, state] of [
      ['complete', 'completed'],
      ['kill', 'killed'],
    ]) {
      const task = await world.task();
      assert.equal(await answerOf(post(`/tasks/${task.id}/${verb}`, task.token)), `200 ${state}`);
      assert.equal(await answerOf(world.refund(task.token, 5)), `403 task_${state}`);
      assert.equal((await world.fetch('/v1/models', task.token)).status, 403);
      const workload = world.issuer.token('coordinator');
      assert.equal(await answerOf(post(`/tasks/${task.id}/token`, workload)), `403 task_${state}`);
      assert.equal(await answerOf(post(`/tasks/${task.id}/kill`, workload)), `200 ${state}`);
      const events = await world.events({ task: task.id });
      assert.deepEqual(
        events.slice(1, 3).map(({ type, operation, decision }) => `${type} ${operation} ${decision?.reasons[0]?.code}`),
        [`task task.${verb} undefined`, `denial null task_${state}`],
      );
    }
    assert.equal(world.orders.received.length, 0);
  });

  test('[task.kill-ends-running-calls] a kill ends a running stream within a second, and its last frame says why', async () => {
    const task = await world.task();
    world.model.reply = chatReply({ text: 'word '.repeat(200), paceMs: 50 });
    const response = await world.chat(task.token, { stream: true });
    assert.equal(response.status, 200);
    const text = response.text();
    await new Promise((resolve) => setTimeout(resolve, 150));
    const killedAt = performance.now();
    assert.equal((await post(`/tasks/${task.id}/kill`, world.issuer.token('coordinator'))).status, 200);
    const frames = (await text).trim().split('\n\n');
    assert.ok(performance.now() - killedAt < 1000);
    assert.equal(frames.at(-1), 'data: [DONE]');
    const error = JSON.parse((frames.at(-2) ?? '').slice('data: '.length)) as {
      error: { code: string; task_id: string };
    };
    assert.deepEqual([error.error.code, error.error.task_id], ['task_killed', task.id]);
    const outcome = (await world.events({ task: task.id, type: 'outcome' }))[0];
    assert.equal(outcome?.decision?.reasons[0]?.code, 'task_killed');
    assert.ok((outcome?.cost_usd ?? 0) > 0, 'what was sent is paid for');
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.equal([...world.model.sockets].filter(({ destroyed }) => !destroyed).length, 0, 'the target is let go');
  });

  test('an operator may kill any task; a task past its end has expired, and says so to its agent', async () => {
    const task = await world.task();
    assert.equal((await world.admin(`/tasks/${task.id}/kill`, { method: 'POST' })).status, 200);
    assert.equal(await answerOf(world.refund(task.token, 5)), '403 task_killed');
    const short = await world.task({ ttl_seconds: 20 });
    assert.ok(Number(short.body.expires_in) <= 20, 'no token outlives its task');
    skewMs = 21_000;
    try {
      assert.equal(await answerOf(world.refund(short.token, 5)), '401 unauthenticated');
      const workload = world.issuer.token('coordinator', { exp: Math.floor(Date.now() / 1000) + 400 });
      assert.equal(await answerOf(world.fetch(`/tasks/${short.id}`, workload)), '200 expired');
      assert.equal(await answerOf(post(`/tasks/${short.id}/token`, workload)), '403 task_expired');
      const late = await exchange(world, { ...subjectOf(short.token, accessToken), ...actorOf(workload) });
      const { error, reasons } = late.answer;
      assert.deepEqual([late.status, error], [400, 'invalid_request']);
      assert.deepEqual([reasons?.[0]?.code, reasons?.[0]?.path], ['token_expired', '/subject_token']);
    } finally {
      skewMs = 0;
    }
    assert.equal(world.orders.received.length, 0);
  });

  test('a task gets what it asks for within the ceiling, never more', async () => {
    const modest = await world.task({
      budget: { tokens: 10, cost_usd: 0.25, calls: 3 },
      ttl_seconds: 60,
      tools: ['orders.*'],
    });
    assert.equal(modest.status, 201);
    assert.deepEqual(modest.body.budget, { tokens: 10, cost_usd: 0.25, calls: 3, seconds: 600 });
    assert.deepEqual(modest.body.tools, ['orders.*']);
    const greedy = await world.task({
      budget: { tokens: 10 ** 9, cost_usd: 10 ** 6, calls: 10 ** 6, seconds: 10 ** 6 },
      ttl_seconds: 10 ** 6,
    });
    assert.deepEqual(greedy.body.budget, { tokens: 1000, cost_usd: 1, calls: 20, seconds: 600 });
    const document = (await (await world.fetch(`/tasks/${greedy.id}`, greedy.token)).json()) as Record<string, string>;
    const lifeMs = Date.parse(String(document.expires_at)) - Date.parse(String(document.created_at));
    assert.equal(lifeMs, 600_000);
    const all = await world.task();
    assert.deepEqual(all.body.tools, allTools);
  });

  test('a task that the policy forbids, or that asks for what is not there, does not come to be', async () => {
    const forbidden = await world.task({ purpose: 'forbidden' });
    assert.deepEqual([forbidden.status, forbidden.body.code], [403, 'policy_denied']);
    const [event] = (await world.events({ code: 'policy_denied', agent: 'coordinator' })).slice(-1);
    assert.deepEqual([event?.type, event?.task, event?.decision?.id], ['denial', null, event?.decision?.id]);

    const unknown = await world.task({ tools: ['orders.get_order', 'orders.fly', 'nowhere.*'] });
    assert.deepEqual([unknown.status, unknown.body.code, unknown.body.allowed], [422, 'args_invalid', allTools]);
    const refusals: readonly [Record<string, unknown>, string][] = [
      [{ plan: ['orders.get_order'] }, '/plan/0'],
      [{ plan: [] }, '/plan'],
      [{ plan: [{ operation: 'orders.fly' }] }, '/plan/0/operation'],
      [{ plan: [{ operation: 'orders.*', after: ['orders.get_order', 'orders.*'] }] }, '/plan/0/after/1'],
      [{ subject: { token: 'a.b.c' } }, '/subject/token'],
      [{ budget: { cost_usd: 0.00000001 } }, '/budget/cost_usd'],
      [{ budget: { tokens: -1 } }, '/budget/tokens'],
      [{ wishes: 1 }, '/wishes'],
      [{ purpose: 'a b' }, '/purpose'],
    ];
    for (const [body, path] of refusals) {
      const refused = await world.task(body);
      assert.deepEqual([refused.status, refused.body.code], [422, 'args_invalid'], path);
      const reasons = refused.body.reasons as { path: string; message: string }[];
      assert.ok(
        reasons.some((reason) => reason.path === path),
        JSON.stringify(reasons),
      );
    }
  });

  test('the models of a task are those it may call', async () => {
    const list = async (token: string) =>
      ((await (await world.fetch('/v1/models', token)).json()) as { data: { id: string }[] }).data.map(({ id }) => id);
    assert.deepEqual(await list((await world.task()).token), ['gpt']);
    assert.deepEqual(await list((await world.task({ tools: ['orders.*'] })).token), []);
  });
});
