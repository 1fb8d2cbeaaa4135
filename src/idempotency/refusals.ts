/**
 * What a repeated call is told that gets no answer: that the first still runs, that it was another call, or that nobody
 * knows what came of it. Texts name the first call by its id and its time, never what was in it.
 */
import { type Denial, deny } from '../denial.ts';
import type { Mark, Unkept } from './mark.ts';

const runningAgainMs = 1_000;

/** Denies 409 `task_conflict`: draft-ietf-httpapi-idempotency-key-header §2.7. */
export function denyRunning({ callId }: Pick<Mark, 'callId'>): Denial {
  const message = `The first call under this key, ${callId}, still runs. Nothing was sent for this one.`;
  return deny('task_conflict', message, {
    reasons: [{ code: 'first_call_running', message: 'Come again for its answer.' }],
    retryAfterMs: runningAgainMs,
  });
}

/** Denies 422 `args_invalid`. */
export function denyOther({ callId, atMs }: Mark): Denial {
  const message = `The idempotency key belongs to another call, ${callId} of ${timeOf(atMs)}. Nothing was sent.`;
  return deny('args_invalid', message, {
    reasons: [{ code: 'idempotency_key_reused', message: 'What is to be made anew takes a key of its own.' }],
  });
}

/** Denies 409 `outcome_unknown`; `reads` are the operations by which the agent can find out. */
export function denyUnknown({ callId, atMs }: Mark, reads: readonly string[]): Denial {
  const message = `The first call under this key, ${callId} of ${timeOf(atMs)}, may have taken effect; it is not sent again.`;
  const look =
    reads.length === 0
      ? 'Ask a person who can look whether it took effect.'
      : 'Read whether it took effect, with one of the operations in `allowed`.';
  return deny('outcome_unknown', message, {
    reasons: [{ code: 'check_first', message: `${look} If it did not, make it anew with another key.` }],
    ...(reads.length === 0 ? {} : { allowed: reads }),
  });
}

/**
 * What the first call itself is told that broke off after it was sent: no retry helps, and where to look. Any other denial
 * is itself.
 */
export function inDoubt(denial: Denial, reads: readonly string[]): Denial {
  if (denial.code !== 'upstream_error' && denial.code !== 'upstream_timeout') return denial;
  const message = 'It was sent, and may have taken effect: read whether it did before it is made anew.';
  return deny(denial.code, denial.message, {
    ...denial.details,
    reasons: [...denial.reasons, { code: 'outcome_unknown', message }],
    retryable: false,
    ...(reads.length === 0 ? {} : { allowed: reads }),
  });
}

const whyUnkept: Readonly<Record<Unkept, string>> = {
  too_long: 'Its answer is longer than what is kept.',
  no_room: 'There was no room left to keep its answer.',
  secret_missing: 'In a shared store answers are kept with keys.secret alone.',
  unread: 'Its answer did not come to its end.',
};

/** Denies 409 `task_conflict`, which no retry helps: the call was made, and its answer is gone. */
export function denyMade({ callId, atMs }: Mark, status: number, why: Unkept, reads: readonly string[]): Denial {
  const message = `The call was made: ${callId} of ${timeOf(atMs)} was answered ${status}. It is not made again.`;
  return deny('task_conflict', message, {
    reasons: [{ code: 'answer_not_kept', message: whyUnkept[why] }],
    retryable: false,
    ...(reads.length === 0 ? {} : { allowed: reads }),
  });
}

function timeOf(atMs: number): string {
  return new Date(atMs).toISOString();
}
