/** The end of a budget: a task is killed or waits, has its one last turn, and goes on once an operator has raised it. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import OpenAI, { APIError } from 'openai';
import { part } from '../parts.ts';
import { chatReply } from './chat.ts';
import { accessToken, actorOf, details, exchange, subjectOf } from './exchange-form.ts';
import { type OpenedTask, World } from './world.ts';

const options = part('opa');

interface Refusal {
  readonly code: string;
  readonly remaining?: Record<string, number>;
  readonly retryable: boolean;
  readonly allowed?: string[];
}

/** A chat call that the gate refuses. */
async function refusal(world: World, token: string, body: Record<string, unknown> = {}) {
  const response = await world.chat(token, body);
  const { error } = (await response.json()) as { error: Refusal };
  return { status: response.status, headers: response.headers, ...error };
}

const paused = { labels: { grant: '{"on_spent":"pause"}' } };
/** All but 5 tokens of a budget of 1,000: too little for any call. */
const nearly = { usage: { prompt_tokens: 950, completion_tokens: 45 } };

async function raise(world: World, task: OpenedTask, body: object): Promise<Response> {
  return world.admin(`/tasks/${task.id}/raise`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
}

describe('a task whose budget is spent', options, () => {
  let world: World;
  before(async () => {
    world = await World.open({
      config: { budget: { agents: { slow: { per: 'hour', seconds: 1 }, '*': [{ per: 'month', calls: 10_000 }] } } },
      rows: { orders: { operations: { create_refund: { call_usd: 0.4 } } } },
    });
  });
  after(async () => world?.[Symbol.asyncDispose]());
  beforeEach(() => {
    world.model.reply = chatReply();
    world.model.received.length = 0;
    world.orders.received.length = 0;
  });

  test('[budget.spent-ends-the-task] is killed with what runs of it, and goes on answering 402', async () => {
    const task = await world.task({ budget: { tokens: 1000 } });
    world.model.reply = chatReply(nearly);
    assert.equal((await world.chat(task.token)).status, 200);
    let closed = false;
    world.orders.reply = (_request, response) => void response.once('close', () => (closed = true));
    const running = world.refund(task.token, 5);
    while (world.orders.received.length === 0) await wait(5);
    assert.equal((await world.taskDocument(task)).state, 'active');

    const first = await refusal(world, task.token);
    assert.deepEqual([first.status, first.code, first.retryable], [402, 'task_budget_exhausted', false]);
    const ended = (await (await running).json()) as Refusal;
    assert.equal(ended.code, 'task_budget_exhausted');
    assert.ok(closed);
    assert.equal((await world.taskDocument(task)).state, 'killed');
    world.orders.reply = (_request, response) => void response.writeHead(200).end();
    const tool = await world.fetch('/tools/orders/orders/1', task.token);
    const later = (await tool.json()) as Refusal;
    assert.deepEqual([tool.status, later.code, later.remaining?.tokens], [402, 'task_budget_exhausted', 5]);
    assert.equal(tool.headers.get('x-tollgate-budget-remaining-tokens'), '5');
    assert.equal(tool.headers.get('x-should-retry'), 'false');
    assert.deepEqual([world.model.received.length, world.orders.received.length], [1, 1]);
    const [kill, ...more] = await world.events({ task: task.id, operation: 'task.kill' });
    assert.deepEqual([kill?.type, more.length], ['task', 0]);
    const denials = await world.events({ task: task.id, type: 'denial' });
    assert.deepEqual(
      denials.map(({ decision }) => decision?.reasons[0]?.code),
      ['task_budget_exhausted', 'task_budget_exhausted'],
    );
    const raised = await raise(world, task, { by: { tokens: 1000 } });
    assert.deepEqual([raised.status, ((await raised.json()) as Refusal).code], [403, 'task_killed']);
  });

  test('[budget.pause-and-raise] waits where its policy says so, without a storm of retries, and goes on once raised', async () => {
    const task = await world.task({ budget: { tokens: 1000 }, ...paused });
    world.model.reply = chatReply(nearly);
    assert.equal((await world.chat(task.token)).status, 200);
    const client = new OpenAI({ apiKey: task.token, baseURL: `${world.gate.url}/v1`, maxRetries: 3 });
    for (let again = 0; again < 2; again++) {
      const refused = client.chat.completions.create({ model: 'gpt', messages: [{ role: 'user', content: 'more' }] });
      await assert.rejects(refused, (fault) => fault instanceof APIError && fault.code === 'task_paused');
    }
    assert.equal((await world.events({ task: task.id, code: 'task_paused' })).length, 2);
    const { status, code, headers, remaining } = await refusal(world, task.token);
    assert.deepEqual([status, code, remaining?.tokens], [402, 'task_paused', 5]);
    assert.equal(headers.get('x-tollgate-budget-remaining-tokens'), '5');
    assert.deepEqual([(await world.taskDocument(task)).state, world.model.received.length], ['paused', 1]);
    assert.equal((await world.events({ task: task.id, operation: 'task.pause' })).length, 1);

    for (const [body, path] of [
      [{ to: { tokens: 999 } }, '/to/tokens'],
      [{ to: { calls: 9 }, by: { calls: 1 } }, '/by/calls'],
      [{ by: { cost_usd: 0.0000001 } }, '/by/cost_usd'],
    ] as const) {
      const refused = await raise(world, task, body);
      const { reasons } = (await refused.json()) as { reasons: { path: string }[] };
      assert.deepEqual([refused.status, reasons[0]?.path.slice(-6)], [422, path.slice(-6)], JSON.stringify(body));
    }
    const answer = await raise(world, task, { by: { tokens: 2000 }, reason: 'the customer waits' });
    assert.equal(answer.status, 200);
    assert.partialDeepStrictEqual(await answer.json(), { state: 'active', budget: { limit: { tokens: 3000 } } });
    assert.equal((await world.chat(task.token, { seed: 1 })).status, 200);
    const { budget, state } = await world.taskDocument(task);
    assert.deepEqual([state, budget.limit.tokens, budget.spent.tokens], ['active', 3000, 1990]);
    const deed = (await world.events({ task: task.id, type: 'admin', operation: 'task.raise' })).at(-1);
    assert.equal(deed?.subject?.id, 'admin-token');
    assert.deepEqual(
      deed?.decision?.reasons.map(({ code: noted, message }) => [noted, message.split(',')[0]]),
      [
        ['limits_before', 'tokens 1000'],
        ['limits_after', 'tokens 3000'],
        ['reason_given', 'the customer waits'],
      ],
    );
    assert.equal((await world.events({ task: task.id, type: 'task', operation: 'task.raise' })).length, 1);
  });

  test('[budget.wrap-up-once] of 50 parallel calls exactly one is the last turn, after it the task is killed', async () => {
    const task = await world.task({ budget: { tokens: 1000 }, labels: { oblige: '{"wrap_up":{"tokens":40}}' } });
    world.model.reply = chatReply(nearly);
    assert.equal((await world.chat(task.token)).status, 200);
    const told = await refusal(world, task.token);
    assert.deepEqual(
      [told.status, told.code, told.allowed],
      [402, 'task_budget_exhausted', ['wrap_up: max_tokens<=40']],
    );
    assert.equal((await world.taskDocument(task)).state, 'active');
    assert.equal((await world.refund(task.token, 5)).status, 402);
    assert.equal(world.orders.received.length, 0);

    world.model.reply = chatReply({ usage: { prompt_tokens: 10, completion_tokens: 40 } });
    const calls = Array.from({ length: 50 }, (_, seed) => world.chat(task.token, { seed, max_tokens: 500 }));
    const statuses = (await Promise.all(calls)).map(({ status }) => status);
    assert.equal(statuses.filter((status) => status === 200).length, 1);
    assert.equal(statuses.filter((status) => status === 402).length, 49);
    assert.equal(world.model.received.length, 2);
    const sent = JSON.parse(world.model.received[1]?.body.toString() ?? '{}') as Record<string, unknown>;
    assert.equal(sent.max_tokens ?? sent.max_completion_tokens, 40);
    const { state, budget } = await world.taskDocument(task);
    assert.deepEqual([state, budget.spent.tokens, budget.remaining.tokens], ['killed', 1045, 0]);
    assert.equal((await refusal(world, task.token)).code, 'task_budget_exhausted');
    const intents = await world.events({ task: task.id, type: 'intent' });
    const marks = intents.map(({ decision }) => decision?.reasons.some(({ code }) => code === 'wrap_up'));
    assert.deepEqual(marks, [false, true]);
    assert.equal((await world.events({ task: task.id, operation: 'task.kill' })).length, 1);
  });

  test('an answer that is cut tells of the last turn, which the next call is that the budget does not cover', async () => {
    const task = await world.task({
      ...{ budget: { tokens: 1000, cost_usd: 0.5 } },
      labels: { oblige: '{"wrap_up":{"tokens":40}}', grant: '{"on_spent":"pause"}' },
    });
    world.model.reply = chatReply({ text: 'word '.repeat(700), usage: null });
    const raw = await (await world.chat(task.token, { stream: true, max_tokens: 600 })).text();
    assert.match(raw, /"tollgate":\{"code":"task_budget_exhausted","message":"[^"]+","wrap_up":\{"tokens":40\}\}/);
    world.model.reply = chatReply();
    const turn = await world.chat(task.token, { max_tokens: 900 });
    assert.equal(turn.status, 200);
    assert.equal(world.model.received.length, 2);
    assert.equal((await world.taskDocument(task)).state, 'paused');
    const [, outcome] = await world.events({ task: task.id, type: 'outcome' });
    assert.ok(outcome?.decision?.reasons.some(({ code }) => code === 'wrap_up'));
  });

  test('a call of an operation costs what its route says, and the seconds of an agent stop what runs too long', async () => {
    world.orders.reply = (_request, response) => void response.writeHead(200).end();
    const task = await world.task({ budget: { cost_usd: 0.5 } });
    assert.equal((await world.refund(task.token, 5)).status, 200);
    assert.equal((await world.refund(task.token, 6)).status, 402);
    const { state, budget } = await world.taskDocument(task);
    assert.deepEqual([state, budget.spent.cost_usd, world.orders.received.length], ['active', 0.4, 1]);
    const [outcome] = await world.events({ task: task.id, type: 'outcome' });
    assert.equal(outcome?.cost_usd, 0.4);

    world.model.reply = chatReply({ text: 'word '.repeat(400), paceMs: 20 });
    const slow = await world.task({}, 'slow');
    const raw = await (await world.chat(slow.token, { stream: true, max_tokens: 900 })).text();
    assert.match(raw, /"code":"budget_exhausted"/);
    const { code, status } = await refusal(world, slow.token, { seed: 1 });
    assert.deepEqual([status, code, world.model.received.length], [402, 'budget_exhausted', 1]);
    const [cut] = await world.events({ task: slow.id, type: 'outcome' });
    assert.equal(cut?.decision?.reasons[0]?.code, 'budget_exhausted');
  });

  test('a part of a task whose whole was raised draws on what the whole has now, and ends with it', async () => {
    const whole = await world.task({ budget: { tokens: 1000 }, ...paused });
    const form = {
      ...{ ...subjectOf(whole.token, accessToken), ...actorOf(world.issuer.token('helper')) },
      authorization_details: details(),
    };
    const { access_token: ofPart } = (await exchange(world, form)).answer;
    world.model.reply = chatReply(nearly);
    assert.equal((await world.chat(whole.token)).status, 200);
    // What of the whole is spent is spent for its parts, and pauses the whole.
    assert.equal((await refusal(world, ofPart)).code, 'task_paused');
    assert.equal((await world.taskDocument(whole)).state, 'paused');
    assert.equal((await refusal(world, ofPart, { seed: 1 })).code, 'task_paused');
    assert.equal((await raise(world, whole, { to: { tokens: 5000 } })).status, 200);
    assert.equal((await world.chat(ofPart, { seed: 2 })).status, 200);
    const own = await refusal(world, ofPart, { seed: 3 });
    assert.deepEqual([own.code, own.remaining?.tokens, world.model.received.length], ['task_budget_exhausted', 5, 2]);
    assert.equal((await world.taskDocument(whole)).budget.spent.tokens, 1990);
    assert.equal((await world.events({ task: whole.id, operation: 'task.pause' })).length, 1);
  });
});
