/** How answers to calls and denials leave the gate: the headers that every one carries, and the shape of each surface. */
import type { CachedAnswer, Shown, Spending, Underway } from '../call.ts';
import { type Denial, denialHeaders } from '../denial.ts';
import type { Reply, Rooms } from '../pipeline.ts';
import { traceparentOf } from '../telemetry/trace.ts';
import type { Dialect } from '../wire/dialect.ts';
import { usdFromMicroUsd } from '../wire/money.ts';
import { rateHeaders } from '../wire/rate-headers.ts';

/** Headers of every answer to a call; on a stream the values are those of the moment its head goes out. */
export function callHeaders(
  call: Underway,
  remaining: Spending | undefined,
  overheadMs: number,
): Record<string, string> {
  const { cache } = call;
  return {
    ...(cache?.state === 'miss' ? { 'x-tollgate-cache': 'miss' } : {}),
    // Age: RFC 9111 §5.1.
    ...(cache?.state === 'hit' ? keptHeaders(cache.kept) : {}),
    'x-request-id': call.requestId,
    'x-tollgate-call-id': call.id,
    'x-tollgate-overhead-ms': overheadMs.toFixed(2),
    traceresponse: traceparentOf(call.trace),
    ...(call.caller === undefined ? {} : { 'x-tollgate-task-id': call.caller.taskId }),
    ...(call.decision === undefined ? {} : { 'x-tollgate-decision-id': call.decision.id }),
    ...(remaining === undefined
      ? {}
      : {
          'x-tollgate-budget-remaining-tokens': String(remaining.tokens),
          'x-tollgate-budget-remaining-usd': String(usdFromMicroUsd(remaining.costMicroUsd)),
        }),
  };
}

/** How an answer came that was not sent for: to this very call, made before, or to one that is equal. */
function keptHeaders({ ageMs, repeated }: CachedAnswer): Record<string, string> {
  const age = String(Math.floor(ageMs / 1000));
  return repeated === true ? { 'idempotent-replayed': 'true', age } : { 'x-tollgate-cache': 'hit', age };
}

/** The encoders of the pipeline, over the dialects. `challenge` gives the `WWW-Authenticate` of a denial that has one. */
export function encoders(
  dialects: readonly Dialect[],
  challenge: (denial: Denial, shown: Shown) => string | undefined,
): Pick<Rooms, 'encodeDenial' | 'encodeDenialFrame' | 'headers'> {
  const dialectOf = (surface: string): Dialect => {
    const dialect = dialects.find(({ name }) => name === surface);
    if (dialect === undefined) throw new Error(`no dialect is named ${surface}`);
    return dialect;
  };
  return {
    encodeDenial: ({ surface, shown, requestId, request }, denial, members): Reply => {
      const own = request.denial?.(denial, members);
      const { status, headers, body } = own ?? dialectOf(surface).denial(denial, members, requestId);
      const challenged = challengeHeader(challenge(denial, shown));
      const rates = rateHeaders(surface, denial.details.rates ?? []);
      return { status, headers: { ...denialHeaders(denial), ...rates, ...challenged, ...headers }, body };
    },
    encodeDenialFrame: ({ surface, requestId }, denial, members, lastNumber) =>
      dialectOf(surface).denialFrame(denial, members, requestId, lastNumber),
    headers: (call, remaining, overheadMs) => ({
      ...callHeaders(call, remaining, overheadMs),
      ...rateHeaders(call.surface, call.rates?.states ?? []),
      ...requestIdHeader(dialectOf(call.surface), call.requestId),
    }),
  };
}

/** The id of a request as a surface of its own names it, where one does. */
export function requestIdHeader(dialect: Dialect | undefined, requestId: string): Record<string, string> {
  return dialect?.requestIdHeader === undefined ? {} : { [dialect.requestIdHeader]: requestId };
}

/** The header of a challenge, if there is one. */
export function challengeHeader(challenge: string | undefined): Record<string, string> {
  return challenge === undefined ? {} : { 'www-authenticate': challenge };
}
