/** Tasks that keep to a declared route: what is off it is answered, not sent, and recorded. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { part } from '../parts.ts';
import { details, exchange, jwt, partOf } from './exchange-form.ts';
import { World } from './world.ts';

const options = part('opa');

interface Refusal {
  readonly code: string;
  readonly reasons: readonly { readonly code: string; readonly message: string }[];
  readonly allowed?: readonly string[];
}

describe('a plan', options, () => {
  let world: World;
  before(async () => {
    world = await World.open();
  });
  after(async () => world?.[Symbol.asyncDispose]());
  beforeEach(() => {
    for (const witness of [world.model, world.orders]) witness.received.length = 0;
  });

  const order = (token: string, id = 'O-1', method = 'GET') =>
    world.fetch(`/tools/orders/orders/${id}`, token, { method });
  const refusalOf = async (response: Response): Promise<Refusal> => {
    assert.equal(response.status, 403);
    const refusal = (await response.json()) as Refusal;
    assert.deepEqual([refusal.code, refusal.reasons[0]?.code], ['policy_denied', 'off_plan']);
    return refusal;
  };

  test('[task.plan-is-kept] is kept in its order, its counts and its arguments, and tells what may go next', async () => {
    const plan = [
      { operation: 'orders.get_order', where: { 'path.order_id': 'O-1' } },
      {
        operation: 'orders.create_refund',
        at_most: 1,
        after: ['orders.get_order'],
        where: { '/body/amount_cents': 5 },
      },
    ];
    const task = await world.task({ plan });
    const early = await refusalOf(await world.refund(task.token, 5));
    assert.deepEqual(early.allowed, ['orders.get_order']);
    const other = await refusalOf(await order(task.token, 'O-2'));
    assert.match(other.reasons[0]?.message ?? '', /another value of path\.order_id/);
    await refusalOf(await order(task.token, 'O-1', 'DELETE'));
    assert.equal(world.orders.received.length, 0);
    assert.equal((await order(task.token)).status, 200);
    await refusalOf(await world.refund(task.token, 6));
    assert.equal((await world.refund(task.token, 5)).status, 200);
    const spent = await refusalOf(await world.refund(task.token, 5));
    assert.deepEqual(spent.allowed, ['orders.get_order']);
    assert.equal((await world.chat(task.token)).status, 403);
    assert.equal(world.model.received.length, 0);
    assert.deepEqual(
      world.orders.received.map(({ method }) => method),
      ['GET', 'POST'],
    );
    const denials = await world.events({ task: task.id, type: 'denial' });
    assert.deepEqual(
      denials.map(({ operation, decision }) => [operation, decision?.allow]),
      [
        ['orders.create_refund', false],
        ['orders.get_order', false],
        ['orders.delete_order', false],
        ['orders.create_refund', false],
        ['orders.create_refund', false],
        ['gpt.chat', false],
      ],
    );
    assert.equal((await world.events({ task: task.id, type: 'intent' })).length, 2);
  });

  test('is shown with its task, and recorded when it is opened', async () => {
    const plan = [{ operation: 'orders.*', at_most: 3 }];
    const task = await world.task({ plan });
    assert.deepEqual(((await world.taskDocument(task)) as unknown as { plan: unknown }).plan, plan);
    const bare = (await world.taskDocument(await world.task())) as unknown as object;
    assert.equal('plan' in bare, false);
    const { answer } = await exchange(world, {
      subject_token: world.issuer.token('coordinator'),
      subject_token_type: jwt,
      authorization_details: details({ plan }),
    });
    const seen = await (await world.fetch(`/tasks/${answer.task_id}`, answer.access_token)).json();
    assert.deepEqual((seen as { plan: unknown }).plan, plan);
  });

  test('lets as many parallel calls go as it counts, and no more', async () => {
    const task = await world.task({ plan: [{ operation: 'orders.create_refund', at_most: 3 }] });
    const answers = await Promise.all(Array.from({ length: 12 }, (_, cents) => world.refund(task.token, cents + 1)));
    const went = answers.filter(({ status }) => status === 200).length;
    assert.equal(went, 3);
    assert.equal(world.orders.received.length, went);
    const first = answers.find(({ status }) => status === 403);
    assert.ok(first !== undefined);
    await refusalOf(first);
    assert.equal((await world.events({ task: task.id, type: 'denial' })).length, 12 - went);
  });

  test('is narrowed by what the policy grants, and is what it grants where none was declared', async () => {
    const granted = [{ operation: 'orders.get_order', at_most: 1 }, { operation: 'orders.delete_order' }];
    const labels = { grant: JSON.stringify({ plan: granted }) };
    const narrowed = await world.task({ plan: [{ operation: 'orders.get_order', at_most: 2 }], labels });
    const given = await world.task({ labels });
    for (const [task, plan] of [
      [narrowed, granted.slice(0, 1)],
      [given, granted],
    ] as const) {
      assert.deepEqual(((await world.taskDocument(task)) as unknown as { plan: unknown }).plan, plan);
      world.orders.received.length = 0;
      assert.equal((await order(task.token)).status, 200);
      await refusalOf(await order(task.token));
      assert.equal(world.orders.received.length, 1);
      assert.equal((await world.events({ task: task.id, type: 'denial' })).length, 1);
    }
  });

  test('[task.plan-only-narrows] goes for the parts of the task, which get none of what it counts', async () => {
    const plan = [{ operation: 'orders.get_order' }, { operation: 'orders.create_refund', at_most: 1 }];
    const whole = await world.task({ plan });
    for (const asked of [{}, { plan: [{ operation: 'orders.*' }] }]) {
      const { answer } = await exchange(world, partOf(whole.token, world.issuer.token('legal-risk'), asked));
      assert.equal((await order(answer.access_token)).status, 200);
      await refusalOf(await world.refund(answer.access_token, 5));
      await refusalOf(await order(answer.access_token, 'O-1', 'DELETE'));
      const denials = await world.events({ task: answer.task_id, type: 'denial' });
      assert.equal(denials.length, 2);
    }
    assert.equal(world.orders.received.length, 2);
  });
});
