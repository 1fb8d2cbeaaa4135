/**
 * Whether a call is on the plan of its task, and what the plan lets go next. The gate asks this before the policy, as it
 * does for the toolset. What a reader would get wrong: a step counts all calls of what it names, whatever their
 * arguments, pending ones too; what it comes after must have been answered well, and pending is not enough.
 */
import type { Json, JsonObject, Operation, PlanStep, TaskRecord } from '../call.ts';
import { inToolset, type Toolset } from '../toolset.ts';
import { valueAt } from '../wire/paths.ts';
import { step as memberOf, pointerTokens } from '../wire/pointer.ts';
import { isPlainName } from '../wire/segments.ts';

/** What of a task its plan is judged by. */
export type Planned = Pick<TaskRecord, 'plan' | 'counts' | 'history' | 'pendingBeyond'>;

/** As many as a record lists; where it is full, more may be waited for than it says. */
const pendingBeyondMax = 1_000;

/**
 * Why the call may not go, as its agent is told; undefined where some step lets it, or the task has no plan. The task is
 * taken as this call found it, its own entry left out.
 */
export function offPlan(task: Planned, operation: Operation, args: JsonObject): string | undefined {
  if (task.plan === undefined) return undefined;
  const steps = task.plan.filter((step) => inToolset([step.operation], operation));
  if (steps.length === 0) return `${operation.name} is not on the plan of this task.`;
  const fitting = steps.filter((step) => unmetArgument(step, args) === undefined);
  const [first] = fitting;
  if (first === undefined) {
    const name = unmetArgument(steps[0] as PlanStep, args) as string;
    return `The plan of this task has ${operation.name} with another value of ${shownPath(name)}.`;
  }
  if (fitting.some((step) => isOpen(task, step))) return undefined;
  const missing = missingBefore(task, first);
  if (missing === undefined) {
    return `The plan of this task has ${first.operation} at most ${first.atMost} times, and that is done.`;
  }
  return `The plan of this task has ${operation.name} after ${missing}, which has not been answered well yet.`;
}

/** What the plan lets go now, by order and count: operations, or whole routes; of `tools` alone. */
export function nextOnPlan(task: Planned, tools: Toolset): readonly string[] {
  const open = (task.plan ?? []).filter((step) => isOpen(task, step));
  return [...new Set(open.flatMap(({ operation }) => withinTools(operation, tools)))];
}

function withinTools(operation: string, tools: Toolset): readonly string[] {
  if (tools === null || tools.some((item) => covers(item, operation))) return [operation];
  return tools.filter((item) => covers(operation, item));
}

function isOpen(task: Planned, step: PlanStep): boolean {
  if (missingBefore(task, step) !== undefined) return false;
  return step.atMost === undefined || callsOf(task, step.operation) < step.atMost;
}

function missingBefore(task: Planned, { after = [] }: PlanStep): string | undefined {
  return after.find((operation) => doneAtLeast(task, operation) < 1);
}

/** Calls that were not denied, those in flight with them. */
function callsOf({ counts }: Planned, item: string): number {
  let calls = 0;
  for (const [name, count] of Object.entries(counts)) if (covers(item, name)) calls += count.calls;
  return calls;
}

/** Calls of one operation that were answered well: as many as are known for sure, however short the history is. */
function doneAtLeast({ counts, history, pendingBeyond = [] }: Planned, operation: string): number {
  const entries = history.filter((entry) => entry.operation === operation);
  const seen = entries.filter(({ state }) => state === 'done').length;
  const count = Object.hasOwn(counts, operation) ? counts[operation] : undefined;
  if (count === undefined || pendingBeyond.length >= pendingBeyondMax) return seen;
  const pending = entries.filter(({ state }) => state === 'pending').length + pendingBeyond.length;
  return Math.max(seen, count.calls - count.failed - pending);
}

/**
 * Whether `item` holds what is called `name`. By text alone, so `gpt-4.*` holds `gpt-4.1.chat` here: a count may be too
 * high for it, never too low.
 */
function covers(item: string, name: string): boolean {
  return item === name || (item.endsWith('.*') && name.startsWith(item.slice(0, -1)));
}

/** The path of the first argument that is not what the step says. */
function unmetArgument({ where = {} }: PlanStep, args: JsonObject): string | undefined {
  return Object.entries(where).find(([path, value]) => argumentAt(args, path) !== value)?.[0];
}

function argumentAt(args: JsonObject, path: string): Json | undefined {
  if (!path.startsWith('/')) return valueAt(args, path);
  const tokens = pointerTokens(path);
  return tokens?.reduce<Json | undefined>(memberOf, args);
}

/** Names that could be data do not stand in reasons, which are recorded for ever. */
function shownPath(path: string): string {
  const names = path.split(/[./]/).filter((name) => name !== '');
  return names.every(isPlainName) ? path : 'an argument';
}
