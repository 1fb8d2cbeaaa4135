/**
 * W3C Trace Context (https://www.w3.org/TR/trace-context/): reads what a caller sent, strictly, and writes what goes
 * on. A header that is not exactly right is ignored and a new trace begins; it is never repaired. The ids made here
 * are those of the audit trail and of the exported spans alike, whether a trace is sampled or not.
 */
import type { Trace } from '../call.ts';
import type { Clock } from '../clock.ts';
import { allowedBaggage } from './baggage.ts';

/** Header values by lower-case name; a header that came more than once is an array. */
export type Headers = Readonly<Record<string, string | readonly string[] | undefined>>;

export interface TraceSettings {
  /** The share of new traces that are recorded, 0 to 1. Where a caller brings a trace, its own choice stands. */
  readonly sample: number;
  /** Keys of `baggage` that may go on. */
  readonly baggage: readonly string[];
}

const everyTrace: TraceSettings = { sample: 1, baggage: [] };

const traceparentForm = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
const noTrace = '0'.repeat(32);
const noSpan = '0'.repeat(16);

// §3.3.1.3: a key is lower-case and may name a tenant before an `@`; a value is printable ASCII but `,` and `=`.
const stateMember =
  /^(?:[a-z][a-z0-9_\-*/]{0,255}|[a-z0-9][a-z0-9_\-*/]{0,240}@[a-z][a-z0-9_\-*/]{0,13})=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]$/;
const stateMembersMax = 32;
// §3.3.1.5: at least 512 characters go on; where there are more, members over 128 characters are the first to fall.
const stateCharsMax = 512;
const largeMemberChars = 128;

/** Ids of a caller's span, if `header` is a valid `traceparent`; a version above 00 is read by its first four fields. */
function parseTraceparent(header: string): { traceId: string; spanId: string; sampled: boolean } | undefined {
  const parts = traceparentForm.exec(header);
  if (parts === null) return undefined;
  const [, version, traceId, spanId, flags, rest] = parts as unknown as [
    string,
    string,
    string,
    string,
    string,
    string?,
  ];
  if (version === 'ff' || (version === '00' && rest !== undefined)) return undefined;
  if (traceId === noTrace || spanId === noSpan) return undefined;
  return { traceId, spanId, sampled: (Number.parseInt(flags, 16) & 1) === 1 };
}

/** The members of one header, or of several in their order; null if any is malformed, doubled, or they are too many. */
function parseTracestate(header: string | readonly string[]): string | null {
  const whole = typeof header === 'string' ? header : header.join(',');
  const members = whole
    .split(',')
    .map((member) => member.replace(/^[ \t]+|[ \t]+$/g, ''))
    .filter((member) => member !== '');
  if (members.length === 0 || members.length > stateMembersMax) return null;
  const keys = new Set<string>();
  for (const member of members) {
    if (!stateMember.test(member)) return null;
    keys.add(member.slice(0, member.indexOf('=')));
  }
  if (keys.size !== members.length) return null;
  return shortened(members).join(',') || null;
}

function shortened(members: readonly string[]): readonly string[] {
  const chars = (kept: readonly string[]) => kept.reduce((sum, { length }) => sum + length + 1, -1);
  const kept = [...members];
  for (let index = kept.length - 1; index >= 0 && chars(kept) > stateCharsMax; index--) {
    if ((kept[index] as string).length > largeMemberChars) kept.splice(index, 1);
  }
  while (chars(kept) > stateCharsMax) kept.pop();
  return kept;
}

function randomHex(clock: Clock, bytes: number): string {
  const hex = clock.randomBytes(bytes).toString('hex');
  // All zeros is "no id" in the specification.
  return /^0+$/.test(hex) ? `${hex.slice(1)}1` : hex;
}

/** Ids of a new trace and its first span, from one draw. */
function newTrace(clock: Clock): { readonly traceId: string; readonly spanId: string } {
  const hex = randomHex(clock, 24);
  const [traceId, spanId] = [hex.slice(0, 32), hex.slice(32)];
  return traceId === noTrace || spanId === noSpan ? newTrace(clock) : { traceId, spanId };
}

/** A fresh id of a span: 16 hex digits. */
export function newSpanId(clock: Clock): string {
  return randomHex(clock, 8);
}

/**
 * Whether a new trace is recorded: its last 56 bits against the ratio, as OpenTelemetry's consistent sampling does, so
 * that every service that samples by the same ratio takes the same traces.
 */
export function isSampled(traceId: string, ratio: number): boolean {
  // The largest of 56 bits rounds up to 2^56, so that a ratio of 0 needs a word of its own.
  return ratio > 0 && Number.parseInt(traceId.slice(18), 16) >= (1 - ratio) * 2 ** 56;
}

/**
 * The gate's span for a call: in the caller's trace where it sent a valid one, else in a new trace. Two `traceparent`
 * headers are none; several of `tracestate` and `baggage` are one list.
 */
export function startTrace(clock: Clock, headers: Headers = {}, settings: TraceSettings = everyTrace): Trace {
  const { traceparent, tracestate } = headers;
  const parent = typeof traceparent === 'string' ? parseTraceparent(traceparent) : undefined;
  const baggage = allowedBaggage(headers.baggage, settings.baggage);
  const carried = baggage === null ? {} : { baggage };
  if (parent === undefined) {
    const ids = newTrace(clock);
    return { ...ids, parentSpanId: null, sampled: isSampled(ids.traceId, settings.sample), state: null, ...carried };
  }
  return {
    traceId: parent.traceId,
    spanId: newSpanId(clock),
    parentSpanId: parent.spanId,
    sampled: parent.sampled,
    state: tracestate === undefined ? null : parseTracestate(tracestate),
    ...carried,
  };
}

/** `traceparent` of a span, and `traceresponse` of what the gate answers: same form. */
export function traceparentOf({ traceId, spanId, sampled }: Pick<Trace, 'traceId' | 'spanId' | 'sampled'>): string {
  return `00-${traceId}-${spanId}-${sampled ? '01' : '00'}`;
}

/** What a target of the trust domain is told of the trace; `spanId` is that of the attempt. */
export function traceHeaders(trace: Trace, spanId: string): Record<string, string> {
  const headers: Record<string, string> = { traceparent: traceparentOf({ ...trace, spanId }) };
  if (trace.state !== null) headers.tracestate = trace.state;
  if (trace.baggage !== undefined) headers.baggage = trace.baggage;
  return headers;
}

/** A trace of its own for a target outside the trust domain, so that it learns no id of ours. */
export const freshTrace = newTrace;
