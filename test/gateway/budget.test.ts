/** What a call costs, and that a budget is a limit: under load, without usage, with streams that break. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { part } from '../parts.ts';
import { chatReply } from './chat.ts';
import { World } from './world.ts';

const options = part('opa');

interface Refusal {
  readonly error: { code: string; remaining: Record<string, number>; retryable: boolean; reasons: { code: string }[] };
}

describe('budgets', options, () => {
  let world: World;
  before(async () => {
    world = await World.open({ config: { budget: { tenants: { small: { per: 'month', calls: 2 } } } } });
  });
  after(async () => world?.[Symbol.asyncDispose]());
  beforeEach(() => {
    world.model.reply = chatReply();
    world.model.received.length = 0;
  });

  /** What one such call reserves: read off a refusal, so that a test can offer exactly k of it. */
  async function reservedByOne(): Promise<{ tokens: number; cost_usd: number }> {
    const task = await world.task({ budget: { tokens: 1 } });
    const body = (await (await world.chat(task.token)).json()) as { error: { message: string } };
    const tokens = Number(/may need up to (\d+) tokens/.exec(body.error.message)?.[1]);
    // 50 tokens of answer at 2 dollars a million, the rest prompt at 1.
    return { tokens, cost_usd: (tokens - 50 + 2 * 50) / 1_000_000 };
  }

  test('[budget.no-overspend] of 40 parallel calls on a budget for exactly 7, exactly 7 are admitted', async () => {
    const one = await reservedByOne();
    const k = 7;
    // A model that uses all that was reserved for it: nothing comes back for an eighth call.
    world.model.reply = chatReply({ usage: { prompt_tokens: one.tokens - 50, completion_tokens: 50 } });
    for (const budget of [
      { tokens: k * one.tokens },
      { cost_usd: (k * Math.round(one.cost_usd * 1e6)) / 1e6 },
      { calls: k },
    ]) {
      world.model.received.length = 0;
      const task = await world.task({ budget });
      const responses = await Promise.all(
        Array.from({ length: 40 }, (_, index) => world.chat(task.token, { seed: 100_000 + index })),
      );
      await Promise.all(responses.map((response) => response.text()));
      const statuses = responses.map(({ status }) => status);
      assert.equal(statuses.filter((status) => status === 200).length, k, JSON.stringify({ budget, statuses }));
      assert.equal(statuses.filter((status) => status === 402).length, 40 - k);
      assert.equal(world.model.received.length, k);
      const { budget: balance } = await world.taskDocument(task);
      for (const dimension of ['tokens', 'cost_usd', 'calls'] as const) {
        assert.ok(balance.spent[dimension] <= balance.limit[dimension], `${dimension} is not overspent`);
        assert.equal(balance.reserved[dimension], 0);
      }
      const outcomes = await world.events({ task: task.id, type: 'outcome' });
      const sum = outcomes.reduce((total, { cost_usd: cost }) => total + Math.round((cost ?? 0) * 1e6), 0);
      assert.equal(sum, Math.round(balance.spent.cost_usd * 1e6), 'the trail adds up to what was spent');
      assert.equal((await world.events({ task: task.id, code: 'task_budget_exhausted' })).length, 40 - k);
    }
  });

  test('what is spent is usage times price', async () => {
    const task = await world.task();
    await (await world.chat(task.token)).text();
    await (await world.chat(task.token, { stream: true })).text();
    const { budget } = await world.taskDocument(task);
    assert.deepEqual([budget.spent.tokens, budget.spent.cost_usd, budget.spent.calls], [30, 0.00004, 2]);
    const usages = (await world.events({ task: task.id, type: 'outcome' })).map(({ usage, cost_usd }) => [
      usage,
      cost_usd,
    ]);
    const usage = { input_tokens: 10, output_tokens: 5, cached_input_tokens: 0 };
    assert.deepEqual(usages, [
      [usage, 0.00002],
      [usage, 0.00002],
    ]);
  });

  test('[budget.never-settles-at-zero] without usage, and where a stream breaks, the upper bound is charged', async () => {
    const one = await reservedByOne();
    const scripts = [
      { script: { usage: null }, stream: false },
      { script: { usage: null }, stream: true },
      { script: { usage: { prompt_tokens: 0, completion_tokens: 0 } }, stream: false },
      { script: { text: 'a b c d', breakAfter: 3 }, stream: true },
    ];
    for (const { script, stream } of scripts) {
      world.model.reply = chatReply(script);
      const task = await world.task();
      // With `stream` in it the prompt is as long as without, but the bound is over the whole body.
      const response = await world.chat(task.token, stream ? { stream } : {});
      await response.text();
      const { spent, reserved } = (await world.taskDocument(task)).budget;
      assert.ok(spent.tokens >= one.tokens, JSON.stringify({ script, spent, one }));
      assert.ok(spent.cost_usd >= one.cost_usd - 1e-9);
      assert.deepEqual([spent.calls, reserved.tokens], [1, 0]);
      const [outcome] = await world.events({ task: task.id, type: 'outcome' });
      assert.equal(outcome?.cost_usd, spent.cost_usd);
    }
  });

  test('[budget.exhausted-is-402] a call too big is told what remains and leaves the task alive; a spent budget stays 402', async () => {
    const task = await world.task({ budget: { tokens: 400, calls: 1 } });
    const big = await world.chat(task.token, { max_tokens: 1000 });
    const refusal = (await big.json()) as Refusal;
    assert.deepEqual(
      [big.status, refusal.error.code, big.headers.get('x-should-retry')],
      [402, 'task_budget_exhausted', 'false'],
    );
    assert.equal(refusal.error.remaining.tokens, 400);
    assert.equal(refusal.error.remaining.calls, 1);
    assert.equal(world.model.received.length, 0);
    assert.equal((await world.taskDocument(task)).state, 'active');
    assert.equal((await world.chat(task.token)).status, 200);
    for (let again = 0; again < 2; again++) {
      const spent = await world.chat(task.token, { seed: again });
      const body = (await spent.json()) as Refusal;
      assert.deepEqual([spent.status, body.error.code, body.error.remaining.calls], [402, 'task_budget_exhausted', 0]);
      assert.equal(spent.headers.get('x-should-retry'), 'false');
      assert.equal(body.error.retryable, false);
    }
    assert.equal(world.model.received.length, 1);
    assert.deepEqual(
      (await world.events({ task: task.id, code: 'task_budget_exhausted' })).map(({ type }) => type),
      ['denial', 'denial', 'denial'],
    );
  });

  test('a tenant whose window is spent is told budget_exhausted, over all its tasks', async () => {
    const open = async () => {
      const response = await fetch(`${world.gate.url}/tasks`, {
        method: 'POST',
        headers: { authorization: `Bearer ${world.issuer.token('agent', { tid: 'small' })}` },
        body: '{"purpose":"test"}',
      });
      return ((await response.json()) as { task_token: string }).task_token;
    };
    const [first, second] = [await open(), await open()];
    assert.equal((await world.chat(first)).status, 200);
    assert.equal((await world.chat(second)).status, 200);
    const refused = await world.chat(first, { seed: 2 });
    assert.deepEqual([refused.status, ((await refused.json()) as Refusal).error.code], [402, 'budget_exhausted']);
    assert.equal(world.model.received.length, 2);
  });

  test('an error of the provider costs nothing but the call', async () => {
    world.model.reply = (_request, response) =>
      void response.writeHead(429, { 'content-type': 'application/json' }).end('{"error":{"message":"slow down"}}');
    const task = await world.task();
    assert.equal((await world.chat(task.token)).status, 429);
    const { spent } = (await world.taskDocument(task)).budget;
    assert.deepEqual([spent.tokens, spent.cost_usd, spent.calls], [0, 0, 1]);
  });
});

