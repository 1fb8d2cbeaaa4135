/**
 * The task's stages. It stands on the ladder twice: first it must be there, alive and the caller's own; then, once
 * wire has named the operation, the call enters its history as `pending` in one compare-and-set, which is where
 * loops are seen and where parallel calls of a task get an order.
 */
import type {
  Admitted,
  AgentRuns,
  Arrival,
  Caller,
  CallerFact,
  DecisionFact,
  EntryFact,
  HistoryEntry,
  IdempotencyFact,
  Obligations,
  Operation,
  OperationFact,
  Outcome,
  Spending,
  TaintedFact,
  TaskFact,
  TaskRecord,
  TaskView,
  Thought,
  ThoughtMatch,
  Underway,
  WrapUp,
} from '../call.ts';
import type { Clock, ThoughtId } from '../clock.ts';
import { type Denial, deny, isDenial } from '../denial.ts';
import { endState, unsentOutcome } from '../outcome.ts';
import type { Stage } from '../stage.ts';
import { StoreUnavailable } from '../store/store.ts';
import { type AgentLimits, type AgentLoopsUse, type AgentNews, denyAgentRuns } from './agent-loops.ts';
import { callDigests, keyedDigest } from './call-digests.ts';
import type { CarriedTaint } from './carried.ts';
import { type Caught, withCaught } from './caught.ts';
import { askedToWait, enterHistory, factsOf, repeatsOf, withDenial, withoutCall } from './history.ts';
import type { CallEnding, LateEndings } from './late-endings.ts';
import { countsAsDenied, denyLooping, type LoopLimits, restMs } from './loops.ts';
import { givenBy, namedThings } from './provider-ids.ts';
import { denyRevoked } from './revoked.ts';
import { actingOf } from './suspended.ts';
import type { Suspensions } from './suspensions.ts';
import { denyUnlessActive, type Tasks } from './tasks.ts';
import { markUsed, matchThought, proposalsOf } from './thoughts.ts';

/** What the budget room knows of a task. */
export type BalanceOf = (
  record: TaskRecord,
) => Promise<{ readonly spent: Spending; readonly reserved: Spending; readonly remaining: Spending }>;

export interface TaskStages {
  readonly tasks: Tasks;
  readonly suspensions: Pick<Suspensions, 'look' | 'known'>;
  readonly endings: Pick<LateEndings, 'settle' | 'later'>;
  readonly balanceOf: BalanceOf;
  /** What agents take into their next tasks. */
  readonly carried: Pick<CarriedTaint, 'keep'>;
  readonly clock: Clock;
  /** What the tasks of one agent do over and over. */
  readonly agentLoops: AgentLoopsUse;
  readonly loop: LoopLimits & { readonly agent: AgentLimits };
  readonly historyMax: number;
  /** Whether a call of this operation may go on while its entry in the history cannot be written. Absent: none may. */
  readonly goesOnWithout?: (operation: Operation) => boolean;
}

const unknownTask = () => deny('task_unknown', 'There is no such task for this caller.');

function isView(value: unknown): boolean {
  const view = value as Partial<TaskView> | null;
  return (
    typeof view === 'object' && view !== null && typeof view.record?.id === 'string' && view.remaining !== undefined
  );
}

async function viewOf(stages: TaskStages, record: TaskRecord): Promise<TaskView> {
  return { record, ...(await stages.balanceOf(record)) };
}

/**
 * The task of the token: there, the caller's own, alive, and nobody suspended who takes part in it. Denies
 * `task_unknown`, `task_killed`, `task_expired`, …, `agent_suspended`, and `unauthenticated` for a revoked token.
 */
export function taskStage(stages: TaskStages): Stage<Arrival & CallerFact, TaskFact> {
  return {
    name: 'task',
    fault: 'store_unavailable',
    gives: { task: isView },
    admit: async ({ caller }) => {
      const found = await usableTask(stages, caller);
      if (isDenial(found)) return found;
      const inherited = await stages.tasks.inherit(found);
      if (isDenial(inherited)) return inherited;
      const [view, agentRuns] = await Promise.all([
        viewOf(stages, inherited),
        stages.agentLoops.runsOf(inherited, stages.loop.agent),
      ]);
      return { task: { ...view, agentRuns } };
    },
  };
}

