/**
 * The event of the audit trail: one flat document with every field always there, null where it is unknown, so that a
 * reader never has to tell "absent" from "empty". Its fields and their names are a public contract. What a reader
 * would get wrong: an event says what the gate did, and `decision` in a refusal begins with the gate's own denial
 * code, also where the policy had allowed the call; `decision.id` still leads to what the policy saw.
 */
import type { Json, JsonObject } from '../call.ts';
import type { DenialCode } from '../denial.ts';

export const eventTypes = ['intent', 'outcome', 'denial', 'task', 'thought', 'policy', 'admin', 'interrupted'] as const;
export type EventType = (typeof eventTypes)[number];

/** Why; `count` is how many it speaks of (refusals that were only counted, findings that nobody handled). */
export interface EventReason {
  readonly code: string;
  readonly message: string;
  readonly path?: string;
  readonly count?: number;
}

export interface EventDecision {
  /** Null where no policy was asked. */
  readonly id: string | null;
  /** False if the gate refused, for whatever reason; then the first reason carries the denial's code. */
  readonly allow: boolean;
  readonly reasons: readonly EventReason[];
  readonly obligations: JsonObject;
  readonly bundle: string | null;
  readonly revision: string | null;
  /** The other revision that had a say, where there were two. */
  readonly also_by?: string;
}

export interface EventSubject {
  readonly id: string;
  readonly type: string;
  /** `operator` for a person of the admin plane, who acts on nobody's behalf. */
  readonly assurance: 'verified' | 'asserted' | 'operator';
  /** Who vouches for it: the `name` of the subject's issuer, the URL of a person's; absent where nobody does. */
  readonly issuer?: string;
}

export interface EventTarget {
  readonly route: string;
  readonly name: string | null;
  readonly cloud: string | null;
  readonly region: string | null;
}

export interface EventAttempt {
  readonly target: string;
  readonly status: number | null;
  readonly error: string | null;
  readonly latency_ms: number;
  readonly sent: boolean;
  /** Name of the credential it was made with; left out where there was none. */
  readonly credential?: string;
}

export interface EventFinding {
  readonly type: string;
  readonly count: number;
  readonly where: string;
  readonly confidence: number;
}

export interface EventUsage {
  readonly input_tokens: number;
  readonly output_tokens: number;
  readonly cached_input_tokens: number;
  /** Of the input, written to the provider's cache; of that, for an hour. Of the output, hidden reasoning. */
  readonly cache_write_tokens?: number;
  readonly cache_write_1h_tokens?: number;
  readonly reasoning_tokens?: number;
  /** Ways of being served that were charged apart from the list, such as `priority`. */
  readonly services?: readonly string[];
}

/** A tool call that a model proposed. Of names that could be data, as of texts that agents make up, `{}` stands. */
export interface EventProposal {
  /** The model's id of it. */
  readonly id: string;
  readonly name: string;
  /** Where it is not the thought of the event itself: the thought it was proposed in. */
  readonly thought?: string;
}

/** One row of the trail. `hash` is over the JCS form of all other members; see chain.ts. */
export interface AuditEvent {
  readonly v: 1;
  /** 1, 2, 3 … over the whole trail, without gaps. */
  readonly seq: number;
  readonly id: string;
  /** RFC 3339, UTC, milliseconds: when the gate wrote it, which for an outcome is the end of the call. */
  readonly time: string;
  readonly gateway: string;
  readonly region: string;
  readonly type: EventType;
  readonly tenant: string | null;
  readonly agent: string | null;
  /** Name of the agent's issuer in tollgate.yaml. */
  readonly issuer: string | null;
  readonly subject: EventSubject | null;
  readonly task: string | null;
  /** 1, 2, 3 … within the task. */
  readonly task_seq: number | null;
  readonly call: string | null;
  /** The thought itself in a `thought` event, else the one that proposed this call. */
  readonly thought: string | null;
  /** How well the call fits its thought; in a `thought` event how the gate knows of it. */
  readonly match: 'exact' | 'changed' | 'name' | 'none' | 'observed' | 'reported' | null;
  /** Of an action: the model's id of the proposed tool call that it fits. Left out where it fits none. */
  readonly tool_call?: string;
  /**
   * In a `thought` event what was proposed in it; where a task was completed or killed, what no call has carried out of the
   * thoughts that it remembered. Left out for none.
   */
  readonly proposals?: readonly EventProposal[];
  readonly trace_id: string | null;
  readonly span_id: string | null;
  readonly decision: EventDecision | null;
  /** Of a call; in `task`, `policy` and `admin` events what was done, for example `task.create`. */
  readonly operation: string | null;
  readonly effect: 'read' | 'write' | 'delete' | null;
  /** HMAC-SHA256 under the task's key over the JCS form of what the agent asked to send; lower-case hex. */
  readonly proposed_commitment: string | null;
  /** The same over what the obligations left of it. */
  readonly sent_commitment: string | null;
  /** In what was to be sent; in an outcome those in the answer. */
  readonly findings: readonly EventFinding[];
  /** In an intent the target tried first, in an outcome the one that answered. */
  readonly target: EventTarget | null;
  readonly attempts: readonly EventAttempt[];
  /** HTTP status the agent got; 499 if it had gone. */
  readonly status: number | null;
  readonly usage: EventUsage | null;
  readonly cost_usd: number | null;
  readonly price_version: string | null;
  readonly latency_ms: number | null;
  readonly overhead_ms: number | null;
  /** In `outcome` and `interrupted`: the hash of the intent it belongs to. */
  readonly intent_hash: string | null;
  readonly prev_hash: string;
  readonly hash: string;
}

