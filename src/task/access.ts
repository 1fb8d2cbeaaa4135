/**
 * Who may see, renew or end a task: whoever holds its task token or its parent's, or its agent with a workload
 * token. To anybody else the task does not exist: knowing an id is no right.
 */
import type { Agent, Caller, TaskRecord } from '../call.ts';
import { type Denial, deny, isDenial } from '../denial.ts';
import { denyUnlessActive, type Tasks } from './tasks.ts';

export interface AccessPorts {
  readonly tasks: Tasks;
  readonly verifyTask: (token: string) => Caller | Denial;
  readonly verifyWorkload: (token: string) => Promise<Agent | Denial>;
}

/** How the caller proved its right. */
export type Proof = 'task token' | 'parent' | 'workload token';

/** The record of `id` and how the caller may claim it. Denies 401, or `task_unknown` for what is not theirs. */
export async function accessTask(
  ports: AccessPorts,
  credential: string | null,
  id: string,
): Promise<{ readonly record: TaskRecord; readonly proof: Proof } | Denial> {
  if (credential === null) return noCredential();
  const unknown = deny('task_unknown', 'There is no such task for this caller.');
  const caller = ports.verifyTask(credential);
  if (!isDenial(caller)) {
    const record = await ports.tasks.load(caller.tenant, id);
    if (record === undefined) return unknown;
    if (record.id === caller.taskId && record.agent.id === caller.agentId) return { record, proof: 'task token' };
    return record.ancestors.some(({ id: above }) => above === caller.taskId) ? { record, proof: 'parent' } : unknown;
  }
  const agent = await ports.verifyWorkload(credential);
  // Neither kind of token: what is said of it as a workload token is the more useful of the two answers.
  if (isDenial(agent)) return agent;
  const record = await ports.tasks.load(agent.tenant, id);
  const own = record !== undefined && record.agent.id === agent.id && record.agent.issuer === agent.issuer;
  return own ? { record, proof: 'workload token' } : unknown;
}

/** The active task of a task token, for what a task may see that is no call. Denies 401, and 403 where it has ended. */
export async function ownTask(
  ports: Pick<AccessPorts, 'tasks' | 'verifyTask'>,
  credential: string | null,
  nowMs: number,
): Promise<TaskRecord | Denial> {
  if (credential === null) return noCredential();
  const caller = ports.verifyTask(credential);
  if (isDenial(caller)) return caller;
  const record = await ports.tasks.load(caller.tenant, caller.taskId);
  if (record === undefined || record.agent.id !== caller.agentId) {
    return deny('task_unknown', 'There is no such task for this caller.');
  }
  return denyUnlessActive(record, nowMs) ?? (await ports.tasks.denyUnlessLineageActive(record)) ?? record;
}

function noCredential(): Denial {
  return deny('unauthenticated', 'Show the task token or the workload token: Authorization: Bearer <token>.', {
    reasons: [{ code: 'token_missing', message: 'There is no bearer token.' }],
  });
}
