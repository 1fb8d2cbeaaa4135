/**
 * How a task comes to be: the agent shows its workload token, the policy says whether such a task may exist and what
 * it may have, the ceilings of the config bound it, the trail records it, and only then is there a token. `POST
 * /tasks` and token exchange are two faces of this one mechanism. Policy and config narrow, never widen.
 */
import type { Agent, Caller, JsonObject, OperationRegistry, Spending, Subject, TaskRecord, Trace } from '../call.ts';
import { type Denial, deny, isDenial } from '../denial.ts';
import { narrowTools, unknownTools } from '../toolset.ts';
import { isPlainName } from '../wire/segments.ts';
import type { TaskRequestBody } from '../wire/task-request.ts';
import { denyUnlessActive, type Tasks } from './tasks.ts';

/** How deep tasks may be nested, the first one counted: bounds the work of every call of a sub-task. */
const depthMax = 4;
/** How many faults one denial lists. */
const reasonsMax = 20;

/** What the policy says of a task. What a grant leaves out stands as asked for. */
export interface TaskVerdict {
  readonly allow: boolean;
  readonly denial: Denial | null;
  readonly grant: {
    readonly tools?: readonly string[];
    readonly budget?: Partial<Spending>;
    readonly ttlSeconds?: number;
    readonly labels?: JsonObject;
    readonly taint?: readonly string[];
  };
}

/** A request for a task, with what the server knows of it. */
export interface Opening {
  /** The workload token of the agent that is to have the task. */
  readonly credential: string | null;
  /** The task token of the task that the new one is to be part of; null for a task of its own. */
  readonly parentToken: string | null;
  readonly request: TaskRequestBody;
  readonly trace: Trace;
  readonly requestId: string;
}

export interface OpeningPorts<Verdict extends TaskVerdict> {
  readonly tasks: Tasks;
  readonly operations: () => OperationRegistry;
  readonly verifyWorkload: (token: string) => Promise<Agent | Denial>;
  readonly verifyTask: (token: string) => Caller | Denial;
  readonly nowMs: () => number;
  readonly decide: (
    request: TaskRequestBody,
    agent: Agent,
    subject: Subject | null,
    parent: TaskRecord | null,
  ) => Verdict;
  /** Resolves when the event is durable; a task that cannot be recorded does not come to be. */
  readonly recordOpened: (record: TaskRecord, verdict: Verdict, opening: Opening) => Promise<void>;
  /** What the policy denied; what was refused before it could be asked, the server counts and samples. */
  readonly recordDenied: (
    denial: Denial,
    agent: Agent,
    subject: Subject | null,
    verdict: Verdict,
    opening: Opening,
  ) => Promise<void>;
  readonly ceiling: { readonly ttlSeconds: number; readonly budget: Spending };
}

function narrowBudget(ceiling: Spending, ...wishes: readonly Partial<Spending>[]): Spending {
  const least = (dimension: keyof Spending) =>
    Math.min(ceiling[dimension], ...wishes.map((wish) => wish[dimension] ?? Number.MAX_SAFE_INTEGER));
  return {
    tokens: least('tokens'),
    costMicroUsd: least('costMicroUsd'),
    calls: least('calls'),
    seconds: least('seconds'),
  };
}

/** What a part may have of its parent's budget: time that the parent has lived is spent for its parts as well. */
function restOf(parent: TaskRecord | null, nowMs: number): Partial<Spending> {
  if (parent === null) return {};
  const livedSeconds = Math.max(0, Math.ceil((nowMs - parent.createdAtMs) / 1000));
  return { ...parent.budget, seconds: Math.max(0, parent.budget.seconds - livedSeconds) };
}

function denyUnknownTools(request: TaskRequestBody, operations: OperationRegistry): Denial | undefined {
  const unknown = unknownTools(request.tools, operations);
  if (unknown.length === 0) return undefined;
  const path = '/tools';
  return deny('args_invalid', 'The task asks for tools that do not exist.', {
    reasons: unknown.slice(0, reasonsMax).map((item) => ({
      code: 'operation_unknown',
      // Reasons are recorded for ever, and what was asked for may be anything.
      message: isPlainName(item) ? `There is no operation ${item}` : 'There is no such operation',
      path,
    })),
    allowed: operations.all().map(({ name }) => name),
  });
}

