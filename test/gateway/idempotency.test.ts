/** Repeated writes: who gets the first answer again, what is never sent twice, and what is told where nobody knows. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import type { FakeUpstream } from '../fakes/upstream.ts';
import { part } from '../parts.ts';
import { type OpenedTask, World } from './world.ts';

const options = part('opa');
const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

interface Asked {
  readonly key?: string | undefined;
  readonly toolCall?: string;
  readonly note?: string;
  readonly init?: RequestInit;
}

describe('repeated writes', options, () => {
  let world: World;
  let keys = 0;
  let key: string;
  let paid: FakeUpstream['reply'];
  before(async () => {
    world = await World.open({ config: { idempotency: { entry_bytes: 2_048, task_bytes: 4_096 } } });
    paid = world.orders.reply;
  });
  after(async () => world?.[Symbol.asyncDispose]());
  beforeEach(() => {
    world.orders.reply = paid;
    world.orders.received.length = 0;
    key = `key-${++keys}`;
  });

  async function refund(task: OpenedTask, cents: number, { key, toolCall, note, init }: Asked = {}) {
    const response = await world.fetch('/tools/orders/refunds', task.token, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        ...(key === undefined ? {} : { 'idempotency-key': key }),
        ...(toolCall === undefined ? {} : { 'x-tollgate-tool-call-id': toolCall }),
      },
      body: JSON.stringify({ amount_cents: cents, ...(note === undefined ? {} : { note }) }),
      ...init,
    });
    const text = await response.text();
    return {
      ...{ response, status: response.status, text, callId: response.headers.get('x-tollgate-call-id') ?? '?' },
      replayed: response.headers.get('idempotent-replayed'),
      denial: text.startsWith('{')
        ? (JSON.parse(text) as { code?: string; reasons?: { code: string }[]; allowed?: string[]; message?: string })
        : {},
    };
  }

  const eventsOf = (task: OpenedTask, type: string) => world.events({ task: task.id, type });

  test('[idempotency.once] a repeat gets the first answer again, marked, is not sent, costs nothing and counts as that one call', async () => {
    const task = await world.task({ labels: { sum_limit: '100' } });
    const first = await refund(task, 80, { key });
    assert.deepEqual([first.status, first.replayed], [200, null]);
    const spent = (await world.taskDocument(task)).budget.spent;
    for (const spelt of [key, `"${key}"`]) {
      const again = await refund(task, 80, { key: spelt });
      assert.deepEqual([again.status, again.replayed, again.text], [200, 'true', first.text]);
      assert.notEqual(again.callId, first.callId);
    }
    assert.equal(world.orders.received.length, 1);
    assert.deepEqual({ ...(await world.taskDocument(task)).budget.spent, seconds: 0 }, { ...spent, seconds: 0 });
    const outcomes = await eventsOf(task, 'outcome');
    const reasons = outcomes.map(({ decision }) => decision?.reasons.find(({ code }) => code === 'idempotent_replay'));
    assert.deepEqual(
      [reasons[0], reasons[1]?.message.includes(first.callId), outcomes[1]?.cost_usd],
      [undefined, true, 0],
    );
    assert.deepEqual(
      outcomes[1]?.attempts.map(({ sent }) => sent),
      [false],
    );
    // The sum that the policy sees has the refund in it once, before and after.
    assert.equal((await refund(task, 20, { key: `${key}b` })).status, 200);
    assert.equal((await refund(task, 1, { key: `${key}c` })).denial.code, 'policy_denied');
    assert.equal((await refund(task, 80, { key })).replayed, 'true');
    assert.equal(world.orders.received.length, 2);
  });

  test('[idempotency.scope] a key is that of one task and one operation, and of one body', async () => {
    const [one, other] = [await world.task(), await world.task()];
    await refund(one, 5, { key });
    assert.equal((await refund(other, 5, { key })).replayed, null);
    const removed = await world.fetch('/tools/orders/orders/O-1', one.token, {
      method: 'DELETE',
      headers: { 'idempotency-key': key },
    });
    assert.deepEqual([removed.status, removed.headers.get('idempotent-replayed')], [200, null]);
    assert.equal(world.orders.received.length, 3);
    const changed = await refund(one, 6, { key });
    assert.deepEqual(
      [changed.status, changed.denial.code, changed.denial.reasons?.map(({ code }) => code)],
      [422, 'args_invalid', ['idempotency_key_reused']],
    );
    assert.equal(world.orders.received.length, 3);
    assert.equal((await eventsOf(one, 'denial'))[0]?.decision?.reasons[0]?.code, 'args_invalid');
    for (const bad of ['a b', '"open', 'a, b', `x${'y'.repeat(255)}`, '""']) {
      const refused = await refund(one, 5, { key: bad });
      assert.deepEqual([refused.status, refused.denial.code], [400, 'request_invalid'], bad);
    }
    assert.equal(world.orders.received.length, 3);
  });

  test('a repeat has the status of the first answer, whatever that was', async () => {
    const task = await world.task();
    for (const status of [201, 202, 500]) {
      world.orders.received.length = 0;
      world.orders.reply = (_request, response) => void response.writeHead(status).end('{"refund":7}');
      const [first, again] = [
        await refund(task, status, { key: `${key}-${status}` }),
        await refund(task, status, { key: `${key}-${status}` }),
      ];
      assert.deepEqual([first.status, first.replayed], [status, null]);
      assert.deepEqual([again.status, again.replayed, again.text], [status, 'true', first.text]);
      assert.equal(world.orders.received.length, 1);
    }
  });

  test('[idempotency.one-of-many] of equal calls at the same moment one is sent; the others are told to come again', async () => {
    const task = await world.task();
    world.orders.reply = async (...said) => {
      await wait(150);
      await paid(...said);
    };
    const all = await Promise.all(Array.from({ length: 20 }, () => refund(task, 7, { key })));
    assert.equal(world.orders.received.length, 1);
    const refused = all.filter(({ status }) => status === 409);
    assert.equal(refused.length, 19);
    assert.deepEqual(
      [refused[0]?.denial.code, refused[0]?.denial.reasons?.[0]?.code, refused[0]?.response.headers.get('retry-after')],
      ['task_conflict', 'first_call_running', '1'],
    );
    assert.equal((await refund(task, 7, { key })).replayed, 'true');
    assert.equal((await eventsOf(task, 'denial')).length, 19);
  });

  test('[idempotency.free-again] what was refused, or did nothing, leaves its key free', async () => {
    const task = await world.task({ budget: { calls: 3 }, labels: { sum_limit: '50' } });
    assert.equal((await refund(task, 51, { key })).denial.code, 'policy_denied');
    for (const status of [400, 503]) {
      world.orders.reply = (_request, response) => void response.writeHead(status).end();
      assert.deepEqual([(await refund(task, 9, { key })).status, world.orders.received.length > 0], [status, true]);
    }
    world.orders.reply = paid;
    const made = await refund(task, 10, { key });
    assert.deepEqual([made.status, made.replayed, world.orders.received.length], [200, null, 3]);
    assert.equal((await refund(task, 10, { key })).replayed, 'true', 'also where the budget would not do for another');
  });

  test('[idempotency.unknown] a write that broke off after it was sent is not sent again; its repeat is told what to look at', async () => {
    const task = await world.task({ tools: ['orders.get_order', 'orders.create_refund'] });
    world.orders.reply = (request) => void request.socket.destroy();
    const first = await refund(task, 5, { key });
    assert.deepEqual(
      [first.status, first.denial.code, first.response.headers.get('x-should-retry')],
      [502, 'upstream_error', 'false'],
    );
    assert.ok(first.denial.reasons?.some(({ code }) => code === 'outcome_unknown'));
    assert.deepEqual(first.denial.allowed, ['orders.get_order']);
    world.orders.reply = paid;
    const again = await refund(task, 5, { key });
    assert.deepEqual([again.status, again.denial.code], [409, 'outcome_unknown']);
    assert.deepEqual(again.denial.allowed, ['orders.get_order']);
    assert.ok(again.denial.message?.includes(first.callId) && /20\d\d-.*Z/.test(again.denial.message));
    assert.equal(world.orders.received.length, 1);
    const [denied] = await eventsOf(task, 'denial');
    assert.equal(denied?.decision?.reasons[0]?.code, 'outcome_unknown');
    assert.equal((await refund(task, 5, { key: `${key}b` })).status, 200, 'with another key it is another call');
  });

  test('[idempotency.client-gone] a write whose client leaves goes on, and the repeat gets its answer', async () => {
    const task = await world.task();
    world.orders.reply = async (...said) => {
      await wait(200);
      await paid(...said);
    };
    await assert.rejects(refund(task, 5, { key, init: { signal: AbortSignal.timeout(80) } as RequestInit }));
    for (let tries = 0; tries < 50 && (await eventsOf(task, 'outcome')).length === 0; tries++) await wait(20);
    const [outcome] = await eventsOf(task, 'outcome');
    assert.deepEqual([outcome?.status, outcome?.attempts[0]?.status], [499, 200]);
    const again = await refund(task, 5, { key });
    assert.deepEqual([again.status, again.replayed, world.orders.received.length], [200, 'true', 1]);
  });

  test('[idempotency.unkept] the repeat of a call whose answer was too long, or beyond what a task may keep, is told that it was made', async () => {
    const task = await world.task();
    const answer = (chars: number) => {
      world.orders.reply = (_request, response) =>
        void response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify('x'.repeat(chars)));
    };
    answer(2_047);
    assert.equal((await refund(task, 5, { key })).status, 200);
    const again = await refund(task, 5, { key });
    assert.deepEqual(
      [again.status, again.denial.code, again.denial.reasons?.[0]?.code, again.response.headers.get('x-should-retry')],
      [409, 'task_conflict', 'answer_not_kept', 'false'],
    );
    answer(1_800);
    for (const name of ['a', 'b']) await refund(task, 5, { key: key + name });
    assert.equal((await refund(task, 5, { key: `${key}a` })).replayed, 'true');
    assert.equal((await refund(task, 5, { key: `${key}b` })).denial.reasons?.[0]?.code, 'answer_not_kept');
    assert.equal(world.orders.received.length, 3);
    assert.equal((await eventsOf(task, 'denial')).length, 2);
  });

  test('[idempotency.judged-again] a repeat passes no policy and no inspection that the first answer would not pass now', async () => {
    const task = await world.task({ tools: ['orders.*'] });
    await refund(task, 5, { key });
    const narrow = await world.fetch(`/tasks/${task.id}/token`, world.issuer.token('coordinator'), {
      method: 'POST',
      body: JSON.stringify({ tools: ['orders.get_order'] }),
    });
    const { task_token: token } = (await narrow.json()) as { task_token: string };
    assert.equal((await refund({ ...task, token }, 5, { key })).denial.code, 'insufficient_scope');
    await world.fetch(`/tasks/${task.id}/kill`, task.token, { method: 'POST' });
    const killed = await refund(task, 5, { key });
    assert.deepEqual([killed.denial.code, killed.replayed, world.orders.received.length], ['task_killed', null, 1]);
  });

  test('[idempotency.tool-call] a write that names the tool call of its model is known by it and its arguments; a read is not', async () => {
    const task = await world.task();
    const first = await refund(task, 5, { toolCall: 'call_7' });
    assert.equal((await refund(task, 5, { toolCall: 'call_7' })).replayed, 'true');
    assert.equal((await refund(task, 6, { toolCall: 'call_7' })).replayed, null);
    assert.equal((await refund(task, 5)).replayed, null);
    assert.equal((await refund(task, 5, { toolCall: 'call_7', key })).replayed, null, 'a key of its own goes first');
    assert.equal(world.orders.received.length, 4);
    const read = () =>
      world.fetch('/tools/orders/orders/O-1', task.token, { headers: { 'x-tollgate-tool-call-id': 'call_8' } });
    assert.deepEqual([(await read()).status, (await read()).headers.get('idempotent-replayed')], [200, null]);
    assert.equal(world.orders.received.length, 6);
    const [, again] = await eventsOf(task, 'outcome');
    assert.ok(again?.decision?.reasons.some(({ message }) => message.includes(first.callId)));
  });

  test('[idempotency.check] a check leaves no mark, and says of a repeat that it would cost nothing', async () => {
    const task = await world.task();
    const call = {
      ...{ method: 'POST', path: '/tools/orders/refunds', body: { amount_cents: 5 } },
      headers: { 'idempotency-key': key, 'content-type': 'application/json' },
    };
    const check = async () => {
      const response = await world.fetch(`/tasks/${task.id}/check`, task.token, {
        method: 'POST',
        body: JSON.stringify({ calls: [call] }),
      });
      return ((await response.json()) as { calls: { decision: string; code?: string }[] }).calls[0];
    };
    assert.equal((await check())?.decision, 'allow');
    assert.equal((await check())?.decision, 'allow');
    assert.equal((await refund(task, 5, { key })).replayed, null);
    assert.equal((await check())?.decision, 'allow');
    assert.equal(world.orders.received.length, 1);
  });

  test('[idempotency.models] a model that is asked again under one key answers once, and has said it once', async () => {
    const task = await world.task();
    const ask = () =>
      world.fetch('/v1/chat/completions', task.token, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'idempotency-key': key },
        body: JSON.stringify({ model: 'gpt', messages: [{ role: 'user', content: 'hi' }], max_tokens: 50 }),
      });
    const received = world.model.received.length;
    const [first, again] = [await ask(), await ask()];
    assert.equal(await again.text(), await first.text());
    assert.deepEqual([again.headers.get('idempotent-replayed'), world.model.received.length], ['true', received + 1]);
    assert.equal((await eventsOf(task, 'thought')).length, 1);
    assert.deepEqual(
      (await eventsOf(task, 'outcome')).map(({ cost_usd: cost }) => (cost ?? 0) > 0),
      [true, false],
    );
  });
});