/** What the caller may use now; the tasks above it are left to be looked at. Record and suspensions are read in one go. */
async function usableTask(stages: TaskStages, caller: Caller, route?: string): Promise<TaskRecord | Denial> {
  const { tasks, suspensions, clock } = stages;
  const [record, suspended] = await Promise.all([tasks.load(caller.tenant, caller.taskId), suspensions.look()]);
  if (record === undefined || record.agent.id !== caller.agentId) return unknownTask();
  const nowMs = clock.nowMs();
  const acting = { ...actingOf(record), ...(route === undefined ? {} : { route }) };
  const denial = denyUnlessActive(record, nowMs) ?? denyRevoked(record, caller.tokenId);
  return denial ?? suspended.denialOf(acting, nowMs) ?? record;
}

/**
 * The call enters the history of its task as `pending`. Denies `task_looping`, and `agent_suspended` where the route is
 * suspended; sees a kill that came meanwhile.
 */
export function enterStage(
  stages: TaskStages,
): Stage<Arrival & CallerFact & TaskFact & OperationFact & Partial<IdempotencyFact>, EntryFact> {
  return {
    name: 'task',
    fault: 'store_unavailable',
    gives: {
      entry: (value) =>
        isView((value as EntryFact['entry'] | null)?.task) && Number.isInteger((value as EntryFact['entry']).repeats),
    },
    admit: async (call) => {
      const { operation, payload } = call.resolved;
      const { record } = call.task;
      const { id, digestKey } = record;
      const first = call.idempotency?.state === 'repeat' ? call.idempotency.kept.callId : null;
      // The list is a moment old; before the send it is looked at again.
      const acting = { ...actingOf(record), route: operation.route };
      const suspended = stages.suspensions.known.denialOf(acting, stages.clock.nowMs());
      if (suspended !== undefined) return suspended;
      const { agentLoops, loop } = stages;
      const stopped = denyAgentRuns(runsAt(call.task), operation.route, loop.agent, stages.clock.nowMs());
      if (stopped !== undefined) return stopped;
      const facts = factsOf(operation, payload.args, digestKey);
      const digests = callDigests(operation, payload);
      const looking = {
        ...{ operation: operation.name, effect: operation.effect, digest: keyedDigest(digestKey, digests.whole) },
        ...(digests.prompt === null ? {} : { prompt: keyedDigest(digestKey, digests.prompt) }),
      };
      const caps = await agentLoops.capsOf(record, operation, digests.whole, loop.agent);
      const pending: HistoryEntry = {
        ...{ callId: call.id, kind: operation.kind, ...looking, state: 'pending', atMs: call.receivedAtMs },
        ...{ costMicroUsd: 0, target: null, facts },
      };
      let entered: { before: TaskRecord; repeats: number; thought: ThoughtMatch | null } | undefined;
      const enter = (current: TaskRecord | undefined) => {
        if (current === undefined) return unknownTask();
        const ended = denyUnlessActive(current, stages.clock.nowMs());
        if (ended !== undefined) return ended;
        const circling = denyLooping(current, looking, loop, stages.clock.nowMs());
        if (circling !== undefined) return circling;
        const before = first === null ? current : withoutCall(current, first);
        const repeats = repeatsOf(before, looking.digest);
        const thought =
          operation.kind === 'model' ? null : matchThought(current, operation, payload.args, call.toolCallId, first);
        entered = { before, repeats, thought };
        const marked =
          thought === null || first !== null
            ? current
            : { ...current, thoughts: markUsed(current, thought, call.id, 'take') };
        return enterHistory(marked, pending, stages.historyMax);
      };
      let unwritten = false;
      const updated = await stages.tasks.update(call.caller.tenant, id, enter).catch(async (fault: unknown) => {
        if (fault instanceof StoreUnavailable && stages.goesOnWithout?.(operation)) {
          unwritten = true;
          return enter(await stages.tasks.load(call.caller.tenant, id));
        }
        // Whether it was written is not known: it must not stay pending.
        stages.endings.later(endingOf(stages, call, { facts, thought: entered?.thought ?? null }, neverSent));
        throw fault;
      });
      if (isDenial(updated)) return updated;
      if (entered === undefined) throw new Error('the task was written without the call having entered');
      const { before, repeats, thought } = entered;
      const named = namedThings(before, operation.route, payload.namedIds?.() ?? []);
      if (named?.tokens !== undefined) payload.namedTokens?.(named.tokens);
      const late = unwritten ? { unwritten: { entry: pending, historyMax: stages.historyMax } } : {};
      const entry = { thought, repeats, facts, caps, ...late, ...(named === undefined ? {} : { named }) };
      return { entry: { ...entry, task: await viewOf(stages, before) } };
    },
    late: (call, given) => settleTask(stages, { ...call, ...given }, neverSent),
  };
}

