/**
 * Chapter 5, three clouds: an agent is what its own issuer says it is. AWS has a workload called `coordinator` too;
 * to the gate that is another agent, and the task of Azure's does not exist for it.
 */
import { exchangeToken, openTask } from '../agent.ts';
import { tenant } from '../world/identities.ts';
import { coordinatorId, purpose, type Scene } from './scene.ts';

const chapter = '5 the guards';

/** Who was denied a task since `from`, as the trail names them. */
async function deniedTasks(scene: Scene, from: string, agent: string): Promise<string[]> {
  const events = await scene.eventsUntil({ agent, code: 'policy_denied', from }, (found) =>
    found.some(({ operation }) => operation === 'task.create'),
  );
  return events
    .filter(({ operation }) => operation === 'task.create')
    .map((event) => [event.type, event.agent, event.issuer, event.tenant].join(' '));
}

export async function issuers(scene: Scene): Promise<void> {
  const { world, gate, story } = scene;
  const { azure, aws } = world.issuers;

  await story.step(chapter, 'an agent of AWS that has no part in returns gets no task for them', async (step) => {
    const from = new Date().toISOString();
    const before = scene.receivedCounts();
    const token = await scene.workloadToken(aws.workload('inventory-sync'));
    const { status, body } = await openTask(gate.url, token, scene.ask());
    const reasons: { code: string; message: string }[] = body.reasons ?? [];
    step.equal([status, body.code], [403, 'policy_denied'], 'status and code');
    step.holds(
      reasons.some(({ code }) => code === 'agent_not_allowed'),
      `the reasons say so: ${JSON.stringify(reasons)}`,
    );
    step.equal(scene.receivedCounts(), before, 'requests received behind the gate');
    step.equal(
      await deniedTasks(scene, from, 'inventory-sync'),
      [`denial inventory-sync aws ${tenant}`],
      'type, agent, issuer and tenant in the trail',
    );
    step.note = reasons[0]?.message ?? '';
  });

  await story.step(chapter, "the coordinator of AWS is not Azure's: for it that task does not exist", async (step) => {
    const from = new Date().toISOString();
    const task = await scene.task();
    const namesake = await scene.workloadToken(aws.workload(coordinatorId));
    const own = await scene.workloadToken(azure.workload(coordinatorId));
    const path = `/tasks/${task.task_id}`;
    const as = (token: string, method: string, of: string) => scene.call({ ...task, task_token: token }, method, of);
    for (const [method, verb] of [
      ['GET', ''],
      ['POST', '/token'],
      ['POST', '/complete'],
      ['POST', '/kill'],
    ] as const) {
      const { body } = await as(namesake, method, path + verb);
      step.equal([body.code, body.task_token], ['task_unknown', undefined], `${method} ${verb} by the namesake`);
    }
    const stolen = await exchangeToken(gate.url, { taskToken: task.task_token, workloadToken: namesake });
    step.equal([stolen.status, stolen.body.access_token], [400, undefined], 'renewal by exchange, with a stolen token');
    const renewed = await as(own, 'POST', `${path}/token`);
    step.equal([renewed.status, renewed.body.task_id], [200, task.task_id], 'renewal by its own agent');
    world.agentTokens.add(renewed.body.task_token);
    step.equal((await as(own, 'GET', path)).body.state, 'active', 'the state of the task');
    // Nor is the namesake given a task of its own for this purpose, or a part of this one: the purpose names the issuer.
    const alone = await openTask(gate.url, namesake, scene.ask());
    step.equal([alone.status, alone.body.reasons?.[0]?.code], [403, 'agent_not_allowed'], 'a task of its own');
    const part = { purpose };
    const { body } = await exchangeToken(gate.url, { taskToken: task.task_token, workloadToken: namesake, part });
    step.equal(body.reasons?.[0]?.code, 'agent_not_allowed', 'a part of it');
    const denied = await deniedTasks(scene, from, coordinatorId);
    step.equal(denied, Array(2).fill(`denial ${coordinatorId} aws ${tenant}`), 'who that was, in the trail');
  });

  await story.step(chapter, "Azure's name under the keys of AWS: 401", async (step) => {
    const before = scene.receivedCounts();
    const nowSeconds = Math.floor(Date.now() / 1000);
    const { audience } = azure.workload(coordinatorId);
    const claims = { aud: audience, sub: coordinatorId, iat: nowSeconds, exp: nowSeconds + 60, tid: tenant };
    const forged = await openTask(gate.url, await aws.sign({ ...claims, iss: azure.url }), scene.ask());
    step.equal(
      [forged.status, forged.body.reasons?.[0]?.code],
      [401, 'key_unknown'],
      'signed by AWS, in the name of Azure',
    );
    const genuine = await openTask(gate.url, await azure.sign({ ...claims, iss: azure.url }), scene.ask());
    step.equal(genuine.status, 201, 'the same claims, signed by Azure');
    const astray = await openTask(gate.url, await aws.sign({ ...claims, iss: aws.url }), scene.ask());
    step.equal(
      [astray.status, astray.body.reasons?.[0]?.code],
      [401, 'audience_wrong'],
      'signed by AWS in its own name, for the audience of Azure',
    );
    step.equal(scene.receivedCounts(), before, 'requests received behind the gate');
    step.note = forged.body.reasons?.[0]?.message ?? '';
  });
}
