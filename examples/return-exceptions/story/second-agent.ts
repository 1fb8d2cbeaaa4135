/**
 * Chapter 3: the coordinator does not decide alone. It hands a delegation token to the legal department's agent, which
 * opens a part of the task with it: the customer and the budget of the whole, tools of its own, and never more.
 */
import { delegate, exchangeToken, type OpenTask, openTask } from '../agent.ts';
import { askLegalRisk } from '../coordinator.ts';
import { riskPart } from '../risk-agent.ts';
import { conversation } from '../world/script.ts';
import { refused } from './refused.ts';
import { claimsOf, coordinatorId, type Scene } from './scene.ts';
import { needed, type Step } from './step.ts';
import type { Entry } from './trail.ts';

const chapter = '3 the second agent';
const riskAgentId = 'legal-risk';
const legalRisk = { agent: riskAgentId, issuer: 'onprem' } as const;
const { customerId, daysLate } = conversation;
const customerPath = `/tools/orders/customers/${customerId}`;
/** Dearer than any refund that the coordinator may give by itself. */
const question = { order_id: 'A-1003', amount_cents: 18_000, days_late: daysLate } as const;

/** What the coordinator hands over so that the legal-risk agent gets a part of `task`. */
async function delegationOf(scene: Scene, task: OpenTask): Promise<string> {
  const { status, body } = await delegate(scene.gate.url, await scene.workloadToken(), task.task_id, legalRisk);
  if (status !== 200) throw new Error(`the delegation was answered ${status}: ${JSON.stringify(body)}`);
  scene.world.agentTokens.add(body.delegation_token);
  return body.delegation_token;
}

/** A part of `task` for the legal-risk agent, as somebody who has its workload token would ask for it. */
async function partOf(scene: Scene, task: OpenTask, part: object = riskPart) {
  const token = await scene.workloadToken(scene.world.issuers.onprem.workload(riskAgentId));
  const taskToken = await delegationOf(scene, task);
  return exchangeToken(scene.gate.url, { taskToken, workloadToken: token, part });
}

async function openPart(scene: Scene, step: Step, task: OpenTask): Promise<OpenTask> {
  const { status, body } = await partOf(scene, task);
  step.equal([status, body.issued_token_type], [200, 'urn:ietf:params:oauth:token-type:access_token'], 'the exchange');
  scene.world.agentTokens.add(body.access_token);
  return { ...body, task_token: body.access_token, tools: body.scope.split(' ') };
}

