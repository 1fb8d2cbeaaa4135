/**
 * Makes events from the facts of a call. Everything that comes from outside is bounded here, money turns from integer
 * micro-dollars into the documented `cost_usd`, and nothing of a payload gets in but its commitments.
 */
import type {
  Admitted,
  Decision,
  Finding,
  JsonObject,
  Outcome,
  ProposedFact,
  Subject,
  Target,
  TaskRecord,
  Trace,
  Underway,
  Usage,
} from '../call.ts';
import type { CallId, ThoughtId } from '../clock.ts';
import type { Denial } from '../denial.ts';
import { canonical } from '../wire/canonical.ts';
import { usdFromMicroUsd } from '../wire/money.ts';
import { isPlainName } from '../wire/segments.ts';
import { moreReasons, pagedReasons, storeLocal } from './added-reasons.ts';
import {
  blankEvent,
  type EventDecision,
  type EventFinding,
  type EventReason,
  type EventSubject,
  type EventTarget,
  type EventUsage,
  type NewEvent,
} from './event.ts';
import { neverMade, proposedIn, shownToolCall } from './proposals.ts';

const findingsMax = 256;
const attemptsMax = 32;
const reasonsMax = 64;
const endings: ReadonlySet<string> = new Set(['task.complete', 'task.kill']);

// Microseconds are as fine as a duration is worth keeping; more digits are noise under a signature.
function milliseconds(value: number): number {
  return Math.round(value * 1000) / 1000;
}

function findingsOf(findings: readonly Finding[]): EventFinding[] {
  return findings
    .slice(0, findingsMax)
    .map(({ type, count, where, confidence }) => ({ type, count, where, confidence }));
}

function subjectOf(subject: Subject | null): EventSubject | null {
  if (subject === null) return null;
  const { id, type, assurance, issuer } = subject;
  return { id, type, assurance, ...(issuer === undefined ? {} : { issuer }) };
}

function targetOf(target: Target): EventTarget {
  return { route: target.route, name: target.name, cloud: target.cloud, region: target.region };
}

/** Kinds of tokens that few calls have stand in the event only where there are some. */
function usageOf(usage: Usage, asked: readonly string[] = []): EventUsage {
  const rare = {
    cache_write_tokens: usage.cacheWriteTokens ?? 0,
    cache_write_1h_tokens: usage.cacheWriteHourTokens ?? 0,
    reasoning_tokens: usage.reasoningTokens ?? 0,
  };
  const services = usage.services ?? asked;
  return {
    input_tokens: usage.inputTokens,
    output_tokens: usage.outputTokens,
    cached_input_tokens: usage.cachedInputTokens,
    ...Object.fromEntries(Object.entries(rare).filter(([, tokens]) => tokens > 0)),
    ...(services.length === 0 ? {} : { services }),
  };
}

/** What the policy said, in the shape of an event; `more` are reasons of the gate's own. */
export function decisionOf(decision: Decision, more: readonly EventReason[] = []): EventDecision {
  return {
    id: decision.id,
    allow: decision.allow,
    reasons: [...decision.reasons.slice(0, reasonsMax), ...more],
    obligations: { ...decision.obligations } as unknown as JsonObject,
    bundle: decision.bundle,
    revision: decision.revision,
    ...(decision.alsoBy === undefined ? {} : { also_by: decision.alsoBy }),
  };
}

/** A refusal: its code first, then its reasons; what the policy had said keeps its id and revision. */
export function refusalOf(
  denial: Denial,
  decision: Decision | undefined,
  more: readonly EventReason[] = [],
): EventDecision {
  const policy = decision === undefined ? undefined : decisionOf(decision);
  return {
    id: policy?.id ?? null,
    allow: false,
    reasons: [{ code: denial.code, message: denial.message }, ...denial.reasons.slice(0, reasonsMax), ...more],
    obligations: policy?.obligations ?? {},
    bundle: policy?.bundle ?? null,
    revision: policy?.revision ?? null,
    ...(policy?.also_by === undefined ? {} : { also_by: policy.also_by }),
  };
}

/** What was asked for as a route and may be none: as long as anybody likes, and anything may stand in it. */
export function askedRoute(route: string): string {
  return isPlainName(route) ? route : '{}';
}

