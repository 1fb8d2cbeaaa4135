/**
 * What travels: a Call and the facts that stages add to it, one named property a fact. Rooms do not import each
 * other; what they share is a type of this page or of `payload.ts`. Everything here is read-only for whoever did not
 * make it. Units end the name: `Ms`, `Bytes`, `MicroUsd`. Money and tokens are integers.
 */
import type { CallId, DecisionId, EventId, ReservationId, ThoughtId } from './clock.ts';
import type { Conversation } from './conversation.ts';
import type { Denial, DenialCode, Reason } from './denial.ts';
import type {
  Attempt,
  JsonObject,
  ProposedCall,
  Resolved,
  Target,
  Told,
  UpstreamAnswer,
  Usage,
  WireRequest,
} from './payload.ts';
import type { Caller, Shown } from './principal.ts';
import type { RateHold, RateState } from './rate.ts';
import type { HistoryEntry, TaskView, ThoughtMatch } from './task-record.ts';

export type * from './payload.ts';
export type * from './principal.ts';
export type * from './task-record.ts';

// ── Decisions ───────────────────────────────────────────────────────────────────────────────────────────────────
/** Which findings an obligation is about; both members left out means all. `path` is a JSON pointer prefix. */
export interface Selector {
  readonly type?: string;
  readonly path?: string;
}

/** The obligations this gate can meet. The policy room denies a decision that holds any other. */
export interface Obligations {
  readonly redact?: readonly Selector[];
  readonly mask?: readonly Selector[];
  readonly hash?: readonly Selector[];
  readonly block?: readonly Selector[];
  readonly drop?: readonly string[];
  readonly approval?: { readonly role: string; readonly ttl_seconds: number; readonly reason: string };
  readonly regions?: readonly string[];
  readonly clouds?: readonly string[];
  /** Without `value`: whatever is left of the budgets is the limit. */
  readonly max_tokens?: { readonly value?: number; readonly on_excess: 'lower' | 'deny' };
  /** One last turn of the task once its budget is spent or its answer was cut, of so many answer tokens. */
  readonly wrap_up?: { readonly tokens: number };
  readonly taint?: readonly string[];
  /** A permission, unlike the others: equal calls may be answered with the answer to this one for so long. */
  readonly cache?: { readonly ttl_seconds: number };
  readonly mark?: JsonObject;
}

export interface Decision {
  readonly id: DecisionId;
  readonly allow: boolean;
  readonly reasons: readonly Reason[];
  readonly obligations: Obligations;
  readonly bundle: string;
  readonly revision: string;
  /** Digest of those policies, whatever their revision is called; a task goes on with the ones it was opened under. */
  readonly content?: string;
  /** The revision in force, where it was asked beside the one that the task was opened under. */
  readonly alsoBy?: string;
  /** What the policy saw; recorded (redacted) apart from the event, so that the decision can be replayed. */
  readonly input: JsonObject;
  /** Members that are not in `input` because no rule refers to them, sorted. */
  readonly leftOut?: readonly string[];
}

/** Personal data or a secret seen in a payload. `where` is a JSON pointer; the value itself is never kept. */
export interface Finding {
  readonly type: string;
  readonly count: number;
  readonly where: string;
  readonly confidence: number;
}

// ── Facts, in the order the ladder adds them ────────────────────────────────────────────────────────────────────
/** Where a call stands in a distributed trace (W3C Trace Context). Ids are lower-case hex. */
export interface Trace {
  readonly traceId: string;
  /** The gate's own span for this call. */
  readonly spanId: string;
  readonly parentSpanId: string | null;
  readonly sampled: boolean;
  readonly state: string | null;
  /** Members of the caller's `baggage` that may go on inside the trust domain. */
  readonly baggage?: string;
}

