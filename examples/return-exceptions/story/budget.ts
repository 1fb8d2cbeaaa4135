/**
 * Chapter 5, the budget: a task with little money talks to the model, in parallel and then until nothing fits. The
 * model servers' own ledger says what was used; the gate's books must agree to the micro-dollar.
 */
import type { Answered, OpenTask } from '../agent.ts';
import { refused } from './refused.ts';
import { plannerPrices, type Scene } from './scene.ts';

const limitUsd = 0.006;
const parallel = 6;
const sequentialMax = 20;
const answerTokens = 100;

function microUsd(usd: unknown): number {
  return Math.round(Number(usd) * 1_000_000);
}

/** No two questions are equal, or the task would be looping before it is poor. */
function question(number: number): object {
  return {
    model: 'planner',
    max_tokens: answerTokens,
    messages: [{ role: 'user', content: `Question ${number}: what does an exception cost us?` }],
  };
}

function ask(scene: Scene, task: OpenTask, number: number): Promise<Answered> {
  return scene.call(task, 'POST', '/v1/chat/completions', question(number));
}

/** What one question may cost at most: a token a byte, at the dearest target it may reach. */
function questionMicroUsdMax(): number {
  const { input, output } = plannerPrices['aws-fra'] as { input: number; output: number };
  return JSON.stringify(question(1_000)).length * input + answerTokens * output;
}

export async function budget(scene: Scene): Promise<void> {
  const { world, story } = scene;
  await story.step('5 the guards', 'a spent budget: 402, and nothing is overspent', async (step) => {
    const task = await scene.task({ budget: { cost_usd: limitUsd } });
    const ledgerStart = world.ledger.length;
    const received = world.models.azure.received.length;

    const wave = Array.from({ length: parallel }, (_, index) => ask(scene, task, index));
    const statuses = (await Promise.all(wave)).map(({ status }) => status);
    for (let number = parallel; number < parallel + sequentialMax; number++) {
      statuses.push((await ask(scene, task, number)).status);
      if (statuses.at(-1) !== 200) break;
    }
    const answered = statuses.filter((status) => status === 200).length;
    step.equal([...new Set(statuses)].sort(), [200, 402], 'every answer is one or the other');
    step.equal(statuses.at(-1), 402, 'the last answer');
    step.equal(world.models.azure.received.length - received, answered, 'requests the model server received');
    step.equal(world.ledger.length - ledgerStart, answered, 'entries of its ledger');

    const used = scene.modelCostMicroUsd(ledgerStart);
    const view = await scene.taskView(task);
    const { limit, reserved, spent, remaining } = view.budget;
    step.equal(microUsd(limit.cost_usd), microUsd(limitUsd), 'the limit');
    step.equal(microUsd(spent.cost_usd), used, 'spent at the gate and used by the ledger, in micro-dollars');
    step.equal(microUsd(reserved.cost_usd), 0, 'still reserved');
    step.equal(microUsd(remaining.cost_usd), microUsd(limitUsd) - used, 'remaining');
    step.equal(Math.max(0, used - microUsd(limitUsd)), 0, 'overspent micro-dollars');
    step.equal(spent.calls, answered, 'calls spent');
    // What was left did not pay for one more question: the budget was used, not merely kept shut.
    step.holds(
      microUsd(remaining.cost_usd) < questionMicroUsdMax(),
      `less was left than a question may cost: ${remaining.cost_usd} USD`,
    );

    const again = await refused(scene, step, {
      code: 'task_budget_exhausted',
      call: () => ask(scene, task, 1_000),
    });
    step.equal(view.state, 'active', 'the state of the task');
    step.note = `${answered} answers for ${used} of ${microUsd(limitUsd)} micro-dollars; ${again.message ?? ''}`;
  });
}
