/**
 * Ends a rollout by itself: once the candidate was published as the bundle in force, and every gateway has it. What a
 * reader would get wrong: as long as one gateway still runs the bundle before, the rollout stands, or that one would go
 * back to what it has.
 */
import type { GatewayReport } from './reports.ts';
import type { RolloutDesk } from './rollout-desk.ts';
import type { RolloutState } from './rollout-state.ts';

export interface FinishParts {
  readonly desk: Pick<RolloutDesk, 'state' | 'finish'>;
  readonly reports: () => Promise<readonly GatewayReport[]>;
  /** Writes down that this gateway found the rollout at its end. */
  readonly recordFinished: (state: RolloutState, own: GatewayReport) => Promise<void>;
}

/** Looks whether the rollout is at its end, and ends it. Rejects with `StoreUnavailable`, and with what recording does. */
export async function finishWhereInForce(parts: FinishParts, own: GatewayReport): Promise<boolean> {
  const { state } = parts.desk;
  if (state === null || own.content !== state.content) return false;
  const all = await parts.reports();
  if (!all.every(({ content }) => content === state.content)) return false;
  if (!(await parts.desk.finish(state.content))) return false;
  await parts.recordFinished(state, own);
  return true;
}
