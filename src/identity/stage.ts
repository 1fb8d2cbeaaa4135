/**
 * The first rung of the ladder: who calls. It believes the task token and nothing else of the request; whether the
 * task is alive is the next rung's question.
 */
import type { Arrival, CallerFact } from '../call.ts';
import { isDenial } from '../denial.ts';
import type { Stage } from '../stage.ts';
import { refuse } from './refusal.ts';
import type { TaskTokens } from './task-token.ts';
import { unauthenticated } from './unauthenticated.ts';

/** Adds the caller that the task token names. Denies 401 `unauthenticated`. */
export function identityStage(tokens: Pick<TaskTokens, 'verify'>): Stage<Arrival, CallerFact> {
  return {
    name: 'identity',
    fault: 'unauthenticated',
    gives: { caller: isCaller },
    admit: async ({ credential: token, shown }) => {
      const caller = await tokens.verify(token === null ? null : { token, shown });
      if (isDenial(caller)) return caller;
      return caller.mayAct === null ? { caller } : unauthenticated(refuse('token_kind'));
    },
  };
}

function isCaller(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const { taskId, agentId, tenant, tokenId, expiresAtMs, binding, scope } = value as Record<string, unknown>;
  const ids = [taskId, agentId, tenant, tokenId];
  if (!ids.every((id) => typeof id === 'string' && id !== '') || !Number.isSafeInteger(expiresAtMs)) return false;
  return typeof binding === 'object' && (scope === null || Array.isArray(scope));
}
