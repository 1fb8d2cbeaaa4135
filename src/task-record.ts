/**
 * What a task is: the record that the store holds, its history and its thoughts, and what a call finds of them. Everything
 * here is read-only for whoever did not make it; a record is written by compare-and-set only.
 */
import type { CallId, TaskId, ThoughtId } from './clock.ts';
import type { CallKind, Effect, JsonObject } from './payload.ts';
import type { Agent, Subject } from './principal.ts';

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
  /** The same of a model call's prompt alone, whichever model is asked and however; absent for other calls. */
  readonly prompt?: string;
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
  /** The destination asked to be left alone until then (429 with `retry-after`); who waits has not failed. */
  readonly waitUntilMs?: number;
}

/** Things of one kind that happened without what would have ended them, such as refused calls. */
export interface Run {
  readonly count: number;
  readonly sinceMs: number;
  readonly lastAtMs: number;
}

/** What the tasks of one agent together did, as far as it counts against all of them. Absent members are none. */
export interface AgentRuns {
  readonly denials?: Run;
  /** Failed calls in a row, by route. */
  readonly failures: Readonly<Record<string, Run>>;
}

/** An id that a provider gave in an answer to a task: a keyed digest of it, and the target that it is good for. */
export interface GivenId {
  readonly digest: string;
  /** `{route}/{target}`. */
  readonly target: string;
  /** What the provider counted for the answer that gave it; absent where it did not. */
  readonly tokens?: { readonly input: number; readonly output: number };
}

/** A task that another is part of, with the budget that both draw on. */
export interface Ancestor {
  readonly id: TaskId;
  readonly agent: string;
  /** The name of the agent's issuer: equal ids of two issuers are two agents. */
  readonly issuer: string;
  readonly purpose: string;
  /** As it was when this task last looked: an operator may have raised it since. */
  readonly budget: Spending;
  /** The same of its end: its counters live at least as long. Absent in records of before it was kept. */
  readonly expiresAtMs?: number;
}

/** What becomes of a task whose budget is spent. */
export type OnSpent = 'kill' | 'pause';

/** The budget of a task is spent: nothing that is worth a call is left of it. */
export interface Spent {
  readonly atMs: number;
  /** What ran out: `tokens`, `costMicroUsd`, `calls` or `seconds`; `wrap_up` after its last turn. */
  readonly dimension: string;
  /** As denials show it. */
  readonly remaining: Readonly<Record<string, number>>;
}

/** The one last turn that the policy of a task grants it. */
export interface WrapUp {
  /** The longest answer it may have. */
  readonly tokens: number;
  /** `granted`: it will come; `open`: the next model call that the budget does not cover is it; `done`: it was made. */
  readonly state: 'granted' | 'open' | 'done';
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
  /** Digest of the policies it was opened under: it goes on with them. Absent where its gate did not say. */
  readonly policy?: string;
  /** The tasks this one is part of: its parent first, the root last. Empty for a task that nobody else's asked for. */
  readonly ancestors: readonly Ancestor[];
  readonly state: TaskState;
  readonly createdAtMs: number;
  readonly expiresAtMs: number;
  readonly budget: Spending;
  /** What its policy says is to become of it once that is spent; absent where the config has the word. */
  readonly onSpent?: OnSpent;
  /** With it a task that was killed was killed for its budget, and an active one has its last turn before it. */
  readonly spent?: Spent;
  readonly wrapUp?: WrapUp;
  readonly taint: readonly string[];
  /** Where decisions on its calls have kept its data: a place fits one pattern of each list. Absent where none has. */
  readonly regions?: readonly (readonly string[])[];
  /** Its first token belonged to a key: so does every other. Left out where any bearer may have them. */
  readonly bound?: true;
  /** Base64url secret of this task: keys its digests, so that a stored digest of a card number cannot be guessed. */
  readonly digestKey: string;
  readonly history: readonly HistoryEntry[];
  readonly counts: Readonly<Record<string, OperationCount>>;
  readonly thoughts: readonly Thought[];
  readonly failuresInARow: number;
  readonly failuresByRoute: Readonly<Record<string, FailureRun>>;
  /** Refused calls that no answered call has made up for. Absent where there are none. */
  readonly denials?: Run;
  /** Tokens of this task that are good no more, though they have not expired. */
  readonly revokedTokens?: readonly { readonly id: string; readonly expiresAtMs: number }[];
  /** Calls that were pending when they fell off the history: their outcomes still go into the totals, once. */
  readonly pendingBeyond?: readonly CallId[];
  /** The last ids that providers gave it, the newest at the end. Absent where there are none; parts do not have them. */
  readonly givenIds?: readonly GivenId[];
}

/** The task as this call found it, its own entry left out of history and counts. */
export interface TaskView {
  readonly record: TaskRecord;
  readonly spent: Spending;
  readonly reserved: Spending;
  readonly remaining: Spending;
  /** Where the tasks of its agent stand together; told to admission alone. */
  readonly agentRuns?: AgentRuns;
}
