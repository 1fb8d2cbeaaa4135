/**
 * Chapter 5, the door: tokens that are not what they should be. Each is tried where it could do harm, and each time
 * nothing is received behind the gate.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { callThroughGate, openTask, workloadToken } from '../agent.ts';
import { brief } from '../world/identities.ts';
import { conversation } from '../world/script.ts';
import { refused } from './refused.ts';
import type { Scene } from './scene.ts';
import { needed, type Step } from './step.ts';

const chapter = '5 the guards';
const expiryMarginMs = 100;

/** The same claims under a header that says nobody signed them (RFC 7519 §6.1). */
function unsigned(token: string): string {
  const [head, claims] = token.split('.');
  const header = JSON.parse(Buffer.from(needed(head, 'the header'), 'base64url').toString('utf8')) as object;
  return `${Buffer.from(JSON.stringify({ ...header, alg: 'none' })).toString('base64url')}.${claims}.`;
}

/** Shows `token` where a workload token belongs. */
async function asWorkloadToken(scene: Scene, step: Step, token: string, reason?: string): Promise<void> {
  const call = () => openTask(scene.gate.url, token, scene.ask());
  await refused(scene, step, { code: 'unauthenticated', ...(reason === undefined ? {} : { reason }), call });
}

/** Shows `token` where a task token belongs: to a tool, and to the model. */
async function asTaskToken(scene: Scene, step: Step, token: string): Promise<void> {
  const tool = { method: 'GET', path: `/tools/orders/customers/${conversation.customerId}` };
  const body = { model: 'planner', messages: [{ role: 'user', content: 'Who am I?' }] };
  const model = { method: 'POST', path: '/v1/chat/completions', body };
  for (const request of [tool, model]) {
    const call = () => callThroughGate(scene.gate.url, token, request);
    await refused(scene, step, { code: 'unauthenticated', call });
  }
}

export async function strangers(scene: Scene): Promise<void> {
  const { world, gate, story } = scene;
  const from = new Date().toISOString();

  await story.step(chapter, 'an expired token: 401', async (step) => {
    const token = await scene.workloadToken(world.issuers.azure.workload(brief.clientId));
    const fresh = await openTask(gate.url, token, scene.ask());
    step.equal(fresh.status, 201, 'the same token before it expired');
    const { exp } = JSON.parse(Buffer.from(needed(token.split('.')[1], 'the claims'), 'base64url').toString('utf8'));
    await sleep(Math.max(0, exp * 1000 - Date.now()) + expiryMarginMs);
    await asWorkloadToken(scene, step, token, 'token_expired');
  });

  await story.step(chapter, 'a token of an unknown issuer: 401', async (step) => {
    const { stranger } = world;
    const token = await workloadToken(stranger.workload('coordinator'));
    const asked = stranger.requests;
    await asWorkloadToken(scene, step, token, 'issuer_unknown');
    step.equal(stranger.requests, asked, 'requests of the gate to the unknown issuer');
  });

  await story.step(chapter, 'alg none: 401', async (step) => {
    await asWorkloadToken(scene, step, unsigned(await scene.workloadToken()), 'alg_not_allowed');
    await asTaskToken(scene, step, unsigned((await scene.task()).task_token));
  });

  await story.step(chapter, 'a Txn-Token in place of a task token: 401', async (step) => {
    const seen = needed(world.orders.received.at(-1)?.headers['txn-token'], 'a Txn-Token');
    await asTaskToken(scene, step, String(seen));
    await asWorkloadToken(scene, step, String(seen), 'token_kind');
  });

  await story.step(chapter, 'a workload token in place of a task token: 401', async (step) => {
    await asTaskToken(scene, step, await scene.workloadToken());
  });

  await story.step(chapter, 'the refusals at the door are in the audit trail', async (step) => {
    const events = await scene.eventsUntil({ code: 'unauthenticated', from }, (found) => found.length > 0);
    step.holds(events.length > 0, 'there are denial events with the code unauthenticated');
    step.equal([...new Set(events.map(({ type }) => type))], ['denial'], 'their type');
    const trail = JSON.stringify(events);
    for (const token of world.agentTokens) step.holds(!trail.includes(token), 'no token stands in the trail');
  });
}
