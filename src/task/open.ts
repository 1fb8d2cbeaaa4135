/**
 * How a task comes to be: the agent shows its workload token, the policy says whether such a task may exist and what
 * it may have, the ceilings of the config bound it, the trail records it, and only then is there a token. `POST
 * /tasks` and, later, token exchange are two faces of this one mechanism. Policy and config narrow, never widen.
 */
import type { Agent, JsonObject, OperationRegistry, Spending, Subject, TaskRecord, Trace } from '../call.ts';
import { type Denial, deny, isDenial } from '../denial.ts';
import { narrowTools, unknownTools } from '../toolset.ts';
import type { Tasks } from './tasks.ts';

/** What an agent asks for; fields it leaves out stand as the config and the policy give them. */
export interface TaskRequest {
  readonly purpose: string;
  readonly subject: { readonly id: string; readonly type: string } | null;
  readonly tools: readonly string[] | null;
  readonly budget: Partial<Spending>;
  readonly ttlSeconds: number | null;
  readonly labels: JsonObject;
}

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
  readonly credential: string | null;
  readonly request: TaskRequest;
  readonly trace: Trace;
  readonly requestId: string;
}

export interface OpeningPorts<Verdict extends TaskVerdict> {
  readonly tasks: Tasks;
  readonly operations: () => OperationRegistry;
  readonly verifyWorkload: (token: string) => Promise<Agent | Denial>;
  readonly decide: (request: TaskRequest, agent: Agent, subject: Subject | null) => Verdict;
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

function denyUnknownTools(request: TaskRequest, operations: OperationRegistry): Denial | undefined {
  const unknown = unknownTools(request.tools, operations);
  if (unknown.length === 0) return undefined;
  const path = '/tools';
  return deny('args_invalid', 'The task asks for tools that do not exist.', {
    reasons: unknown.map((item) => ({ code: 'operation_unknown', message: `There is no operation ${item}`, path })),
    allowed: operations.all().map(({ name }) => name),
  });
}

/** Opens a task, or says why not. Denies 401, `args_invalid`, `policy_denied`, `policy_unavailable`. */
export async function openTask<Verdict extends TaskVerdict>(
  ports: OpeningPorts<Verdict>,
  opening: Opening,
): Promise<TaskRecord | Denial> {
  const { request } = opening;
  const agent =
    opening.credential === null
      ? deny('unauthenticated', 'Show a workload token: Authorization: Bearer <token of your cloud>.', {
          reasons: [{ code: 'token_missing', message: 'There is no bearer token.' }],
        })
      : await ports.verifyWorkload(opening.credential);
  if (isDenial(agent)) return agent;
  const unknown = denyUnknownTools(request, ports.operations());
  if (unknown !== undefined) return unknown;
  const subject: Subject | null =
    request.subject === null ? null : { ...request.subject, claims: {}, assurance: 'asserted' };
  const verdict = ports.decide(request, agent, subject);
  if (!verdict.allow) {
    const denial = verdict.denial ?? deny('policy_denied', 'The policy does not allow this task.');
    await ports.recordDenied(denial, agent, subject, verdict, opening);
    return denial;
  }
  const { grant } = verdict;
  const record = await ports.tasks.create({
    agent,
    subject,
    purpose: request.purpose,
    tools: narrowTools(request.tools, grant.tools ?? null, ports.operations()),
    labels: grant.labels ?? request.labels,
    parent: null,
    ttlMs: 1000 * Math.min(ports.ceiling.ttlSeconds, request.ttlSeconds ?? Infinity, grant.ttlSeconds ?? Infinity),
    budget: narrowBudget(ports.ceiling.budget, request.budget, grant.budget ?? {}),
    taint: grant.taint ?? [],
  });
  await ports.recordOpened(record, verdict, opening);
  return record;
}
