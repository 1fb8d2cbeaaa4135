/**
 * The spans of one call, made when it has ended and only if its trace is sampled: the call itself under the very ids
 * that the audit trail holds, a child for each stage, and a client span for each attempt under the id its target was
 * told. Names are those of OpenTelemetry's GenAI conventions; the schema they are read from is stamped on every export.
 * No attribute holds a payload, a path, a header, a subject or anything else that a caller writes freely; for the same
 * reason the caller's tracestate goes on to targets and is not exported.
 */
import type { Attempt, Outcome, Target, Underway } from '../call.ts';
import type { Clock, DecisionId } from '../clock.ts';
import type { DenialCode } from '../denial.ts';

/** The registry of `gen_ai.*` names in force here; every attribute of it is still in development. */
export const genAiSchemaUrl = 'https://opentelemetry.io/schemas/gen-ai-dev/1.42.0-dev';

export type SpanAttributes = Record<string, string | number | boolean>;

/** One ended span. Times are milliseconds since 1970, with fractions. */
export interface SpanData {
  readonly name: string;
  readonly kind: 'server' | 'client' | 'internal';
  readonly traceId: string;
  readonly spanId: string;
  readonly parent: { readonly spanId: string; readonly remote: boolean } | null;
  readonly startMs: number;
  readonly endMs: number;
  readonly attributes: SpanAttributes;
  readonly links: readonly { readonly traceId: string; readonly spanId: string }[];
  /** A fault of the gate or of a target; a denial is none. */
  readonly failed: boolean;
}

/** A stage as the runner timed it, on the monotonic clock. */
export interface TimedStage {
  readonly name: string;
  readonly startMs: number;
  readonly endMs: number;
  readonly code: DenialCode | null;
}

export interface EndedCall {
  readonly call: Underway;
  readonly outcome: Outcome;
  readonly stages: readonly TimedStage[];
  /** On the monotonic clock. */
  readonly endMs: number;
}

/** Providers by the names that the conventions have for them. */
const providerNames: Readonly<Record<string, string>> = {
  azure: 'azure.ai.openai',
  bedrock: 'aws.bedrock',
  vertex: 'gcp.vertex_ai',
};

/** Ids of tool calls as providers write them. Anything else is left out: an agent could write what it likes there. */
const toolCallIdForm = /^[A-Za-z][A-Za-z0-9_-]{0,63}$/;
const linkForm = /^([0-9a-f]{32})-([0-9a-f]{16})$/;

/** All spans of a call, its own first. */
export function callSpans(ended: EndedCall, clock: Clock): readonly SpanData[] {
  const { call, outcome, stages } = ended;
  const attempts = outcome.attempts.filter(({ span }) => span !== undefined);
  const ids = clock.randomBytes(8 * stages.length).toString('hex');
  const wallMs = (monotonicMs: number) => call.receivedAtMs + (monotonicMs - call.startMs);
  const child = { traceId: call.trace.traceId, parent: { spanId: call.trace.spanId, remote: false } };
  return [
    callSpan(ended, wallMs),
    ...stages.map(({ name, startMs, endMs, code }, index): SpanData => {
      const attributes: SpanAttributes = code === null ? {} : { 'error.type': code };
      return {
        ...child,
        name: `tollgate.${name}`,
        kind: 'internal',
        spanId: ids.slice(16 * index, 16 * (index + 1)),
        startMs: wallMs(startMs),
        endMs: wallMs(endMs),
        attributes,
        links: [],
        failed: false,
      };
    }),
    ...attempts.map((attempt) => attemptSpan(ended, attempt, child, wallMs)),
  ];
}

function callSpan({ call, outcome, endMs }: EndedCall, wallMs: (monotonicMs: number) => number): SpanData {
  const { trace } = call;
  return {
    name: spanName(call, call.resolved?.payload.model?.name),
    kind: 'server',
    traceId: trace.traceId,
    spanId: trace.spanId,
    parent: trace.parentSpanId === null ? null : { spanId: trace.parentSpanId, remote: true },
    startMs: call.receivedAtMs,
    endMs: wallMs(endMs),
    attributes: callAttributes(call, outcome),
    links: proposedIn(call),
    failed: outcome.status >= 500,
  };
}

/** `{operation} {model}` or `execute_tool {tool}`, as the conventions have it; both are bounded by the routing table. */
function spanName(call: Underway, model: string | undefined): string {
  const operation = call.resolved?.operation;
  if (operation === undefined) return 'tollgate.call';
  if (operation.kind === 'model') return [genAiOperation(call), ...(model === undefined ? [] : [model])].join(' ');
  return `${genAiOperation(call)} ${operation.name}`;
}

function genAiOperation(call: Underway): string {
  const { kind, name = '' } = call.resolved?.operation ?? {};
  // The conventions have one name for all that a model writes.
  if (kind === 'model') return name.endsWith('.embeddings') ? 'embeddings' : 'chat';
  return kind === 'agent' ? 'invoke_agent' : 'execute_tool';
}

