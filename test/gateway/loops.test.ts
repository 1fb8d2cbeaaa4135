/**
 * Circles: each ends within the configured number of calls, in one task and over a hundred fresh tasks of one agent; and
 * what only looks like one goes on. Every test counts what reached the target.
 */
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { FakeUpstream } from '../fakes/upstream.ts';
import { part } from '../parts.ts';
import { chatReply } from './chat.ts';
import { exchange, grant, jwt } from './exchange-form.ts';
import { type OpenedTask, World } from './world.ts';

const options = part('opa');
const json = { 'content-type': 'application/json' };
const agents = Array.from({ length: 20 }, (_, index) => `agent-${index}`);

interface Told {
  readonly status: number;
  readonly code: string | null;
  readonly reason: string | null;
  readonly message: string;
  readonly retryAfter: string | null;
}

async function told(response: Response): Promise<Told> {
  const body = (await response.json().catch(() => ({}))) as Record<string, unknown>;
  const members = (typeof body.error === 'object' ? body.error : body) as Record<string, unknown>;
  const [reason] = (members.reasons ?? []) as { code: string }[];
  return {
    status: response.status,
    code: typeof members.code === 'string' ? members.code : null,
    reason: reason?.code ?? null,
    message: String(members.message ?? members.detail ?? ''),
    retryAfter: response.headers.get('retry-after'),
  };
}

const answersNotFound: FakeUpstream['reply'] = (_request, response) => void response.writeHead(404, json).end('{}');
const answersWell: FakeUpstream['reply'] = (_request, response) => void response.writeHead(200, json).end('{}');
const asksToWait: FakeUpstream['reply'] = (_request, response) =>
  void response.writeHead(429, { ...json, 'retry-after': '1' }).end('{}');

