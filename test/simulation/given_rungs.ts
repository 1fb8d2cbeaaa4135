/** The rungs above a call's budget in a simulation: who calls and what the policy says of it is given, the task is read. */
import { proposalStage } from '../../src/audit/stage.ts';
import type {
  AllowedFact,
  Arrival,
  CacheFact,
  CallerFact,
  DecisionFact,
  EntryFact,
  FindingsFact,
  ObeyedFact,
  Obligations,
  OperationRegistry,
  ReachFact,
  RecalledFact,
  TaintedFact,
  TaskFact,
  TaskRecord,
  WireRequest,
} from '../../src/call.ts';
import { type Clock, newId } from '../../src/clock.ts';
import { Ladder, type Stage } from '../../src/stage.ts';
import { denyUnlessActive, type Tasks } from '../../src/task/tasks.ts';
import { operationStage } from '../../src/wire/stage.ts';

/** A call as its client makes it. */
export interface Wish {
  readonly record: TaskRecord;
  readonly request: WireRequest;
  readonly obligations: Obligations;
  readonly deadlineMs: number | null;
}

export interface Given {
  readonly registry: OperationRegistry;
  readonly clock: Clock;
  readonly tasks: Tasks;
  readonly wishOf: (call: Pick<Arrival, 'abort'>) => Wish;
}

/** All that stands before the budget, in its order. */
export function givenRungs({ registry, clock, tasks, wishOf }: Given) {
  return Ladder.from<Arrival>()
    .rung(
      fact<CallerFact>((call) => {
        const { id: taskId, agent, tenant, expiresAtMs } = wishOf(call).record;
        const token = { tokenId: 't', binding: null, scope: null, mayAct: null };
        return { caller: { taskId, agentId: agent.id, tenant, expiresAtMs, ...token } };
      }),
    )
    .rung<TaskFact>({
      ...{ name: 'task', fault: 'store_unavailable', gives: {} as Stage<Arrival, TaskFact>['gives'] },
      admit: async ({ caller: { tenant, taskId } }) => {
        const record = (await tasks.load(tenant, taskId)) as TaskRecord;
        const none = { tokens: 0, costMicroUsd: 0, calls: 0, seconds: 0 };
        const view = { record, spent: none, reserved: none, remaining: record.budget };
        return denyUnlessActive(record, clock.nowMs()) ?? { task: view };
      },
    })
    .rung(operationStage(() => registry))
    .rung(fact<ReachFact>(() => ({ reached: true })))
    .rung(fact<RecalledFact>(() => ({ recalled: { items: 0 } })))
    .rung(proposalStage())
    .rung<EntryFact>({
      ...{ name: 'given', fault: 'store_unavailable', gives: {} as Stage<Arrival, EntryFact>['gives'] },
      admit: ({ task }) => ({ entry: { thought: null, repeats: 0, task, facts: {} } }),
    })
    .rung(fact<FindingsFact>(() => ({ inspection: { findings: [] } })))
    .rung(
      fact<DecisionFact>((call) => {
        const says = { allow: true, reasons: [], bundle: 'b', revision: 'r', input: { phase: 'call' } };
        return { decision: { ...says, id: newId(clock, 'decision'), obligations: wishOf(call).obligations } };
      }),
    )
    .rung(fact<AllowedFact>(() => ({ allowed: true })))
    .rung(fact<TaintedFact>(() => ({ tainted: true })))
    .rung(fact<ObeyedFact>(() => ({ obeyed: { changed: false, unhandled: [] } })))
    .rung(fact<CacheFact>(() => ({ cache: { state: 'not_granted' } })));
}

/** A rung that gives what the simulation says. */
export function fact<Gives extends object>(admit: (call: Arrival) => Gives): Stage<Arrival, Gives> {
  return { name: 'given', fault: 'store_unavailable', gives: {} as Stage<Arrival, Gives>['gives'], admit };
}