/** What a call arrives with. */
export interface Arrival {
  readonly id: CallId;
  readonly requestId: string;
  readonly receivedAtMs: number;
  /** On the monotonic clock, for durations. */
  readonly startMs: number;
  readonly trace: Trace;
  /** Name of the dialect that parsed it and will encode the answer. */
  readonly surface: string;
  /** The bearer token as shown, or null; more than one different credential is refused before it comes here. */
  readonly credential: string | null;
  /** How the credential was shown. */
  readonly shown: Shown;
  /** The model's id of the tool call that this call carries out, as the agent says. */
  readonly toolCallId: string | null;
  /** By what the agent wants a repeat of this call to be known; absent where it does not say. */
  readonly idempotencyKey?: string;
  /** How long the agent will wait, in milliseconds from arrival; null where it does not say. */
  readonly deadlineMs: number | null;
  /** What the agent says of kept answers: no use and no keeping (`bypass`), or a new one (`refresh`); left out: nothing. */
  readonly caching?: 'bypass' | 'refresh';
  readonly request: WireRequest;
  /** The one AbortController of the call: client gone, deadline, kill. */
  readonly abort: AbortController;
  readonly watch?: Watch;
  /** Of an MCP call: its client, for what the server tells and asks while it runs. */
  readonly conversation?: Conversation;
}

/** Told how a call goes, for its spans and metrics. Never throws and never waits. Times are on the monotonic clock. */
export interface Watch {
  /** `code` is that of the denial the stage ended in; null if it gave its fact. */
  readonly stage: (name: string, startMs: number, endMs: number, code: DenialCode | null) => void;
  /** Once, when the call is settled. */
  readonly ended: (call: Underway, outcome: Outcome) => void;
}

export interface CallerFact {
  readonly caller: Caller;
}
export interface TaskFact {
  readonly task: TaskView;
}
export interface OperationFact {
  readonly resolved: Resolved;
}
/** The token covers the operation, and belongs to a key where one is asked for. */
export interface ReachFact {
  readonly reached: true;
}
/** What the request names by ids and the gate remembers stands in it. */
export interface RecalledFact {
  /** How many items that were. */
  readonly recalled: {
    readonly items: number;
    /** Why this gateway remembers nothing for the task, for an agent whose request names something. Absent: it does. */
    readonly forgets?: string;
  };
}
export interface ProposedFact {
  /** JCS text of the whole payload as the agent sent it, and its arguments, before obligations and budgets change them. */
  readonly proposed: { readonly canonical: string; readonly args?: JsonObject };
}
/** What a call is among those that its agent has named the same. */
export interface IdempotencyFact {
  readonly idempotency:
    | { readonly state: 'unnamed' }
    /** Its answer is kept for those that repeat it. */
    | { readonly state: 'first'; readonly keeping: AnswerKeeping }
    /** It gets the answer of the first once more, if it is let through. */
    | { readonly state: 'repeat'; readonly kept: CachedAnswer };
}
export interface EntryFact {
  readonly entry: {
    readonly thought: ThoughtMatch | null;
    /** Earlier equal calls of this task. */
    readonly repeats: number;
    /** The task as it was when this call entered its history. */
    readonly task: TaskView;
    readonly facts: JsonObject;
    /** What it names of what lies at a provider. Absent where it names nothing. */
    readonly named?: NamedThings;
    /** Its entry in the history of its task, where that could not be written because the shared state was away. */
    readonly unwritten?: { readonly entry: HistoryEntry; readonly historyMax: number };
    /** What it counts towards beside its budgets. Absent for nothing. */
    readonly caps?: readonly CallCap[];
  };
}
/** Ids in a call that a provider gave before. */
export interface NamedThings {
  /** JSON pointers to those that no answer to this task gave. */
  readonly foreign: readonly string[];
  /** The names of the targets of its route that gave all the others. */
  readonly targets: readonly string[];
  /** How many tokens become prompt again by them at most; absent where that is not known. */
  readonly tokens?: number;
}
/** A counter of the store that a call takes one of. */
export interface CallCap {
  /** Of the tenant of the call. */
  readonly key: string;
  /** How many calls may be sent on it. */
  readonly calls: number;
  readonly ttlMs: number;
  /** For the call that is one too many. */
  readonly denial: Denial;
}
export interface FindingsFact {
  readonly inspection: { readonly findings: readonly Finding[] };
}
export interface DecisionFact {
  readonly decision: Decision;
}
/** A decision was looked at and allows the call. */
export interface AllowedFact {
  readonly allowed: true;
}
/** The taint that the decision declares stands in the task, and in those above it. */
export interface TaintedFact {
  readonly tainted: true;
}
export interface ObeyedFact {
  /** `unhandled`: findings that no obligation spoke of. */
  readonly obeyed: { readonly changed: boolean; readonly unhandled: readonly Finding[] };
}
/** An answer that was kept, on its way to another call. */
export interface CachedAnswer {
  /** The call that got it from its target. */
  readonly callId: CallId;
  readonly answer: UpstreamAnswer;
  /** What stands in place of an attempt: it was answered, and nothing was sent. */
  readonly attempt: Attempt;
  readonly ageMs: number;
  /** What it has cost that call. */
  readonly costMicroUsd: number;
  /** That call is this very one, made before: it is repeated, under one key. */
  readonly repeated?: boolean;
}
/** Takes an answer down while it passes, and keeps it once its call has ended well. */
export interface AnswerKeeping {
  readonly recorded: (answer: UpstreamAnswer) => UpstreamAnswer;
  readonly settled: (outcome: Outcome) => Promise<void>;
}
/** Why no answer is looked up or kept for a call whose policy would allow it. */
export type UncachedReason = 'not_deterministic' | 'bypassed' | 'disabled' | 'secret_missing' | 'region' | 'fault';
export interface CacheFact {
  readonly cache:
    | { readonly state: 'not_granted' }
    | { readonly state: 'unused'; readonly why: UncachedReason }
    | { readonly state: 'miss'; readonly keeping: AnswerKeeping }
    | { readonly state: 'hit'; readonly kept: CachedAnswer };
}
export interface ReservationFact {
  readonly reservation: {
    readonly id: ReservationId;
    readonly tokens: number;
    readonly costMicroUsd: number;
    /** Of the tokens, what all answers together may have. */
    readonly answerTokens: number;
    /** Where some budget counts seconds: how many it may run, and since when, on the monotonic clock. */
    readonly time?: { readonly seconds: number; readonly fromMs: number };
    /** It is the last turn of its task, which may go beyond the task's own limit. */
    readonly wrapUp?: true;
    /** A budget, and not the policy, made its answer shorter than was asked for. */
    readonly lowered?: true;
  };
}
/** The limits by time have let it pass. */
export interface RatesFact {
  readonly rates: {
    readonly held: readonly RateHold[];
    readonly states: readonly RateState[];
    /** How long it waited for its turn; not the gate's overhead. */
    readonly waitedMs: number;
  };
}
export interface TargetsFact {
  /** Ranked; the first is tried first. Never empty. */
  readonly targets: readonly Target[];
}
/** The breakers have let the targets pass: those that stand are closed, and the task may call the route. */
export interface ClosedFact {
  readonly closed: true;
}
export interface IntentFact {
  readonly intent: { readonly eventId: EventId };
}

