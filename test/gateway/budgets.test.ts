/** `GET /budgets`: what was spent, as people look back at it; who may; and who is told that a budget runs out. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { FakeUpstream } from '../fakes/upstream.ts';
import { part } from '../parts.ts';
import { chatReply } from './chat.ts';
import { type OpenedTask, World } from './world.ts';

interface Row {
  readonly calls: number;
  readonly tokens: Record<string, number>;
  readonly cost_usd: number;
  readonly [name: string]: unknown;
}

interface Answer {
  readonly from: string;
  readonly to: string;
  readonly rows: readonly Row[];
  readonly total: Row;
  readonly limits: readonly (Record<string, unknown> &
    Record<'limit' | 'spent' | 'remaining', Record<string, number>>)[];
  readonly next_cursor: string | null;
}

const usage = { prompt_tokens: 10, completion_tokens: 5, prompt_tokens_details: { cached_tokens: 4 } };

describe('looking at what was spent', part('opa'), () => {
  let world: World;
  let hook: FakeUpstream;
  let task: OpenedTask;
  before(async () => {
    hook = await FakeUpstream.open();
    world = await World.open({
      config: {
        budget: {
          agents: { coordinator: { per: 'month', calls: 4 }, 'never-there': { per: 'day', tokens: 10 } },
          tenants: { acme: [{ per: 'month', cost_usd: 5 }] },
          alerts: { at: [50, 100], webhook: { url: `${hook.url}/alerts`, token: 'the-token-of-the-hook' } },
        },
      },
    });
    world.model.reply = chatReply({ usage });
    task = await world.task();
    assert.equal((await world.chat(task.token)).status, 200);
    assert.equal((await world.refund(task.token, 5)).status, 200);
    const other = await world.task({}, 'planner');
    assert.equal((await world.chat(other.token, { stream: true })).status, 200);
    // Nothing of a call that was refused is spent.
    assert.equal((await world.refund(other.token, 5, { amount_cents: 'none' })).status, 422);
    world.model.reply = (_request, response) => void response.writeHead(500).end('{}');
    assert.equal((await world.chat(other.token)).status, 500);
  });
  after(async () => {
    await world?.[Symbol.asyncDispose]();
    await hook?.[Symbol.asyncDispose]();
  });

  const ask = async (query = ''): Promise<Answer> => {
    const response = await world.admin(`/budgets${query}`);
    assert.equal(response.status, 200, await response.clone().text());
    return (await response.json()) as Answer;
  };

  test('[budget.spending-is-the-trail] the sum of a day is what the audit trail says that its calls have cost', async () => {
    const outcomes = await world.events({ type: 'outcome' });
    const microUsd = outcomes.reduce((sum, { cost_usd: cost }) => sum + Math.round((cost ?? 0) * 1e6), 0);
    assert.ok(microUsd > 0);
    const { rows, total } = await ask();
    assert.equal(Math.round(total.cost_usd * 1e6), microUsd);
    assert.equal(
      rows.reduce((sum, row) => sum + Math.round(row.cost_usd * 1e6), 0),
      microUsd,
    );
    assert.equal(total.calls, world.model.received.length + world.orders.received.length);
  });

  test('it is grouped and filtered by who, where and which model, with each kind of token', async () => {
    const { rows } = await ask('?by=tenant,agent,route,model,target');
    const facts = rows.map((row) => [row.tenant, row.issuer, row.agent, row.route, row.model, row.target, row.calls]);
    assert.deepEqual(facts.toSorted(), [
      ['acme', 'azure', 'coordinator', 'gpt', 'gpt-real', 'one', 1],
      ['acme', 'azure', 'coordinator', 'orders', null, 'one', 1],
      ['acme', 'azure', 'planner', 'gpt', 'gpt-real', 'one', 2],
    ]);
    const [row] = (await ask('?agent=coordinator&route=gpt')).rows;
    assert.deepEqual(row?.tokens, {
      ...{ total: 15, input: 10, output: 5, cached_input: 4, cache_write: 0, reasoning: 0 },
    });
    assert.equal((await ask('?model=gpt-real&by=model')).total.calls, 3);
    for (const nobody of ['?tenant=elsewhere', '?agent=nobody', '?route=none', '?model=none', '?to=2020-01-01']) {
      assert.deepEqual((await ask(nobody)).rows, [], nobody);
    }
  });

  test('pages go on where the one before ended', async () => {
    const whole = (await ask('?by=agent,route')).rows;
    const first = await ask('?by=agent,route&limit=2');
    const second = await ask(`?by=agent,route&limit=2&cursor=${first.next_cursor}`);
    assert.deepEqual([...first.rows, ...second.rows], whole);
    assert.equal(second.next_cursor, null);
    assert.deepEqual(second.limits, [], 'how limits stand is told once');
  });

  test('tasks come with their balances, the dearest first, or the one that is named', async () => {
    const { rows } = await ask('?by=task');
    assert.equal(rows.length, 2);
    assert.ok((rows[0]?.cost_usd ?? 0) >= (rows[1]?.cost_usd ?? 0));
    const [own] = (await ask(`?task=${task.id}`)).rows;
    const document = await world.taskDocument(task);
    assert.deepEqual([own?.task, own?.calls, own?.agent], [task.id, 2, 'coordinator']);
    assert.deepEqual(own?.budget, document.budget);
    assert.equal((await ask('?by=task&agent=planner')).rows.length, 1);
    const none = await world.admin('/budgets?task=task_00000000000000000000000000');
    assert.equal(((await none.json()) as { code: string }).code, 'task_unknown');
  });

  test('limits stand with what is spent and left, those that nobody used as well', async () => {
    const { limits } = await ask();
    const facts = limits.map(({ level, name, tenant, per, limit, spent, remaining, used_percent: used }) => [
      ...[level, name, tenant, per, limit.calls ?? limit.cost_usd ?? limit.tokens],
      ...[spent.calls ?? spent.tokens ?? 0, remaining.calls ?? remaining.tokens ?? 0, used],
    ]);
    assert.deepEqual(facts, [
      ['tenant', 'acme', 'acme', 'month', 5, 0, 0, 0],
      ['agent', 'coordinator', 'acme', 'month', 4, 2, 2, 50],
      ['agent', 'never-there', null, 'day', 10, 0, 10, 0],
    ]);
    assert.equal((await ask('?agent=coordinator')).limits.length, 1);
  });

  test('what is asked wrongly is answered with what would be right', async () => {
    const wrong = [
      ...['?colour=red', '?by=colour', '?by=day,day', '?by=day,task', '?by=task&model=x', `?task=${task.id}&route=gpt`],
      ...[
        '?from=yesterday',
        '?from=2026-02-30',
        '?from=2026-03-02&to=2026-03-01',
        '?limit=0',
        '?limit=1001',
        '?limit=',
      ],
      ...['?cursor=none'],
    ];
    for (const query of wrong) {
      const response = await world.admin(`/budgets${query}`);
      assert.equal(((await response.json()) as { code: string }).code, 'args_invalid', query);
    }
    assert.equal((await world.admin('/budgets', { method: 'POST' })).status, 405);
  });

  test('a budget that runs out is told of once: in the trail, the log, the metrics and to the webhook', async () => {
    const told = async () =>
      (await world.events({ type: 'admin' })).filter(({ operation }) => operation === 'budget.alert');
    const notes = (event: Awaited<ReturnType<typeof told>>[number] | undefined) =>
      Object.fromEntries((event?.decision?.reasons ?? []).map(({ code, message }) => [code, message]));
    const [half] = await told();
    assert.deepEqual(
      [half?.agent, half?.tenant, half?.issuer, half?.subject?.id],
      ['coordinator', 'acme', 'azure', 'gate'],
    );
    const { window_ends: ends, ...said } = notes(half);
    assert.deepEqual(said, {
      ...{ level: 'agent', per: 'month', dimension: 'calls', threshold: '50', limit: '4', spent: '2' },
    });
    assert.match(ends ?? '', /^\d{4}-\d{2}-01T00:00:00\.000Z$/);
    const again = await world.task();
    for (const _ of [1, 2]) assert.equal((await world.refund(again.token, 5)).status, 200);
    assert.equal((await world.refund(again.token, 5)).status, 402);
    const received = world.orders.received.length;
    assert.deepEqual(
      (await told()).map((event) => notes(event).threshold),
      ['50', '100'],
    );
    assert.equal(world.orders.received.length, received);
    assert.ok(world.logs.some((line) => line.startsWith('warn a budget is used up so far')));
    const metrics = await (await world.admin('/metrics')).text();
    assert.match(metrics, /tollgate_budget_alerts_total\{level="agent",threshold="50"\} 1/);
    assert.match(
      metrics,
      /tollgate_budget_used_ratio\{level="agent",name="coordinator",per="month",dimension="calls"\} 1\b/,
    );
    for (let tries = 0; tries < 100 && hook.received.length < 2; tries++) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    const sent = hook.received.map(({ headers, body }) => ({ headers, body: JSON.parse(body.toString()) }));
    assert.deepEqual(
      sent.map(({ body }) => body.threshold_percent),
      [50, 100],
    );
    assert.equal(sent[0]?.headers.authorization, 'Bearer the-token-of-the-hook');
    assert.deepEqual([sent[0]?.body.agent, sent[0]?.body.limit, sent[0]?.body.dimension], ['coordinator', 4, 'calls']);
  });

  test('tollgate budget prints what was spent, and the limits below', async () => {
    const { budget } = await import('../../src/cli/budget.ts');
    const folder = await mkdtemp(join(tmpdir(), 'tollgate-budget-'));
    try {
      const file = join(folder, 'token');
      await writeFile(file, world.gate.adminToken);
      const lines: string[] = [];
      const surroundings = { env: {}, out: (text: string) => lines.push(text), err: () => undefined };
      const at = ['--admin-url', world.gate.adminUrl, '--token-file', file];
      assert.equal(await budget.run(['--by', 'agent,route', ...at], surroundings), 0);
      assert.match(lines.join('\n'), /^ISSUER +AGENT +ROUTE +CALLS +TOKENS +INPUT +OUTPUT +COST_USD$/m);
      assert.match(lines.join('\n'), /^azure +planner +gpt +2 /m);
      assert.match(lines.join('\n'), /^agent +coordinator +acme +azure +month .* calls +4 +0 +4 +0 +100%$/m);
      await assert.rejects(budget.run(['--by', 'colour', ...at], surroundings), /by is one or more of/);
      await assert.rejects(budget.run(['--limit', '0', ...at], surroundings), /--limit must be/);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});
