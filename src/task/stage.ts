/**
 * The task's stages. It stands on the ladder twice: first it must be there, alive and the caller's own; then, once
 * wire has named the operation, the call enters its history as `pending` in one compare-and-set, which is where
 * loops are seen and where parallel calls of a task get an order.
 */
import type {
  Admitted,
  Arrival,
  Caller,
  CallerFact,
  DecisionFact,
  EntryFact,
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
} from '../call.ts';
import type { Clock, ThoughtId } from '../clock.ts';
import { type Denial, deny, isDenial } from '../denial.ts';
import { unsentOutcome } from '../outcome.ts';
import type { Stage } from '../stage.ts';
import { digestOf } from './digest.ts';
import { enterHistory, factsOf, repeatsOf } from './history.ts';
import type { CallEnding, LateEndings } from './late-endings.ts';
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
  readonly clock: Clock;
  readonly repeatsMax: number;
  readonly historyMax: number;
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
      const inherited = await stages.tasks.inheritTaint(found);
      return isDenial(inherited) ? inherited : { task: await viewOf(stages, inherited) };
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
export function enterStage(stages: TaskStages): Stage<Arrival & CallerFact & TaskFact & OperationFact, EntryFact> {
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
      // The list is a moment old; before the send it is looked at again.
      const acting = { ...actingOf(record), route: operation.route };
      const suspended = stages.suspensions.known.denialOf(acting, stages.clock.nowMs());
      if (suspended !== undefined) return suspended;
      const facts = factsOf(operation, payload.args, digestKey);
      const digest = digestOf(digestKey, [operation.name, payload.document()]);
      let entered: { before: TaskRecord; repeats: number; thought: ThoughtMatch | null } | undefined;
      const enter = (current: TaskRecord | undefined) => {
        if (current === undefined) return unknownTask();
        const ended = denyUnlessActive(current, stages.clock.nowMs());
        if (ended !== undefined) return ended;
        const repeats = repeatsOf(current, digest);
        if (repeats >= stages.repeatsMax) return looping(operation.name, repeats);
        const thought =
          operation.kind === 'model' ? null : matchThought(current, operation, payload.args, call.toolCallId);
        entered = { before: current, repeats, thought };
        const marked =
          thought === null ? current : { ...current, thoughts: markUsed(current, thought, call.id, 'take') };
        return enterHistory(
          marked,
          {
            callId: call.id,
            kind: operation.kind,
            operation: operation.name,
            effect: operation.effect,
            state: 'pending',
            atMs: call.receivedAtMs,
            costMicroUsd: 0,
            target: null,
            facts,
            digest,
          },
          stages.historyMax,
        );
      };
      const updated = await stages.tasks.update(call.caller.tenant, id, enter).catch((fault: unknown) => {
        // Whether it was written is not known: it must not stay pending.
        stages.endings.later(endingOf(stages, call, { facts, thought: entered?.thought ?? null }, neverSent));
        throw fault;
      });
      if (isDenial(updated)) return updated;
      if (entered === undefined) throw new Error('the task was written without the call having entered');
      const { before, repeats, thought } = entered;
      return { entry: { thought, repeats, facts, task: await viewOf(stages, before) } };
    },
    late: (call, given) => settleTask(stages, { ...call, ...given }, neverSent),
  };
}

/** How a call ends that was given up on before it was admitted. */
const neverSent: Outcome = unsentOutcome(deny('store_unavailable', 'The task did not answer in time.'));

function looping(operation: string, repeats: number): Denial {
  return deny(
    'task_looping',
    `This task has made the same call to ${operation} ${repeats} times. Its answer will not change; do something else.`,
    {
      reasons: [{ code: 'equal_calls', message: `${repeats} equal calls of ${operation}` }],
    },
  );
}

/**
 * Sets the taint of what the operation reads and what the decision declares, before anything is sent. Adds no fact but
 * that it is done.
 */
export function taintStage(
  stages: TaskStages,
): Stage<Arrival & CallerFact & TaskFact & OperationFact & DecisionFact, TaintedFact> {
  return {
    name: 'task',
    fault: 'store_unavailable',
    gives: { tainted: (value) => value === true },
    admit: async ({ caller, task, resolved, decision }) => {
      const taint = [...resolved.operation.reads, ...(decision.obligations.taint ?? [])];
      const denial = await taintTask(stages, caller.tenant, task.record, taint);
      return denial ?? { tainted: true };
    },
  };
}

/** What a part has read, the whole has read: taint goes into the task and up to every task above. */
export async function taintTask(
  stages: Pick<TaskStages, 'tasks'>,
  tenant: string,
  { id, ancestors, taint: known }: TaskRecord,
  taint: readonly string[],
): Promise<Denial | undefined> {
  const missing = (labels: readonly string[]) => taint.some((label) => !labels.includes(label));
  const above = taint.length === 0 ? [] : ancestors.map((ancestor) => ancestor.id);
  // Taint is never taken away, so what the record had it has; those above may lack what a part was granted.
  const tainted = missing(known) ? [id, ...above] : above;
  for (const taskId of tainted) {
    const updated = await stages.tasks.update(tenant, taskId, (current) =>
      current === undefined || !missing(current.taint)
        ? (current ?? unknownTask())
        : { ...current, taint: [...new Set([...current.taint, ...taint])] },
    );
    if (isDenial(updated)) return updated;
  }
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
  if (caller === undefined || resolved === undefined || entry === undefined || task === undefined) return;
  await stages.endings.settle(endingOf(stages, { ...call, caller, resolved, task }, entry, outcome));
}

function endingOf(
  { clock }: TaskStages,
  call: Arrival & CallerFact & TaskFact & OperationFact,
  entry: Pick<EntryFact['entry'], 'facts' | 'thought'>,
  outcome: Outcome,
): CallEnding {
  const { caller, task, resolved, trace } = call;
  const { denial, attempts, costMicroUsd, target, thoughtId, proposals } = outcome;
  const atMs = clock.nowMs();
  const said = (id: ThoughtId): Thought => ({
    ...{ id, callId: call.id, source: 'observed', atMs, span: `${trace.traceId}-${trace.spanId}` },
    proposals: proposalsOf(task.record.digestKey, proposals),
  });
  return {
    ...{ tenant: caller.tenant, taskId: caller.taskId, callId: call.id, atMs },
    ...{ operation: resolved.operation.name, route: resolved.operation.route, facts: entry.facts },
    // Not the whole outcome: it may have to wait, and holds the text of the answer.
    outcome: { denial, attempts, costMicroUsd, target },
    proposedBy: entry.thought,
    said: thoughtId === null ? null : said(thoughtId),
  };
}
