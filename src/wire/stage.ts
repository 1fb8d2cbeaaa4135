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

/** What of the registry comes and goes. */
export interface ComingRegistry extends OperationRegistry {
  /** Resolves once the operations of a route are known, or after a short while. */
  known?(route: string): Promise<void>;
}

/**
 * Adds the operation and its payload. Denies `route_unknown`, `operation_unknown`, `method_not_allowed`, `args_invalid`.
 * Waits for what a server has to be asked for, within a bound.
 */
export function operationStage(registry: () => ComingRegistry): Stage<Arrival & TaskFact, OperationFact> {
  return {
    name: 'wire',
    fault: 'request_invalid',
    gives: { resolved: isResolved },
    admit: ({ request, task }) => {
      const operations = registry();
      const admit = () => {
        const resolved = request.resolve(operations);
        if (isDenial(resolved)) return withAllowed(resolved, request.route, task.record.tools, operations);
        return { resolved };
      };
      // Only what a server has to be asked for is waited for.
      const coming = operations.route(request.route)?.kind === 'mcp' ? operations.known?.(request.route) : undefined;
      return coming === undefined ? admit() : coming.then(admit);
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
