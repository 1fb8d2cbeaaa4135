/** Chapters 1 and 2: the coordinator gets its bus pass, and does its work with it. */

import { newId, systemClock, type TaskId } from '../../../src/clock.ts';
import { GateKeys } from '../../../src/identity/keys.ts';
import { sentDigest, TxnTokens } from '../../../src/identity/txn-token.ts';
import type { OpenTask } from '../agent.ts';
import { type Conversation, converse } from '../coordinator.ts';
import { tenant } from '../world/identities.ts';
import type { Received } from '../world/record.ts';
import { conversation } from '../world/script.ts';
import { trustDomain } from '../world/world.ts';
import { claimsOf, coordinatorId, gatewayId, purpose, type Scene } from './scene.ts';
import { needed } from './step.ts';

/** Personal data as customers write it; none of it may reach a model. */
export const personal = { email: 'ada.keller@example.com', card: '4111 1111 1111 1111' } as const;

const message =
  `Customer ${conversation.customerId} writes: my headphones (order ${conversation.orderId}) broke five weeks after ` +
  `the return period. Can you make an exception? Answer me at ${personal.email}; I paid with ${personal.card}.`;

/** The model in Azure dies in the middle of the work: after its first answer. */
const answersBeforeDeath = 1;

export interface Journey {
  task?: OpenTask;
  conversation?: Conversation;
  /** What the model servers charged for the conversation, by their own ledger. */
  costMicroUsd?: number;
}

function toModels({ world }: Scene): readonly Received[] {
  return Object.values(world.models).flatMap(({ received }) => received);
}

/** A Txn-Token under the gate's own key for a refund that the policy should have stopped. */
async function txnTokenOfBadPolicy(
  scene: Scene,
  task: OpenTask,
  { subject, body }: { readonly subject: string; readonly body: string },
): Promise<string> {
  const clock = systemClock();
  await using keys = new GateKeys({ dataDir: scene.gate.dataDir, gatewayId, clock });
  await keys.open();
  const gateway = { id: gatewayId, cloud: 'azure', region: 'westeurope' };
  const taskId = task.task_id as TaskId;
  return new TxnTokens({ keys, trustDomain, publicUrl: scene.gate.url, gateway, clock }).mint({
    callId: newId(clock, 'call'),
    subject: { id: subject, type: 'customer', claims: {}, assurance: 'asserted' },
    agent: {
      id: coordinatorId,
      issuer: 'azure',
      tenant,
      cloud: 'azure',
      claims: {},
      actors: [],
      verifiedAtMs: clock.nowMs(),
    },
    operation: 'refunds.create_refund',
    taskId,
    rootTaskId: taskId,
    purpose,
    sentDigest: sentDigest('POST', '/refunds', Buffer.from(body)),
  });
}

