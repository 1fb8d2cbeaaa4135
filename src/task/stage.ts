/**
 * The task's stages. It stands on the ladder twice: first it must be there, alive and the caller's own; then, once
 * wire has named the operation, the call enters its history as `pending` in one compare-and-set, which is where
 * loops are seen and where parallel calls of a task get an order.
 */
import type {
  Admitted,
  Arrival,
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
  ThoughtMatch,
  Underway,
} from '../call.ts';
import type { Clock } from '../clock.ts';
import { type Denial, deny, isDenial } from '../denial.ts';
import { unsentOutcome } from '../outcome.ts';
import type { Stage } from '../stage.ts';
import { digestOf } from './digest.ts';
import { endHistory, endState, enterHistory, factsOf, repeatsOf } from './history.ts';
import { denyUnlessActive, type Tasks } from './tasks.ts';
import { markUsed, matchThought, rememberThought } from './thoughts.ts';

/** What the budget room knows of a task. */
export type BalanceOf = (
  record: TaskRecord,
) => Promise<{ readonly spent: Spending; readonly reserved: Spending; readonly remaining: Spending }>;

export interface TaskStages {
  readonly tasks: Tasks;
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

/** The task of the token: there, the caller's own, alive. Denies `task_unknown`, `task_killed`, `task_expired`, … */
export function taskStage(stages: TaskStages): Stage<Arrival & CallerFact, TaskFact> {
  return {
    name: 'task',
    fault: 'store_unavailable',
    gives: { task: isView },
    admit: async ({ caller }) => {
      const record = await stages.tasks.load(caller.tenant, caller.taskId);
      if (record === undefined || record.agent.id !== caller.agentId) return unknownTask();
      const ended = denyUnlessActive(record, stages.clock.nowMs());
      if (ended !== undefined) return ended;
      const inherited = await stages.tasks.inheritTaint(record);
      return isDenial(inherited) ? inherited : { task: await viewOf(stages, inherited) };
    },
  };
}

/** The call enters the history of its task as `pending`. Denies `task_looping`; sees a kill that came meanwhile. */
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
      const { id, digestKey } = call.task.record;
      const facts = factsOf(operation, payload.args, digestKey);
      const digest = digestOf(digestKey, [operation.name, payload.document()]);
      let entered: { before: TaskRecord; repeats: number; thought: ThoughtMatch | null } | undefined;
      const updated = await stages.tasks.update(call.caller.tenant, id, (current) => {
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

/** Sets the taint that a decision declares, before anything is sent. Adds no fact but that it is done. */
export function taintStage(stages: TaskStages): Stage<Arrival & CallerFact & TaskFact & DecisionFact, TaintedFact> {
  return {
    name: 'task',
    fault: 'store_unavailable',
    gives: { tainted: (value) => value === true },
    admit: async ({ caller, task, decision }) => {
      const denial = await taintTask(stages, caller.tenant, task.record, decision.obligations.taint ?? []);
      return denial ?? { tainted: true };
    },
  };
}

/** What a part has read, the whole has read: taint goes into the task and up to every task above. */
export async function taintTask(
  stages: Pick<TaskStages, 'tasks'>,
  tenant: string,
  { id, ancestors }: TaskRecord,
  taint: readonly string[],
): Promise<Denial | undefined> {
  const tainted = taint.length === 0 ? [] : [id, ...ancestors.map((ancestor) => ancestor.id)];
  for (const taskId of tainted) {
    const updated = await stages.tasks.update(tenant, taskId, (current) =>
      current === undefined ? unknownTask() : { ...current, taint: [...new Set([...current.taint, ...taint])] },
    );
    if (isDenial(updated)) return updated;
  }
  return undefined;
}

/** The task still lives: asked after the intent and before anything is sent. */
export async function stillAlive(stages: TaskStages, call: Admitted): Promise<Denial | undefined> {
  const record = await stages.tasks.load(call.caller.tenant, call.caller.taskId);
  return record === undefined ? unknownTask() : denyUnlessAlive(stages, record);
}

/** The task and every task that it is part of. */
async function denyUnlessAlive(stages: TaskStages, record: TaskRecord): Promise<Denial | undefined> {
  return denyUnlessActive(record, stages.clock.nowMs()) ?? (await stages.tasks.denyUnlessLineageActive(record));
}

/**
 * Turns the pending call into its outcome, and remembers what a model proposed. A call that never entered has
 * nothing to settle. Throws if the store is away or the record's conflicts do not end; the runner reports it.
 */
export async function settleTask(stages: TaskStages, call: Underway, outcome: Outcome): Promise<void> {
  const { caller, resolved, entry } = call;
  if (caller === undefined || resolved === undefined || entry === undefined) return;
  const { operation } = resolved;
  const atMs = stages.clock.nowMs();
  const ending = {
    callId: call.id,
    operation: operation.name,
    route: operation.route,
    facts: entry.facts,
    outcome,
    atMs,
  };
  const settled = await stages.tasks.update(caller.tenant, caller.taskId, (current) => {
    if (current === undefined) return deny('task_unknown', 'The record of the task is gone.');
    // An entry that is not there fell off the end of the history: the totals still have it.
    if (current.history.some(({ callId, state }) => callId === call.id && state !== 'pending')) return current;
    let next = endHistory(current, ending);
    if (entry.thought !== null && endState(outcome) === 'denied') {
      next = { ...next, thoughts: markUsed(next, entry.thought, call.id, 'give back') };
    }
    if (outcome.thoughtId !== null) {
      const span = `${call.trace.traceId}-${call.trace.spanId}`;
      const thought = { id: outcome.thoughtId, callId: call.id, source: 'observed' as const, atMs, span };
      next = { ...next, thoughts: rememberThought(next, thought, outcome.proposals) };
    }
    return next;
  });
  if (isDenial(settled) && settled.code !== 'task_unknown')
    throw new Error(`the task was not settled: ${settled.code}`);
}