describe('prompts of a model whose tokenizer is known', options, () => {
  let world: World;
  before(async () => {
    world = await World.open({ gpt: { tokenizer: 'o200k_base' } });
  });
  after(async () => world?.[Symbol.asyncDispose]());

  test('[budget.tokenizer] are held by their tokens and not by their bytes, and what the provider counts is spent', async () => {
    const content = 'Every passenger needs a ticket for the whole route. '.repeat(100);
    const bytes = Buffer.byteLength(content);
    world.model.reply = chatReply({ usage: { prompt_tokens: 1_010, completion_tokens: 20 } });
    const task = await world.task({ budget: { tokens: 1_200 } });
    const answered = await world.chat(task.token, { messages: [{ role: 'user', content }], max_tokens: 50 });
    assert.ok(bytes > 5_000 && answered.status === 200, `${answered.status} ${await answered.text()}`);
    assert.equal(world.model.received.length, 1);
    const { budget } = await world.taskDocument(task);
    assert.deepEqual([budget.spent.tokens, budget.reserved.tokens], [1_030, 0]);
    const [outcome] = await world.events({ task: task.id, type: 'outcome' });
    assert.equal(outcome?.usage?.input_tokens, 1_010);

    const refused = await world.chat(task.token, { messages: [{ role: 'user', content }], max_tokens: 50 });
    const { error } = (await refused.json()) as { error: { message: string } };
    const needed = Number(/may need up to (\d+) tokens/.exec(error.message)?.[1]);
    assert.equal(refused.status, 402);
    assert.ok(needed > 1_000 && needed < 1_200, error.message);
    assert.equal(world.model.received.length, 1);
  });
});
