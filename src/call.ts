/**
 * What travels: a Call and the facts that stages add to it, one named property a fact. Rooms do not import each
 * other; what they share is a type of this page or of `payload.ts`. Everything here is read-only for whoever did not
 * make it. Units end the name: `Ms`, `Bytes`, `MicroUsd`. Money and tokens are integers.
 */
import type { CallId, DecisionId, EventId, ReservationId, TaskId, ThoughtId } from './clock.ts';
import type { Denial, DenialCode, Reason } from './denial.ts';
import type {
  Attempt,
  CallKind,
  Effect,
  JsonObject,
  ProposedCall,
  Resolved,
  Target,
  Usage,
  WireRequest,
} from './payload.ts';
import type { Agent, Caller, Shown, Subject } from './principal.ts';

export type * from './payload.ts';
export type * from './principal.ts';

// ── Tasks ───────────────────────────────────────────────────────────────────────────────────────────────────────
/** What a budget counts. `seconds` is the wall time a task has lived; it is spent by waiting, never reserved. */
export interface Spending {
  readonly tokens: number;
  readonly costMicroUsd: number;
  readonly calls: number;
  readonly seconds: number;
}

export type TaskState = 'active' | 'paused' | 'completed' | 'killed' | 'expired';

/** A call as the task remembers it. `facts` are the argument values that its operation says to remember. */
export interface HistoryEntry {
  readonly callId: CallId;
  readonly kind: CallKind;
  readonly operation: string;
  readonly effect: Effect;
  readonly state: 'pending' | 'done' | 'failed' | 'denied';
  readonly code?: string;
  readonly status?: number;
  readonly atMs: number;
  readonly costMicroUsd: number;
  readonly target: string | null;
  readonly facts: JsonObject;
  /** Keyed digest of operation and canonical arguments; equal calls of a task have equal digests. */
  readonly digest: string;
}

/** Totals of one operation over the whole task; `calls` and `sums` leave out denied calls, and count pending ones. */
export interface OperationCount {
  readonly calls: number;
  readonly denied: number;
  readonly failed: number;
  readonly costMicroUsd: number;
  readonly sums: Readonly<Record<string, number>>;
}

/** A tool call that a model proposed. `digest` is keyed like a history entry's, over the proposed arguments. */
export interface Proposal {
  readonly id: string;
  readonly name: string;
  readonly digest: string;
  readonly usedBy?: CallId;
}

/** What a model said: `observed` in an answer that passed the gate, `reported` if only the agent says so. */
export interface Thought {
  readonly id: ThoughtId;
  readonly callId: CallId | null;
  readonly source: 'observed' | 'reported';
  readonly atMs: number;
  readonly proposals: readonly Proposal[];
  /** The span of the model call it was said in, `{trace id}-{span id}`. */
  readonly span?: string;
}

export interface ThoughtMatch {
  readonly id: ThoughtId;
  readonly source: 'observed' | 'reported';
  readonly match: 'exact' | 'changed' | 'name' | 'none';
  /** The model's id of the proposed tool call. */
  readonly toolCallId: string | null;
  /** As in `Thought`. */
  readonly span?: string;
}

/** Calls to one destination that failed without a success between them. */
export interface FailureRun {
  readonly count: number;
  readonly lastAtMs: number;
}

/** A task that another is part of, with the budget that both draw on. */
export interface Ancestor {
  readonly id: TaskId;
  readonly agent: string;
  /** The name of the agent's issuer: equal ids of two issuers are two agents. */
  readonly issuer: string;
  readonly purpose: string;
  readonly budget: Spending;
}

/** One step of the route that a task keeps to: a call goes if some step of its plan lets it. */
export interface PlanStep {
  /** An operation, or `{route}.*`. */
  readonly operation: string;
  /** How many calls of `operation` the task may make, whatever their arguments; absent for any number. */
  readonly atMost?: number;
  /** Operations or `{route}.*`, of each of which one call must have been answered well before. */
  readonly after?: readonly string[];
  /** What arguments must be, by JSON pointer or dotted path. */
  readonly where?: Readonly<Record<string, string | number | boolean>>;
}

