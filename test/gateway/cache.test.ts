/** Answers that are kept for equal calls: who gets one, who never does, and what a kept answer costs and passes. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import type { AuditEvent } from '../../src/audit/event.ts';
import { type Denial, deny } from '../../src/denial.ts';
import { part } from '../parts.ts';
import { chatReply } from './chat.ts';
import { type OpenedTask, World } from './world.ts';

const options = part('opa');

const granted = { cache: { ttl_seconds: 60 } };
const cold = { temperature: 0 };
const json = { 'content-type': 'application/json' };

describe('kept answers', options, () => {
  let world: World;
  let prompts = 0;
  before(async () => {
    world = await World.open({
      config: {
        ...{ gateway: { region: 'westeurope' }, cache: { entry_bytes: 8_192 } },
        budget: { rates: [{ by: ['agent'], per: 'hour', requests: 1_000 }] },
      },
      modelTargets: [],
    });
  });
  after(async () => world?.[Symbol.asyncDispose]());
  beforeEach(() => {
    world.model.reply = chatReply();
    world.model.received.length = 0;
    prompts++;
  });

  /** A task whose policy lets answers be kept; `oblige` goes over what it demands. */
  function taskOf(oblige: object = {}, more: Record<string, unknown> = {}, agent?: string): Promise<OpenedTask> {
    const { labels, ...rest } = more;
    const steering = { oblige: JSON.stringify({ ...granted, ...oblige }), ...(labels as object) };
    return world.task({ subject: { id: 'c-1', type: 'customer' }, labels: steering, ...rest }, agent);
  }

  /** Asks the same of each test's own; gives the state of the cache, the status and the text. */
  async function ask(task: OpenedTask, body: Record<string, unknown> = {}, headers: Record<string, string> = {}) {
    const messages = [{ role: 'user', content: `question ${prompts}` }];
    const response = await world.chat(
      task.token,
      { messages, ...cold, ...body },
      Object.keys(headers).length === 0
        ? {}
        : {
            headers: { 'content-type': 'application/json', ...headers },
            body: JSON.stringify({ model: 'gpt', messages, max_tokens: 50, ...cold, ...body }),
          },
    );
    const text = await response.text();
    return { cache: response.headers.get('x-tollgate-cache'), status: response.status, text, response };
  }

  async function reasonsOf(task: OpenedTask, type: AuditEvent['type']): Promise<string[][]> {
    const events = await world.events({ task: task.id, type });
    return events.map(({ decision }) => (decision?.reasons ?? []).map(({ code }) => code));
  }

  test('[cache.hit-costs-nothing] an equal call of the task, or of another for that subject, gets the kept answer and spends nothing', async () => {
    const first = await taskOf();
    const fresh = await ask(first);
    assert.deepEqual([fresh.cache, fresh.status], ['miss', 200]);
    const after = (await world.taskDocument(first)).budget.spent;
    const again = await ask(first);
    assert.deepEqual([again.cache, again.status, again.text], ['hit', 200, fresh.text]);
    assert.match(again.response.headers.get('age') ?? '', /^[0-2]$/);
    const [left, leftThen] = [fresh, again].map(({ response }) =>
      response.headers.get('x-ratelimit-remaining-requests'),
    );
    assert.equal(Number(leftThen), Number(left) - 1, 'it is a request like any other');
    assert.equal(Number((await ask(first)).response.headers.get('x-ratelimit-remaining-requests')), Number(left) - 2);
    assert.deepEqual({ ...(await world.taskDocument(first)).budget.spent, seconds: 0 }, { ...after, seconds: 0 });

    const second = await taskOf({}, { budget: { tokens: 1, calls: 1 } }, 'coordinator-2');
    assert.deepEqual((await ask(second)).cache, 'hit', 'also where the budget would not do for a new one');
    assert.equal(world.model.received.length, 1, 'the model was asked once');
    const { spent, reserved } = (await world.taskDocument(second)).budget;
    assert.deepEqual([spent.tokens, spent.cost_usd, spent.calls, reserved.calls], [0, 0, 0, 0]);

    const [outcome] = await world.events({ task: second.id, type: 'outcome' });
    assert.deepEqual(
      [
        outcome?.status,
        outcome?.cost_usd,
        outcome?.usage,
        outcome?.target?.name,
        outcome?.attempts.map(({ sent }) => sent),
      ],
      [200, 0, null, 'one', [false]],
    );
    const reason = outcome?.decision?.reasons.find(({ code }) => code === 'cache_hit');
    assert.ok(reason?.message.includes(fresh.response.headers.get('x-tollgate-call-id') ?? '?'));
    assert.deepEqual(await reasonsOf(first, 'intent'), [['cache_miss'], ['cache_hit'], ['cache_hit']]);
    const metrics = await (await world.admin('/metrics')).text();
    assert.match(metrics, /tollgate_cache_total\{route="gpt",outcome="hit"\} 3/);
    assert.match(metrics, /tollgate_cache_saved_micro_usd_total\{route="gpt"\} 60/);
    assert.match(metrics, /tollgate_upstream_attempts_total\{route="gpt",target="one",outcome="2xx"\} 1/);
  });

  test('[cache.never-across] what tells two calls apart keeps their answers apart', async () => {
    const base = await taskOf();
    assert.equal((await ask(base)).cache, 'miss');
    const foreign = await fetch(`${world.gate.url}/tasks`, {
      method: 'POST',
      headers: { authorization: `Bearer ${world.issuer.token('coordinator', { tid: 'another' })}` },
      body: JSON.stringify({
        ...{ purpose: 'test', subject: { id: 'c-1', type: 'customer' } },
        labels: { oblige: JSON.stringify(granted) },
      }),
    });
    const ofTenant = (await foreign.json()) as { task_token: string };
    const others: readonly [string, OpenedTask, Record<string, unknown>?][] = [
      ['tenant', { ...base, token: ofTenant.task_token }],
      ['subject', await taskOf({}, { subject: { id: 'c-2', type: 'customer' } })],
      ['type of subject', await taskOf({}, { subject: { id: 'c-1', type: 'employee' } })],
      ['nobody as subject', await world.task({ labels: { oblige: JSON.stringify(granted) } })],
      ['purpose', await taskOf({}, { purpose: 'another' })],
      ['taint', await taskOf({ taint: ['seen'] })],
      ['obligation', await taskOf({ regions: ['west*'] })],
      ['limit', base, { max_tokens: 49 }],
      ['seed', base, { seed: 7 }],
      ['stream', base, { stream: true }],
      ['model settings', base, { top_p: 0.5 }],
    ];
    for (const [what, task, body] of others) {
      const received = world.model.received.length;
      assert.equal((await ask(task, body)).cache, 'miss', what);
      assert.equal(world.model.received.length, received + 1, what);
    }
    assert.equal((await ask(base)).cache, 'hit');
  });

  test('[cache.private-stays] an answer with private data, or to a question with some, is kept for its task alone', async () => {
    world.model.reply = chatReply({ text: 'write to jo@example.com' });
    const [one, other] = [await taskOf(), await taskOf()];
    assert.equal((await ask(one)).cache, 'miss');
    assert.equal((await ask(one)).cache, 'hit');
    assert.equal((await ask(other)).cache, 'miss');
    world.model.reply = chatReply();
    const asked = { messages: [{ role: 'user', content: 'who is jo@example.com?' }] };
    const redacting = { redact: [{ type: 'email' }] };
    const [third, fourth, fifth] = [await taskOf(), await taskOf(), await taskOf(redacting)];
    assert.deepEqual([(await ask(third, asked)).cache, (await ask(third, asked)).cache], ['miss', 'hit']);
    assert.equal((await ask(fourth, asked)).cache, 'miss');
    assert.equal((await ask(fifth, asked)).cache, 'miss', 'nor where another text was sent');
    const tainted = [await taskOf({ taint: ['private'] }), await taskOf({ taint: ['private'] })] as const;
    const own = { messages: [{ role: 'user', content: 'of a private task' }] };
    assert.deepEqual([(await ask(tainted[0], own)).cache, (await ask(tainted[0], own)).cache], ['miss', 'hit']);
    assert.equal((await ask(tainted[1], own)).cache, 'miss');
    const labelled = await taskOf({}, { labels: { oblige_response: JSON.stringify({ taint: ['private'] }) } });
    const third2 = { messages: [{ role: 'user', content: 'tainted by its answer' }] };
    assert.equal((await ask(labelled, third2)).cache, 'miss');
    assert.equal((await ask(await taskOf(), third2)).cache, 'miss');
  });

  test('a stream is given again as a stream, as its target sent it and as its client asked', async () => {
    world.model.reply = chatReply({ text: 'one two three', paceMs: 1 });
    const [first, second] = [await taskOf(), await taskOf()];
    const fresh = await ask(first, { stream: true });
    const kept = await ask(second, { stream: true });
    assert.deepEqual([fresh.cache, kept.cache, kept.text], ['miss', 'hit', fresh.text]);
    assert.equal(kept.response.headers.get('content-type'), 'text/event-stream');
    assert.ok(kept.text.endsWith('data: [DONE]\n\n') && !kept.text.includes('prompt_tokens'));
    assert.equal(world.model.received.length, 1);
    const { spent, reserved } = (await world.taskDocument(second)).budget;
    assert.deepEqual([spent.tokens, reserved.tokens], [0, 0]);
  });

  test('embeddings are kept, whatever they are asked with', async () => {
    const data = [{ object: 'embedding', index: 0, embedding: [0.5] }];
    const embedded = { object: 'list', model: 'gpt-real', data, usage: { prompt_tokens: 3, total_tokens: 3 } };
    world.model.reply = (_, response) => void response.writeHead(200, json).end(JSON.stringify(embedded));
    const seen: (string | number | null)[][] = [];
    for (const task of [await taskOf(), await taskOf()]) {
      const body = JSON.stringify({ model: 'gpt', input: 'a text' });
      const response = await world.fetch('/v1/embeddings', task.token, { method: 'POST', headers: json, body });
      const { model } = (await response.json()) as { model: string };
      const [outcome] = await world.events({ task: task.id, type: 'outcome' });
      seen.push([response.headers.get('x-tollgate-cache'), model, outcome?.cost_usd ?? null]);
    }
    assert.deepEqual(seen, [
      ['miss', 'gpt', 0.000003],
      ['hit', 'gpt', 0],
    ]);
    assert.equal(world.model.received.length, 1);
  });

  test('what is not deterministic is not kept, and the trail says why', async () => {
    const task = await taskOf();
    const bodies = [{ temperature: 0.1 }, { temperature: undefined }, { n: 2 }, { store: true }];
    for (const body of bodies) for (let time = 0; time < 2; time++) assert.equal((await ask(task, body)).cache, null);
    assert.equal(world.model.received.length, 2 * bodies.length);
    assert.deepEqual(new Set((await reasonsOf(task, 'outcome')).flat()), new Set(['cache_not_deterministic']));
    const ungranted = await world.task({ subject: { id: 'c-1', type: 'customer' } });
    assert.equal((await ask(ungranted)).cache, null);
    assert.deepEqual(await reasonsOf(ungranted, 'outcome'), [[]]);
  });

  test('an agent may do without kept answers, or ask for a new one', async () => {
    const task = await taskOf();
    assert.equal((await ask(task, {}, { 'cache-control': 'max-age=0, No-Store' })).cache, null);
    assert.equal((await ask(task, {}, { 'x-tollgate-cache': 'bypass' })).cache, null);
    assert.equal((await ask(task)).cache, 'miss', 'nothing was kept of those');
    world.model.reply = chatReply({ text: 'newer' });
    assert.equal((await ask(task, {}, { 'cache-control': 'no-cache' })).cache, 'miss');
    const kept = await ask(task);
    assert.ok(kept.cache === 'hit' && kept.text.includes('newer'));
  });

  test('only whole and good answers are kept', async () => {
    const body = { error: { message: 'no', type: 'x' }, usage: { prompt_tokens: 1, completion_tokens: 1 } };
    const frames = [
      'data: {"id":"c","choices":[{"index":0,"delta":{"content":"a"}}],"usage":{"prompt_tokens":1,"completion_tokens":1}}\n\n',
      'data: {"error":{"message":"no"}}\n\n',
    ];
    const scripts: readonly [string, World['model']['reply'], Record<string, unknown>?][] = [
      ['an error status', (_, response) => void response.writeHead(400, json).end('{"error":{}}')],
      ['an error of status 200', (_, response) => void response.writeHead(200, json).end(JSON.stringify(body))],
      ['without usage', chatReply({ usage: null })],
      ['longer than may be', chatReply({ text: 'x'.repeat(9_000) })],
      ['a stream that breaks', chatReply({ text: 'a b c d', breakAfter: 3 }), { stream: true }],
      [
        'a stream that ends in an error',
        (_, response) => void response.writeHead(200, { 'content-type': 'text/event-stream' }).end(frames.join('')),
        { stream: true },
      ],
    ];
    const task = await taskOf();
    for (const [index, [what, reply, more = {}]] of scripts.entries()) {
      world.model.reply = reply;
      for (let time = 0; time < 2; time++) {
        assert.equal((await ask(task, { seed: index, ...more })).cache, 'miss', what);
      }
    }
    assert.equal(world.model.received.length, 2 * scripts.length);
  });

  test('an answer that the rest of a budget made shorter is not given to others', async () => {
    const poor = await taskOf({ max_tokens: { value: 200, on_excess: 'lower' } }, { budget: { tokens: 120 } });
    const rich = await taskOf({ max_tokens: { value: 200, on_excess: 'lower' } });
    const lowered = await ask(poor, { max_tokens: 150 });
    assert.deepEqual([lowered.status, lowered.cache], [200, 'miss']);
    const sent = JSON.parse(String(world.model.received[0]?.body)) as { max_tokens: number };
    assert.ok(sent.max_tokens < 150, `${sent.max_tokens}`);
    assert.equal((await ask(rich, { max_tokens: 150 })).cache, 'miss');
    assert.equal((await ask(rich, { max_tokens: 150 })).cache, 'hit');
    assert.equal((await ask(rich, { max_tokens: 300 })).cache, 'miss');
    const beyond = await ask(rich, { max_tokens: 300 });
    assert.equal(beyond.cache, 'hit', 'what the policy shortens, it shortens for all');
  });

  test('[cache.hit-passes-the-gate] a killed task gets none, the answer is judged anew, and where it came from must be allowed', async () => {
    const [first, killed] = [await taskOf(), await taskOf()];
    assert.equal((await ask(first)).cache, 'miss');
    await world.fetch(`/tasks/${killed.id}/kill`, killed.token, { method: 'POST' });
    assert.equal((await ask(killed)).status, 403);
    const judged = await taskOf({}, { labels: { deny_response: 'gpt.chat' } });
    const refused = await ask(judged);
    assert.deepEqual([refused.status, refused.cache], [403, 'hit']);
    assert.ok(!refused.text.includes('hello back'));
    const [outcome] = await world.events({ task: judged.id, type: 'outcome' });
    assert.deepEqual([outcome?.decision?.allow, outcome?.decision?.reasons[0]?.code], [false, 'policy_denied']);
    const unsaid = { messages: [{ role: 'user', content: 'what is refused when it is new' }] };
    assert.equal((await ask(judged, unsaid)).status, 403);
    assert.equal((await ask(first, unsaid)).cache, 'miss', 'what was refused is not kept');

    world.model.reply = chatReply({ text: 'mail jo@example.com' });
    const own = await taskOf({}, { labels: { oblige_response: JSON.stringify({ redact: [{ type: 'email' }] }) } });
    const other = { messages: [{ role: 'user', content: 'whom to write to' }] };
    const [fresh, again] = [await ask(own, other), await ask(own, other)];
    assert.deepEqual([again.cache, again.text], ['hit', fresh.text]);
    assert.ok(!again.text.includes('jo@example.com'));

    const elsewhere = await taskOf({ regions: ['us-*', 'westeurope'] });
    assert.equal((await ask(elsewhere)).cache, 'miss');
    const nowhere = await taskOf({ regions: ['us-*'] });
    assert.equal((await ask(nowhere)).status, 403);
    assert.equal(world.model.received.length, 5);
  });

  test('a check of a call reckons with a kept answer, and keeps none', async () => {
    const task = await taskOf();
    const body = {
      model: 'gpt',
      messages: [{ role: 'user', content: `question ${prompts}` }],
      max_tokens: 50,
      ...cold,
    };
    const check = async () => {
      const response = await world.fetch(`/tasks/${task.id}/check`, task.token, {
        method: 'POST',
        headers: json,
        body: JSON.stringify({ calls: [{ method: 'POST', path: '/v1/chat/completions', headers: json, body }] }),
      });
      return JSON.stringify(await response.json());
    };
    assert.match(await check(), /"estimate":\{"tokens":[1-9]/);
    assert.equal((await ask(task)).cache, 'miss');
    assert.match(await check(), /"estimate":\{"tokens":0,"cost_usd":0\}/);
    assert.equal(world.model.received.length, 1);
  });
});

