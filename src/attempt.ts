/** One try at one target, as it is settled, recorded and learnt from. */

export interface Attempt {
  readonly target: string;
  readonly status: number | null;
  readonly error: string | null;
  readonly latencyMs: number;
  /** Whether any byte of the request may have reached the target. */
  readonly sent: boolean;
  /** Name of the credential it was made with. */
  readonly credential?: string;
  /** How long its quota is used up, as the headers of its answer say, in milliseconds. */
  readonly quotaRestMs?: number;
  /** How long the target asked to be left alone (`retry-after` in seconds, of a 429 or 503), in milliseconds. */
  readonly retryAfterMs?: number;
  readonly span?: AttemptSpan;
}

/** The span of one attempt, as the target was told of it. */
export interface AttemptSpan {
  readonly id: string;
  /** On the monotonic clock. */
  readonly startMs: number;
  /** The trace that a target outside the trust domain was given in place of ours. */
  readonly outside?: { readonly traceId: string; readonly spanId: string };
}