/** How a call ends that was given up on before it was admitted. */
const neverSent: Outcome = unsentOutcome(deny('store_unavailable', 'The task did not answer in time.'));

/** Where the tasks of the agent stood when the call came; nowhere, for one that is not asked. */
function runsAt({ agentRuns }: TaskView): AgentRuns {
  return agentRuns ?? { failures: {} };
}

/**
 * Sets the taint of what the operation reads and what the decision declares, and the regions that the decision keeps its
 * data to, before anything is sent. Adds no fact but that it is done.
 */
export function taintStage(
  stages: TaskStages,
): Stage<Arrival & CallerFact & TaskFact & OperationFact & DecisionFact, TaintedFact> {
  return {
    name: 'task',
    fault: 'store_unavailable',
    gives: { tainted: (value) => value === true },
    admit: async ({ task, resolved, decision }) => {
      const denial = await taintTask(stages, task.record, caughtBy(resolved.operation.reads, decision.obligations));
      return denial ?? { tainted: true };
    },
  };
}

function caughtBy(reads: readonly string[], { taint = [], regions }: Pick<Obligations, 'taint' | 'regions'>): Caught {
  return { taint: [...new Set([...reads, ...taint])], ...(regions === undefined ? {} : { regions: [regions] }) };
}

/**
 * What a part has caught, the whole has caught: it goes into the task and up to every task above, and is noted for the
 * next tasks of their agents. Denies what writing a record does. Rejects with `StoreUnavailable`.
 */
export async function taintTask(
  { tasks, carried }: Pick<TaskStages, 'tasks' | 'carried'>,
  record: TaskRecord,
  caught: Caught,
): Promise<Denial | undefined> {
  const { id, tenant, ancestors } = record;
  const whole = withCaught(record, caught);
  // Taint is never taken away, so what the record had it has; those above may lack what a part was granted. Those above
  // go first: what stands in a part then stands above it.
  const above = caught.taint.length === 0 && whole === record ? [] : ancestors;
  for (const taskId of [...above.map((ancestor) => ancestor.id), ...(whole === record ? [] : [id])]) {
    const updated = await tasks.update(tenant, taskId, (current) =>
      current === undefined ? unknownTask() : withCaught(current, caught),
    );
    if (isDenial(updated)) return updated;
  }
  for (const { agent, issuer } of above) await carried.keep({ id: agent, issuer, tenant }, caught);
  await carried.keep(record.agent, whole);
  return undefined;
}

/**
 * The task still lives: asked after the intent and before anything is sent. The state in the records is the kill epoch:
 * they are read with every call anyway, the task's own and those above it, so a kill needs no second sign.
 */
export async function stillAlive(stages: TaskStages, call: Admitted): Promise<Denial | undefined> {
  const record = await usableTask(stages, call.caller, call.resolved.operation.route);
  return isDenial(record) ? record : stages.tasks.denyUnlessLineageActive(record);
}

/**
 * Turns the pending call into its outcome, and remembers what a model proposed; later, if the store is away. A call that
 * never entered has nothing to settle.
 */
