/**
 * Who may read and write the checkpoint of a task: its agent, with a token of that task or its workload token; and, to
 * read, whoever holds its parent, or the agent's next task for the same subject. To anybody else the task does not
 * exist. A token that is narrowed to a few tools was handed out for those, and is not enough.
 */
import type { Agent, Binding, Shown, ShownToken, TaskRecord } from '../call.ts';
import { type Denial, deny, isDenial } from '../denial.ts';
import { type Access, type AccessPorts, accessTask, asParent, type Claim } from './access.ts';
import { isSameAgent } from './claimant.ts';
import { isSameSubject } from './open.ts';
import { type Acting, actingOf } from './suspended.ts';
import { denyUnlessActive } from './tasks.ts';

export interface CheckpointAccessPorts extends AccessPorts {
  readonly denySuspended: (acting: Acting) => Promise<Denial | undefined>;
  /** What the request proves a key by; null for none. */
  readonly bind: (shown: Shown, agent: Agent) => Promise<Binding | null | Denial>;
  readonly nowMs: () => number;
  /** When the checkpoint of a task can be read no more. */
  readonly readableUntilMs: (record: TaskRecord) => number;
}

/** The record of a task as it is now, and by what right its checkpoint is used. */
export interface CheckpointAccess {
  readonly record: TaskRecord;
  readonly proof: Access['proof'];
  /** The task that reads it: what it reads, it catches. Null for a workload token, which stands for no task. */
  readonly reader: TaskRecord | null;
}

/** A task of the same agent for the same subject: the next one, when this one has ended. */
const asNextTask: Claim = (own, record) =>
  isSameAgent(own.agent, record.agent) &&
  (own.subject === null ? record.subject === null : isSameSubject(record.subject, own.subject))
    ? 'next task'
    : undefined;

/**
 * Denies 401, `task_unknown`, `insufficient_scope`, `agent_suspended`, and of a task that has ended: for writing what it
 * is in any case; for reading `task_killed`, and `task_expired` once its time is over.
 */
export async function accessCheckpoint(
  ports: CheckpointAccessPorts,
  credential: ShownToken | null,
  id: string,
  deed: 'read' | 'write',
): Promise<CheckpointAccess | Denial> {
  const claim: Claim = (own, record) => asParent(own, record) ?? asNextTask(own, record);
  const found = await accessTask(ports, credential, id, claim);
  if (isDenial(found)) return found;
  const { record, proof, own } = found;
  const denial =
    denyReach(found, deed) ??
    (await denyUnbound(ports, found, credential)) ??
    (await ports.denySuspended(actingOf(record))) ??
    (own === null || own.id === record.id ? undefined : await denyReader(ports, own));
  if (denial !== undefined) return denial;
  if (deed === 'read') {
    const ended = denyRead(ports, record) ?? (await denyKilledAbove(ports, record));
    return ended ?? { record, proof, reader: own };
  }
  // A task that waits for a larger budget may well save where it is.
  const waits = record.state === 'paused' && ports.nowMs() < record.expiresAtMs;
  const ended = waits ? undefined : denyUnlessActive(record, ports.nowMs());
  if (ended !== undefined) return ended;
  const current = await ports.tasks.inherit(record);
  return isDenial(current) ? current : { record: current, proof, reader: own };
}

function denyReach({ narrowed, proof }: Access, deed: 'read' | 'write'): Denial | undefined {
  if (narrowed) {
    return deny('insufficient_scope', 'A token that is narrowed does not open the checkpoint.', {
      reasons: [{ code: 'token_narrowed', message: 'Show the workload token, or a task token that is not narrowed.' }],
    });
  }
  if (deed === 'read' || proof === 'task token' || proof === 'workload token') return undefined;
  return deny('insufficient_scope', 'A checkpoint is written by the agent of its task.', {
    reasons: [{ code: 'not_own_task', message: 'Show a token of the task itself, or the workload token.' }],
  });
}

/** Where the tokens of a task belong to a key, a stolen workload token or bearer token does not open its checkpoint. */
async function denyUnbound(
  { bind }: CheckpointAccessPorts,
  { record, agent, caller }: Access,
  credential: ShownToken | null,
): Promise<Denial | undefined> {
  if (record.bound === undefined) return undefined;
  const binding =
    agent === null || credential === null ? (caller?.binding ?? null) : await bind(credential.shown, agent);
  if (isDenial(binding)) return binding;
  if (binding !== null) return undefined;
  return deny('unauthenticated', 'The tokens of this task belong to a key. Prove one with this request, too.', {
    reasons: [{ code: 'binding_required', message: 'Show the client certificate, or a DPoP proof.' }],
  });
}

async function denyReader(ports: CheckpointAccessPorts, own: TaskRecord): Promise<Denial | undefined> {
  return (
    denyUnlessActive(own, ports.nowMs()) ??
    (await ports.tasks.denyUnlessLineageActive(own)) ??
    (await ports.denySuspended(actingOf(own)))
  );
}

function denyRead({ nowMs, readableUntilMs }: CheckpointAccessPorts, record: TaskRecord): Denial | undefined {
  // What was killed because its budget was spent did no wrong: another may take up where it was left.
  if (record.state === 'killed' && record.spent === undefined) return denyUnlessActive(record, nowMs());
  if (nowMs() < readableUntilMs(record)) return undefined;
  return deny('task_expired', 'The task has expired, and so has its checkpoint.');
}

async function denyKilledAbove({ tasks }: CheckpointAccessPorts, record: TaskRecord): Promise<Denial | undefined> {
  for (const { id } of record.ancestors) {
    const above = await tasks.load(record.tenant, id);
    if (above === undefined || (above.state === 'killed' && above.spent === undefined)) {
      return deny('task_killed', 'A task above this one was killed. Its checkpoint is read no more.');
    }
  }
  return undefined;
}
