/**
 * What a task remembers of its calls, as pure functions on the record. A call enters as `pending` and becomes its
 * outcome at settlement; totals count pending calls, so that fifty parallel refunds see each other. An outcome counts
 * once, however often it is told: only what is known to be pending can end.
 */
import type {
  FailureRun,
  HistoryEntry,
  Json,
  JsonObject,
  Operation,
  OperationCount,
  Outcome,
  TaskRecord,
} from '../call.ts';
import type { CallId } from '../clock.ts';
import { endState, hadNoEffect } from '../outcome.ts';
import { valueAt } from '../wire/paths.ts';
import { digestOf } from './digest.ts';
import { countsAsDenied, withOneLess, withOneMore } from './loops.ts';

const noCount: OperationCount = { calls: 0, denied: 0, failed: 0, costMicroUsd: 0, sums: {} };

/** A longer text is remembered as its digest, or a few hundred calls would make a record of hundreds of megabytes. */
const factCharsMax = 256;

/** A target that asks for less than that to be left alone does not say that it wants to be asked again. */
const askedToWaitMs = 1_000;

/** Pending calls that fell off the history and are still waited for, at most; of others the totals keep what they had. */
const pendingBeyondMax = 1_000;

/**
 * The values of the arguments that the operation says to remember; only strings, numbers and booleans are facts. A
 * string of more than 256 characters is `digest:` and its keyed digest: equal texts of a task are still equal facts.
 */
export function factsOf(operation: Operation, args: JsonObject, digestKey: string): JsonObject {
  const facts: Record<string, Json> = {};
  for (const path of operation.remember) {
    const value = valueAt(args, path);
    if (typeof value === 'string' && value.length > factCharsMax) facts[path] = `digest:${digestOf(digestKey, value)}`;
    else if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') facts[path] = value;
  }
  return facts;
}

/** Earlier equal calls in the remembered history. Denied ones do not count: they did nothing. */
export function repeatsOf(record: TaskRecord, digest: string): number {
  let repeats = 0;
  for (const entry of record.history) if (entry.digest === digest && entry.state !== 'denied') repeats++;
  return repeats;
}

function addSums(sums: OperationCount['sums'], facts: JsonObject, sign: 1 | -1): OperationCount['sums'] {
  const next: Record<string, number> = { ...sums };
  for (const [path, value] of Object.entries(facts)) {
    if (typeof value === 'number') next[path] = (next[path] ?? 0) + sign * value;
  }
  return next;
}

/** The record with one more call, pending. The oldest entries fall off; the totals keep them. */
export function enterHistory(record: TaskRecord, entry: HistoryEntry, historyMax: number): TaskRecord {
  const count = record.counts[entry.operation] ?? noCount;
  const history = [...record.history, entry];
  const pending = history.slice(0, -historyMax).filter(({ state }) => state === 'pending');
  const beyond = [...(record.pendingBeyond ?? []), ...pending.map(({ callId }) => callId)].slice(-pendingBeyondMax);
  return {
    ...record,
    ...(pending.length === 0 ? {} : { pendingBeyond: beyond }),
    history: history.slice(-historyMax),
    counts: {
      ...record.counts,
      [entry.operation]: { ...count, calls: count.calls + 1, sums: addSums(count.sums, entry.facts, 1) },
    },
  };
}

/** The record as it was without a call that is made again as itself: not twice in the history, nor in the sums. */
export function withoutCall(record: TaskRecord, callId: CallId): TaskRecord {
  const entry = record.history.find((one) => one.callId === callId && one.state !== 'denied');
  const count = entry === undefined ? undefined : record.counts[entry.operation];
  if (entry === undefined || count === undefined) return record;
  const noEffect = entry.status !== undefined && entry.status >= 400 && entry.status < 500;
  return {
    ...record,
    history: record.history.filter((one) => one !== entry),
    counts: {
      ...record.counts,
      [entry.operation]: {
        ...count,
        calls: count.calls - 1,
        sums: noEffect ? count.sums : addSums(count.sums, entry.facts, -1),
      },
    },
  };
}

export interface Ending {
  readonly callId: CallId;
  /** It was made before, and counts as that one call. */
  readonly repeats?: true;
  readonly operation: string;
  readonly route: string;
  readonly facts: JsonObject;
  readonly outcome: Ended;
  readonly atMs: number;
}

