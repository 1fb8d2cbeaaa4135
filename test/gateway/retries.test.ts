/** What targets can take, their keys in turn, and what is sent again: what the agent gets, the targets saw, the trail says. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { FakeUpstream, type Reply } from '../fakes/upstream.ts';
import { part } from '../parts.ts';
import { chatReply } from './chat.ts';
import { type OpenedTask, World, type WorldOptions } from './world.ts';

const options = part('opa');
const price = { input_usd_per_mtok: 1, output_usd_per_mtok: 2 };
const json = { 'content-type': 'application/json' };
const retry = { attempts: 3, base_ms: 20, max_ms: 200, rest_max_ms: 60_000 };

const refusing =
  (status: number, headers: Record<string, string> = {}): Reply =>
  (_request, response) =>
    void response.writeHead(status, { ...json, ...headers }).end(`{"error":{"message":"no ${status}"}}`);

/** Replies one after the other; the last goes on. */
const inTurn = (...replies: Reply[]): Reply => {
  let place = 0;
  return (...args) => replies[Math.min(place++, replies.length - 1)]?.(...args);
};

async function attemptsOf(world: World, task: OpenedTask) {
  const outcomes = await world.events({ task: task.id, type: 'outcome' });
  return outcomes.at(-1)?.attempts.map(({ target, status, credential }) => `${target} ${status} ${credential ?? '-'}`);
}