/** A call that may be sent. */
export type Admitted = Arrival &
  CallerFact &
  TaskFact &
  OperationFact &
  ReachFact &
  EntryFact &
  FindingsFact &
  DecisionFact &
  AllowedFact &
  TaintedFact &
  ObeyedFact &
  CacheFact &
  ReservationFact &
  TargetsFact &
  ClosedFact &
  RatesFact &
  IntentFact;

/** A call as far as it came: what settlement and denials work on. */
export type Underway = Arrival &
  Partial<Omit<Admitted, keyof Arrival>> &
  Partial<ProposedFact & RecalledFact & IdempotencyFact>;

// ── Exchange and outcome ────────────────────────────────────────────────────────────────────────────────────────
/** How a call ended; made once, at settlement. */
export interface Outcome {
  /** Set if the gate refused, before or after sending. */
  readonly denial: Denial | null;
  /** What the agent got; 499 if it had gone. */
  readonly status: number;
  readonly target: Target | null;
  /** Of a result that was too long for its agent at once: how many pages it has, of which the agent got the first. */
  readonly pages?: number;
  readonly attempts: readonly Attempt[];
  readonly usage: Usage | null;
  readonly costMicroUsd: number;
  readonly proposals: readonly ProposedCall[];
  readonly text: string;
  /** Ids that stand for what lies at the provider, as it gave them in this answer. Absent for none. */
  readonly givenIds?: readonly string[];
  /** The whole answer as the agent got it, where a later request may name it. */
  readonly told?: Told | undefined;
  /** The thought that this answer of a model is, in task and audit trail alike; null for other calls. */
  readonly thoughtId: ThoughtId | null;
  readonly answerFindings: readonly Finding[];
  /** What the policy said of the answer; null where it was not asked. */
  readonly answerDecision: Decision | null;
  readonly latencyMs: number;
  /** What the gate itself added, without the time the target took. */
  readonly overheadMs: number;
}