/** Opens a task, or says why not. Denies 401, `args_invalid`, `policy_denied`, `policy_unavailable`. */
export async function openTask<Verdict extends TaskVerdict>(
  ports: OpeningPorts<Verdict>,
  opening: Opening,
): Promise<TaskRecord | Denial> {
  const { request } = opening;
  const workload = await verifiedWorkload(ports, opening.credential);
  if (isDenial(workload)) return workload;
  const parent = opening.parentToken === null ? null : await parentOf(ports, opening.parentToken, workload);
  if (isDenial(parent)) return parent;
  const unfit = denyUnknownTools(request, ports.operations()) ?? denyOtherSubject(request, parent);
  if (unfit !== undefined) return unfit;

  const agent = parent === null ? workload : { ...workload, actors: [parent.agent.id, ...parent.agent.actors] };
  const subject = parent === null ? assertedSubject(request) : parent.subject;
  const verdict = ports.decide(request, agent, subject, parent);
  if (!verdict.allow) {
    const denial = verdict.denial ?? deny('policy_denied', 'The policy does not allow this task.');
    await ports.recordDenied(denial, agent, subject, verdict, opening);
    return denial;
  }
  const { grant } = verdict;
  const { ceiling } = ports;
  const operations = ports.operations();
  const within = narrowTools(request.tools, parent?.tools ?? null, operations);
  const record = await ports.tasks.create({
    agent,
    subject,
    purpose: request.purpose,
    tools: narrowTools(within, grant.tools ?? null, operations),
    labels: grant.labels ?? request.labels,
    parent,
    ttlMs: 1000 * Math.min(ceiling.ttlSeconds, request.ttlSeconds ?? Infinity, grant.ttlSeconds ?? Infinity),
    budget: narrowBudget(ceiling.budget, restOf(parent, ports.nowMs()), request.budget, grant.budget ?? {}),
    taint: [...new Set([...(parent?.taint ?? []), ...(grant.taint ?? [])])],
  });
  await ports.recordOpened(record, verdict, opening);
  return record;
}

function assertedSubject({ subject }: TaskRequestBody): Subject | null {
  return subject === null ? null : { ...subject, claims: {}, assurance: 'asserted' };
}

type Ports = Pick<OpeningPorts<TaskVerdict>, 'tasks' | 'verifyWorkload' | 'verifyTask' | 'nowMs'>;

async function verifiedWorkload(ports: Ports, credential: string | null): Promise<Agent | Denial> {
  if (credential !== null) return ports.verifyWorkload(credential);
  return deny('unauthenticated', 'Show a workload token: Authorization: Bearer <token of your cloud>.', {
    reasons: [{ code: 'token_missing', message: 'There is no bearer token.' }],
  });
}

/** The task that a sub-task is to be part of: alive, of the same tenant, and not too deep already. */
async function parentOf(ports: Ports, token: string, agent: Agent): Promise<TaskRecord | Denial> {
  const caller = ports.verifyTask(token);
  if (isDenial(caller)) return caller;
  const parent = await ports.tasks.load(caller.tenant, caller.taskId);
  if (parent === undefined || parent.agent.id !== caller.agentId || parent.tenant !== agent.tenant) {
    return deny('task_unknown', 'There is no such task for this caller.');
  }
  const ended = denyUnlessActive(parent, ports.nowMs()) ?? (await ports.tasks.denyUnlessLineageActive(parent));
  if (ended !== undefined) return ended;
  if (parent.ancestors.length + 1 < depthMax) return parent;
  return deny('policy_denied', `Tasks are nested at most ${depthMax} deep.`, {
    reasons: [{ code: 'nested_too_deep', message: 'Do this work in the task itself.' }],
  });
}

function denyOtherSubject({ subject }: TaskRequestBody, parent: TaskRecord | null): Denial | undefined {
  if (subject === null || parent === null) return undefined;
  if (subject.id === parent.subject?.id && subject.type === parent.subject.type) return undefined;
  const message = 'a sub-task is on behalf of the subject of its parent; leave it out';
  return deny('args_invalid', 'The task request is not valid.', {
    reasons: [{ code: 'other_subject', message, path: '/subject' }],
  });
}

/** The active task of a task token, if the workload token is its own agent's: it may have another token for it. */
export async function renewableTask(
  ports: Ports,
  taskToken: string,
  workloadToken: string,
): Promise<TaskRecord | Denial> {
  const agent = await ports.verifyWorkload(workloadToken);
  if (isDenial(agent)) return agent;
  const caller = ports.verifyTask(taskToken);
  if (isDenial(caller)) return caller;
  const record = await ports.tasks.load(caller.tenant, caller.taskId);
  const own = record?.agent.id === agent.id && record.agent.issuer === agent.issuer && record.tenant === agent.tenant;
  if (record === undefined || !own) {
    return deny('args_invalid', 'Another agent gets a part of the task: say which, in authorization_details.');
  }
  const ended = denyUnlessActive(record, ports.nowMs()) ?? (await ports.tasks.denyUnlessLineageActive(record));
  return ended ?? record;
}
