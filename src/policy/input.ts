/**
 * Builds what a policy sees, as docs/policy-author.md names it: one new object a document, whose free-form parts (claims,
 * arguments, labels) are taken over as they are and must not be changed afterwards. Members that are not known are
 * left out or null, never guessed; `schemas.ts` says which.
 */

import type {
  Agent,
  Ancestor,
  AnswerHead,
  Arrival,
  EntryFact,
  Finding,
  FindingsFact,
  HistoryEntry,
  Json,
  JsonObject,
  OperationCount,
  OperationFact,
  PlanStep,
  RecalledFact,
  Spending,
  Subject,
  TaskFact,
  TaskView,
  ThoughtMatch,
} from '../call.ts';
import { planDocument } from '../wire/plan.ts';
import { type LeftOut, wholeInput } from './input-parts.ts';

/** Entries of the history that a policy sees; `counts` covers the whole task. */
export const historyMax = 50;
/** Argument values whose provenance is told; those beyond have none. */
const provenanceMax = 256;
const provenanceDepthMax = 16;
/** An answer nested deeper is not given to a policy at all. */
const safeNumbersDepthMax = 64;
const weekdays = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'] as const;

/** Which gate decides. */
export interface GatewayFacts {
  readonly id: string;
  readonly cloud: string;
  readonly region: string;
}

/** A call with everything a policy is asked about. */
export type JudgedCall = Arrival & TaskFact & OperationFact & EntryFact & FindingsFact & Partial<RecalledFact>;

/** What is asked for with a new task; null and absent members were not asked for. */
export interface TaskAsk {
  readonly purpose: string;
  readonly tools: readonly string[] | null;
  readonly plan?: readonly PlanStep[];
  readonly budget: Partial<Spending>;
  readonly ttlSeconds: number | null;
  /** The task that this one would be part of; null for none. */
  readonly parent: Omit<Ancestor, 'budget'> | null;
  readonly labels: JsonObject;
  /** What it begins with: of the task it is part of, or carried over from the agent's last one. */
  readonly taint?: readonly string[];
}

/** Input of `tollgate.call`, without `leftOut`. History and counts are those at admission, this call left out. */
export function callInput(
  call: JudgedCall,
  gateway: GatewayFacts,
  nowMs: number,
  leftOut: LeftOut = wholeInput,
): JsonObject {
  const { operation, payload } = call.resolved;
  const { thought, repeats, task } = call.entry;
  const { agent, subject } = task.record;
  return {
    phase: 'call',
    agent: agentOf(agent, leftOut),
    subject: subjectOf(subject, leftOut),
    task: taskOf(task, leftOut),
    call: {
      id: call.id,
      kind: operation.kind,
      route: operation.route,
      operation: operation.name,
      effect: operation.effect,
      reads: operation.reads,
      sends: operation.sends,
      ...some('drifted', operation.drift === undefined ? undefined : true),
      method: payload.method,
      path: payload.path.split('?', 1)[0] as string,
      ...(leftOut.has('call.arguments') ? {} : { arguments: payload.args }),
      model: payload.model?.name ?? null,
      stream: payload.stream,
      max_tokens: payload.model?.maxTokens ?? null,
      ...(leftOut.has('call.tools')
        ? {}
        : { tools: (payload.model?.tools ?? []).map(({ name, kind }) => ({ name, kind })) }),
      repeats,
      ...(leftOut.has('call.provenance') ? {} : { provenance: provenanceOf(payload.args, subject, thought) }),
    },
    thought: thought === null ? null : { id: thought.id, source: thought.source, match: thought.match },
    findings: findingsOf(call.inspection.findings),
    gateway: gatewayOf(gateway),
    time: timeOf(nowMs),
  };
}

/** Input of `tollgate.task`: what was asked for, by whom, for whom. */
export function taskInput(
  ask: TaskAsk,
  agent: Agent,
  subject: Subject | null,
  gateway: GatewayFacts,
  nowMs: number,
): JsonObject {
  const { tokens, costMicroUsd, calls, seconds } = ask.budget;
  const budget = {
    ...some('tokens', tokens),
    ...some('cost_micro_usd', costMicroUsd),
    ...some('calls', calls),
    ...some('seconds', seconds),
  };
  return {
    phase: 'task',
    agent: agentOf(agent),
    subject: subjectOf(subject),
    task: {
      purpose: ask.purpose,
      ...some('tools', ask.tools ?? undefined),
      ...some('plan', ask.plan && planDocument(ask.plan)),
      ...some('budget', Object.keys(budget).length === 0 ? undefined : budget),
      ...some('ttl_seconds', ask.ttlSeconds ?? undefined),
      ...some('parent', parentOf(ask.parent ?? undefined)),
      labels: ask.labels,
      taint: ask.taint ?? [],
    },
    gateway: gatewayOf(gateway),
    time: timeOf(nowMs),
  };
}

/** What came back. `body` is null where the answer streams or is no JSON. */
export interface AnswerFacts {
  readonly head: AnswerHead;
  readonly body: Json;
  readonly findings: readonly Finding[];
}

/** Input of `tollgate.response`: the document the call was decided on, with the answer, without `leftOut`. */
export function responseInput(input: JsonObject, answer: AnswerFacts, leftOut: LeftOut = wholeInput): JsonObject {
  const { head, body, findings } = answer;
  return {
    ...input,
    phase: 'response',
    response: {
      status: head.status,
      ...(leftOut.has('response.headers') ? {} : { headers: head.headers }),
      ...(body === null || leftOut.has('response.body') ? {} : { body: safeNumbers(body, 0) }),
      findings: findingsOf(findings),
    },
  };
}

