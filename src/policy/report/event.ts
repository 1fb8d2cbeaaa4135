/**
 * One decision in the format of OPA's decision logs, from what was decided to what may leave: drop and mask of the
 * bundle, then personal data. What a reader would get wrong: redaction comes last, so that also what a mask puts in is
 * redacted, and whatever fails on the way withholds the content, never the event.
 */
import type { Decision, Json, JsonObject } from '../../call.ts';
import { faultText } from '../instance.ts';
import { masked, maskRules } from './mask.ts';

/** A decision that was made, as it is handed over. Held until it is written down, moments later. */
export interface Decided {
  readonly phase: 'task' | 'call' | 'response';
  readonly decision: Decision;
  readonly trace: { readonly traceId: string; readonly spanId: string } | null;
  readonly callId: string | null;
  readonly taskId: string | null;
  readonly agentId: string | null;
  /** Wall time of the decision. */
  readonly atMs: number;
  /** How long the policy took over it. */
  readonly evalMs: number;
}

/**
 * What the bundle in force says of an event before it leaves: `data.system.log.mask` and `data.system.log.drop`, each
 * evaluated with the event as its input. Undefined where the bundle says nothing. May throw.
 */
export interface LogPolicy {
  mask(event: JsonObject): unknown;
  drop(event: JsonObject): unknown;
}

export interface EventParts {
  readonly labels: Readonly<Record<string, string>>;
  /** Null where the bundle in force has no `system.log`. */
  readonly logPolicy: () => LogPolicy | null;
  /** A policy input with personal data and secrets taken out. */
  readonly redact: (input: JsonObject) => JsonObject;
  /** The same for any value: reasons and obligations may quote what was asked. */
  readonly redactValue: (value: Json) => Json;
}

/** What becomes of an event: it goes, `withheld` without its content and why, or it is dropped as the bundle wishes. */
export type Written =
  | { readonly event: JsonObject; readonly withheld: string | null }
  | { readonly event: null; readonly withheld: null };

/** The event of OPA's decision log as it stands before anything is taken out. `requestId` counts decisions up. */
export function eventOf(decided: Decided, labels: EventParts['labels'], requestId: number): JsonObject {
  const { phase, decision, trace, callId, taskId, agentId, atMs, evalMs } = decided;
  const { id, bundle, revision, input, allow, reasons, obligations, alsoBy, leftOut = [] } = decision;
  return {
    labels: { ...labels },
    decision_id: id,
    ...(trace === null ? {} : { trace_id: trace.traceId, span_id: trace.spanId }),
    bundles: { [bundle]: { revision } },
    path: `tollgate/${phase}/decision`,
    input,
    result: { allow, reasons: reasons as unknown as Json, obligations: obligations as unknown as Json },
    ...(agentId === null ? {} : { requested_by: agentId }),
    timestamp: new Date(atMs).toISOString(),
    metrics: { timer_rego_query_eval_ns: Math.max(0, Math.round(evalMs * 1e6)) },
    req_id: requestId,
    // OPA's own place for what a caller adds. It stays where the input is taken out, so that calls can be found.
    custom: {
      ...(callId === null ? {} : { call_id: callId }),
      ...(taskId === null ? {} : { task_id: taskId }),
      ...(alsoBy === undefined ? {} : { also_by: alsoBy }),
      ...(leftOut.length === 0 ? {} : { left_out: [...leftOut] }),
    },
  };
}

/** The event as it may leave. Never throws. */
export function written(event: JsonObject, { logPolicy, redact, redactValue }: EventParts): Written {
  try {
    const policy = logPolicy();
    if (policy?.drop(event) === true) return { event: null, withheld: null };
    const rules = policy === null ? [] : maskRules(policy.mask(event));
    // Redaction knows which members of an input may hold personal data; a mask puts what it likes anywhere.
    const clean = rules.map((rule) => (rule.op === 'upsert' ? { ...rule, value: redactValue(rule.value) } : rule));
    return { event: redacted(masked(event, clean), redact, redactValue), withheld: null };
  } catch (fault) {
    return { event: withoutContent(event), withheld: faultText(fault) };
  }
}

function redacted(event: JsonObject, redact: EventParts['redact'], redactValue: EventParts['redactValue']): JsonObject {
  const { input, result, erased, masked: changed } = event;
  return {
    ...event,
    // Pointers are made of names, and agents give names.
    ...(erased === undefined ? {} : { erased: redactValue(erased) }),
    ...(changed === undefined ? {} : { masked: redactValue(changed) }),
    ...(input === undefined ? {} : { input: isObject(input) ? redact(input) : redactValue(input) }),
    ...(result === undefined ? {} : { result: redactValue(result) }),
  };
}

function isObject(value: Json): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** What is left of an event whose content may not be seen: who, when, and whether it was allowed. */
function withoutContent(event: JsonObject): JsonObject {
  const { input: _input, result, ...rest } = event;
  const { allow = false } = result as { readonly allow?: boolean };
  return { ...rest, result: { allow }, erased: ['/input', '/result/reasons', '/result/obligations'] };
}

/** An event that was too large, without its input. */
export function withoutInput(event: JsonObject): JsonObject {
  const { input: _input, erased = [], ...rest } = event;
  return { ...rest, erased: [...(erased as Json[]).filter((pointer) => pointer !== '/input'), '/input'] };
}
