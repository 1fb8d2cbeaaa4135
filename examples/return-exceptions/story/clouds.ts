/**
 * Chapter 4: the model in Azure died in the middle of chapter 2, and nobody but the trail noticed. The calls went to
 * the other cloud, never to the cheap one overseas, and come back when the first is well again.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { AuditEvent } from '../../../src/audit/event.ts';
import type { OpenTask } from '../agent.ts';
import type { Journey } from './journey.ts';
import type { Scene } from './scene.ts';
import { needed } from './step.ts';

const chapter = '4 the clouds';
/** `breaker.reset_ms` of tollgate.yaml, and what a busy machine may add. */
const backAgainMsMax = 2_500 + 3_000;
const pauseMs = 200;

/** The attempts of a model call as the trail has them: `target`, and its status or why there is none. */
function attemptsOf(event: AuditEvent): string[] {
  return event.attempts.map(
    ({ target, status, error, sent }) => `${target} ${status ?? error}${sent ? '' : ', not sent'}`,
  );
}

/** The outcomes of the model calls of a task, oldest first, once there are `count` of them. */
async function outcomes(scene: Scene, task: OpenTask, count: number): Promise<AuditEvent[]> {
  const isOne = ({ type, operation }: AuditEvent) => type === 'outcome' && operation === 'planner.chat';
  const events = await scene.eventsUntil({ task: task.task_id }, (found) => found.filter(isOne).length >= count);
  return events.filter(isOne).sort((one, other) => one.seq - other.seq);
}

function ask(scene: Scene, task: OpenTask, number: number) {
  const messages = [{ role: 'user', content: `Question ${number}: is anybody there?` }];
  return scene.call(task, 'POST', '/v1/chat/completions', { model: 'planner', max_tokens: 20, messages });
}

export async function clouds(scene: Scene, journey: Journey): Promise<void> {
  const { story, world } = scene;
  const { azure, aws, overseas } = world.models;

  await story.step(chapter, 'the model in Azure died in mid-work: AWS went on, nobody noticed', async (step) => {
    const task = needed(journey.task, 'the task');
    const told = await outcomes(scene, task, 4);
    step.equal(
      told.map(attemptsOf),
      [
        ['azure-weu 200'],
        ['azure-weu connect, not sent', 'aws-fra 200'],
        ['azure-weu connect, not sent', 'aws-fra 200'],
        // Two failures of three calls: the breaker is open, and the dead target is not even tried.
        ['aws-fra 200'],
      ],
      'the attempts of each model call',
    );
    step.equal(
      told.map(({ target }) => [target?.name, target?.cloud, target?.region]),
      [['azure-weu', 'azure', 'westeurope'], ...Array(3).fill(['aws-fra', 'aws', 'eu-central-1'])],
      'the target that answered',
    );
    step.equal([...new Set(told.map(({ status }) => status))], [200], 'what the agent got each time');
    step.equal([azure.received.length, aws.received.length], [1, 3], 'requests that reached Azure and AWS');
    const used = told.map(({ cost_usd: costUsd }) => Math.round((costUsd ?? 0) * 1_000_000));
    step.note = `${used.join(' + ')} micro-dollars, three of four at the price of AWS`;
  });

  await story.step(chapter, 'both clouds are down: refused, not sent to where the data may not go', async (step) => {
    const task = await scene.task();
    await aws.close();
    const { status, body } = await ask(scene, task, 1);
    step.equal([status, body?.error?.code], [503, 'upstream_unavailable'], 'status and code');
    const [outcome] = await outcomes(scene, task, 1);
    const attempts = needed(outcome, 'the outcome').attempts;
    step.equal([attempts.at(-1)?.target, attempts.some(({ sent }) => sent)], ['aws-fra', false], 'what was tried');
    step.equal(outcome?.cost_usd, 0, 'the cost');
    step.equal(overseas.received.length, 0, 'requests that reached the model overseas');
    step.note = body?.error?.message ?? '';
    await aws.revive();
  });

  await story.step(chapter, 'Azure is well again: after its rest it is used, first in line', async (step) => {
    const task = await scene.task();
    await azure.revive();
    const [before, since] = [azure.received.length, performance.now()];
    const statuses: number[] = [];
    while (azure.received.length === before && performance.now() - since < backAgainMsMax) {
      await sleep(pauseMs);
      statuses.push((await ask(scene, task, statuses.length)).status);
    }
    statuses.push((await ask(scene, task, statuses.length)).status);
    step.equal([...new Set(statuses)], [200], 'what the agent got, while Azure rested and after');
    const used = (await outcomes(scene, task, statuses.length)).map(({ target }) => target?.name);
    const first = used.indexOf('azure-weu');
    step.holds(first >= 0, `Azure was used again within ${backAgainMsMax} ms: ${used}`);
    step.equal([...new Set(used.slice(0, first))].join(), first > 0 ? 'aws-fra' : '', 'the target while Azure rested');
    step.equal([...new Set(used.slice(first))], ['azure-weu'], 'the target since');
    step.equal(overseas.received.length, 0, 'requests that reached the model overseas');
    step.note = `${first} calls to AWS while Azure rested, the trial after ${Math.round(performance.now() - since)} ms`;
  });
}
