/** Outcomes that are made before anything was sent; every other is made once, at settlement. */
import type { Outcome } from './call.ts';
import type { Denial } from './denial.ts';

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
