/** Limits by time of agents, tenants and routes: what the agent is told, what the target saw, what the trail says. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import OpenAI from 'openai';
import { part } from '../parts.ts';
import { type OpenedTask, World } from './world.ts';

const options = part('opa');
const json = { 'content-type': 'application/json' };

interface Refusal {
  readonly error: { readonly code: string; readonly reasons: readonly { code: string }[]; readonly retryable: boolean };
}

async function refusalOf(response: Response): Promise<string> {
  const { error } = (await response.json()) as Refusal;
  return `${response.status} ${error.code} ${error.reasons[0]?.code}`;
}

describe('limits by agent, tenant and route', options, () => {
  let world: World;
  /** Puts other limits in force; what they count is counted apart, as they are by other subjects or other times. */
  const limit = (budget: object) => world.change({ config: { budget: { ...budget }, limits: { stage_ms: 1000 } } });
  before(async () => {
    world = await World.open({ claude: {} });
  });
  after(async () => world?.[Symbol.asyncDispose]());
  beforeEach(() => {
    world.model.received.length = 0;
  });

  test('[budget.rate-limited] beyond the limit a call is 429, with when to come again and what is left, and never sent', async () => {
    await limit({
      rates: [
        { by: ['route', 'agent'], per: 'hour', requests: 2 },
        { by: ['tenant'], per: 'hour', tokens: 100_000 },
      ],
      queue: { wait_ms: 0 },
    });
    const task = await world.task();
    const first = await world.chat(task.token);
    assert.equal(first.status, 200);
    const policy = String(first.headers.get('ratelimit-policy'));
    assert.match(
      policy,
      /^"agent_route_requests";q=2;w=3600;qu="requests";pk=:[A-Za-z0-9+/=]+:, "tenant_tokens";q=100000;/,
    );
    assert.match(
      String(first.headers.get('ratelimit')),
      /^"agent_route_requests";r=1;t=1800, "tenant_tokens";r=99\d{3};t=\d+$/,
    );
    assert.equal(first.headers.get('x-ratelimit-limit-requests'), '2');
    assert.equal(first.headers.get('x-ratelimit-remaining-requests'), '1');
    assert.match(String(first.headers.get('x-ratelimit-reset-requests')), /^(29m\d+|30m0)s$/);
    await (await world.chat(task.token, { seed: 1 })).text();
    const third = await world.chat(task.token, { seed: 2 });
    assert.ok(Number(third.headers.get('retry-after')) > 1700, 'half an hour for one of two an hour');
    assert.equal(third.headers.get('x-should-retry'), 'false');
    assert.equal(third.headers.get('x-ratelimit-remaining-requests'), '0');
    assert.equal(await refusalOf(third), '429 rate_limited agent_route_requests');
    assert.equal(world.model.received.length, 2);
    const events = (await world.events({ task: task.id, operation: 'gpt.chat' })).map(({ type, status }) => [
      type,
      status,
    ]);
    assert.deepEqual(events.at(-1), ['denial', 429]);
    const { budget } = await world.taskDocument(task);
    assert.deepEqual([budget.reserved.tokens, budget.spent.calls], [0, 2], 'what was reserved is given back');

    // What the model used is taken of the tokens in the end, not what it might have used.
    const other = await world.task({}, 'another');
    const answer = await world.chat(other.token);
    const left = Number(answer.headers.get('x-ratelimit-remaining-tokens'));
    assert.ok(left > 100_000 - 15 * 3 - 800 && left < 100_000 - 30, String(left));
    assert.equal(answer.status, 200, 'another agent has a limit of its own');

    const message = { model: 'claude', max_tokens: 10, messages: [{ role: 'user', content: 'hi' }] };
    const claude = await world.fetch('/v1/messages', other.token, {
      method: 'POST',
      headers: json,
      body: JSON.stringify(message),
    });
    assert.equal(claude.headers.get('anthropic-ratelimit-requests-limit'), '2');
    assert.match(String(claude.headers.get('anthropic-ratelimit-requests-reset')), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
  });

  test('[budget.fair-queue] a call over the limit waits for its turn, and the client that leaves or is killed waits no more', async () => {
    // The last of seven waits for longer than a stage may take.
    await limit({ rates: [{ by: ['agent'], per: 'second', requests: 5, burst: 1 }], queue: { wait_ms: 5_000 } });
    const [many, few] = [await world.task(), await world.task()];
    const ended: string[] = [];
    const ask = async (task: OpenedTask, name: string, seed: number) => {
      const response = await world.chat(task.token, { seed });
      ended.push(`${name} ${response.status}`);
      return response;
    };
    const all = [1, 2, 3, 4, 5, 6].map((seed) => ask(many, 'many', seed));
    await new Promise((resolve) => setTimeout(resolve, 30));
    const startMs = performance.now();
    const answered = await Promise.all([ask(few, 'few', 7), ...all]);
    const tookMs = performance.now() - startMs;
    assert.ok(ended.indexOf('few 200') < 6, `one call of a task is not behind all of another: ${ended.join(', ')}`);
    assert.deepEqual(new Set(ended), new Set(['many 200', 'few 200']));
    const overheads = answered.map(({ headers }) => Number(headers.get('x-tollgate-overhead-ms')));
    assert.ok(Math.max(...overheads) < tookMs / 2, `waiting is not overhead: ${overheads.join(', ')} of ${tookMs}`);
    assert.equal(world.model.received.length, 7);

    world.model.received.length = 0;
    const leave = new AbortController();
    const hurried = world.chat(few.token, { seed: 20 }, { headers: { ...json, 'x-tollgate-deadline-ms': '60' } });
    const gone = world.chat(many.token, { seed: 21 }, { signal: leave.signal }).catch((error: Error) => error.name);
    const killed = world.chat(many.token, { seed: 22 });
    const last = [23, 24, 25].map((seed) => world.chat(many.token, { seed }));
    await new Promise((resolve) => setTimeout(resolve, 40));
    leave.abort();
    await world.fetch(`/tasks/${many.id}/kill`, many.token, { method: 'POST' });
    assert.equal(await gone, 'AbortError');
    const statuses = (await Promise.all([killed, ...last, hurried])).map(({ status }) => status);
    assert.ok(statuses.includes(403), statuses.join());
    assert.ok(
      statuses.every((status) => [200, 403, 429].includes(status)),
      statuses.join(),
    );
    const sent = statuses.filter((status) => status === 200).length;
    // The one whose client left may have had its turn before.
    assert.ok(world.model.received.length <= sent + 1, 'of the task that was killed nothing more was sent');
  });

  test('a model call too big for the limit is told so, and a client of OpenAI sees its own class of error', async () => {
    await limit({ rates: [{ by: ['tenant'], per: 'minute', tokens: 900, requests: 2 }], queue: { wait_ms: 0 } });
    const task = await world.task();
    const big = await world.chat(task.token, { max_tokens: 950 });
    assert.equal(big.headers.get('x-should-retry'), 'false');
    assert.equal(big.headers.get('retry-after'), null);
    assert.equal(await refusalOf(big), '429 rate_limited tenant_tokens');
    const client = new OpenAI({ apiKey: task.token, baseURL: `${world.gate.url}/v1`, maxRetries: 0 });
    const ask = (seed: number) =>
      client.chat.completions.create({
        model: 'gpt',
        seed,
        max_tokens: 10,
        messages: [{ role: 'user', content: 'hi' }],
      });
    await ask(1);
    await ask(2);
    await assert.rejects(ask(3), (error) => {
      assert.ok(error instanceof OpenAI.RateLimitError);
      assert.equal(error.code, 'rate_limited');
      assert.ok(Number(error.headers.get('retry-after')) > 0);
      return true;
    });
    assert.equal(world.model.received.length, 2);
  });
});
