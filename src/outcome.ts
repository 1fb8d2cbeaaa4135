/**
 * Outcomes that are made before anything was sent (every other is made once, at settlement), and what an outcome means
 * to the task. Whoever rebuilds a history from the trail must read outcomes as the task did when they came.
 */
import type { Attempt, Outcome, UpstreamAnswer } from './call.ts';
import { type Denial, isDenial } from './denial.ts';

/** One try at one target: its answer's head, or why there is none. */
export type Tried =
  | { readonly answer: UpstreamAnswer; readonly attempt: Attempt }
  | { readonly failed: Attempt; readonly denial: Denial };

type Tries = readonly (Pick<Attempt, 'status' | 'sent'> & Partial<Pick<Attempt, 'error'>>)[];

/** The error of an attempt that was answered well by its status, with an answer that says that the call failed. */
export const saidFailed = 'tool_error';

/** How a call ended, for the task: refused by the gate, failed at the destination, or done. */
export function endState({ denial, attempts }: { readonly denial: unknown; readonly attempts: Tries }) {
  const sent = attempts.some((attempt) => attempt.sent);
  const answered = attempts.at(-1)?.status ?? null;
  // What was answered without being sent was answered with a kept answer.
  if (denial !== null && !sent && answered === null) return attempts.length > 0 ? 'failed' : 'denied';
  const failed = answered === null || answered >= 400 || attempts.at(-1)?.error === saidFailed;
  return failed ? 'failed' : 'done';
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

/** Whether `value` has the shape of a try, whoever gave it. */
export function isTried(value: unknown): value is Tried {
  const tried = value as Partial<{ answer: UpstreamAnswer; attempt: Attempt; failed: Attempt; denial: unknown }> | null;
  if (typeof tried !== 'object' || tried === null) return false;
  if (tried.answer !== undefined) return Number.isInteger(tried.answer.head?.status) && tried.attempt !== undefined;
  return typeof tried.failed?.sent === 'boolean' && isDenial(tried.denial);
}
