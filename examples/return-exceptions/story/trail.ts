/** Chapter 7: what an auditor finds, and whether they can rely on it. */
import type { EventDecision } from '../../../src/audit/event.ts';
import type { Journey } from './journey.ts';
import { refused } from './refused.ts';
import type { Scene } from './scene.ts';
import { needed } from './step.ts';

const chapter = '7 the trail';

/** An entry of `GET /audit/tasks/{id}`. */
export interface Entry {
  readonly at: string;
  readonly kind: 'thought' | 'action' | 'denial' | 'event';
  readonly call_id: string | null;
  readonly thought_id?: string | null;
  readonly match?: string | null;
  readonly operation: string | null;
  readonly decision: EventDecision | null;
  readonly cost_usd: number | null;
  readonly status: number | null;
  readonly children?: readonly Entry[];
}

function flat(entries: readonly Entry[]): Entry[] {
  return entries.flatMap((entry) => [entry, ...flat(entry.children ?? [])]);
}

/** The story of the coordinator's task, for whoever wants to print it. */
export async function trail(scene: Scene, journey: Journey): Promise<readonly Entry[]> {
  const { story, world } = scene;
  let told: readonly Entry[] = [];

  await story.step(chapter, 'a completed task opens nothing more', async (step) => {
    const task = needed(journey.task, 'the task');
    const completed = await scene.call(task, 'POST', `/tasks/${task.task_id}/complete`);
    step.equal([completed.status, completed.body?.state], [200, 'completed'], 'the task');
    await refused(scene, step, {
      code: 'task_completed',
      call: () => scene.call(task, 'GET', '/tools/orders/customers/C-1001'),
    });
  });

  await story.step(chapter, 'GET /audit/tasks/{id}: thoughts, and the actions each led to', async (step) => {
    const task = needed(journey.task, 'the task').task_id;
    const document = await scene.admin(`/audit/tasks/${task}`);
    told = document.entries as Entry[];
    const thoughts = flat(told).filter(({ kind }) => kind === 'thought');
    step.equal(
      thoughts.map(({ children = [] }) =>
        children.filter(({ kind }) => kind === 'action').map(({ operation, match }) => `${operation} ${match}`),
      ),
      [
        ['orders.get_customer exact', 'orders.get_order exact'],
        ['risk.assess_return exact'],
        ['refunds.create_refund exact'],
        [],
      ],
      'the actions under each thought',
    );
    const actions = flat(told).filter(({ kind }) => kind === 'action');
    step.equal(actions.length, 4, 'actions, none beside its thought');
    const made = needed(journey.conversation, 'the conversation').made;
    step.equal(
      actions.map(({ call_id: callId }) => callId),
      made.map(({ headers }) => headers.get('x-tollgate-call-id')),
      'the calls the coordinator made',
    );
    const decided = [...thoughts, ...actions];
    step.holds(decided.length > 0 && decided.every(({ decision }) => decision?.allow === true), 'each was allowed');
    const revisions = new Set(decided.map(({ decision }) => decision?.revision ?? ''));
    step.holds(revisions.size === 1 && !revisions.has(''), `each names the policy's revision: ${[...revisions]}`);
    step.note = `${thoughts.length} thoughts, ${actions.length} actions, policy ${[...revisions][0] ?? ''}`;
  });

  await story.step(chapter, 'cost: the trail, the budget and the ledger of the model agree', async (step) => {
    const task = needed(journey.task, 'the task');
    const used = needed(journey.costMicroUsd, 'the cost by the ledger');
    const ofTrail = flat(told).reduce((sum, { cost_usd: costUsd }) => sum + Math.round((costUsd ?? 0) * 1_000_000), 0);
    const view = await scene.taskView(task);
    step.equal([ofTrail, Math.round(view.budget.spent.cost_usd * 1_000_000)], [used, used], 'micro-dollars');
    step.equal(view.budget.reserved.cost_usd, 0, 'still reserved');
    step.note = `${used} micro-dollars`;
  });

  await story.step(chapter, "no agent's token went past the gate", async (step) => {
    step.holds(world.agentTokens.size > 3, `${world.agentTokens.size} tokens of agents are known`);
    for (const [name, received] of world.received()) {
      step.equal(received.length > 0, name !== 'model overseas', `whether ${name} received something`);
      const all = JSON.stringify(received.map(({ path, headers, body }) => ({ path, headers, body })));
      const leaked = [...world.agentTokens].filter((token) => all.includes(token));
      step.equal(leaked.length, 0, `tokens of agents that ${name} received`);
    }
  });

  return told;
}