/** Which call, whose, and what it wanted: as far as the call came. */
function ofCall(type: NewEvent['type'], call: Underway): NewEvent {
  const record = call.entry?.task.record ?? call.task?.record;
  const operation = call.resolved?.operation;
  const thought = call.entry?.thought ?? null;
  const isAction = call.entry !== undefined && operation !== undefined && operation.kind !== 'model';
  const fits = thought !== null && thought.match !== 'none' && thought.toolCallId !== null;
  return {
    ...blankEvent(type),
    tenant: record?.tenant ?? call.caller?.tenant ?? null,
    agent: record?.agent.id ?? call.caller?.agentId ?? null,
    issuer: record?.agent.issuer ?? null,
    subject: subjectOf(record?.subject ?? null),
    task: record?.id ?? call.caller?.taskId ?? null,
    call: call.id,
    thought: thought?.id ?? null,
    // An action that nothing proposed says so.
    match: thought?.match ?? (isAction ? 'none' : null),
    ...(fits ? { tool_call: shownToolCall(thought.toolCallId as string) } : {}),
    trace_id: call.trace.traceId,
    span_id: call.trace.spanId,
    operation: operation?.name ?? null,
    effect: operation?.effect ?? null,
    target: { route: operation?.route ?? askedRoute(call.request.route), name: null, cloud: null, region: null },
  };
}

/** What is about to be sent, and why it may. Made before any side effect; the first ranked target stands in it. */
export function intentEvent(call: Omit<Admitted, 'intent'> & ProposedFact, isLocal = false): NewEvent {
  const { unhandled } = call.obeyed;
  const more: EventReason[] =
    unhandled.length === 0
      ? moreReasons(call)
      : [
          ...moreReasons(call),
          {
            code: 'findings_unhandled',
            message: 'Findings that no obligation spoke of were sent.',
            count: unhandled.reduce((sum, finding) => sum + finding.count, 0),
          },
        ];
  return {
    ...ofCall('intent', call),
    decision: decisionOf(call.decision, isLocal ? [...more, storeLocal] : more),
    findings: findingsOf(call.inspection.findings),
    target: targetOf(call.cache.state === 'hit' ? call.cache.kept.answer.target : (call.targets[0] as Target)),
    proposed: call.proposed.canonical,
    sent: canonical(call.resolved.payload.document()),
  };
}

/** The decision behind a refusal: that on the answer if it refused, else that on the call. */
function refusing(onCall: Decision | undefined, onAnswer: Decision | null): Decision | undefined {
  return onAnswer !== null && !onAnswer.allow ? onAnswer : onCall;
}

/** How an intent ended. The sink binds it to the intent's hash, by the call's id. */
export function outcomeEvent(call: Underway, outcome: Outcome): NewEvent {
  const { denial, usage, target } = outcome;
  let decision: EventDecision | null = null;
  const more = [...moreReasons(call), ...pagedReasons(outcome)];
  if (denial !== null) decision = refusalOf(denial, refusing(call.decision, outcome.answerDecision), more);
  else if (call.decision !== undefined) decision = decisionOf(call.decision, more);
  const base = ofCall('outcome', call);
  return {
    ...base,
    decision,
    findings: findingsOf(outcome.answerFindings),
    target: target === null ? base.target : targetOf(target),
    attempts: outcome.attempts.slice(-attemptsMax).map((attempt) => ({
      target: attempt.target,
      status: attempt.status,
      error: attempt.error,
      latency_ms: milliseconds(attempt.latencyMs),
      sent: attempt.sent,
      ...(attempt.credential === undefined ? {} : { credential: attempt.credential }),
    })),
    status: outcome.status,
    usage: usage === null ? null : usageOf(usage, call.resolved?.payload.model?.services),
    cost_usd: usdFromMicroUsd(outcome.costMicroUsd),
    price_version: target?.price.version ?? null,
    latency_ms: milliseconds(outcome.latencyMs),
    overhead_ms: milliseconds(outcome.overheadMs),
  };
}