test(
  'of what equal calls may do over tasks kept answers take their part, and they outlive a vendor that is down',
  options,
  async () => {
    let dead: Denial | undefined;
    await using world = await World.open({
      alterRooms: (rooms) => ({
        ...rooms,
        exchange: { ...rooms.exchange, stillAlive: async (call) => dead ?? rooms.exchange.stillAlive(call) },
      }),
      config: {
        task: { loop: { agent: { repeats: 4 } } },
        ...{ breaker: { volume: 1, error_percent: 0 }, retry: { attempts: 1 } },
      },
    });
    const labels = { oblige: JSON.stringify(granted) };
    const fresh = () => world.task({ labels });
    assert.equal((await world.chat((await fresh()).token, cold)).status, 200);
    world.model.reply = (_request, response) => void response.writeHead(500, json).end('{}');
    const task = await fresh();
    for (let seed = 0; seed < 3; seed++) await (await world.chat(task.token, { seed })).text();
    const refused = (await (await world.chat(task.token, { seed: 9 })).json()) as { error: { code: string } };
    assert.equal(refused.error.code, 'circuit_open');
    const received = world.model.received.length;
    dead = deny('task_killed', 'It was killed after it was admitted.');
    const killed = await world.chat((await fresh()).token, cold);
    assert.deepEqual([killed.status, killed.headers.get('x-tollgate-cache')], [403, 'hit']);
    dead = undefined;
    const states: unknown[] = [];
    for (let time = 0; time < 3; time++) {
      const response = await world.chat((await fresh()).token, cold);
      const code = response.status === 200 ? undefined : ((await response.json()) as typeof refused).error.code;
      states.push([response.status, response.headers.get('x-tollgate-cache'), code]);
    }
    const hit = [200, 'hit', undefined];
    assert.deepEqual(states, [hit, hit, [403, 'hit', 'task_looping']], 'the one that was killed counts, too');
    assert.equal(world.model.received.length, received);
    assert.equal((await world.events({ code: 'task_looping' })).length, 1);
  },
);
