/**
 * How a request to a surface becomes a call: which surface it is of, what its headers say besides, and the Arrival that
 * climbs the ladder. Calls that are made and calls that are only checked come in by this one page.
 */
import type { Arrival, Conversation, Shown, Trace, Watch, WireRequest } from '../call.ts';
import { type Clock, newId } from '../clock.ts';
import { type Denial, deny, isDenial } from '../denial.ts';
import { idempotencyKeyHeader, readIdempotencyKey, readToolCallId, toolCallIdHeader } from '../wire/call-hints.ts';
import type { Dialect, RawRequest } from '../wire/dialect.ts';

const deadlineMsMax = 600_000;

/** What a request to the data plane comes with besides itself. */
export interface RequestContext {
  readonly trace: Trace;
  readonly requestId: string;
}

/** What an agent may say of a call beside it. */
export interface CallHints {
  readonly toolCallId: string | null;
  readonly idempotencyKey?: string;
  readonly deadlineMs: number | null;
  readonly caching?: 'bypass' | 'refresh';
}

/** The surface that reads a request. Denies `route_unknown`. */
export function dialectOf(
  dialects: readonly Dialect[],
  { path, headers }: Pick<RawRequest, 'path' | 'headers'>,
): Dialect | Denial {
  const dialect = dialects.find((candidate) => candidate.handles(path, headers));
  return dialect ?? deny('route_unknown', 'There is no such route here.');
}

/** The value of a header that came once; null where it did not. */
export function single(request: RawRequest, name: string): string | null {
  const value = request.headers[name];
  return typeof value === 'string' ? value : null;
}

/** What the headers of a call say. Denies `request_invalid` for a deadline or an idempotency key that is none. */
export function hintsOf(request: RawRequest): CallHints | Denial {
  const deadline = single(request, 'x-tollgate-deadline-ms');
  const deadlineMs = deadline === null ? null : Number(deadline);
  if (deadlineMs !== null && !(Number.isInteger(deadlineMs) && deadlineMs > 0 && deadlineMs <= deadlineMsMax)) {
    return deny('request_invalid', `x-tollgate-deadline-ms must be a whole number from 1 to ${deadlineMsMax}.`);
  }
  const key = readIdempotencyKey(request.headers[idempotencyKeyHeader]);
  if (isDenial(key)) return key;
  const caching = cachingOf(request);
  return {
    toolCallId: readToolCallId(single(request, toolCallIdHeader)),
    deadlineMs,
    ...(key === null ? {} : { idempotencyKey: key }),
    ...(caching === null ? {} : { caching }),
  };
}

/** What a request says of kept answers (RFC 9111 §5.2.1): `no-store` is none at all, `no-cache` a new one. */
function cachingOf(request: RawRequest): 'bypass' | 'refresh' | null {
  const directives = (single(request, 'cache-control') ?? '').toLowerCase().split(',');
  const says = (directive: string) => directives.some((one) => one.trim() === directive);
  if (says('no-store') || single(request, 'x-tollgate-cache') === 'bypass') return 'bypass';
  return says('no-cache') ? 'refresh' : null;
}

/** What an Arrival is made from. */
export interface Arriving {
  readonly surface: string;
  readonly request: WireRequest;
  readonly hints: CallHints;
  readonly credential: string | null;
  readonly shown: Shown;
  readonly abort: AbortController;
  readonly watch?: Watch;
  readonly conversation?: Conversation;
}

/** A call that has just come in. */
export function arrivalOf(clock: Clock, { trace, requestId }: RequestContext, arriving: Arriving): Arrival {
  const { hints, ...rest } = arriving;
  return {
    id: newId(clock, 'call'),
    requestId,
    receivedAtMs: clock.nowMs(),
    startMs: clock.monotonicMs(),
    trace,
    ...rest,
    ...hints,
  };
}