export async function journey(scene: Scene): Promise<Journey> {
  const { world, story } = scene;
  const made: Journey = {};

  await story.step('1 the pass', 'the coordinator shows its workload token and opens a task', async (step) => {
    const task = await scene.task();
    made.task = task;
    const claims = claimsOf(task.task_token);
    step.equal(claims.aud, scene.gate.url, 'the audience of the task token is the gate');
    step.equal(task.token_type, 'Bearer', 'token_type');
    step.holds(task.tools.includes('refunds.create_refund'), `the tools include refunds: ${task.tools}`);
    step.holds(!task.tools.includes('orders.delete_order'), `the tools leave out delete_order: ${task.tools}`);
    const view = await scene.taskView(task);
    step.equal(
      [view.state, view.agent?.id ?? view.agent, view.subject?.id, view.purpose],
      ['active', coordinatorId, conversation.customerId, purpose],
      'the task is active, of this agent, for this customer and purpose',
    );
    step.note = `${task.task_id}, ${task.tools.length} operations`;
  });

  await story.step('2 the work', 'the model proposes, the coordinator calls, the refund is paid', async (step) => {
    const task = needed(made.task, 'the task');
    const ledgerStart = world.ledger.length;
    // Chapter 4 looks at what this does; here nobody may notice.
    world.models.azure.dieAfter(answersBeforeDeath);
    const talk = await converse(scene.gate.url, task, message);
    made.costMicroUsd = scene.modelCostMicroUsd(ledgerStart);
    made.conversation = talk;
    step.equal(
      talk.made.map(({ tool, status }) => `${tool} ${status}`),
      ['orders__get_customer 200', 'orders__get_order 200', 'risk__assess_return 200', 'refunds__create_refund 201'],
      'the tool calls',
    );
    const promised = ['call', 'decision'].map((of) => `x-tollgate-${of}-id`).concat('x-tollgate-budget-remaining-usd');
    for (const { headers, tool } of talk.made) {
      const missing = promised.filter((name) => !headers.get(name));
      step.equal(missing, [], `headers the answer of ${tool} lacks`);
    }
    step.holds(talk.answer.startsWith('The exception is granted'), `the model's last word: ${talk.answer}`);
    step.equal(talk.completions.length, 4, 'answers of the model');
    step.holds(talk.chunks > 20, `the answers came streamed: ${talk.chunks} chunks`);
    step.equal(new Set(talk.completions.map(({ model }) => model)), new Set(['planner']), 'the model as agents see it');
    step.equal(
      world.refunds.paid.map(({ customer_id, order_id, amount_cents }) => [customer_id, order_id, amount_cents]),
      [[conversation.customerId, conversation.orderId, 4_500]],
      'the refunds paid',
    );
    step.note = talk.answer;
  });

  await story.step('2 the work', "services get the gate's credential and a Txn-Token they verified", async (step) => {
    const task = needed(made.task, 'the task');
    for (const service of [world.orders, world.risk, world.refunds.service]) {
      step.holds(service.received.length > 0, `${service.name} was called`);
      for (const { headers } of service.received) {
        step.equal(headers['x-service-key'], service.key, `${service.name}: the service key`);
        const claims = claimsOf(String(headers['txn-token'] ?? 'x.e30.x'));
        const { task_id: taskId } = (claims.tctx ?? {}) as Record<string, unknown>;
        step.equal(
          [claims.aud, claims.sub, claims.req_wl, taskId],
          [trustDomain, conversation.customerId, coordinatorId, task.task_id],
          `${service.name}: aud, sub, req_wl and task of the Txn-Token`,
        );
      }
    }
    for (const { headers } of toModels(scene)) step.equal(headers['txn-token'], undefined, 'Txn-Token to the model');
  });

  await story.step('2 the work', 'the refund service refuses a Txn-Token for another customer', async (step) => {
    const { service, paid } = world.refunds;
    const refund = async (token: string, body: string) => {
      const headers = { 'x-service-key': service.key, 'txn-token': token, 'content-type': 'application/json' };
      const answer = await fetch(`${service.url}/refunds`, { method: 'POST', headers, body });
      return [answer.status, ((await answer.json()) as { error?: string }).error];
    };
    // The policy would never let such a call through, so this token is made as by a gate whose policy has a hole.
    const task = needed(made.task, 'the task');
    const other = JSON.stringify({ customer_id: conversation.customerId, order_id: 'A-1002', amount_cents: 4_500 });
    const token = await txnTokenOfBadPolicy(scene, task, { subject: 'C-2002', body: other });
    step.equal(await refund(token, other), [403, 'other_customer'], 'a token for C-2002, a refund for C-1001');

    const seen = needed(
      service.received.find(({ body }) => body.includes(conversation.orderId)),
      'the refund request',
    );
    const spent = String(seen.headers['txn-token']);
    step.equal(await refund(spent, seen.body), [403, 'txn_token'], 'a token that was used before');
    step.equal(await refund('', seen.body), [403, 'txn_token'], 'no token');
    step.equal(paid.length, 1, 'refunds paid');
  });

  await story.step('2 the work', 'an e-mail address and a card number do not reach the model', async (step) => {
    const sent = toModels(scene)
      .map(({ body }) => body)
      .join('\n');
    step.holds(sent.includes(conversation.orderId), 'the rest of the message reached the model');
    for (const [type, value] of Object.entries(personal)) {
      step.holds(!sent.includes(value), `the ${type} did not reach the model`);
    }
    const task = needed(made.task, 'the task').task_id;
    const intents = (await scene.events({ task })).filter(
      ({ type, operation }) => type === 'intent' && operation === 'planner.chat',
    );
    step.equal(intents.length, 4, 'intents of model calls');
    for (const { findings } of intents) {
      const types = new Set(findings.map(({ type }) => type));
      step.holds(types.has('email') && types.has('card'), `the audit event names the findings: ${[...types]}`);
    }
    const trail =
      JSON.stringify(await scene.events({ task })) + JSON.stringify(await scene.admin(`/audit/tasks/${task}`));
    for (const [type, value] of Object.entries(personal)) {
      step.holds(!trail.includes(value), `the ${type} is not in the audit trail`);
    }
  });

  return made;
}
