/**
 * The first rung of the ladder: who calls. It believes the task token and nothing else of the request; whether the
 * task is alive is the next rung's question.
 */
import type { Arrival, CallerFact } from '../call.ts';
import { isDenial } from '../denial.ts';
import type { Stage } from '../stage.ts';
import type { TaskTokens } from './task-token.ts';

/** Adds the caller that the task token names. Denies 401 `unauthenticated`. */
export function identityStage(tokens: Pick<TaskTokens, 'verify'>): Stage<Arrival, CallerFact> {
  return {
    name: 'identity',
    fault: 'unauthenticated',
    gives: { caller: isCaller },
    admit: ({ credential }) => {
      const caller = tokens.verify(credential);
      return isDenial(caller) ? caller : { caller };
    },
  };
}

function isCaller(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const { taskId, agentId, tenant, tokenId, expiresAtMs } = value as Record<string, unknown>;
  const ids = [taskId, agentId, tenant, tokenId];
  return ids.every((id) => typeof id === 'string' && id !== '') && Number.isSafeInteger(expiresAtMs);
}