describe('circles', options, () => {
  let world: World;
  let agent = '';
  const spare = [...agents];
  const deny = { deny: 'orders.create_refund' };

  before(async () => {
    world = await World.open({
      config: {
        task: {
          budget: { cost_usd: 5, calls: 1000 },
          loop: {
            ...{ repeats: 5, window_seconds: 2, same_prompt: 4, ping_pong: 3, denials: 4 },
            ...{ failures_in_a_row: 3, cool_down_seconds: 60 },
            agent: { repeats: 6, failures_in_a_row: 7, denials: 9, window_seconds: 86_400, tasks_per_minute: 150 },
          },
        },
      },
    });
  });
  after(async () => world?.[Symbol.asyncDispose]());
  beforeEach(() => {
    world.orders.reply = answersWell;
    world.orders.received.length = 0;
    world.model.reply = chatReply();
    world.model.received.length = 0;
    agent = spare.pop() as string;
  });

  const refund = async (task: OpenedTask, cents: number) => told(await world.refund(task.token, cents));
  const read = async (task: OpenedTask, id: string) =>
    told(await world.fetch(`/tools/orders/orders/${id}`, task.token));
  const ask = async (task: OpenedTask, content: string, more: Record<string, unknown> = {}) =>
    told(await world.chat(task.token, { messages: [{ role: 'user', content }], ...more }));
  const codes = (all: readonly Told[]) => all.map(({ code, status }) => code ?? status);
  const inTurn = async (times: number, call: (time: number) => Promise<Told>): Promise<Told[]> => {
    const all: Told[] = [];
    for (let time = 0; time < times; time++) all.push(await call(time));
    return all;
  };
  /** A hundred tasks of the agent, one after the other, each of which tries `times` times. */
  const overTasks = async (times: number, call: (task: OpenedTask, nth: number) => Promise<Told>, body = {}) => {
    const all: Told[] = [];
    for (let nth = 0; nth < 100; nth++) {
      const task = await world.task(body, agent);
      assert.equal(task.status, 201);
      all.push(...(await inTurn(times, () => call(task, nth))));
    }
    return all;
  };
  const deniedIn = async (task: OpenedTask) => (await world.events({ task: task.id, type: 'denial' })).length;

  describe('[task.circles-end] in one task', () => {
    test('the same prompt, whatever the sampling: it is asked as often as it may be', async () => {
      const task = await world.task({}, agent);
      const all = await inTurn(8, (time) => ask(task, 'Summarise.', { seed: time, temperature: time / 10 }));
      assert.deepEqual(codes(all), [200, 200, 200, 200, ...Array<string>(4).fill('task_looping')]);
      assert.equal(world.model.received.length, 4);
      assert.equal(all[5]?.reason, 'same_prompt');
      assert.match(all[5]?.message ?? '', /same prompt 4 times since 20\d\d-.*Z/);
      assert.equal(await deniedIn(task), 4);
      assert.equal((await ask(task, 'Something else.')).code, 'task_looping', 'four refusals in a row are a storm');
    });

    test('equal calls, in whatever order with others', async () => {
      const task = await world.task({}, agent);
      const all = await inTurn(24, (time) => refund(task, time % 2 === 0 ? 5 : 1000 + time));
      const equal = all.filter((_, time) => time % 2 === 0);
      assert.deepEqual(codes(equal), [...Array(5).fill(200), ...Array(7).fill('task_looping')]);
      assert.ok(equal.slice(5).every(({ reason }) => reason === 'equal_calls'));
      assert.equal(world.orders.received.length, 5 + 12);
      assert.equal(await deniedIn(task), 7);
    });

    for (const length of [2, 3]) {
      test(`${length} calls in turn: so many rounds are made, and then none of these calls`, async () => {
        const task = await world.task({}, agent);
        const all = await inTurn(3 * length + 1, (time) => refund(task, time % length));
        assert.deepEqual(codes(all), [...Array(3 * length).fill(200), 'task_looping']);
        assert.match(all.at(-1)?.message ?? '', /orders\.create_refund.* 3 times since .*Z/);
        assert.equal((await refund(task, 1)).reason, 'ping_pong', 'not the other way round either');
        assert.equal(world.orders.received.length, 3 * length);
        assert.equal(await deniedIn(task), 2);
        assert.equal((await refund(task, 99)).status, 200, 'something else');
        assert.equal((await world.taskDocument(task)).state, 'active');
      });
    }

    test('a denial storm: after so many refusals nothing is called, and the agent is told for how long', async () => {
      const task = await world.task({ labels: deny }, agent);
      const all = await inTurn(10, (time) => refund(task, time));
      assert.deepEqual(codes(all), [...Array(4).fill('policy_denied'), ...Array(6).fill('task_looping')]);
      const last = await read(task, 'O-1');
      assert.deepEqual([last.code, last.reason, last.status], ['task_looping', 'denial_storm', 403]);
      assert.match(last.message, /4 calls refused since .*Z/);
      assert.ok(Number(last.retryAfter) > 0 && Number(last.retryAfter) <= 60, last.retryAfter ?? 'none');
      assert.equal(world.orders.received.length, 0);
      assert.equal((await world.taskDocument(task)).state, 'active');
      assert.equal(await deniedIn(task), 11);
    });

    test('calls that are refused before they are known count as well', async () => {
      const task = await world.task({}, agent);
      const all = await inTurn(6, () => refund(task, 'much' as unknown as number));
      assert.deepEqual(codes(all), Array(6).fill('args_invalid'));
      const storm = await read(task, 'O-1');
      assert.deepEqual([storm.code, storm.reason], ['task_looping', 'denial_storm']);
      // Those two came when it was stopped already.
      assert.match(storm.message, /had 4 calls refused/);
      assert.equal(world.orders.received.length, 0);
      assert.equal((await world.events({ task: task.id, code: 'task_looping' })).length, 1);
    });

    test('one answered call in three does not keep a storm alive', async () => {
      const task = await world.task({ labels: deny }, agent);
      const all = await inTurn(30, (time) => (time % 3 === 2 ? read(task, `O-${time}`) : refund(task, time)));
      // 1, 2, (1), 2, 3, (2), 3, 4
      assert.deepEqual(
        codes(all).slice(0, 8),
        [403, 403, 200, 403, 403, 200, 403, 403].map((status) => (status === 200 ? 200 : 'policy_denied')),
      );
      assert.ok(all.slice(8).every(({ reason }) => reason === 'denial_storm'));
      assert.equal(world.orders.received.length, 2);
      assert.equal(await deniedIn(task), 28);
    });

    test('the dead vendor: it is called as often as it may fail', async () => {
      world.orders.reply = answersNotFound;
      const task = await world.task({}, agent);
      const all = await inTurn(10, (time) => read(task, `O-${time}`));
      assert.deepEqual(codes(all), [404, 404, 404, ...Array(7).fill('circuit_open')]);
      assert.equal(world.orders.received.length, 3);
      assert.equal((await world.events({ task: task.id, code: 'circuit_open' })).length, 7);
    });
  });

  describe('[task.circles-end-over-tasks] over a hundred fresh tasks of one agent', () => {
    test('the same call is made as often as all of them together may make it', async () => {
      const all = await overTasks(4, (task) => ask(task, 'The same in every task.'));
      assert.equal(world.model.received.length, 6);
      assert.equal(all.filter(({ status }) => status === 200).length, 6);
      const looping = all.find(({ reason }) => reason === 'equal_calls_over_tasks');
      assert.equal(looping?.code, 'task_looping');
      assert.match(looping?.message ?? '', /tasks of this agent .* 6 times since .*another task/is);
      assert.ok(Number(looping?.retryAfter) > 0);
      assert.ok((await world.events({ agent, code: 'task_looping' })).length > 0);
    });

    test('at the same time, too', async () => {
      const tasks = await Promise.all(Array.from({ length: 60 }, () => world.task({}, agent)));
      const all = await Promise.all(tasks.map((task) => refund(task, 7)));
      assert.equal(world.orders.received.length, 6);
      assert.equal(all.filter(({ status }) => status === 200).length, 6);
    });

    test('two calls in turn end as often as each of them may be made', async () => {
      await overTasks(1, (task, nth) => refund(task, nth % 2));
      assert.equal(world.orders.received.length, 12);
      assert.ok((await world.events({ agent, code: 'task_looping' })).length > 0);
    });

    test('a denial storm ends at the refusals that all of them may have', async () => {
      const all = await overTasks(3, (task, nth) => refund(task, nth), { labels: deny });
      assert.equal(all.filter(({ code }) => code === 'policy_denied').length, 9);
      assert.ok(all.slice(9).every(({ code, reason }) => code === 'task_looping' && reason === 'denial_storm'));
      assert.match(all.at(-1)?.message ?? '', /The tasks of this agent had 9 calls refused/);
      assert.equal(world.orders.received.length, 0);
      assert.equal((await world.events({ agent, code: 'policy_denied' })).length, 9);
    });

    test('the dead vendor is called as often as all of them may fail', async () => {
      world.orders.reply = answersNotFound;
      const all = await overTasks(2, (task, nth) => read(task, `O-${nth}`));
      assert.equal(world.orders.received.length, 7);
      assert.deepEqual([all.at(-1)?.code, all.at(-1)?.reason], ['circuit_open', 'agent_failures_in_a_row']);
      assert.ok((await world.events({ agent, code: 'circuit_open' })).length > 100);
    });

    test('tasks themselves are given out at a bounded rate', async () => {
      const opened = await Promise.all(Array.from({ length: 320 }, () => world.task({}, agent)));
      const refused = opened.filter(({ status }) => status !== 201);
      // The minute may have turned once meanwhile.
      assert.ok(refused.length >= 320 - 300 && refused.length <= 320 - 150, `${refused.length}`);
      assert.ok(refused.every(({ status, body }) => status === 429 && body.code === 'rate_limited'));
      assert.ok(Number(refused[0]?.body.retry_after) <= 60);
      const form = { subject_token: world.issuer.token(agent), subject_token_type: jwt };
      const details = JSON.stringify([{ type: 'tollgate_task', purpose: 'test' }]);
      const asked = await exchange(world, { grant_type: grant, ...form, authorization_details: details });
      const sameMinute = refused.length === 320 - 150 && Number(refused[0]?.body.retry_after) > 5;
      if (sameMinute) assert.deepEqual([asked.status, asked.answer.error], [429, 'temporarily_unavailable']);
      assert.equal((await world.task({}, spare[0] as string)).status, 201, 'another agent');
    });
  });

  describe('[task.waiting-is-no-circle] what is none', () => {
    test('whoever waits for something may look again once the window is over', async () => {
      const task = await world.task({}, agent);
      for (let round = 0; round < 2; round++) {
        const all = await inTurn(5, () => read(task, 'O-1'));
        assert.ok(
          all.every(({ status }) => status === 200),
          codes(all).join(' '),
        );
        const early = await read(task, 'O-1');
        assert.equal(early.code, 'task_looping');
        assert.match(early.retryAfter ?? '', /^[12]$/);
        await sleep(1000 * Number(early.retryAfter));
      }
      assert.equal(world.orders.received.length, 10);
      assert.equal((await world.events({ task: task.id, code: 'task_looping' })).length, 2);
    });

    test('a list is read page by page', async () => {
      const task = await world.task({}, agent);
      const all = await inTurn(60, (page) => read(task, `page-${page}`));
      assert.ok(all.every(({ status }) => status === 200));
      assert.equal(world.orders.received.length, 60);
      assert.equal(await deniedIn(task), 0);
    });

    test('who was told to come again later comes again later; who does not wait has failed', async () => {
      world.orders.reply = asksToWait;
      const patient = await world.task({}, agent);
      for (let time = 0; time < 5; time++) {
        assert.equal((await read(patient, 'O-1')).status, 429, `time ${time}`);
        await sleep(1000);
      }
      world.orders.reply = answersWell;
      assert.equal((await read(patient, 'O-1')).status, 200);
      assert.equal(world.orders.received.length, 6);
      world.orders.reply = asksToWait;
      const eager = await world.task({}, agent);
      assert.deepEqual(codes(await inTurn(6, () => read(eager, 'O-1'))), [
        429,
        429,
        429,
        429,
        'circuit_open',
        'circuit_open',
      ]);
      assert.equal(world.orders.received.length, 10);
      assert.equal((await world.events({ task: eager.id, code: 'circuit_open' })).length, 2);
    });

    test('a hundred tasks read the same article, and each asks its own question', async () => {
      const all = await overTasks(1, async (task, nth) => {
        const article = await read(task, 'returns');
        return article.status === 200 ? ask(task, `Case ${nth}`) : article;
      });
      assert.ok(all.every(({ status }) => status === 200));
      assert.deepEqual([world.orders.received.length, world.model.received.length], [100, 100]);
      assert.equal((await world.events({ agent, type: 'denial' })).length, 0);
    });

    test('a circle for one subject is none for another', async () => {
      const task = (id: string) => world.task({ subject: { id, type: 'customer' }, labels: deny }, agent);
      for (let nth = 0; nth < 5; nth++) await inTurn(3, async () => refund(await task('C-1'), nth));
      assert.equal((await read(await task('C-1'), 'O-1')).reason, 'denial_storm');
      assert.equal((await read(await task('C-2'), 'O-1')).status, 200);
      assert.equal(world.orders.received.length, 1);
      assert.equal((await world.events({ agent, code: 'task_looping' })).length >= 1, true);
    });

    test('refusals now and then, with work between them, are no storm', async () => {
      const task = await world.task({ labels: deny }, agent);
      const all = await inTurn(40, (time) => (time % 2 === 1 ? read(task, `O-${time}`) : refund(task, time)));
      assert.equal(all.filter(({ status }) => status === 200).length, 20);
      assert.equal(world.orders.received.length, 20);
      assert.equal(await deniedIn(task), 20);
    });
  });
});
