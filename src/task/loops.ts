/**
 * Whether a task runs in circles: equal calls, one prompt again and again, two or three calls in turn, and refusals
 * without end; pure functions on the record. What a reader would get wrong: a read may be made again after a while, as
 * whoever waits for something does, so equal reads count within a window only; a model call or a write counts as long
 * as it is remembered.
 */
import type { Effect, HistoryEntry, Run, TaskRecord } from '../call.ts';
import { type Denial, type DenialCode, deny } from '../denial.ts';

/** What a task may do over and over, as the configuration in force says. */
export interface LoopLimits {
  /** Equal calls; the next is denied. */
  readonly repeats: number;
  /** How long an equal read counts. */
  readonly windowMs: number;
  /** Model calls with one prompt, whatever else differs. */
  readonly samePrompt: number;
  /** Rounds of the same two or three calls in turn. */
  readonly pingPong: number;
  /** Refused calls that no answered one has made up for. */
  readonly denials: number;
  /** How long after the last refusal or failure it may be tried again. */
  readonly coolDownMs: number;
}

/** The call that is to enter the history. */
export interface LoopingCall {
  readonly operation: string;
  readonly effect: Effect;
  /** As in `HistoryEntry`. */
  readonly digest: string;
  readonly prompt?: string;
}

/** Refusals that the same agent would get again: they count towards a storm. What waiting helps against does not. */
const stormCodes: ReadonlySet<DenialCode> = new Set([
  'request_invalid',
  'task_budget_exhausted',
  'budget_exhausted',
  'insufficient_scope',
  'policy_denied',
  'approval_required',
  'approval_denied',
  'approval_expired',
  'task_looping',
  'residency_violation',
  'pii_blocked',
  'secret_blocked',
  'tool_drifted',
  'operation_unknown',
  'route_unknown',
  'method_not_allowed',
  'outcome_unknown',
  'precondition_failed',
  'too_large',
  'media_type_unsupported',
  'args_invalid',
]);

const stormReason = 'denial_storm';
const cycleLengths = [2, 3] as const;

/** Whether a denial counts as one of a storm; the one that stops the storm does not, or it would never end. */
export function countsAsDenied(denial: Denial | null): denial is Denial {
  if (denial === null || denial.retryable || !stormCodes.has(denial.code)) return false;
  return !denial.reasons.some(({ code }) => code === stormReason);
}

/** One more of a run. */
export function withOneMore(run: Run | undefined, atMs: number): Run {
  return { count: (run?.count ?? 0) + 1, sinceMs: run?.sinceMs ?? atMs, lastAtMs: atMs };
}

/**
 * One less: an answered call makes up for one refusal, not for all of them, or one good call in ten would let a storm go
 * on for ever. Undefined once nothing is left.
 */
export function withOneLess(run: Run | undefined): Run | undefined {
  return run === undefined || run.count <= 1 ? undefined : { ...run, count: run.count - 1 };
}

/** How long a run of `limit` or more still rests; 0 where it may be tried. A clock set back makes it no longer. */
export function restMs(run: Run | undefined, limit: number, coolDownMs: number, nowMs: number): number {
  if (run === undefined || run.count < limit) return 0;
  return Math.max(0, Math.min(coolDownMs, run.lastAtMs + coolDownMs - nowMs));
}

/** The denial of a call that would go on in a circle, or undefined: `task_looping`, which leaves the task alive. */
export function denyLooping(
  record: TaskRecord,
  call: LoopingCall,
  limits: LoopLimits,
  nowMs: number,
): Denial | undefined {
  const waitMs = restMs(record.denials, limits.denials, limits.coolDownMs, nowMs);
  if (record.denials !== undefined && waitMs > 0) return denyStorm(record.denials, 'This task', waitMs);
  return (
    denyEqual(record, call, limits, nowMs) ?? denyPrompt(record, call, limits) ?? denyCycle(record, call, limits, nowMs)
  );
}

/** `whose` begins a sentence: "This task", "The tasks of this agent". */
export function denyStorm({ count, sinceMs }: Run, whose: string, waitMs: number): Denial {
  const message =
    `${whose} had ${count} calls refused since ${timeOf(sinceMs)} that no answered call made up for. Nothing is called ` +
    `for ${secondsOf(waitMs)} s: read what the refusals say, and do something else or give up.`;
  return looping(message, stormReason, `${count} refused calls`, waitMs);
}

