/**
 * How a task comes to be: the agent shows its workload token, the policy says whether such a task may exist and what
 * it may have, the ceilings of the config bound it, the trail records it, and only then is there a token. `POST
 * /tasks` and token exchange are two faces of this one mechanism. Policy and config narrow, never widen.
 */
import type { Agent, Caller, JsonObject, OnSpent, PlanStep, Spending, Subject, TaskRecord, Trace } from '../call.ts';
import { type Denial, deny, isDenial } from '../denial.ts';
import { narrowTools, type Toolset } from '../toolset.ts';
import type { NamedSubject, TaskRequestBody } from '../wire/task-request.ts';
import { type Caught, isClean, withCaught } from './caught.ts';
import { type Claim, claimantOf, isSameAgent } from './claimant.ts';
import {
  denyEnded,
  denySubjectToken,
  firstTicket,
  type IssuePorts,
  mayActAs,
  readSubjectTask,
  type Ticket,
} from './issue.ts';
import { denyUnknownTools } from './narrow.ts';
import { denyUnknownSteps, narrowPlan, type Plan, planForParts } from './plan.ts';
import { actingOf } from './suspended.ts';

/** How deep tasks may be nested, the first one counted: bounds the work of every call of a sub-task. */
const depthMax = 4;
/**
 * How many agents a task's own may act for: bounds the `act` of its tokens (RFC 8693 §4.1), which are read to 16 levels,
 * the claims and the agent itself among them.
 */
const actorsMax = 14;
/** The same in bytes of their ids: every token of the task carries them. */
const actorBytesMax = 4096;

/** What the policy says of a task. What a grant leaves out stands as asked for. */
export interface TaskVerdict {
  readonly allow: boolean;
  /** Digest of the policies that say so. */
  readonly content?: string;
  readonly denial: Denial | null;
  readonly grant: Grant;
  /** What is granted besides, of which the task gets what both grant. */
  readonly alsoGrant?: Grant;
}

/** What a task may have. */
interface Grant {
  readonly tools?: readonly string[];
  readonly plan?: readonly PlanStep[];
  readonly budget?: Partial<Spending>;
  readonly onSpent?: OnSpent;
  readonly ttlSeconds?: number;
  readonly labels?: JsonObject;
  readonly taint?: readonly string[];
}

/** A request for a task, with what the server knows of it. */
export interface Opening {
  /** The agent that is to have the task. */
  readonly claim: Claim;
  /** The task token of the task that the new one is to be part of; null for a task of its own. */
  readonly parentToken: string | null;
  readonly request: TaskRequestBody;
  readonly trace: Trace;
  readonly requestId: string;
}

/** What is decided on and recorded of a request: all but the subject, which is told apart, and never its token. */
export type Wish = Omit<TaskRequestBody, 'subject'>;

/** What there is to record of an opening. */
export interface Asked {
  readonly wish: Wish;
  readonly trace: Trace;
  /** What the agent brings along from tasks it had a short while ago. */
  readonly carried?: Caught;
}

