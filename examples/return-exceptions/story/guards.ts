/** Chapter 5, the guards of policy and tasks: what a coordinator that was led astray would try, and where it ends. */
import { conversation } from '../world/script.ts';
import { refused } from './refused.ts';
import type { Scene } from './scene.ts';

const chapter = '5 the guards';
const { customerId, orderId } = conversation;
const failuresMax = 5;
const repeatsMax = 5;

function refund(orderIdOfRefund: string, amountCents: number, more: object = {}): object {
  return { customer_id: customerId, order_id: orderIdOfRefund, amount_cents: amountCents, ...more };
}

export async function guards(scene: Scene): Promise<void> {
  const { world, story } = scene;

  await story.step(chapter, 'DELETE of an order is denied', async (step) => {
    const task = await scene.task();
    const path = `/tools/orders/customers/${customerId}/orders/${orderId}`;
    await refused(scene, step, { code: 'policy_denied', call: () => scene.call(task, 'DELETE', path) });
    step.equal((await scene.call(task, 'GET', path)).status, 200, 'the order is still there');
    const deletions = world.orders.received.filter(({ method }) => method === 'DELETE');
    step.equal(deletions.length, 0, 'DELETE requests the service received');
  });

  await story.step(chapter, "another customer's order is denied", async (step) => {
    const task = await scene.task();
    await refused(scene, step, {
      code: 'policy_denied',
      reason: 'other_customer',
      call: () => scene.call(task, 'GET', '/tools/orders/customers/C-2002/orders/B-2001'),
    });
  });

  await story.step(chapter, 'a refund over the limit is denied', async (step) => {
    const task = await scene.task();
    const paid = world.refunds.paid.length;
    await refused(scene, step, {
      code: 'policy_denied',
      reason: 'refund_over_limit',
      call: () => scene.call(task, 'POST', '/tools/refunds/refunds', refund('A-1003', 18_000)),
    });
    step.equal(world.refunds.paid.length, paid, 'refunds paid');
  });

  await story.step(chapter, 'three refunds, only together over the limit: the third is denied', async (step) => {
    const task = await scene.task();
    const paid = world.refunds.paid.length;
    for (const order of ['A-1001', 'A-1002']) {
      const { status } = await scene.call(task, 'POST', '/tools/refunds/refunds', refund(order, 6_000));
      step.equal(status, 201, `the refund for ${order}`);
    }
    await refused(scene, step, {
      code: 'policy_denied',
      reason: 'refund_sum_over_limit',
      call: () => scene.call(task, 'POST', '/tools/refunds/refunds', refund('A-1004', 5_500)),
    });
    // What the reason said was left may be used: a denial is advice, not the end.
    const rest = await scene.call(task, 'POST', '/tools/refunds/refunds', refund('A-1004', 3_000));
    step.equal(rest.status, 201, 'a refund of what is left');
    step.equal(world.refunds.paid.length, paid + 3, 'refunds paid');
  });

  await story.step(chapter, 'the same three refunds at once: one of them is denied', async (step) => {
    const task = await scene.task();
    const paid = world.refunds.paid.length;
    const answers = await Promise.all(
      ['A-1001', 'A-1002', 'A-1004'].map((order) =>
        scene.call(task, 'POST', '/tools/refunds/refunds', refund(order, 5_500)),
      ),
    );
    step.equal(answers.map(({ status }) => status).sort(), [201, 201, 403], 'the answers');
    const denied = answers.find(({ status }) => status === 403);
    step.equal(denied?.body?.reasons?.[0]?.code, 'refund_sum_over_limit', 'why');
    step.equal(world.refunds.paid.length, paid + 2, 'refunds paid');
  });

  await story.step(chapter, 'an argument that does not fit never leaves the gate', async (step) => {
    const task = await scene.task();
    await refused(scene, step, {
      code: 'args_invalid',
      call: () => scene.call(task, 'POST', '/tools/refunds/refunds', refund('A-1001', 4_500, { to_account: 'mine' })),
    });
  });

  await story.step(chapter, 'a vendor site that is down: circuit_open after five failures', async (step) => {
    const task = await scene.task();
    const received = world.vendor.received.length;
    for (let article = 1; article <= failuresMax; article++) {
      const { status } = await scene.call(task, 'GET', `/tools/vendor/articles/${article}`);
      step.equal(status, 404, `call ${article} gets what the vendor says`);
    }
    step.equal(world.vendor.received.length, received + failuresMax, 'requests the vendor received');
    await refused(scene, step, {
      code: 'circuit_open',
      call: () => scene.call(task, 'GET', '/tools/vendor/articles/6'),
    });
    const elsewhere = await scene.call(task, 'GET', `/tools/orders/customers/${customerId}`);
    step.equal(elsewhere.status, 200, 'other destinations of the task');
    const other = await scene.call(await scene.task(), 'GET', '/tools/vendor/articles/7');
    step.equal(other.status, 404, 'the same destination for another task');
    for (const { headers } of world.vendor.received) {
      step.equal(
        [headers['txn-token'], headers['x-service-key']],
        [undefined, undefined],
        'credentials the vendor got',
      );
    }
  });

  await story.step(chapter, 'the same call again and again: task_looping', async (step) => {
    const task = await scene.task();
    const received = world.vendor.received.length;
    for (let time = 1; time <= repeatsMax; time++) {
      const { status } = await scene.call(task, 'GET', '/tools/vendor/articles/42');
      step.equal(status, 404, `time ${time}`);
    }
    await refused(scene, step, {
      code: 'task_looping',
      call: () => scene.call(task, 'GET', '/tools/vendor/articles/42'),
    });
    step.equal(world.vendor.received.length, received + repeatsMax, 'requests the vendor received');
    const other = await scene.call(task, 'GET', `/tools/orders/customers/${customerId}`);
    step.equal(other.status, 200, 'the task is alive and may do something else');
  });
}