/** A call that was refused before it had an intent; its one and only event. */
export function denialEvent(
  call: Underway,
  denial: Denial,
  outcome: Outcome | null,
  more: readonly EventReason[] = [],
): NewEvent {
  const meant = denial.details.operation;
  return {
    ...ofCall('denial', call),
    ...(call.resolved === undefined && meant !== undefined ? { operation: meant.name, effect: meant.effect } : {}),
    decision: refusalOf(denial, call.decision, more),
    findings: findingsOf(call.inspection?.findings ?? []),
    status: outcome?.status ?? denial.status,
    cost_usd: 0,
    latency_ms: outcome === null ? null : milliseconds(outcome.latencyMs),
    overhead_ms: outcome === null ? null : milliseconds(outcome.overheadMs),
    proposed: call.proposed?.canonical ?? null,
  };
}

/** A request that never became a call: unreadable, or to a path that is not there. */
export function refusedRequestEvent(
  request: { readonly id: CallId | null; readonly trace: Trace | null; readonly denial: Denial },
  more: readonly EventReason[] = [],
): NewEvent {
  return {
    ...blankEvent('denial'),
    call: request.id,
    trace_id: request.trace?.traceId ?? null,
    span_id: request.trace?.spanId ?? null,
    decision: refusalOf(request.denial, undefined, more),
    status: request.denial.status,
    cost_usd: 0,
  };
}

/** What a model said in answer to `call`. Its text and proposals are a payload of the event, never in it. */
export function thoughtEvent(
  about: { readonly record: TaskRecord; readonly call: Underway | null },
  thought: {
    readonly id: ThoughtId;
    readonly source: 'observed' | 'reported';
    readonly proposals: Outcome['proposals'];
  },
): NewEvent {
  const base = about.call === null ? ofTask('thought', about.record) : ofCall('thought', about.call);
  return { ...base, ...proposedIn(thought.proposals), thought: thought.id, match: thought.source };
}

function ofTask(type: NewEvent['type'], record: TaskRecord): NewEvent {
  return {
    ...blankEvent(type),
    tenant: record.tenant,
    agent: record.agent.id,
    issuer: record.agent.issuer,
    subject: subjectOf(record.subject),
    task: record.id,
  };
}

/** What happens to a task as a whole, and what the gate said to it. */
export interface TaskHappening {
  /** `task.create`, `task.renew`, `task.narrow`, `task.complete`, `task.kill`, `task.expire`, `task.checkpoint`, … */
  readonly operation: `task.${string}`;
  readonly trace?: Trace | undefined;
  readonly decision?: Decision | undefined;
  readonly denial?: Denial | undefined;
  readonly status?: number | undefined;
}

/** An event of a task's own life: created, renewed, narrowed, ended. */
export function taskEvent(record: TaskRecord, happening: TaskHappening): NewEvent {
  const { decision, denial, trace } = happening;
  const ended = endings.has(happening.operation) && denial === undefined;
  return {
    ...ofTask('task', record),
    ...(ended ? neverMade(record) : {}),
    trace_id: trace?.traceId ?? null,
    span_id: trace?.spanId ?? null,
    decision: denial !== undefined ? refusalOf(denial, decision) : decision === undefined ? null : decisionOf(decision),
    operation: happening.operation,
    status: happening.status ?? denial?.status ?? null,
  };
}

/** A task that the gate refused to make; there is no record of it, only who asked. */
export function taskDenialEvent(
  asked: {
    readonly agent: { readonly id: string; readonly issuer: string; readonly tenant: string };
    readonly subject: Subject | null;
    readonly trace: Trace | null;
  },
  denial: Denial,
  decision: Decision | undefined,
): NewEvent {
  return {
    ...blankEvent('denial'),
    tenant: asked.agent.tenant,
    agent: asked.agent.id,
    issuer: asked.agent.issuer,
    subject: subjectOf(asked.subject),
    trace_id: asked.trace?.traceId ?? null,
    span_id: asked.trace?.spanId ?? null,
    decision: refusalOf(denial, decision),
    operation: 'task.create',
    status: denial.status,
  };
}

/** A bundle was activated, or refused; `reasons` say why. */
export function policyEvent(happening: {
  readonly operation: `policy.${string}`;
  readonly accepted: boolean;
  readonly bundle: string;
  readonly revision: string;
  readonly reasons?: readonly EventReason[];
}): NewEvent {
  return {
    ...blankEvent('policy'),
    operation: happening.operation,
    decision: {
      id: null,
      allow: happening.accepted,
      reasons: (happening.reasons ?? []).slice(0, reasonsMax),
      obligations: {},
      bundle: happening.bundle,
      revision: happening.revision,
    },
  };
}