export async function settleTask(stages: TaskStages, call: Underway, outcome: Outcome): Promise<void> {
  const { caller, resolved, entry, task } = call;
  if (caller === undefined || task === undefined) return;
  if (resolved === undefined || entry === undefined) return settleRefused(stages, task, outcome);
  const { route } = resolved.operation;
  await Promise.all([
    stages.endings.settle({
      ...endingOf(stages, { ...call, caller, resolved, task }, entry, outcome),
      ...wrapUpAfter(call, outcome),
    }),
    noteOutcome(stages, task, route, outcome),
  ]);
  if (call.tainted !== true || call.decision === undefined) return;
  // Until now the agent has read of it: it may have been a long stream.
  const caught = caughtBy(resolved.operation.reads, call.decision.obligations);
  await stages.carried.keep(task.record.agent, withCaught<Caught>(task.record, caught));
}

/** A call that was refused before it entered its history leaves no entry, and counts as refused. */
async function settleRefused(stages: TaskStages, task: TaskView, outcome: Outcome): Promise<void> {
  const { loop, clock } = stages;
  const { tenant, id, denials } = task.record;
  // In a storm that was stopped it changes nothing, and is not worth a write.
  const stopped = restMs(denials, loop.denials, loop.coolDownMs, clock.nowMs()) > 0;
  if (stopped || !countsAsDenied(outcome.denial)) return;
  const counted = (current: TaskRecord | undefined) =>
    current === undefined ? unknownTask() : withDenial(current, clock.nowMs());
  await Promise.all([stages.tasks.update(tenant, id, counted), noteOutcome(stages, task, null, outcome)]);
}

/** What came of a call, for all tasks of its agent. */
async function noteOutcome(
  { agentLoops, loop }: TaskStages,
  task: TaskView,
  route: string | null,
  outcome: Outcome,
): Promise<void> {
  const what = newsOf(outcome);
  if (what !== null) await agentLoops.note(task.record, { what, route, runs: runsAt(task) }, loop.agent);
}

/** Null where it counts neither way: refused for what waiting helps against, or told to come again later. */
function newsOf(outcome: Outcome): AgentNews | null {
  if (countsAsDenied(outcome.denial)) return 'denied';
  const state = endState(outcome);
  if (state === 'failed') return askedToWait(outcome) === undefined ? 'failed' : null;
  return state === 'done' && outcome.denial === null ? 'answered' : null;
}

/** A call that was cut at its limit, or given less than it asked for, opens the last turn that its decision grants. */
function wrapUpAfter({ reservation, decision }: Underway, outcome: Outcome): { readonly wrapUp?: WrapUp } {
  const tokens = decision?.obligations.wrap_up?.tokens;
  if (tokens === undefined) return {};
  const sent = outcome.attempts.some((attempt) => attempt.sent);
  if (reservation?.wrapUp === true) return sent ? { wrapUp: { tokens, state: 'done' } } : {};
  const cut = sent && (reservation?.lowered === true || outcome.denial?.code === 'task_budget_exhausted');
  return { wrapUp: { tokens, state: cut ? 'open' : 'granted' } };
}

function endingOf(
  { clock }: TaskStages,
  call: Arrival & CallerFact & TaskFact & OperationFact & Partial<IdempotencyFact>,
  entry: Pick<EntryFact['entry'], 'facts' | 'thought' | 'unwritten'>,
  outcome: Outcome,
): CallEnding {
  const { caller, task, resolved, trace } = call;
  const { denial, attempts, costMicroUsd, target, thoughtId, proposals, givenIds = [] } = outcome;
  const atMs = clock.nowMs();
  const said = (id: ThoughtId): Thought => ({
    ...{ id, callId: call.id, source: 'observed', atMs, span: `${trace.traceId}-${trace.spanId}` },
    proposals: proposalsOf(task.record.digestKey, proposals),
  });
  return {
    ...(call.idempotency?.state === 'repeat' ? { repeats: true as const } : {}),
    ...{ tenant: caller.tenant, taskId: caller.taskId, callId: call.id, atMs },
    ...{ operation: resolved.operation.name, route: resolved.operation.route, facts: entry.facts },
    // Not the whole outcome: it may have to wait, and holds the text of the answer.
    outcome: { denial, attempts, costMicroUsd, target },
    proposedBy: entry.thought,
    ...(entry.unwritten === undefined ? {} : { unwritten: entry.unwritten }),
    said: thoughtId === null ? null : said(thoughtId),
    given: target === null ? [] : givenBy(target, task.record.digestKey, givenIds, outcome.usage),
  };
}