/** The members of an event, in the order documents show them. */
export const eventFields = [
  'v',
  'seq',
  'id',
  'time',
  'gateway',
  'region',
  'type',
  'tenant',
  'agent',
  'issuer',
  'subject',
  'task',
  'task_seq',
  'call',
  'thought',
  'match',
  'trace_id',
  'span_id',
  'decision',
  'operation',
  'effect',
  'proposed_commitment',
  'sent_commitment',
  'findings',
  'target',
  'attempts',
  'status',
  'usage',
  'cost_usd',
  'price_version',
  'latency_ms',
  'overhead_ms',
  'intent_hash',
  'prev_hash',
  'hash',
] as const satisfies readonly (keyof AuditEvent)[];

/** Members that an event has only where they say something. */
export const rareEventFields = ['tool_call', 'proposals'] as const satisfies readonly (keyof AuditEvent)[];

/** What the chain adds when an event is written; nobody else sets these. */
type Chained = 'seq' | 'task_seq' | 'proposed_commitment' | 'sent_commitment' | 'intent_hash' | 'prev_hash' | 'hash';

/** An event before it has a place in the chain. */
export type UnchainedEvent = Omit<AuditEvent, Chained>;

/** What a builder knows. The trail adds version, id, time and gateway, and the sink the chain. */
export interface NewEvent extends Omit<UnchainedEvent, 'v' | 'id' | 'time' | 'gateway' | 'region'> {
  /** JCS texts that the commitments are made over; they are not kept. */
  readonly proposed: string | null;
  readonly sent: string | null;
}

/** An event in which everything is unknown but its type: what builders start from. */
export function blankEvent(type: EventType): NewEvent {
  return {
    type,
    tenant: null,
    agent: null,
    issuer: null,
    subject: null,
    task: null,
    call: null,
    thought: null,
    match: null,
    trace_id: null,
    span_id: null,
    decision: null,
    operation: null,
    effect: null,
    findings: [],
    target: null,
    attempts: [],
    status: null,
    usage: null,
    cost_usd: null,
    price_version: null,
    latency_ms: null,
    overhead_ms: null,
    proposed: null,
    sent: null,
  };
}

/** Events that may tell of a refusal; then their first reason carries its code. */
const refusingTypes: ReadonlySet<EventType> = new Set(['denial', 'outcome', 'task', 'admin']);

/** The denial's code of an event that tells of a refusal, else null. */
export function denialCodeOf(event: Pick<AuditEvent, 'type' | 'decision'>): DenialCode | null {
  if (!refusingTypes.has(event.type)) return null;
  if (event.decision === null || event.decision.allow) return null;
  return (event.decision.reasons[0]?.code ?? null) as DenialCode | null;
}

/** `event` with its members in the documented order; JSON does not care, readers do. */
export function inOrder(event: AuditEvent): AuditEvent {
  const rare = rareEventFields.filter((field) => event[field] !== undefined);
  return Object.fromEntries([...eventFields, ...rare].map((field) => [field, event[field]])) as unknown as AuditEvent;
}

/** An event is plain JSON; the type system cannot see it through `interface`. */
export function asJson(event: object): Json {
  return event as unknown as Json;
}
