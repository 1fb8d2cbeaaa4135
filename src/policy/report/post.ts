/**
 * The way of one report to its server, and when to try again. What a reader would get wrong: only what may succeed
 * later is tried again (5xx, 429, no connection); any other refusal is final, or one bad report would hold up all.
 */
import type { Clock } from '../../clock.ts';

export interface ReportRequest {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  readonly signal: AbortSignal;
  readonly timeoutMs: number;
}

/** Sends one request and reads its answer to the end; follows no redirect. Throws if nothing answers in time. */
export type Post = (
  request: ReportRequest,
) => Promise<{ readonly status: number; readonly retryAfter: string | undefined }>;

export type Sent =
  | { readonly result: 'taken' }
  | { readonly result: 'refused'; readonly httpCode: number; readonly message: string }
  | { readonly result: 'later'; readonly httpCode: number | null; readonly message: string; readonly waitMs: number };

export interface Destination {
  readonly url: string;
  readonly token?: string;
  readonly timeout_seconds: number;
}

const firstRetryMs = 500;
const doublingsMax = 16;
/** However long a server asks to be left alone. */
const retryAfterMsMax = 300_000;

/** Posts once. `failures` is how many tries in a row failed before; `waitMsMax` bounds the pause that is proposed. */
export async function postOnce(
  { post, clock }: { readonly post: Post; readonly clock: Clock },
  { url, token, timeout_seconds: seconds }: Destination,
  body: { readonly bytes: Buffer; readonly headers: Readonly<Record<string, string>> },
  retry: { readonly failures: number; readonly waitMsMax: number; readonly signal: AbortSignal },
): Promise<Sent> {
  const longestMs = Math.min(retry.waitMsMax, firstRetryMs * 2 ** Math.min(retry.failures, doublingsMax));
  const waitMs = longestMs * (0.5 + randomOf(clock) / 2);
  try {
    const { status, retryAfter } = await post({
      url,
      headers: {
        'content-type': 'application/json',
        'user-agent': 'tollgate',
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...body.headers,
      },
      body: body.bytes,
      signal: retry.signal,
      timeoutMs: seconds * 1_000,
    });
    if (status >= 200 && status < 300) return { result: 'taken' };
    const message = `the server answers ${status}`;
    if (status !== 429 && status < 500) return { result: 'refused', httpCode: status, message };
    const askedMs = retryAfterMs(retryAfter, clock.nowMs());
    // It may ask for a longer pause, not for none: a server that says 0 would be asked without end.
    return { result: 'later', httpCode: status, message, waitMs: Math.max(waitMs, askedMs ?? 0) };
  } catch (fault) {
    const message = fault instanceof Error ? fault.message : 'the server cannot be reached';
    return { result: 'later', httpCode: null, message, waitMs };
  }
}

/** What `Retry-After` asks for (RFC 9110 §10.2.3), at most five minutes; undefined where it says nothing that is understood. */
export function retryAfterMs(header: string | undefined, nowMs: number): number | undefined {
  if (header === undefined) return undefined;
  if (/^\d{1,9}$/.test(header)) return Math.min(Number(header) * 1_000, retryAfterMsMax);
  const ms = / GMT$/.test(header) ? Date.parse(header) - nowMs : Number.NaN;
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(0, ms), retryAfterMsMax);
}

/** From 0 to below 1. */
export function randomOf(clock: Clock): number {
  return clock.randomBytes(4).readUInt32BE() / 2 ** 32;
}
