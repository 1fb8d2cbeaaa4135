/**
 * W3C Trace Context (https://www.w3.org/TR/trace-context/): reads what a caller sent, strictly, and writes what goes
 * on. A header that is not exactly right is ignored and a new trace begins; it is never repaired.
 */
import type { Trace } from '../call.ts';
import type { Clock } from '../clock.ts';

const traceparentForm = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
const noTrace = '0'.repeat(32);
const noSpan = '0'.repeat(16);

// §3.3.1.3: a key is lower-case and may name a tenant before an `@`; a value is printable ASCII but `,` and `=`.
const stateMember =
  /^(?:[a-z][a-z0-9_\-*/]{0,255}|[a-z0-9][a-z0-9_\-*/]{0,240}@[a-z][a-z0-9_\-*/]{0,13})=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]$/;
const stateMembersMax = 32;
const stateCharsMax = 512;

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

/** `header` if it is a valid `tracestate` within the bounds of the specification, else null. */
function parseTracestate(header: string): string | null {
  if (header.length > stateCharsMax) return null;
  const members = header
    .split(',')
    .map((member) => member.trim())
    .filter((member) => member !== '');
  if (members.length === 0 || members.length > stateMembersMax) return null;
  const keys = new Set<string>();
  for (const member of members) {
    if (!stateMember.test(member)) return null;
    keys.add(member.slice(0, member.indexOf('=')));
  }
  return keys.size === members.length ? members.join(',') : null;
}

function randomHex(clock: Clock, bytes: number): string {
  const hex = clock.randomBytes(bytes).toString('hex');
  // All zeros is "no id" in the specification.
  return /^0+$/.test(hex) ? `${hex.slice(1)}1` : hex;
}

/** The gate's span for a call: in the caller's trace where it sent a valid one, else in a new trace. */
export function startTrace(clock: Clock, traceparent: string | null, tracestate: string | null): Trace {
  const parent = traceparent === null ? undefined : parseTraceparent(traceparent);
  const spanId = randomHex(clock, 8);
  if (parent === undefined) {
    return { traceId: randomHex(clock, 16), spanId, parentSpanId: null, sampled: true, state: null };
  }
  return {
    traceId: parent.traceId,
    spanId,
    parentSpanId: parent.spanId,
    sampled: parent.sampled,
    state: tracestate === null ? null : parseTracestate(tracestate),
  };
}

/** `traceparent` for what the gate sends on, and `traceresponse` for what it answers: same form. */
export function traceparentOf(trace: Trace): string {
  return `00-${trace.traceId}-${trace.spanId}-${trace.sampled ? '01' : '00'}`;
}
