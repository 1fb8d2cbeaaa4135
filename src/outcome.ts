/**
 * Outcomes that are made before anything was sent (every other is made once, at settlement), and what an outcome means
 * to the task. Whoever rebuilds a history from the trail must read outcomes as the task did when they came.
 */
import type { Attempt, Outcome } from './call.ts';
import type { Denial } from './denial.ts';

type Tries = readonly Pick<Attempt, 'status' | 'sent'>[];

/** How a call ended, for the task: refused by the gate, failed at the destination, or done. */
export function endState({ denial, attempts }: { readonly denial: unknown; readonly attempts: Tries }) {
  const sent = attempts.some((attempt) => attempt.sent);
  if (denial !== null && !sent) return attempts.length > 0 ? 'failed' : 'denied';
  const answered = attempts.at(-1)?.status ?? null;
  return answered === null || answered >= 400 ? 'failed' : 'done';
}

/** Whether a call certainly had no effect: never sent, or refused by the destination with a 4xx. */
export function hadNoEffect(attempts: Tries): boolean {
  const status = attempts.at(-1)?.status ?? null;
  return !attempts.some(({ sent }) => sent) || (status !== null && status >= 400 && status < 500);
}

/** How a call ends that was refused, or given up on, before a byte of it was sent. */
export function unsentOutcome(denial: Denial): Outcome {
  return {
    denial,
    status: denial.status,
    target: null,
    attempts: [],
    usage: null,
    costMicroUsd: 0,
    proposals: [],
    text: '',
    thoughtId: null,
    answerFindings: [],
    answerDecision: null,
    latencyMs: 0,
    overheadMs: 0,
  };
}