function callAttributes(call: Underway, outcome: Outcome): SpanAttributes {
  const { denial, target, usage } = outcome;
  const attributes: SpanAttributes = {
    'tollgate.call_id': call.id,
    'tollgate.surface': call.surface,
    'http.response.status_code': outcome.status,
  };
  const set = (name: string, value: string | number | null | undefined) => {
    if (value !== null && value !== undefined) attributes[name] = value;
  };
  set('error.type', denial?.code ?? (outcome.status >= 500 ? String(outcome.status) : null));
  set('gen_ai.agent.id', call.caller?.agentId);
  set('tollgate.task_id', call.caller?.taskId);
  setDecision(set, call.decision);
  setOperation(set, call, target);
  const thought = call.entry?.thought;
  set('tollgate.thought_id', thought?.id ?? outcome.thoughtId);
  set('tollgate.thought_match', thought?.match);
  const toolCallId = thought?.toolCallId ?? '';
  if (toolCallIdForm.test(toolCallId)) set('gen_ai.tool.call.id', toolCallId);
  if (usage !== null) {
    set('gen_ai.usage.input_tokens', usage.inputTokens);
    set('gen_ai.usage.output_tokens', usage.outputTokens);
    set('gen_ai.usage.cache_read.input_tokens', usage.cachedInputTokens);
    set('gen_ai.usage.cache_creation.input_tokens', usage.cacheWriteTokens);
    set('gen_ai.usage.reasoning.output_tokens', usage.reasoningTokens);
  }
  set('tollgate.cost_micro_usd', outcome.costMicroUsd);
  set('tollgate.target', target?.name);
  const repeats = call.idempotency?.state === 'repeat' ? call.idempotency.kept.callId : undefined;
  set('tollgate.repeats', repeats);
  const cached = repeats === undefined && (call.cache?.state === 'hit' || call.cache?.state === 'miss');
  if (cached) set('tollgate.cache', call.cache?.state);
  return attributes;
}

type Set = (name: string, value: string | number | null | undefined) => void;

function setDecision(set: Set, decision: { readonly id: DecisionId; readonly revision: string } | undefined): void {
  set('tollgate.decision_id', decision?.id);
  set('tollgate.policy_revision', decision?.revision);
}

function setOperation(set: Set, call: Underway, target: Target | null): void {
  const { operation, payload } = call.resolved ?? {};
  if (operation === undefined) return;
  set('gen_ai.operation.name', genAiOperation(call));
  set('tollgate.route', operation.route);
  set('tollgate.operation', operation.name);
  if (operation.kind !== 'model') {
    set('gen_ai.tool.name', operation.name);
    return;
  }
  set('gen_ai.request.model', payload?.model?.name);
  set('gen_ai.request.max_tokens', payload?.model?.maxTokens);
  set('gen_ai.provider.name', target === null ? null : providerName(target));
  set('gen_ai.response.model', target?.model);
}

function providerName({ provider }: Target): string {
  return Object.hasOwn(providerNames, provider) ? (providerNames[provider] as string) : provider;
}

/** The model call in which this action was proposed. */
function proposedIn(call: Underway): SpanData['links'] {
  const [, traceId, spanId] = linkForm.exec(call.entry?.thought?.span ?? '') ?? [];
  return traceId === undefined || spanId === undefined ? [] : [{ traceId, spanId }];
}

function attemptSpan(
  ended: EndedCall,
  attempt: Attempt,
  child: Pick<SpanData, 'traceId' | 'parent'>,
  wallMs: (monotonicMs: number) => number,
): SpanData {
  const { call } = ended;
  const { id: spanId = '', startMs = 0, outside } = attempt.span ?? {};
  const target = call.targets?.find(({ name }) => name === attempt.target);
  const attributes: SpanAttributes = { 'tollgate.target': attempt.target };
  const set: Set = (name, value) => {
    if (value !== null && value !== undefined) attributes[name] = value;
  };
  set('gen_ai.operation.name', genAiOperation(call));
  set('http.response.status_code', attempt.status);
  set('error.type', attempt.error ?? ((attempt.status ?? 0) >= 400 ? String(attempt.status) : null));
  if (target !== undefined) {
    set('server.address', new URL(target.url).hostname);
    set('cloud.region', target.region);
    set('tollgate.target.cloud', target.cloud);
    if (target.kind === 'model') {
      set('gen_ai.provider.name', providerName(target));
      set('gen_ai.request.model', target.model);
    } else set('gen_ai.tool.name', call.resolved?.operation.name);
  }
  return {
    ...child,
    name: spanName(call, target?.model ?? undefined),
    kind: 'client',
    spanId,
    startMs: wallMs(startMs),
    endMs: wallMs(exchangeEndMs(ended, attempt, startMs)),
    attributes,
    // The trace a stranger was given: what it reports of this call can be found under that.
    links: outside === undefined ? [] : [outside],
    failed: attempt.error !== null || (attempt.status ?? 0) >= 500,
  };
}

/** A body that was read whole was there when the return began; one that flowed, when the call was settled. */
function exchangeEndMs({ call, outcome, stages }: EndedCall, attempt: Attempt, startMs: number): number {
  const headMs = startMs + attempt.latencyMs;
  if (attempt.status === null || attempt !== outcome.attempts.at(-1)) return headMs;
  const settledFromMs = call.startMs + outcome.latencyMs;
  const returned = stages.find(({ name }) => name === 'response')?.startMs;
  return Math.max(headMs, call.resolved?.payload.stream === true ? settledFromMs : (returned ?? settledFromMs));
}
