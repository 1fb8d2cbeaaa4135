/**
 * Keeps calls from destinations that fail: first what this task has seen of the route, so that an agent cannot knock
 * for ever on one dead page, then the targets that are ill for everybody. What remains keeps its rank.
 */
import type { Arrival, CacheFact, ClosedFact, EntryFact, OperationFact, Target, TargetsFact } from '../call.ts';
import type { Clock } from '../clock.ts';
import { deny } from '../denial.ts';
import type { Stage } from '../stage.ts';
import { type TargetBreakers, targetKey } from './target.ts';

export interface BreakerStageParts {
  readonly breakers: Pick<TargetBreakers, 'isOpen' | 'restMs'>;
  readonly clock: Clock;
  /** Failures of one task on one route, without a success between, from which it may not call it. */
  readonly failuresInARow: number;
  /** How long after the last failure the task may try that route again. */
  readonly coolDownMs: number;
}

/** The rung that narrows the targets. Denies `circuit_open` with the time to wait. */
export function breakerStage(
  parts: BreakerStageParts,
): Stage<Arrival & EntryFact & OperationFact & CacheFact & TargetsFact, TargetsFact & ClosedFact> {
  const { breakers, clock, failuresInARow, coolDownMs } = parts;
  return {
    name: 'breaker',
    fault: 'circuit_open',
    gives: { targets: (value) => Array.isArray(value) && value.length > 0, closed: (value) => value === true },
    admit: ({ entry, resolved, targets, cache }) => {
      // A kept answer asks nothing of a target.
      if (cache.state === 'hit') return { targets, closed: true };
      const { route } = resolved.operation;
      const { failuresByRoute } = entry.task.record;
      const run = Object.hasOwn(failuresByRoute, route) ? failuresByRoute[route] : undefined;
      const waitMs = run === undefined ? 0 : run.lastAtMs + coolDownMs - clock.nowMs();
      if (run !== undefined && run.count >= failuresInARow && waitMs > 0) {
        const message =
          `The last ${run.count} calls of this task to ${route} failed, one after the other. It is not called for ` +
          `${Math.ceil(waitMs / 1000)} s: go on without it, or use another route. Asking again at once does not help.`;
        return deny('circuit_open', message, {
          reasons: [{ code: 'failures_in_a_row', message: `${run.count} failures; the limit is ${failuresInARow}` }],
          // A wall clock that was set back must not make it longer than the cool-down itself.
          retryAfterMs: Math.min(waitMs, coolDownMs),
        });
      }

      const closed = targets.filter((target) => !breakers.isOpen(targetKey(target)));
      if (closed.length > 0) return { targets: closed, closed: true };
      const message = `Every target of ${route} that this call may use keeps failing, for all tasks. Try again later.`;
      return deny('circuit_open', message, {
        reasons: [{ code: 'targets_open', message: targets.map(({ name }) => name).join(', ') }],
        retryAfterMs: restMs(breakers, targets),
      });
    },
  };
}

/** Until the first of `targets` may be tried; a trial that is underway may end at any moment, so at least a second. */
function restMs(breakers: BreakerStageParts['breakers'], targets: readonly Target[]): number {
  return Math.max(1000, Math.min(...targets.map((target) => breakers.restMs(targetKey(target)))));
}
