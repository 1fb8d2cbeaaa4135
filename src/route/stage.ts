/**
 * Finds the targets of a call: those of its route that lie where the decision lets the data go and that can be asked for
 * what it asks, ranked. A call without a target is denied here, and nothing later may add one.
 */
import type { Arrival, DecisionFact, EntryFact, OperationFact, TargetsFact } from '../call.ts';
import type { Clock } from '../clock.ts';
import { deny, isDenial } from '../denial.ts';
import type { Stage } from '../stage.ts';
import { reachableTargets } from './fitting.ts';
import { rankedByWeight } from './select.ts';
import type { RouteTable } from './table.ts';

export interface RouteStageParts {
  readonly table: Pick<RouteTable, 'route'>;
  readonly clock: Pick<Clock, 'randomBytes'>;
}

/**
 * The rung that adds the targets. Denies `residency_violation`, `args_invalid` for what no permitted target can be asked,
 * and `route_unknown` for a route that is gone.
 */
export function routeStage({
  table,
  clock,
}: RouteStageParts): Stage<Arrival & OperationFact & EntryFact & DecisionFact, TargetsFact> {
  return {
    name: 'route',
    fault: 'upstream_unavailable',
    gives: { targets: (value) => Array.isArray(value) && value.length > 0 },
    admit: ({ resolved, decision, entry }) => {
      const name = resolved.operation.route;
      const route = table.route(name);
      if (route === undefined) return deny('route_unknown', `There is no route ${name}.`);
      const { regions, clouds } = decision.obligations;
      const reachable = reachableTargets(route.targets, { resolved, decision, entry });
      if (isDenial(reachable)) return reachable;
      if (reachable.length > 0) return { targets: rankedByWeight(reachable, clock) };
      const limits = [
        ...(regions === undefined ? [] : [`regions ${regions.join(', ') || 'none'}`]),
        ...(clouds === undefined ? [] : [`clouds ${clouds.join(', ') || 'none'}`]),
      ];
      const message = `No target of the route ${name} lies where the policy lets this call go (${limits.join('; ')}).`;
      return deny('residency_violation', message, { reasons: [{ code: 'no_target_permitted', message }] });
    },
  };
}
