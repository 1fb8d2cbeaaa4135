/**
 * One attempt behind the breaker of its target. What counts against a target: it cannot be reached, does not answer
 * in time, breaks off, or answers 5xx. A call that its agent or a kill took away says nothing about the target, nor
 * does one whose credential is not to be had: that may be about one task, which must not close the target to all.
 */
import type { Attempt, Target, UpstreamAnswer } from '../call.ts';
import type { Denial } from '../denial.ts';
import type { Ended, Health, TargetBreakers } from './target.ts';

type Tried =
  | { readonly answer: UpstreamAnswer; readonly attempt: Attempt }
  | { readonly failed: Attempt; readonly denial: Denial };

const illCodes: ReadonlySet<string> = new Set(['upstream_unavailable', 'upstream_timeout', 'upstream_error']);

function healthOf(ended: Ended<Tried>, signal: AbortSignal): Health {
  if (signal.aborted) return 'neither';
  if ('error' in ended) return 'ill';
  if ('answer' in ended.value) return ended.value.answer.head.status >= 500 ? 'ill' : 'well';
  const { error, status } = ended.value.failed;
  if (error === 'credential') return 'neither';
  // It refused in a way that its protocol has no answer for; it is there.
  if (status !== null && status < 500) return 'well';
  return illCodes.has(ended.value.denial.code) ? 'ill' : 'neither';
}

/** Makes the attempt if the circuit of `target` is closed, or this is its trial. Denies `circuit_open` otherwise. */
export function attemptGuarded(
  breakers: Pick<TargetBreakers, 'run'>,
  target: Target,
  signal: AbortSignal,
  attempt: () => Promise<Tried>,
): Promise<Tried | Denial> {
  return breakers.run(target, attempt, (ended) => healthOf(ended, signal));
}