describe('targets, keys and what is sent again', options, () => {
  let second: FakeUpstream;
  let world: World;
  before(async () => {
    second = await FakeUpstream.open(chatReply());
    world = await World.open();
  });
  after(async () => {
    await world?.[Symbol.asyncDispose]();
    await second?.[Symbol.asyncDispose]();
  });
  beforeEach(() => {
    world.model.reply = chatReply();
    second.reply = chatReply();
    world.model.received.length = 0;
    second.received.length = 0;
  });
  /** A second target, for what the first refuses. */
  const two = () => {
    const place = { name: 'two', cloud: 'aws', region: 'eu-central-1', url: `${second.url}/v1`, weight: 0 };
    return { ...place, provider: 'openai', model: 'gpt-real', max_output_tokens: 1000, price };
  };
  /** Puts other targets in force: under another name, since what was learnt of one is not of another. */
  const change = ({ config, ...more }: Pick<WorldOptions, 'config' | 'gpt' | 'modelTargets'>) => {
    const all = { breaker: { volume: 1000 }, ...config, retry: { ...retry, ...(config?.retry as object) } };
    return world.change({ ...more, config: all });
  };

  test('[upstream.retry-refused] what a target refuses goes to the next one, and the answer of the last passes as it is', async () => {
    await change({ modelTargets: [two()] });
    world.model.reply = refusing(503);
    const task = await world.task();
    assert.equal((await world.chat(task.token)).status, 200);
    assert.deepEqual(await attemptsOf(world, task), ['one 503 key', 'two 200 -']);
    assert.equal((await world.events({ task: task.id, type: 'outcome' }))[0]?.target?.name, 'two');
    second.reply = refusing(500);
    const refused = await world.chat(task.token, { seed: 1 });
    assert.deepEqual([refused.status, await refused.text()], [503, '{"error":{"message":"no 503"}}']);
    assert.equal(refused.headers.get('retry-after'), '1', 'what was repeated is not to be repeated at once');
    assert.deepEqual(await attemptsOf(world, task), ['one 503 key', 'two 500 -', 'one 503 key']);
    assert.deepEqual([world.model.received.length, second.received.length], [3, 2]);
    const { spent, reserved } = (await world.taskDocument(task)).budget;
    assert.deepEqual([spent.tokens, reserved.tokens], [15, 0], 'refusals cost no tokens');
  });

  test('[upstream.keys-in-turn] keys are used in turn; one whose quota is used up, or that is not accepted, rests', async () => {
    const credentials = {
      key: { kind: 'header', name: 'x-service-key', value: 'the-key-of-the-gate' },
      other: { kind: 'header', name: 'x-service-key', value: 'the-other-key' },
    };
    await change({
      gpt: { name: 'keyed', credential: undefined, credentials: ['key', { name: 'other', requests_per_minute: 1000 }] },
      config: { credentials },
    });
    const task = await world.task();
    const used = () =>
      world.model.received.map(({ headers }) => String(headers['x-service-key']).slice(4, 7)).join(' ');
    for (let seed = 0; seed < 4; seed++) await (await world.chat(task.token, { seed })).text();
    assert.equal(used(), 'key oth key oth');
    const exhausted =
      (name: string, reply: Reply): Reply =>
      (request, response, body) =>
        request.headers['x-service-key'] === name
          ? reply(request, response, body)
          : chatReply()(request, response, body);
    world.model.reply = exhausted('the-other-key', refusing(429, { 'retry-after': '30' }));
    for (let seed = 4; seed < 8; seed++) assert.equal((await world.chat(task.token, { seed })).status, 200);
    assert.equal(used(), 'key oth key oth key oth key key key');
    assert.deepEqual(await attemptsOf(world, task), ['keyed 200 key']);
    assert.match(
      await (await world.admin('/metrics')).text(),
      /tollgate_key_resting_seconds\{[^}]*credential="other"\} 2\d/,
    );
    // The one that is left is not rested because it is forbidden something: that may be about the call.
    world.model.reply = refusing(403);
    assert.equal((await world.chat(task.token, { seed: 8 })).status, 403);
    world.model.reply = chatReply();
    assert.equal((await world.chat(task.token, { seed: 9 })).status, 200);
    assert.ok(!world.logs.join().includes('the-other-key') && world.logs.join().includes('"credential":"other"'));
  });

  test('a key that is not accepted rests, and its call is made with the other; what both are forbidden is the fault of the call', async () => {
    const value = (text: string) => ({ kind: 'header', name: 'x-service-key', value: text });
    await change({
      gpt: { name: 'guarded', credential: undefined, credentials: ['bad', 'good'] },
      config: { credentials: { key: value('k'), bad: value('bad'), good: value('good') } },
    });
    const task = await world.task();
    const used = () => world.model.received.map(({ headers }) => headers['x-service-key']).join(' ');
    world.model.reply = refusing(403);
    assert.equal((await world.chat(task.token)).status, 403);
    assert.equal(used(), 'bad good');
    world.model.reply = (request, response, body) =>
      (request.headers['x-service-key'] === 'bad' ? refusing(401) : chatReply())(request, response, body);
    for (let seed = 1; seed < 5; seed++) assert.equal((await world.chat(task.token, { seed })).status, 200);
    assert.equal(used(), 'bad good bad good good good good');
  });

  test('what a provider says of its quota is waited for, and calls go elsewhere meanwhile', async () => {
    await change({ gpt: { name: 'limited' }, modelTargets: [two()] });
    const task = await world.task();
    world.model.reply = inTurn((request, response, body) => {
      response.setHeader('x-ratelimit-remaining-requests', '0');
      response.setHeader('x-ratelimit-reset-requests', '20s');
      return chatReply()(request, response, body);
    }, chatReply());
    const first = await world.chat(task.token);
    assert.equal(first.headers.get('x-ratelimit-remaining-requests'), null, "a provider's own are not the gate's");
    assert.equal((await world.chat(task.token, { seed: 1 })).status, 200);
    assert.deepEqual(await attemptsOf(world, task), ['two 200 -']);

    await change({ gpt: { name: 'alone' } });
    const only = await world.task();
    world.model.reply = inTurn(
      refusing(429, { 'x-ratelimit-remaining-tokens': '0', 'x-ratelimit-reset-tokens': '80ms' }),
      chatReply(),
    );
    assert.equal((await world.chat(only.token)).status, 200);
    assert.deepEqual(await attemptsOf(world, only), ['alone 429 key', 'alone 200 key']);
    world.model.reply = refusing(429, { 'retry-after': '40' });
    const limited = await world.chat(only.token, { seed: 1 });
    assert.deepEqual([limited.status, limited.headers.get('retry-after')], [429, '40']);
    assert.match(await limited.text(), /no 429/, 'longer than it may wait: the answer of the provider passes');
    world.model.received.length = 0;
    const denied = await world.chat(only.token, { seed: 2 });
    assert.match(await denied.text(), /"code":"rate_limited".*"target_resting"/);
    assert.ok(Number(denied.headers.get('retry-after')) > 35);
    assert.equal(world.model.received.length, 0);
  });

  test('[upstream.retry-budget] repeats are bounded by a share of the calls of the route', async () => {
    await change({ config: { retry: { budget_ratio: 0, budget_floor: 1 } } });
    world.model.reply = refusing(502);
    const task = await world.task();
    for (let seed = 0; seed < 3; seed++) assert.equal((await world.chat(task.token, { seed })).status, 502);
    assert.equal(world.model.received.length, 4, 'one repeat, whichever call it was for');
    assert.match(
      await (await world.admin('/metrics')).text(),
      /tollgate_retries_total\{route="gpt",how="over_budget"\} 3/,
    );
  });

  test('[upstream.retry-before-first-byte] nothing is sent again once an answer has begun, or may have taken effect', async () => {
    await change({ modelTargets: [two()] });
    const task = await world.task();
    world.model.reply = chatReply({ text: 'one two three', breakAfter: 2 });
    const stream = await world.chat(task.token, { stream: true });
    assert.match(await stream.text(), /upstream_error/);
    assert.deepEqual([world.model.received.length, second.received.length], [1, 0]);
    const asked = async (status: number, ask: () => Promise<Response>) => {
      world.orders.received.length = 0;
      world.orders.reply = refusing(status);
      assert.equal((await ask()).status, status);
      return world.orders.received.length;
    };
    assert.equal(await asked(500, () => world.refund(task.token, 1)), 1, 'a write that failed may have been made');
    assert.equal(await asked(503, () => world.refund(task.token, 2)), 3, 'one that was turned away was not');
    assert.equal(await asked(500, () => world.fetch('/tools/orders/orders/O-1', task.token)), 3, 'a read does nothing');
    assert.equal(
      await asked(404, () => world.fetch('/tools/orders/orders/O-2', task.token)),
      1,
      'an answer is an answer',
    );
  });

  test('[route.target-limits] a target gets no more than it takes: further calls go to the next one, or wait, or are told', async () => {
    await change({ gpt: { name: 'narrow', limits: { requests_per_minute: 1 } }, modelTargets: [two()] });
    const task = await world.task();
    for (let seed = 0; seed < 3; seed++) assert.equal((await world.chat(task.token, { seed })).status, 200);
    assert.deepEqual([world.model.received.length, second.received.length], [1, 2]);

    await change({
      gpt: { name: 'single', limits: { requests_per_minute: 2, concurrency: 1 } },
      config: { budget: { queue: { wait_ms: 3000 } } },
    });
    const only = await world.task();
    let [atOnce, most] = [0, 0];
    world.model.reply = async (request, response, body) => {
      most = Math.max(most, ++atOnce);
      await new Promise((resolve) => setTimeout(resolve, 60));
      atOnce--;
      await chatReply()(request, response, body);
    };
    const answers = await Promise.all([1, 2].map((seed) => world.chat(only.token, { seed, stream: true })));
    await Promise.all(answers.map((answer) => answer.text()));
    assert.deepEqual([answers.map(({ status }) => status), most], [[200, 200], 1]);
    const third = await world.chat(only.token, { seed: 3 });
    assert.match(await third.text(), /"code":"rate_limited".*"target_requests"/);
    assert.ok(Number(third.headers.get('retry-after')) >= 29);
    const [denied] = await world.events({ task: only.id, code: 'rate_limited' });
    assert.deepEqual([denied?.type, denied?.attempts], ['outcome', []]);
    assert.equal((await world.taskDocument(only)).budget.reserved.tokens, 0);
  });
});