export interface OpeningPorts<Verdict extends TaskVerdict> extends IssuePorts {
  /** A token of the subject's own, shown by `agent`. Denies 401 at `/subject/token`. */
  readonly verifySubject: (token: string, agent: Agent) => Promise<Subject | Denial>;
  /** Whether an issuer of that name asks that tokens of its agents belong to a key. */
  readonly bindingRequired: (issuer: string) => boolean;
  /** `taint` is what the task begins with, whatever is granted. */
  readonly decide: (
    wish: Wish,
    agent: Agent,
    subject: Subject | null,
    parent: TaskRecord | null,
    taint: readonly string[],
  ) => Verdict | Promise<Verdict>;
  /** Counts that the agent asks for one more task; denies `rate_limited`. */
  readonly denyTooMany: (agent: Agent) => Promise<Denial | undefined>;
  /** What the agent knows from its last tasks, which its next one begins with. */
  readonly carried: (agent: Agent) => Promise<Caught>;
  /** Resolves when the event is durable; a task that cannot be recorded does not come to be. */
  readonly recordOpened: (record: TaskRecord, verdict: Verdict, asked: Asked) => Promise<void>;
  /** What the policy denied; what was refused before it could be asked, the server counts and samples. */
  readonly recordDenied: (
    denial: Denial,
    agent: Agent,
    subject: Subject | null,
    verdict: Verdict,
    asked: Asked,
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

/** Of two policies the one that ends the task has its way. */
function strictestOf(...said: readonly (OnSpent | undefined)[]): OnSpent | undefined {
  return said.find((one) => one === 'kill') ?? said.find((one) => one !== undefined);
}

/** What a part may have of its parent's budget: time that the parent has lived is spent for its parts as well. */
function restOf(parent: TaskRecord | null, nowMs: number): Partial<Spending> {
  if (parent === null) return {};
  const livedSeconds = Math.max(0, Math.ceil((nowMs - parent.createdAtMs) / 1000));
  return { ...parent.budget, seconds: Math.max(0, parent.budget.seconds - livedSeconds) };
}

/**
 * Opens a task, or says why not; gives the right to its first token. Denies what `claimantOf` does, `args_invalid`,
 * `task_unknown` and what a parent that has ended is denied, `rate_limited`, `policy_denied`, `policy_unavailable`.
 */
export async function openTask<Verdict extends TaskVerdict>(
  ports: OpeningPorts<Verdict>,
  opening: Opening,
): Promise<Ticket | Denial> {
  const { subject: named, ...wish } = opening.request;
  const asked: Asked = { wish, trace: opening.trace };
  const claimant = await claimantOf(ports, opening.claim);
  if (isDenial(claimant)) return claimant;
  const above = opening.parentToken === null ? null : await parentOf(ports, opening.parentToken, claimant.agent);
  if (isDenial(above)) return above;
  const operations = ports.operations();
  const unfit = denyUnknownTools(wish.tools, operations) ?? denyUnknownSteps(wish.plan ?? null, operations);
  if (unfit !== undefined) return unfit;
  const agent = above === null ? claimant.agent : actingFor(claimant.agent, above.record.agent);
  if (isDenial(agent)) return agent;
  const tooMany = await ports.denyTooMany(agent);
  if (tooMany !== undefined) return tooMany;
  const parent = above?.record ?? null;
  const subject = await subjectOf(ports, named, agent, parent);
  if (isDenial(subject)) return subject;

  // A part begins with what the whole has caught, and with what its agent brings from elsewhere.
  const brought = await ports.carried(agent);
  const before = parent === null ? brought : withCaught<Caught>(caughtIn(parent), brought);

  const verdict = await ports.decide(wish, agent, subject, parent, before.taint);
  if (!verdict.allow) {
    const denial = verdict.denial ?? deny('policy_denied', 'The policy does not allow this task.');
    await ports.recordDenied(denial, agent, subject, verdict, asked);
    return denial;
  }
  const { grant, alsoGrant = {} } = verdict;
  const { ceiling } = ports;
  const lists = [parent?.tools ?? null, above?.scope ?? null, grant.tools ?? null, alsoGrant.tools ?? null];
  const plan = [wish.plan ?? null, grant.plan ?? null, alsoGrant.plan ?? null].reduce<Plan>(
    (steps, list) => narrowPlan(steps, list, operations),
    planForParts(parent),
  );
  const { taint, regions } = withCaught<Caught>(before, {
    taint: [...(grant.taint ?? []), ...(alsoGrant.taint ?? [])],
  });
  const tainted = await taintWhole(ports, parent, brought);
  if (tainted !== undefined) return tainted;
  const lives = [ceiling.ttlSeconds, wish.ttlSeconds, grant.ttlSeconds, alsoGrant.ttlSeconds];
  const record = await ports.tasks.create({
    agent,
    subject,
    purpose: wish.purpose,
    tools: lists.reduce<Toolset>((tools, list) => narrowTools(tools, list, operations), wish.tools),
    ...(plan === null ? {} : { plan }),
    labels: grant.labels ?? alsoGrant.labels ?? wish.labels,
    parent,
    ttlMs: 1000 * Math.min(...lives.map((seconds) => seconds ?? Infinity)),
    budget: narrowBudget(
      ceiling.budget,
      restOf(parent, ports.nowMs()),
      wish.budget,
      grant.budget ?? {},
      alsoGrant.budget ?? {},
    ),
    onSpent: strictestOf(grant.onSpent, alsoGrant.onSpent),
    taint,
    ...(regions === undefined ? {} : { regions }),
    ...(claimant.binding === null ? {} : { bound: true as const }),
    // A part is no way out of what the whole goes on under.
    policy: parent?.policy ?? verdict.content,
  });
  await ports.recordOpened(record, verdict, { ...asked, carried: brought });
  return firstTicket(record, claimant);
}

function caughtIn({ taint, regions }: TaskRecord): Caught {
  return { taint, ...(regions === undefined ? {} : { regions }) };
}

/** What the agent of a part brings, the whole will learn from it: it goes into every task above, before the part is. */
async function taintWhole(
  { tasks }: Pick<OpeningPorts<TaskVerdict>, 'tasks'>,
  parent: TaskRecord | null,
  brought: Caught,
): Promise<Denial | undefined> {
  if (parent === null || isClean(brought)) return undefined;
  for (const { id } of [parent, ...parent.ancestors]) {
    const updated = await tasks.update(parent.tenant, id, (current) =>
      current === undefined ? deny('task_expired', 'A task above this one has expired.') : withCaught(current, brought),
    );
    if (isDenial(updated)) return updated;
  }
  return undefined;
}

/** The agent of a part, with all it acts for: who its own token names, then the agent above and all that one acts for. */
function actingFor(agent: Agent, above: Agent): Agent | Denial {
  const actors = [...agent.actors, above.id, ...above.actors];
  const bytes = actors.reduce((sum, id) => sum + Buffer.byteLength(id), 0);
  if (actors.length <= actorsMax && bytes <= actorBytesMax) return { ...agent, actors };
  return tooDeep('Too many agents would act for one another here.');
}

/** A task that the new one is to be part of, and what the token that stands for it is narrowed to. */
interface Above {
  readonly record: TaskRecord;
  readonly scope: Toolset;
}

/** The task that a sub-task is to be part of: alive, of the same tenant, not too deep already, and the agent's to have. */
async function parentOf<Verdict extends TaskVerdict>(
  ports: OpeningPorts<Verdict>,
  token: string,
  agent: Agent,
): Promise<Above | Denial> {
  const found = await readSubjectTask(ports, token);
  if (isDenial(found)) return found;
  const { caller, record } = found;
  if (record.tenant !== agent.tenant) return deny('task_unknown', 'There is no such task for this caller.');
  const ended = (await denyEnded(ports, record)) ?? (await ports.denySuspended(actingOf(record)));
  const denial = denyHolder(ports, caller, record, agent) ?? ended;
  if (denial !== undefined) return denial;
  if (record.ancestors.length + 1 < depthMax) return { record, scope: caller.scope };
  return tooDeep(`Tasks are nested at most ${depthMax} deep.`);
}

/**
 * Denies a task token to whoever it is not meant for. A delegation token is for the agent it names; one that belongs to
 * a key, or should, is for its own agent alone: a copy of it that came astray is worth nothing.
 */
function denyHolder<Verdict extends TaskVerdict>(
  ports: OpeningPorts<Verdict>,
  { mayAct, binding }: Caller,
  record: TaskRecord,
  agent: Agent,
): Denial | undefined {
  if (mayAct !== null) {
    if (mayActAs(mayAct, agent)) return undefined;
    return denySubjectToken('The delegation token is for another agent.', [
      { code: 'actor_wrong', message: 'It names the one agent that may exchange it.' },
    ]);
  }
  if (isSameAgent(record.agent, agent) || (binding === null && !ports.bindingRequired(record.agent.issuer))) {
    return undefined;
  }
  return denySubjectToken('The task token is for its own agent alone.', [
    { code: 'delegation_required', message: 'Its agent can ask for a delegation token for you.' },
  ]);
}

/** On whose behalf the task is: the subject of the whole, else who is named, by a token of theirs or by the agent. */
async function subjectOf<Verdict extends TaskVerdict>(
  ports: OpeningPorts<Verdict>,
  named: NamedSubject | null,
  agent: Agent,
  parent: TaskRecord | null,
): Promise<Subject | null | Denial> {
  if (named === null) return parent?.subject ?? null;
  const subject: Subject | Denial =
    'token' in named ? await ports.verifySubject(named.token, agent) : { ...named, claims: {}, assurance: 'asserted' };
  if (isDenial(subject) || parent === null) return subject;
  return isSameSubject(parent.subject, subject) ? parent.subject : otherSubject();
}

/** Two issuers may know two people by one id; an agent that asserts an id means whoever is known by it. */
export function isSameSubject(one: Subject | null, other: Subject): boolean {
  if (one === null || one.id !== other.id || one.type !== other.type) return false;
  return one.issuer === undefined || other.issuer === undefined || one.issuer === other.issuer;
}

function otherSubject(): Denial {
  const message = 'a sub-task is on behalf of the subject of its parent; leave it out';
  return deny('args_invalid', 'The task request is not valid.', {
    reasons: [{ code: 'other_subject', message, path: '/subject' }],
  });
}

function tooDeep(message: string): Denial {
  return deny('policy_denied', message, {
    reasons: [{ code: 'nested_too_deep', message: 'Do this work in the task itself.' }],
  });
}
