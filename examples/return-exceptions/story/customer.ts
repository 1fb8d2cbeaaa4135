/**
 * Chapter 5, on whose behalf: an agent's word for a customer, and the customer's own token. Where the policy asks for
 * the token nothing else will do, and what it proved stands in the service's Txn-Token and in the trail.
 */
import { openTask } from '../agent.ts';
import { ordersOfCustomer, selfServicePurpose } from '../self-service.ts';
import { selfServiceId, shopApp } from '../world/identities.ts';
import { conversation } from '../world/script.ts';
import { refused } from './refused.ts';
import { claimsOf, coordinatorId, type Scene } from './scene.ts';
import { needed } from './step.ts';

const chapter = '5 the guards';
const { customerId } = conversation;
const otherCustomerId = 'C-2002';

export async function customer(scene: Scene): Promise<void> {
  const { world, gate, story } = scene;
  const { edge, shop } = world;
  const shown = (token: string) => {
    world.agentTokens.add(token);
    return token;
  };
  const svid = async (id: string = selfServiceId) => shown(await edge.svid(id));
  const tokenOf = async (person: string) => shown(await shop.signedIn(person, shopApp));
  const denied = async (token: string, ask: object) => {
    const before = scene.receivedCounts();
    const { status, body } = await openTask(gate.url, token, ask);
    return { status, code: body.code, reason: body.reasons?.[0]?.code, quiet: scene.sameCounts(before), body };
  };

  await story.step(chapter, 'an agent known by SPIFFE, with the token of C: the orders of C', async (step) => {
    const { opened, orders } = await ordersOfCustomer(gate.url, await svid(), await tokenOf(customerId));
    step.equal([opened.status, orders?.status], [201, 200], 'the task, and the call');
    step.equal(orders?.body.orders?.length, 4, 'orders of C');
    const taskId = opened.body.task_id as string;
    shown(opened.body.task_token);
    const received = needed(world.orders.received.at(-1), 'what the service received');
    const txn = claimsOf(String(received.headers['txn-token']));
    const tctx = txn.tctx as Record<string, unknown>;
    step.equal([txn.sub, txn.req_wl], [customerId, selfServiceId], 'for whom and by whom, as the service was told');
    step.equal(tctx.subject_assurance, 'verified', 'and how sure that is');
    const events = await scene.eventsUntil({ task: taskId }, (found) => found.some(({ type }) => type === 'outcome'));
    const said = events.map(({ agent, issuer, subject }) => [agent, issuer, subject?.id, subject?.assurance].join());
    step.equal([...new Set(said)], [`${selfServiceId},edge,${customerId},verified`], 'who, in the trail');
  });

  await story.step(chapter, 'a valid agent without the token of C gets no task for C', async (step) => {
    const asserted = { purpose: selfServicePurpose, subject: { id: customerId, type: 'customer' } };
    const { status, code, reason, quiet } = await denied(await svid(), asserted);
    step.equal([status, code, reason], [403, 'policy_denied', 'asserted_subject'], 'status, code and reason');
    step.holds(quiet, 'nothing was received behind the gate');
    const control = await openTask(gate.url, await svid(), {
      ...asserted,
      subject: { token: await tokenOf(customerId) },
    });
    step.equal(control.status, 201, 'the same with the token of C');
  });

  await story.step(chapter, 'the token of one customer opens nothing of another', async (step) => {
    const ask = { purpose: selfServicePurpose, subject: { token: await tokenOf(otherCustomerId) } };
    const opened = await openTask(gate.url, await svid(), ask);
    step.equal(opened.status, 201, 'a task for the other customer');
    shown(opened.body.task_token);
    const path = `/tools/orders/customers/${customerId}/orders`;
    const call = () => scene.call(opened.body, 'GET', path);
    await refused(scene, step, { code: 'policy_denied', reason: 'other_customer', call });
  });

  await story.step(chapter, 'a token of one kind never stands for another', async (step) => {
    const own = await svid();
    const customerToken = await tokenOf(customerId);
    const ask = (token: string) => ({ purpose: selfServicePurpose, subject: { token } });
    const workload = await scene.workloadToken();
    const rows = [
      ['an SVID as the token of a customer', own, ask(own)],
      ['a workload token as the token of a customer', own, ask(workload)],
      ['the token of a customer as a workload token', customerToken, ask(customerToken)],
      ['a task token as the token of a customer', own, ask((await scene.task()).task_token)],
      [
        'an SVID of another trust domain',
        await svid('spiffe://elsewhere.example/agents/self-service'),
        ask(customerToken),
      ],
    ] as const;
    for (const [what, credential, document] of rows) {
      const { status, code, quiet } = await denied(credential, document);
      step.equal([status, code], [401, 'unauthenticated'], what);
      step.holds(quiet, `nothing was received behind the gate: ${what}`);
    }
  });

  await story.step(chapter, 'another agent of the edge, and one of Azure, get no such task', async (step) => {
    const ask = { purpose: selfServicePurpose, subject: { token: await tokenOf(customerId) } };
    const sibling = await denied(await svid('spiffe://edge.example.internal/agents/marketing'), ask);
    const azure = await denied(await scene.workloadToken(world.issuers.azure.workload(coordinatorId)), ask);
    for (const { code, reason } of [sibling, azure]) {
      step.equal([code, reason], ['policy_denied', 'agent_not_allowed'], 'code and reason');
    }
  });
}
