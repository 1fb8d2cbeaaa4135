/** A gate's token makers over keys in a temporary folder, with an agent and a subject to make tokens for. */
import { createPrivateKey } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { Agent, ShownToken, Subject } from '../../../src/call.ts';
import { newId } from '../../../src/clock.ts';
import { GateKeys } from '../../../src/identity/keys.ts';
import { Possession } from '../../../src/identity/possession.ts';
import { TaskTokens } from '../../../src/identity/task-token.ts';
import { sentDigest, TxnTokens } from '../../../src/identity/txn-token.ts';
import type { ReceivedRequest } from '../../../src/identity/verify.ts';
import { MemoryStore } from '../../../src/store/backends/memory.ts';
import { ManualClock } from '../../fakes/clock.ts';

export const publicUrl = 'https://gate.test';
export const trustDomain = 'example.test';
export const agent: Agent = {
  id: 'coordinator',
  issuer: 'azure',
  tenant: 'acme',
  cloud: 'azure',
  claims: {},
  actors: ['planner'],
  verifiedAtMs: 0,
};
export const subject: Subject = { id: 'customer-c', type: 'customer', claims: {}, assurance: 'asserted' };
export const request: ReceivedRequest = {
  method: 'POST',
  pathWithQuery: '/refunds?dry=1',
  body: Buffer.from('{"amount_cents":100}'),
  operation: 'refunds.create_refund',
};

export async function openGate(t: TestContext) {
  const dataDir = await mkdtemp(join(tmpdir(), 'tollgate-gate-'));
  const clock = new ManualClock();
  const keys = new GateKeys({ dataDir, gatewayId: 'gate-1', clock });
  await keys.open();
  t.after(async () => {
    await keys[Symbol.asyncDispose]();
    await rm(dataDir, { recursive: true });
  });
  const store = new MemoryStore({ clock });
  await store.open();
  const possession = new Possession({ store, clock, publicUrl });
  const taskTokens = new TaskTokens({ keys, possession, publicUrl, clock });
  const gateway = { id: 'gate-1', cloud: 'azure', region: 'westeurope' };
  const txnTokens = new TxnTokens({ keys, trustDomain, publicUrl, gateway, clock });
  const taskId = newId(clock, 'task');
  const mintTask = () =>
    taskTokens.mint({
      taskId,
      agentId: agent.id,
      tenant: agent.tenant,
      subjectId: subject.id,
      expiresAtMs: clock.nowMs() + 600_000,
      binding: null,
      scope: null,
      mayAct: null,
    });
  const mintTxn = (changes: { subject?: Subject | null; callId?: ReturnType<typeof newId<'call'>> } = {}) =>
    txnTokens.mint({
      callId: newId(clock, 'call'),
      subject,
      agent,
      operation: request.operation,
      taskId,
      rootTaskId: taskId,
      purpose: 'return_exception',
      sentDigest: sentDigest(request.method, request.pathWithQuery, request.body),
      ...changes,
    });
  /** For what `sign` refuses to do, and somebody who has stolen a key file would. */
  const stolenKey = async (purpose: 'task' | 'txn') => {
    const stored = JSON.parse(await readFile(join(dataDir, 'keys', `${purpose}.json`), 'utf8'));
    return { kid: stored.kid as string, key: createPrivateKey({ key: stored.private_jwk, format: 'jwk' }) };
  };
  return { clock, keys, store, possession, stolenKey, taskTokens, txnTokens, taskId, mintTask, mintTxn };
}

/** A task token as a client without any key shows it. */
export function bearer(token: string): ShownToken {
  const shown = { scheme: 'bearer' as const, certificate: null, proof: null, method: 'POST', path: '/' };
  return { token, shown };
}

export function claimsOf(token: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(token.split('.')[1] as string, 'base64url').toString()) as Record<string, unknown>;
}
