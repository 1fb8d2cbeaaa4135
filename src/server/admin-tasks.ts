/** The tasks of the admin plane: those of every tenant, which people find, look at, raise and kill. */
import type { Json, JsonObject, Spending, TaskRecord, TaskState } from '../call.ts';
import { type Denial, deny, isDenial } from '../denial.ts';
import type { AdminRequests } from '../wire/admin-request.ts';
import { usdFromMicroUsd } from '../wire/money.ts';
import type { About, AdminAnswers, Answered, Asked, Query } from './admin-routes.ts';
import { jsonReply } from './reply.ts';

/** As design and docs name them; `paused` and `expired` are those at the moment of asking. */
const states: readonly TaskState[] = ['active', 'paused', 'completed', 'killed', 'expired'];
const filters = ['tenant', 'agent', 'state', 'limit', 'cursor'];
const limitDefault = 100;

/** What of a list of tasks is asked. */
export interface TaskListQuery {
  readonly tenant?: string;
  readonly agent?: string;
  readonly state?: TaskState;
  readonly limit: number;
  readonly cursor?: string;
}

export interface AdminTaskPorts {
  /** Newest first. Denies `args_invalid` for limits and cursors that are none. */
  readonly list: (
    query: TaskListQuery,
  ) => Promise<{ readonly tasks: readonly TaskRecord[]; readonly next: string | null } | Denial>;
  readonly find: (id: string) => Promise<TaskRecord | undefined>;
  readonly stateOf: (record: TaskRecord) => TaskState;
  /** The task as its agent sees it, budget and all. */
  readonly document: (record: TaskRecord) => Promise<Json>;
  /** Ends the task and its parts, and records that in the life of the task. */
  readonly kill: (record: TaskRecord) => Promise<TaskRecord | Denial>;
  /** Raises limits or the life of the task, and records that in the life of the task. */
  readonly raise: (
    record: TaskRecord,
    raise: RaisedBy,
  ) => Promise<{ readonly before: TaskRecord; readonly after: TaskRecord } | Denial>;
  readonly requests: AdminRequests;
}

/** As a person asks for it: limits to a number, or by one. */
export interface RaisedBy {
  readonly to: Partial<Spending>;
  readonly by: Partial<Spending>;
  /** How long it shall live from now on at least, in milliseconds; null to leave that. */
  readonly ttlMs: number | null;
}

/** The answers of `/tasks…`. */
export function adminTasks(
  ports: AdminTaskPorts,
): AdminAnswers<'task.list' | 'task.show' | 'task.kill' | 'task.raise'> {
  return {
    'task.list': async ({ query }) => ({ reply: await list(ports, query) }),
    'task.show': async ({ id }) => {
      const record = await ports.find(id);
      return { reply: record === undefined ? unknown() : jsonReply(200, await whole(ports, record)) };
    },
    'task.kill': (asked) => kill(ports, asked),
    'task.raise': (asked) => raise(ports, asked),
  };
}

async function list(ports: AdminTaskPorts, query: Query) {
  const { tenant, agent, state, limit = String(limitDefault), cursor, ...rest } = query;
  const extra = Object.keys(rest);
  if (extra.length > 0) return deny('args_invalid', `There is no filter ${extra.join(', ')}.`, { allowed: filters });
  if (state !== undefined && !isState(state)) {
    return deny('args_invalid', `state is one of: ${states.join(', ')}.`, { allowed: states });
  }
  const found = await ports.list({
    ...(tenant === undefined ? {} : { tenant }),
    ...(agent === undefined ? {} : { agent }),
    ...(state === undefined ? {} : { state }),
    ...(cursor === undefined ? {} : { cursor }),
    // An empty text would be the number 0.
    limit: limit.trim() === '' ? Number.NaN : Number(limit),
  });
  if (isDenial(found)) return found;
  return jsonReply(200, { tasks: found.tasks.map((record) => summary(ports, record)), next_cursor: found.next });
}

async function kill(ports: AdminTaskPorts, { id, body }: Asked): Promise<Answered> {
  const read = ports.requests.reason(body);
  if (isDenial(read)) return { reply: read };
  const record = await ports.find(id);
  if (record === undefined) return { reply: unknown() };
  const about: About = {
    ...{ task: record.id, agent: record.agent.id, issuer: record.agent.issuer, tenant: record.tenant },
    ...(read.reason === null ? {} : { notes: { reason_given: read.reason } }),
  };
  const ended = await ports.kill(record);
  return { reply: isDenial(ended) ? ended : jsonReply(200, await whole(ports, ended)), about };
}

async function raise(ports: AdminTaskPorts, { id, body }: Asked): Promise<Answered> {
  const read = ports.requests.raise(body);
  if (isDenial(read)) return { reply: read };
  const { reason, ...asked } = read;
  const record = await ports.find(id);
  if (record === undefined) return { reply: unknown() };
  const raised = await ports.raise(record, asked);
  const { agent, tenant } = record;
  const about: About = {
    ...{ task: record.id, agent: agent.id, issuer: agent.issuer, tenant },
    notes: {
      ...(isDenial(raised) ? {} : { limits_before: limitsOf(raised.before), limits_after: limitsOf(raised.after) }),
      ...(reason === null ? {} : { reason_given: reason }),
    },
  };
  if (isDenial(raised)) return { reply: raised, about };
  return { reply: jsonReply(200, await whole(ports, raised.after)), about };
}

/** The limits of a task in one line, for people who read the trail. */
function limitsOf({ budget, expiresAtMs }: TaskRecord): string {
  const { tokens, costMicroUsd, calls, seconds } = budget;
  const limits = `tokens ${tokens}, cost_usd ${usdFromMicroUsd(costMicroUsd)}, calls ${calls}, seconds ${seconds}`;
  return `${limits}, expires_at ${new Date(expiresAtMs).toISOString()}`;
}

/** A task in a list: what tells it from others. */
function summary({ stateOf }: AdminTaskPorts, record: TaskRecord): JsonObject {
  const { id, tenant, agent, subject, purpose } = record;
  const [parent] = record.ancestors;
  return {
    ...{ id, state: stateOf(record), tenant, agent: agent.id, issuer: agent.issuer },
    subject: subject === null ? null : { id: subject.id, type: subject.type, assurance: subject.assurance },
    purpose,
    parent: parent === undefined ? null : { id: parent.id, agent: parent.agent },
    created_at: new Date(record.createdAtMs).toISOString(),
    expires_at: new Date(record.expiresAtMs).toISOString(),
  };
}

async function whole(ports: AdminTaskPorts, record: TaskRecord): Promise<JsonObject> {
  return { ...summary(ports, record), ...((await ports.document(record)) as JsonObject) };
}

function isState(text: string): text is TaskState {
  return (states as readonly string[]).includes(text);
}

function unknown(): Denial {
  return deny('task_unknown', 'There is no such task.');
}
