/**
 * The self-service agent at the edge: an ordinary program behind the shop's app. A customer who is signed in asks about
 * their orders, and the app hands their token on; with it and its own SVID the agent gets a task for exactly this
 * customer. It is a customer's word against nobody's: without their token there is no task.
 */
import { type Answered, callThroughGate, type OpenTask, openTask } from './agent.ts';

export const selfServicePurpose = 'self_service';

export interface SelfService {
  readonly opened: Answered;
  /** Null where there was no task. */
  readonly orders: Answered | null;
}

/** The orders of whoever `customerToken` belongs to; which customer that is, the agent learns from the gate. */
export async function ordersOfCustomer(gateUrl: string, svid: string, customerToken: string): Promise<SelfService> {
  const ask = { purpose: selfServicePurpose, subject: { token: customerToken } };
  const opened = await openTask(gateUrl, svid, ask);
  if (opened.status !== 201) return { opened, orders: null };
  const task = opened.body as OpenTask;
  const view = await callThroughGate(gateUrl, task.task_token, { method: 'GET', path: `/tasks/${task.task_id}` });
  const path = `/tools/orders/customers/${encodeURIComponent(view.body.subject.id)}/orders`;
  return { opened, orders: await callThroughGate(gateUrl, task.task_token, { method: 'GET', path }) };
}