/** One task as the store holds it. Written only by compare-and-set on its version. */
export interface TaskRecord {
  readonly id: TaskId;
  readonly tenant: string;
  readonly agent: Agent;
  readonly subject: Subject | null;
  readonly purpose: string;
  /** Operations or `{route}.*`; null where every operation of the table may be asked for. */
  readonly tools: readonly string[] | null;
  readonly labels: JsonObject;
  /** The route it keeps to; absent where it has none, and a plan without steps lets nothing through. */
  readonly plan?: readonly PlanStep[];
  /** The tasks this one is part of: its parent first, the root last. Empty for a task that nobody else's asked for. */
  readonly ancestors: readonly Ancestor[];
  readonly state: TaskState;
  readonly createdAtMs: number;
  readonly expiresAtMs: number;
  readonly budget: Spending;
  readonly taint: readonly string[];
  /** Its first token belonged to a key: so does every other. Left out where any bearer may have them. */
  readonly bound?: true;
  /** Base64url secret of this task: keys its digests, so that a stored digest of a card number cannot be guessed. */
  readonly digestKey: string;
  readonly history: readonly HistoryEntry[];
  readonly counts: Readonly<Record<string, OperationCount>>;
  readonly thoughts: readonly Thought[];
  readonly failuresInARow: number;
  readonly failuresByRoute: Readonly<Record<string, FailureRun>>;
  /** Tokens of this task that are good no more, though they have not expired. */
  readonly revokedTokens?: readonly { readonly id: string; readonly expiresAtMs: number }[];
  /** Calls that were pending when they fell off the history: their outcomes still go into the totals, once. */
  readonly pendingBeyond?: readonly CallId[];
}

/** The task as this call found it, its own entry left out of history and counts. */
export interface TaskView {
  readonly record: TaskRecord;
  readonly spent: Spending;
  readonly reserved: Spending;
  readonly remaining: Spending;
}

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
  readonly max_tokens?: { readonly value: number; readonly on_excess: 'lower' | 'deny' };
  readonly taint?: readonly string[];
  readonly mark?: JsonObject;
}

export interface Decision {
  readonly id: DecisionId;
  readonly allow: boolean;
  readonly reasons: readonly Reason[];
  readonly obligations: Obligations;
  readonly bundle: string;
  readonly revision: string;
  /** What the policy saw; recorded (redacted) apart from the event, so that the decision can be replayed. */
  readonly input: JsonObject;
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
  /** How long the agent will wait, in milliseconds from arrival; null where it does not say. */
  readonly deadlineMs: number | null;
  readonly request: WireRequest;
  /** The one AbortController of the call: client gone, deadline, kill. */
  readonly abort: AbortController;
  readonly watch?: Watch;
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
export interface ProposedFact {
  /** JCS text of the whole payload as the agent sent it, kept before obligations and budgets may change it. */
  readonly proposed: { readonly canonical: string };
}
export interface EntryFact {
  readonly entry: {
    readonly thought: ThoughtMatch | null;
    /** Earlier equal calls of this task. */
    readonly repeats: number;
    /** The task as it was when this call entered its history. */
    readonly task: TaskView;
    readonly facts: JsonObject;
  };
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
export interface ReservationFact {
  readonly reservation: { readonly id: ReservationId; readonly tokens: number; readonly costMicroUsd: number };
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
  ReservationFact &
  TargetsFact &
  ClosedFact &
  IntentFact;

/** A call as far as it came: what settlement and denials work on. */
export type Underway = Arrival & Partial<Omit<Admitted, keyof Arrival>> & Partial<ProposedFact>;

// ── Exchange and outcome ────────────────────────────────────────────────────────────────────────────────────────
/** How a call ended; made once, at settlement. */
export interface Outcome {
  /** Set if the gate refused, before or after sending. */
  readonly denial: Denial | null;
  /** What the agent got; 499 if it had gone. */
  readonly status: number;
  readonly target: Target | null;
  readonly attempts: readonly Attempt[];
  readonly usage: Usage | null;
  readonly costMicroUsd: number;
  readonly proposals: readonly ProposedCall[];
  readonly text: string;
  /** The thought that this answer of a model is, in task and audit trail alike; null for other calls. */
  readonly thoughtId: ThoughtId | null;
  readonly answerFindings: readonly Finding[];
  /** What the policy said of the answer; null where it was not asked. */
  readonly answerDecision: Decision | null;
  readonly latencyMs: number;
  /** What the gate itself added, without the time the target took. */
  readonly overheadMs: number;
}
