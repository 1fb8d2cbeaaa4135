/**
 * Chapter 5, the thief on the wire: somebody who read a request between gate and service, keys and Txn-Token and all.
 * What was captured is good for that one request, which has been made.
 */
import { conversation } from '../world/script.ts';
import type { Service } from '../world/service.ts';
import { refused } from './refused.ts';
import type { Scene } from './scene.ts';
import { needed } from './step.ts';

const chapter = '5 the guards';
const { customerId } = conversation;

/** Sends a request to a service as the gate would, and tells how it was answered. */
async function straightTo(service: Service, txnToken: string, method: string, path: string, body?: object) {
  const response = await fetch(`${service.url}${path}`, {
    method,
    headers: { 'x-service-key': service.key, 'txn-token': txnToken, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const document = (await response.json()) as { message?: string };
  return `${response.status} ${document.message ?? ''}`;
}

const refusedFor = (reason: string) => `403 the Txn-Token is refused: ${reason}`;

export async function captured(scene: Scene): Promise<void> {
  const { world, story } = scene;

  await story.step(chapter, 'a captured Txn-Token is worth nothing, anywhere', async (step) => {
    const task = await scene.task();
    const refund = { customer_id: customerId, order_id: 'A-1004', amount_cents: 500, reason: 'scratched' };
    const made = await scene.call(task, 'POST', '/tools/refunds/refunds', refund);
    step.equal(made.status, 201, 'the call that was listened to');
    const { service } = world.refunds;
    const received = needed(service.received.at(-1), 'what the service received');
    const token = String(received.headers['txn-token']);
    const again = (body: object) => straightTo(service, token, 'POST', received.path, body);

    step.equal(await again(refund), refusedFor('token_replayed'), 'the same request, twice at its own service');
    step.equal(await again({ ...refund, amount_cents: 9_900 }), refusedFor('request_changed'), 'with another body');
    const elsewhere = await straightTo(world.orders, token, 'GET', `/customers/${customerId}`);
    step.equal(elsewhere, refusedFor('operation_wrong'), 'at another service');
    const atGate = () => scene.call({ ...task, task_token: token }, 'GET', `/tools/orders/customers/${customerId}`);
    await refused(scene, step, { code: 'unauthenticated', call: atGate });
  });
}