/**
 * `value` with integers beyond 2^53 as texts, for services answer with such ids and a policy would read them wrongly.
 * Their last digits were lost when the answer was parsed: a policy can see that such a number is there, not compare it.
 * What has none comes back itself, not copied.
 */
function safeNumbers(value: Json, depth: number): Json {
  if (typeof value === 'number') return Number.isInteger(value) && !Number.isSafeInteger(value) ? String(value) : value;
  if (value === null || typeof value !== 'object' || depth === safeNumbersDepthMax) return value;
  const members = Object.entries(value);
  const safe = members.map(([name, member]): [string, Json] => [name, safeNumbers(member, depth + 1)]);
  if (safe.every(([, member], index) => member === members[index]?.[1])) return value;
  return Array.isArray(value) ? safe.map(([, member]) => member) : Object.fromEntries(safe);
}

/** The member, where there is a value. */
function some(name: string, value: Json | undefined): JsonObject {
  return value === undefined ? {} : { [name]: value };
}

function agentOf(agent: Agent, leftOut: LeftOut = wholeInput): JsonObject {
  const { id, issuer, tenant, cloud, claims, actors, verifiedAtMs } = agent;
  const known = leftOut.has('agent.claims') ? {} : { claims };
  return { id, issuer, tenant, cloud, ...known, actors, verified_at_ms: verifiedAtMs };
}

function subjectOf(subject: Subject | null, leftOut: LeftOut = wholeInput): Json {
  if (subject === null) return null;
  const { id, type, claims, issuer, assurance } = subject;
  const known = leftOut.has('subject.claims') ? {} : { claims };
  return { id, type, ...known, ...some('issuer', issuer), assurance };
}

function gatewayOf({ id, cloud, region }: GatewayFacts): JsonObject {
  return { id, cloud, region };
}

function parentOf(parent: Omit<Ancestor, 'budget'> | undefined): JsonObject | undefined {
  if (parent === undefined) return undefined;
  return { id: parent.id, agent: parent.agent, issuer: parent.issuer, purpose: parent.purpose };
}

function amountsOf({ tokens, costMicroUsd, calls }: Spending): JsonObject {
  return { tokens, cost_micro_usd: costMicroUsd, calls };
}

function taskOf({ record, spent, remaining }: TaskView, leftOut: LeftOut): JsonObject {
  return {
    id: record.id,
    ...some('parent', parentOf(record.ancestors[0])),
    purpose: record.purpose,
    tools: record.tools,
    ...some('plan', leftOut.has('task.plan') ? undefined : record.plan && planDocument(record.plan)),
    ...(leftOut.has('task.labels') ? {} : { labels: record.labels }),
    started_at_ms: record.createdAtMs,
    expires_at_ms: record.expiresAtMs,
    spent: amountsOf(spent),
    remaining: amountsOf(remaining),
    taint: record.taint,
    failures_in_a_row: record.failuresInARow,
    ...(leftOut.has('task.history') ? {} : { history: record.history.slice(-historyMax).map(entryOf) }),
    ...(leftOut.has('task.counts') ? {} : { counts: countsOf(record.counts) }),
  };
}

function entryOf(entry: HistoryEntry): JsonObject {
  return {
    call_id: entry.callId,
    kind: entry.kind,
    operation: entry.operation,
    effect: entry.effect,
    state: entry.state,
    ...some('code', entry.code),
    ...some('status', entry.status),
    at_ms: entry.atMs,
    cost_micro_usd: entry.costMicroUsd,
    target: entry.target,
    facts: entry.facts,
  };
}

function countsOf(counts: TaskView['record']['counts']): JsonObject {
  return Object.fromEntries(Object.entries(counts).map(([operation, count]) => [operation, countOf(count)]));
}

function countOf({ calls, denied, failed, costMicroUsd, sums }: OperationCount): JsonObject {
  return { calls, denied, failed, cost_micro_usd: costMicroUsd, sums };
}

function findingsOf(findings: readonly Finding[]): Json {
  return findings.map(({ type, count, where, confidence }) => ({ type, count, where, confidence }));
}

function timeOf(nowMs: number): JsonObject {
  const now = new Date(nowMs);
  return {
    rfc3339: now.toISOString(),
    unix_ms: nowMs,
    weekday: weekdays[now.getUTCDay()] as string,
    hour: now.getUTCHours(),
    minute: now.getUTCMinutes(),
  };
}

/**
 * Where each argument value came from, by JSON pointer: `subject` if it is the subject's id, `model` if a model of
 * this task proposed exactly these arguments, else `unknown`.
 */
export function provenanceOf(
  args: JsonObject,
  subject: Pick<Subject, 'id'> | null,
  thought: Pick<ThoughtMatch, 'match' | 'source'> | null,
): JsonObject {
  const origins: Record<string, string> = Object.create(null) as Record<string, string>;
  const other = thought?.match === 'exact' && thought.source === 'observed' ? 'model' : 'unknown';
  let left = provenanceMax;
  const visit = (value: Json, pointer: string, depth: number): void => {
    if (left === 0) return;
    if (value === null || typeof value !== 'object') {
      left -= 1;
      origins[pointer] = subject !== null && value === subject.id ? 'subject' : other;
      return;
    }
    if (depth === provenanceDepthMax) return;
    for (const [name, member] of Object.entries(value)) {
      visit(member, `${pointer}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`, depth + 1);
      if (left === 0) return;
    }
  };
  visit(args, '', 0);
  return origins;
}