function denyEqual(
  record: TaskRecord,
  { operation, effect, digest }: LoopingCall,
  { repeats, windowMs }: LoopLimits,
  nowMs: number,
): Denial | undefined {
  const equal = record.history.filter((entry) => {
    return entry.digest === digest && didSomething(entry) && !isForgotten(entry, windowMs, nowMs);
  });
  const first = equal.at(-repeats);
  if (first === undefined || equal.length < repeats) return undefined;
  const waitMs = effect === 'read' ? untilForgotten(first, windowMs, nowMs) : undefined;
  const later = waitMs === undefined ? '' : ` Or ask again in ${secondsOf(waitMs)} s.`;
  const message =
    `This task has made the same call to ${operation} ${equal.length} times since ${sinceOf(equal)}. Its answer will ` +
    `not change; do something else.${later}`;
  return looping(message, 'equal_calls', `${equal.length} equal calls of ${operation}`, waitMs);
}

function denyPrompt(record: TaskRecord, { prompt }: LoopingCall, { samePrompt }: LoopLimits): Denial | undefined {
  if (prompt === undefined) return undefined;
  const equal = record.history.filter((entry) => entry.prompt === prompt && didSomething(entry));
  if (equal.length < samePrompt) return undefined;
  const message =
    `This task has asked models the same prompt ${equal.length} times since ${sinceOf(equal)}, whatever the settings ` +
    'were. Work with the answers that it has, or ask something else.';
  return looping(message, 'same_prompt', `${equal.length} model calls with one prompt`);
}

/** The history ends in a round that was made over and over, and the call is of it: whichever comes next. */
function denyCycle(
  record: TaskRecord,
  { digest }: LoopingCall,
  { pingPong, windowMs }: LoopLimits,
  nowMs: number,
): Denial | undefined {
  const latest = latestFirst(record.history, pingPong * Math.max(...cycleLengths), windowMs, nowMs);
  for (const length of cycleLengths) {
    const round = latest.slice(0, length).map((entry) => entry.digest);
    const made = latest.slice(0, length * pingPong);
    // One call again and again is no round; `repeats` is for that.
    if (made.length < length * pingPong || new Set(round).size === 1 || !round.includes(digest)) continue;
    if (!made.every((entry, place) => entry.digest === round[place % length])) continue;
    const oldest = made.at(-1) as HistoryEntry;
    const oldestRead = made.findLast(({ effect }) => effect === 'read');
    const waitMs = oldestRead === undefined ? undefined : untilForgotten(oldestRead, windowMs, nowMs);
    const names = made
      .slice(0, length)
      .map(({ operation }) => operation)
      .toReversed()
      .join(', ');
    const message =
      `This task has made the same ${length} calls in turn (${names}) ${pingPong} times since ${timeOf(oldest.atMs)}. ` +
      'Nothing will come of another round; do something else.';
    return looping(message, 'ping_pong', `${pingPong} rounds of ${length} calls`, waitMs);
  }
  return undefined;
}

/** The last `most` calls that did something, the newest first, back to the first read that is forgotten. */
function latestFirst(history: readonly HistoryEntry[], most: number, windowMs: number, nowMs: number): HistoryEntry[] {
  const latest: HistoryEntry[] = [];
  for (let place = history.length - 1; place >= 0 && latest.length < most; place--) {
    const entry = history[place] as HistoryEntry;
    if (!didSomething(entry)) continue;
    if (isForgotten(entry, windowMs, nowMs)) break;
    latest.push(entry);
  }
  return latest;
}

/** What was refused did nothing, and what was told to come later (429) is meant to come again. */
function didSomething({ state, status }: HistoryEntry): boolean {
  return state !== 'denied' && status !== 429;
}

function isForgotten({ effect, atMs }: HistoryEntry, windowMs: number, nowMs: number): boolean {
  return effect === 'read' && atMs + windowMs <= nowMs;
}

/** A clock that was set back makes it no longer than the window. */
function untilForgotten({ atMs }: HistoryEntry, windowMs: number, nowMs: number): number {
  return Math.min(windowMs, Math.max(1, atMs + windowMs - nowMs));
}

/** A denial for running in circles. `waitMs` where a window ends it. */
export function looping(message: string, code: string, what: string, waitMs?: number): Denial {
  const reasons = [{ code, message: what }];
  return deny('task_looping', message, { reasons, ...(waitMs === undefined ? {} : { retryAfterMs: waitMs }) });
}

function sinceOf(entries: readonly HistoryEntry[]): string {
  return timeOf((entries[0] as HistoryEntry).atMs);
}

/** UTC, to the second. */
export function timeOf(atMs: number): string {
  return `${new Date(atMs).toISOString().slice(0, 19)}Z`;
}

export function secondsOf(ms: number): number {
  return Math.ceil(ms / 1000);
}
