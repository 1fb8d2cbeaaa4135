/**
 * The plan a task gets: what the agent declares, within that of the task it is part of, within what the policy grants.
 * Lists are only ever narrowed: a step stays if it lets nothing through that the other list would not.
 */
import type { OperationRegistry, PlanStep, TaskRecord } from '../call.ts';
import { type Denial, deny, type Reason } from '../denial.ts';
import { toolsBeyond, unknownTools } from '../toolset.ts';
import { planStepsMax } from '../wire/plan.ts';
import { isPlainName } from '../wire/segments.ts';

/** Null is no plan: everything may be called that the toolset holds. */
export type Plan = readonly PlanStep[] | null;

/** How many faults one denial lists. */
const reasonsMax = 20;

/** Denies `args_invalid` for operations that are not there, each at its place in `/plan`. */
export function denyUnknownSteps(plan: Plan, operations: OperationRegistry): Denial | undefined {
  const reasons = (plan ?? []).flatMap(({ operation, after = [] }, index): Reason[] => [
    ...(unknownTools([operation], operations).length > 0 ? [unknown(operation, `/plan/${index}/operation`)] : []),
    // Of a whole route it could not be said which of its operations is meant.
    ...after.flatMap((name, place) =>
      operations.get(name) === undefined ? [unknown(name, `/plan/${index}/after/${place}`)] : [],
    ),
  ]);
  if (reasons.length === 0) return undefined;
  return deny('args_invalid', 'The plan names operations that do not exist.', {
    reasons: reasons.slice(0, reasonsMax),
    allowed: operations.all().map(({ name }) => name),
  });
}

function unknown(name: string, path: string): Reason {
  // Reasons are recorded for ever, and what was asked for may be anything.
  const message = isPlainName(name) ? `There is no operation ${name}` : 'There is no such operation';
  return { code: 'operation_unknown', message, path };
}

/**
 * What a part may have of its parent's plan. Steps with `at_most` stay with the parent: a part keeps a history of its
 * own, so each part would count anew.
 */
export function planForParts(parent: Pick<TaskRecord, 'plan'> | null): Plan {
  return parent?.plan?.filter(({ atMost }) => atMost === undefined) ?? null;
}

/** What both plans let through, step by step; at most 32 steps. */
export function narrowPlan(one: Plan, other: Plan, operations: OperationRegistry): Plan {
  if (one === null || other === null) return one ?? other;
  const within = (steps: readonly PlanStep[], wider: readonly PlanStep[]) =>
    steps.filter((step) => wider.some((wide) => isWithin(step, wide, operations)));
  const both = new Map([...within(one, other), ...within(other, one)].map((step) => [JSON.stringify(step), step]));
  return [...both.values()].slice(0, planStepsMax);
}

/** Whether `step` lets a call go only where `wide` does, whatever was called before. */
function isWithin(step: PlanStep, wide: PlanStep, operations: OperationRegistry): boolean {
  const { atMost, after = [], where = {} } = wide;
  if (step.operation !== wide.operation) {
    // What counts a whole route is not split up: its parts together would let more through.
    if (atMost !== undefined || toolsBeyond([step.operation], [wide.operation], operations).length > 0) return false;
  }
  return (
    (atMost === undefined || (step.atMost ?? Number.MAX_SAFE_INTEGER) <= atMost) &&
    after.every((name) => step.after?.includes(name)) &&
    Object.entries(where).every(([path, value]) => step.where !== undefined && step.where[path] === value)
  );
}
