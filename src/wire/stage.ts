/**
 * The wire on the ladder: finds the one operation that a request means, with its arguments canonical and valid. What
 * a task may do instead of an operation that does not exist is told with the denial.
 */
import type { Arrival, OperationFact, OperationRegistry, TaskFact } from '../call.ts';
import { type Denial, deny, isDenial } from '../denial.ts';
import type { Stage } from '../stage.ts';
import { inToolset } from '../toolset.ts';

const allowedMax = 100;

function isResolved(value: unknown): boolean {
  const resolved = value as Partial<OperationFact['resolved']> | null;
  return (
    typeof resolved?.operation?.name === 'string' &&
    typeof resolved.payload?.encode === 'function' &&
    typeof resolved.payload.args === 'object'
  );
}

/** Adds the operation and its payload. Denies `route_unknown`, `operation_unknown`, `method_not_allowed`, `args_invalid`. */
export function operationStage(registry: () => OperationRegistry): Stage<Arrival & TaskFact, OperationFact> {
  return {
    name: 'wire',
    fault: 'request_invalid',
    gives: { resolved: isResolved },
    admit: ({ request, task }) => {
      const resolved = request.resolve(registry());
      return isDenial(resolved) ? withAllowed(resolved, request.route, task.record.tools, registry()) : { resolved };
    },
  };
}

/** Names what the task does have: the operations of that route, or, if there are none, all of its tools. */
function withAllowed(
  denial: Denial,
  route: string,
  tools: readonly string[] | null,
  registry: OperationRegistry,
): Denial {
  if (denial.code !== 'operation_unknown' && denial.code !== 'route_unknown') return denial;
  const mine = registry.all().filter((operation) => inToolset(tools, operation));
  const near = mine.filter((operation) => operation.route === route);
  const allowed = (near.length > 0 ? near : mine).slice(0, allowedMax).map(({ name }) => name);
  return deny(denial.code, denial.message, { ...denial.details, allowed });
}
