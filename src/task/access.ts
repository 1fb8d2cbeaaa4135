/**
 * Who may see, renew or end a task: whoever holds its task token or its parent's, or its agent with a workload
 * token. To anybody else the task does not exist: knowing an id is no right. A token that is narrowed to a few tools
 * was handed out for those: with it a task is seen, and not ended.
 */
import type { Agent, Caller, ShownToken, TaskRecord } from '../call.ts';
import { type Denial, deny, isDenial } from '../denial.ts';
import { isSameAgent } from './claimant.ts';
import { denyRevoked } from './revoked.ts';
import { denyUnlessActive, type Tasks } from './tasks.ts';

export interface AccessPorts {
  readonly tasks: Tasks;
  /** The caller of a task token, its possession proved. */
  readonly verifyTask: (credential: ShownToken) => Promise<Caller | Denial>;
  /** The agent of a workload token, its possession proved where it belongs to a key. */
  readonly verifyWorkload: (credential: ShownToken) => Promise<Agent | Denial>;
}

/** How the caller proved its right. */
export type Proof = 'task token' | 'parent' | 'workload token' | 'next task';

/** By what right whoever holds a token of the task `own` comes to another task; undefined for none. */
export type Claim = (own: TaskRecord, record: TaskRecord) => Proof | undefined;

/** The right of a task over those that are part of it. */
export const asParent: Claim = (own, { ancestors }) =>
  ancestors.some(({ id }) => id === own.id) ? 'parent' : undefined;

/** A task, and by what right somebody came to it. */
export interface Access {
  readonly record: TaskRecord;
  readonly proof: Proof;
  /** The agent of the workload token; null for a task token. */
  readonly agent: Agent | null;
  /** What the task token says; null for a workload token. */
  readonly caller: Caller | null;
  /** The task of the task token; null for a workload token. */
  readonly own: TaskRecord | null;
  /** The token is narrowed to a few tools. */
  readonly narrowed: boolean;
}

/** What a token of the gate is told although it was not accepted: that it is a task token is certain then. */
const saidOfTaskToken = /^(?:token_expired|token_revoked|binding_|proof_|memory_full)/;

/**
 * The record of `id` and how the caller may claim it; `claim` says what right another task gives. Denies 401, or
 * `task_unknown` for what is not theirs.
 */
export async function accessTask(
  ports: AccessPorts,
  credential: ShownToken | null,
  id: string,
  claim: Claim = asParent,
): Promise<Access | Denial> {
  if (credential === null) return noCredential();
  const unknown = unknownTask();
  const caller = await ports.verifyTask(credential);
  if (!isDenial(caller)) {
    const own = await taskOfCaller(ports, caller);
    if (isDenial(own)) return own;
    const narrowed = caller.scope !== null;
    if (own.id === id) return { record: own, proof: 'task token', agent: null, caller, own, narrowed };
    const record = await ports.tasks.load(caller.tenant, id);
    const proof = record === undefined ? undefined : claim(own, record);
    return record === undefined || proof === undefined
      ? unknown
      : { record, proof, agent: null, caller, own, narrowed };
  }
  // Where it cannot be told now, another reading of the token would be a wrong answer.
  if (caller.code !== 'unauthenticated' || saidOfTaskToken.test(caller.reasons[0]?.code ?? '')) return caller;
  const agent = await ports.verifyWorkload(credential);
  // Neither kind of token: what is said of it as a workload token is the more useful of the two answers.
  if (isDenial(agent)) return agent;
  const record = await ports.tasks.load(agent.tenant, id);
  const own = record !== undefined && isSameAgent(record.agent, agent);
  return own ? { record, proof: 'workload token', agent, caller: null, own: null, narrowed: false } : unknown;
}

/** `accessTask` for ending a task. Denies `insufficient_scope` for a token that is narrowed. */
export async function accessToEnd(
  ports: AccessPorts,
  credential: ShownToken | null,
  id: string,
): Promise<Access | Denial> {
  const found = await accessTask(ports, credential, id);
  if (isDenial(found) || !found.narrowed) return found;
  return deny('insufficient_scope', 'A token that is narrowed does not end its task.', {
    reasons: [{ code: 'token_narrowed', message: 'Show the workload token, or a task token that is not narrowed.' }],
  });
}

/**
 * The active task of a task token, its tools no more than the token's, for what a task may see that is no call. Denies
 * 401, and 403 where it has ended.
 */
export async function ownTask(
  ports: Pick<AccessPorts, 'tasks' | 'verifyTask'>,
  credential: ShownToken | null,
  nowMs: number,
): Promise<{ readonly record: TaskRecord; readonly scope: Caller['scope'] } | Denial> {
  if (credential === null) return noCredential();
  const caller = await ports.verifyTask(credential);
  if (isDenial(caller)) return caller;
  const record = await taskOfCaller(ports, caller);
  if (isDenial(record)) return record;
  const ended = denyUnlessActive(record, nowMs) ?? (await ports.tasks.denyUnlessLineageActive(record));
  return ended ?? { record, scope: caller.scope };
}

function noCredential(): Denial {
  return deny('unauthenticated', 'Show the task token or the workload token: Authorization: Bearer <token>.', {
    reasons: [{ code: 'token_missing', message: 'There is no bearer token.' }],
  });
}

/** The record of a caller's own task. Denies `task_unknown`, and 401 for a token that was revoked or is handed on. */
async function taskOfCaller(ports: Pick<AccessPorts, 'tasks'>, caller: Caller): Promise<TaskRecord | Denial> {
  if (caller.mayAct !== null) {
    return deny('unauthenticated', 'A delegation token is good for the exchange, and for nothing else.', {
      reasons: [{ code: 'token_kind', message: 'Exchange it, with your own workload token.' }],
    });
  }
  const record = await ports.tasks.load(caller.tenant, caller.taskId);
  if (record === undefined || record.agent.id !== caller.agentId) return unknownTask();
  return denyRevoked(record, caller.tokenId) ?? record;
}

function unknownTask(): Denial {
  return deny('task_unknown', 'There is no such task for this caller.');
}