/** Gives the story of the part, for whoever wants to print it. */
export async function secondAgent(scene: Scene): Promise<readonly Entry[]> {
  const { world, gate, story } = scene;
  let told: readonly Entry[] = [];
  const asked: { task?: OpenTask; partId?: string } = {};

  await story.step(chapter, 'the coordinator asks legal-risk, which opens a part of the task', async (step) => {
    const task = await scene.task();
    asked.task = task;
    const { status, body } = await askLegalRisk(world.riskAgent.url, await delegationOf(scene, task), question);
    step.equal([status, body.risk], [200, 'low'], 'the answer of legal-risk');
    asked.partId = body.task_id;
    const part = (await scene.call(task, 'GET', `/tasks/${body.task_id}`)).body;
    const tools = [...riskPart.tools].sort();
    step.equal(
      [part.agent, part.parent, part.subject?.id, part.purpose, [...(part.tools ?? [])].sort(), part.state],
      [riskAgentId, { id: task.task_id, agent: coordinatorId }, customerId, riskPart.purpose, tools, 'completed'],
      'agent, parent, subject, purpose, tools and state of the part',
    );
    const whole = await scene.taskView(task);
    step.equal([part.budget.spent.calls, whole.budget.spent.calls], [2, 2], 'calls spent in the part and in the whole');
    step.holds(part.budget.limit.calls < whole.budget.limit.calls, 'the part has fewer calls than the whole');
    step.note = body.notes?.[0] ?? '';
  });

  await story.step(chapter, 'services see legal-risk, acting for the coordinator', async (step) => {
    const [task, partId] = [needed(asked.task, 'the task'), needed(asked.partId, 'the part')];
    for (const service of [world.orders, world.risk]) {
      const { sub, act, req_wl, tctx } = claimsOf(String(service.received.at(-1)?.headers['txn-token']));
      const { task_id: taskId, root_task_id: rootId } = tctx as Record<string, unknown>;
      step.equal(
        [sub, req_wl, act, taskId, rootId],
        [customerId, riskAgentId, { sub: riskAgentId, act: { sub: coordinatorId } }, partId, task.task_id],
        `${service.name}: sub, req_wl, act, task and root task of the Txn-Token`,
      );
    }
  });

  await story.step(chapter, 'its calls are in the trail under its own name and task', async (step) => {
    const [task, partId] = [needed(asked.task, 'the task'), needed(asked.partId, 'the part')];
    const events = await scene.eventsUntil(
      { task: partId },
      (found) => found.filter(({ type }) => type === 'outcome').length >= 2,
    );
    step.equal(
      [...new Set(events.map(({ agent, issuer, tenant, subject }) => [agent, issuer, tenant, subject?.id].join()))],
      [`${riskAgentId},onprem,acme,${customerId}`],
      'agent, issuer, tenant and subject of every event',
    );
    told = (await scene.admin(`/audit/tasks/${partId}`)).entries;
    step.equal(
      told.map(({ kind, operation, status }) => `${kind} ${operation} ${status}`),
      [
        'event task.create 201',
        'action orders.get_customer 200',
        'action risk.assess_return 200',
        'event task.complete 200',
      ],
      'the story of the part',
    );
    const ofWhole = (await scene.events({ task: task.task_id })).filter(({ call }) => call !== null);
    step.equal(ofWhole.length, 0, 'calls under the task of the coordinator');
    const { parent } = await scene.admin(`/tasks/${partId}`);
    step.equal(parent, { id: task.task_id, agent: coordinatorId }, 'the parent, as people see it');
    step.note = `${partId}, part of ${task.task_id}`;
  });

  await story.step(chapter, 'a part is never more than its purpose: orders and refunds are denied', async (step) => {
    const task = await scene.task();
    const part = await openPart(scene, step, task);
    const order = `${customerPath}/orders/${question.order_id}`;
    await refused(scene, step, { code: 'policy_denied', call: () => scene.call(part, 'GET', order) });
    const refund = { customer_id: customerId, order_id: question.order_id, amount_cents: 4_500 };
    await refused(scene, step, {
      code: 'policy_denied',
      call: () => scene.call(part, 'POST', '/tools/refunds/refunds', refund),
    });
    const wider = await partOf(scene, task, { purpose: riskPart.purpose, tools: ['refunds.create_refund'] });
    step.equal(
      [wider.status, wider.body.error, wider.body.reasons?.[0]?.code],
      [400, 'unauthorized_client', 'operation_not_in_purpose'],
      'a part with the tools of the whole',
    );
    const other = await partOf(scene, task, { ...riskPart, subject: { id: 'C-2002', type: 'customer' } });
    step.equal([other.status, other.body.reasons?.[0]?.code], [400, 'other_subject'], 'a part for another customer');
    const token = await scene.workloadToken(world.issuers.onprem.workload(riskAgentId));
    const alone = await openTask(gate.url, token, { ...riskPart, subject: { id: customerId, type: 'customer' } });
    const reasons: { code: string }[] = alone.body.reasons ?? [];
    step.equal([alone.status, alone.body.code], [403, 'policy_denied'], 'a task of its own');
    step.holds(
      reasons.some(({ code }) => code === 'parent_required'),
      `it needs a whole: ${JSON.stringify(reasons)}`,
    );
  });

  await story.step(chapter, 'what was handed over is worth nothing in other hands', async (step) => {
    const task = await scene.task();
    const handed = await delegationOf(scene, task);
    const call = () => scene.call({ ...task, task_token: handed }, 'GET', customerPath);
    await refused(scene, step, { code: 'unauthenticated', reason: 'token_kind', call });
    const namesake = await scene.workloadToken(world.issuers.aws.workload(coordinatorId));
    for (const workloadToken of [namesake, await scene.workloadToken()]) {
      const taken = await exchangeToken(gate.url, { taskToken: handed, workloadToken, part: riskPart });
      step.equal([taken.status, taken.body.reasons?.[0]?.code], [400, 'actor_wrong'], 'a part for another agent');
    }
  });

  await story.step(chapter, "killing the coordinator's task ends the part", async (step) => {
    const task = await scene.task();
    const part = await openPart(scene, step, task);
    step.equal((await scene.call(part, 'GET', customerPath)).status, 200, 'a call before');
    const killed = await scene.call(task, 'POST', `/tasks/${task.task_id}/kill`);
    step.equal([killed.status, killed.body.state], [200, 'killed'], 'the task of the coordinator');
    await refused(scene, step, { code: 'task_killed', call: () => scene.call(part, 'GET', customerPath) });
  });

  return told;
}