/** What of an outcome the task keeps. */
export type Ended = Pick<Outcome, 'denial' | 'attempts' | 'costMicroUsd' | 'target'>;

function failuresAfter(
  record: TaskRecord,
  ending: Ending,
  state: 'done' | 'failed',
): Pick<TaskRecord, 'failuresInARow' | 'failuresByRoute'> {
  const { [ending.route]: run, ...others } = record.failuresByRoute;
  if (state === 'done') return { failuresInARow: 0, failuresByRoute: others };
  const next = failureAfter(record, run, ending);
  return { failuresInARow: record.failuresInARow + 1, failuresByRoute: { ...others, [ending.route]: next } };
}

/** How long the destination asked to be left alone; undefined where it did not. */
export function askedToWait({ attempts }: Pick<Ended, 'attempts'>): number | undefined {
  const last = attempts.at(-1);
  const waitMs = last?.status === 429 ? last.retryAfterMs : undefined;
  return waitMs === undefined || waitMs < askedToWaitMs ? undefined : waitMs;
}

/** An agent that comes again when it was told to, and is put off again, has not failed; one that comes early has. */
function failureAfter(record: TaskRecord, run: FailureRun | undefined, { callId, outcome, atMs }: Ending): FailureRun {
  const waitMs = askedToWait(outcome);
  const failed = { count: (run?.count ?? 0) + 1, lastAtMs: atMs };
  if (waitMs === undefined) return failed;
  const madeAtMs = record.history.find((entry) => entry.callId === callId)?.atMs ?? atMs;
  const early = run?.waitUntilMs !== undefined && madeAtMs < run.waitUntilMs;
  const stood = { count: run?.count ?? 0, lastAtMs: run?.lastAtMs ?? atMs };
  return { ...(early ? failed : stood), waitUntilMs: atMs + waitMs };
}

/** Refusals that no answered call has made up for; what the destination failed at is neither. */
function denialsAfter(record: TaskRecord, { outcome, atMs }: Ending, state: HistoryEntry['state']) {
  if (countsAsDenied(outcome.denial)) return withOneMore(record.denials, atMs);
  return state === 'done' && outcome.denial === null ? withOneLess(record.denials) : record.denials;
}

/** The record with one more refusal of a call that never entered its history. */
export function withDenial(record: TaskRecord, atMs: number): TaskRecord {
  return { ...record, denials: withOneMore(record.denials, atMs) };
}

/**
 * The record with a pending call turned into its outcome; the very same record if the call is not pending. A call that certainly had no effect (denied, never sent,
 * or refused by the destination with a 4xx) gives back what it added to the sums; one that may have had any keeps it.
 */
export function endHistory(record: TaskRecord, ending: Ending): TaskRecord {
  const { outcome } = ending;
  const isPending = record.history.some(({ callId, state }) => callId === ending.callId && state === 'pending');
  const isBeyond = record.pendingBeyond?.includes(ending.callId) ?? false;
  if (!isPending && !isBeyond) return record;
  const state = endState(outcome);
  const status = outcome.attempts.at(-1)?.status ?? null;
  const noEffect = hadNoEffect(outcome.attempts);
  const count = record.counts[ending.operation] ?? noCount;
  const history = record.history.map((entry): HistoryEntry => {
    if (entry.callId !== ending.callId) return entry;
    return {
      ...entry,
      state,
      ...(outcome.denial === null ? {} : { code: outcome.denial.code }),
      ...(status === null ? {} : { status }),
      costMicroUsd: outcome.costMicroUsd,
      target: outcome.target?.name ?? null,
    };
  });
  const { denials: _before, ...rest } = record;
  const denials = denialsAfter(record, ending, state);
  return {
    ...rest,
    ...(denials === undefined ? {} : { denials }),
    ...(state === 'denied' ? {} : failuresAfter(record, ending, state)),
    ...(isBeyond ? { pendingBeyond: (record.pendingBeyond ?? []).filter((callId) => callId !== ending.callId) } : {}),
    history,
    counts: {
      ...record.counts,
      [ending.operation]: {
        calls: count.calls - (state === 'denied' || ending.repeats === true ? 1 : 0),
        denied: count.denied + (state === 'denied' ? 1 : 0),
        failed: count.failed + (state === 'failed' ? 1 : 0),
        costMicroUsd: count.costMicroUsd + outcome.costMicroUsd,
        sums: noEffect ? addSums(count.sums, ending.facts, -1) : count.sums,
      },
    },
  };
}
