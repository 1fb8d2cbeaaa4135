/** Calls of one task at the same moment: each is decided with the others in view, and circles are seen. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { part } from '../parts.ts';
import { World } from './world.ts';

const options = part('opa');
const json = { 'content-type': 'application/json' };

interface Problem {
  readonly code: string;
  readonly message?: string;
  readonly detail: string;
  readonly reasons: readonly { code: string; message: string }[];
}

describe('calls of one task', options, () => {
  let world: World;
  before(async () => {
    world = await World.open({ config: { task: { loop: { repeats: 3 } } } });
  });
  after(async () => world?.[Symbol.asyncDispose]());
  beforeEach(() => {
    world.orders.reply = (_request, response) => void response.writeHead(200, json).end('{}');
    world.orders.received.length = 0;
  });

  test('[task.parallel-writes-see-each-other] of 50 refunds at once exactly what the limit allows is paid', async () => {
    const task = await world.task({ labels: { sum_limit: '1000' } });
    // Slow, so that all of them are on their way before the first is paid.
    world.orders.reply = (_request, response) => void setTimeout(() => response.writeHead(200, json).end('{}'), 100);
    const responses = await Promise.all(
      Array.from({ length: 50 }, (_, index) => world.refund(task.token, 100, { note: `n-${index}` })),
    );
    const statuses = responses.map(({ status }) => status);
    assert.equal(statuses.filter((status) => status === 200).length, 10, statuses.join(' '));
    assert.equal(statuses.filter((status) => status === 403).length, 40);
    const paid = world.orders.received.map(
      ({ body }) => (JSON.parse(body.toString()) as { amount_cents: number }).amount_cents,
    );
    assert.deepEqual([paid.length, paid.reduce((sum, amount) => sum + amount, 0)], [10, 1000]);
    const events = await world.events({ task: task.id, operation: 'orders.create_refund' });
    const count = (type: string) => events.filter((event) => event.type === type).length;
    assert.deepEqual([count('intent'), count('outcome'), count('denial')], [10, 10, 40]);
    const { reserved, spent } = (await world.taskDocument(task)).budget;
    assert.deepEqual([reserved.calls, spent.calls], [0, 10]);
  });

  test('[policy.sums-over-the-task] refunds that only together are over the limit are denied, with a reason', async () => {
    const task = await world.task({ labels: { sum_limit: '100' } });
    const statuses = [];
    for (const amount of [60, 30, 20, 10, 1]) statuses.push((await world.refund(task.token, amount)).status);
    assert.deepEqual(statuses, [200, 200, 403, 200, 403]);
    const body = (await (await world.refund(task.token, 2)).json()) as Problem;
    assert.deepEqual(
      [body.code, body.reasons[0]?.code, body.reasons[0]?.message],
      ['policy_denied', 'sum_over_limit', 'All of them together are over the limit.'],
    );
    assert.equal(world.orders.received.length, 3);
    const denials = await world.events({ task: task.id, type: 'denial' });
    assert.ok(denials.every(({ decision }) => decision?.reasons[1]?.code === 'sum_over_limit'));
  });

  test('a refund that its service refuses gives its share of the sum back, one whose end is not known keeps it', async () => {
    const task = await world.task({ labels: { sum_limit: '100' } });
    world.orders.reply = (_request, response) => void response.writeHead(409, json).end('{}');
    assert.equal((await world.refund(task.token, 100)).status, 409);
    world.orders.reply = (_request, response) => void response.destroy();
    assert.equal((await world.refund(task.token, 70)).status, 502);
    world.orders.reply = (_request, response) => void response.writeHead(200, json).end('{}');
    assert.equal((await world.refund(task.token, 40)).status, 403);
    assert.equal((await world.refund(task.token, 30)).status, 200);
  });

  test('[task.equal-calls-loop] equal calls beyond the limit are task_looping, and the task lives on', async () => {
    const task = await world.task();
    const get = (id: string) => world.fetch(`/tools/orders/orders/${id}`, task.token);
    for (let call = 0; call < 3; call++) assert.equal((await get('O-1')).status, 200);
    const looping = await get('O-1');
    const body = (await looping.json()) as Problem;
    assert.deepEqual(
      [looping.status, body.code, looping.headers.get('x-should-retry')],
      [403, 'task_looping', 'false'],
    );
    assert.equal(world.orders.received.length, 3);
    assert.equal((await get('O-2')).status, 200);
    assert.equal((await world.taskDocument(task)).state, 'active');
    const [event] = await world.events({ task: task.id, code: 'task_looping' });
    assert.deepEqual([event?.type, event?.operation], ['denial', 'orders.get_order']);
    // Also when they come at once, and in another spelling of the same arguments.
    const other = await world.task();
    const bodies = ['{"amount_cents":5,"note":"a"}', '{ "note": "\\u0061", "amount_cents": 5 }'];
    const sent = await Promise.all(
      Array.from({ length: 10 }, (_, index) =>
        world.fetch('/tools/orders/refunds', other.token, {
          method: 'POST',
          headers: json,
          body: bodies[index % 2] as string,
        }),
      ),
    );
    assert.equal(sent.filter(({ status }) => status === 200).length, 3);
  });
});
