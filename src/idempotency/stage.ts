/**
 * Takes the key of a call before the call enters its task, so that of equal calls one is made and the others know which.
 * What a reader would get wrong: the repeat of a call that was made goes on up the ladder like any other, and gets the
 * first answer only if identity, task, inspection and policy let it; it is judged as if the first had not been made, for
 * it is that one.
 */
import type {
  AnswerKeeping,
  Arrival,
  CachedAnswer,
  CallerFact,
  IdempotencyFact,
  Operation,
  OperationFact,
  Outcome,
  ProposedFact,
  Target,
  TaskFact,
} from '../call.ts';
import type { Clock } from '../clock.ts';
import { type Denial, isDenial } from '../denial.ts';
import { hadNoEffect } from '../outcome.ts';
import type { Stage } from '../stage.ts';
import { StoreUnavailable, storeKey } from '../store/store.ts';
import { isInterimAnswer } from '../wire/interim.ts';
import { parseAnswerJson } from '../wire/json.ts';
import { Recording } from '../wire/recording.ts';
import { callKeyOf, fingerprintOf } from './call-key.ts';
import type { HeldBytes } from './held-bytes.ts';
import { documentOf, type Ended, type FirstAnswer, type Mark, readFirstAnswer } from './mark.ts';
import type { Marks } from './marks.ts';
import { denyMade, denyOther, denyRunning, denyUnknown } from './refusals.ts';
import type { IdempotencyConfig } from './section.ts';

/** A store forgets a mark no sooner than that after its call may have ended. */
const graceMs = 60_000;
/** A read that a service refused so has done nothing, and so has a write. */
const didNothing = 503;

export interface IdempotencyParts {
  readonly marks: Pick<Marks, 'take' | 'end' | 'later'>;
  /** What answers are sealed with; null where no secret is there that every gateway of the store has. */
  readonly seal: {
    close(label: string, value: ReturnType<typeof documentOf>): string;
    open(label: string, sealed: string): ReturnType<typeof documentOf> | undefined;
  } | null;
  readonly held: Pick<HeldBytes, 'take'>;
  readonly config: IdempotencyConfig;
  readonly clock: Clock;
  /** This life of this gateway. */
  readonly holder: string;
  /** Whether a life of a gateway still goes on. Rejects with `StoreUnavailable`. */
  readonly isAlive: (holder: string) => Promise<boolean>;
  /** Longer than any call may run, in milliseconds. */
  readonly callMsMax: number;
  readonly targetsOf: (route: string) => readonly Target[];
  /** The reads of a route that the task may call. */
  readonly readsOf: (call: TaskFact & CallerFact, route: string) => readonly string[];
}

type Needs = Arrival & CallerFact & TaskFact & OperationFact & ProposedFact;

/** Where a call leaves its mark, and what it writes there. */
interface Place {
  readonly key: string;
  readonly mark: Mark;
}

/**
 * The rung that adds what a call is among its equals. Denies 409 `task_conflict` while the first runs, or was made and its
 * answer is not kept; 409 `outcome_unknown`; 422 `args_invalid` for another call under the same key.
 */
export function idempotencyStage(parts: IdempotencyParts): Stage<Needs, IdempotencyFact> {
  return {
    name: 'idempotency',
    fault: 'store_unavailable',
    gives: { idempotency: isFact },
    admit: async (call) => {
      const place = placeOf(parts, call);
      if (place === null) return { idempotency: { state: 'unnamed' } };
      const standing = await taken(parts, call, place);
      if (standing === 'unmarked') return { idempotency: { state: 'unnamed' } };
      if (standing === undefined) return { idempotency: { state: 'first', keeping: keepingOf(parts, call, place) } };
      if (standing.fingerprint !== place.mark.fingerprint) return denyOther(standing);
      const kept = await answerOf(parts, call, place.key, standing);
      return isDenial(kept) ? kept : { idempotency: { state: 'repeat', kept } };
    },
    late: async (call, { idempotency }) => {
      const place = placeOf(parts, call);
      if (place === null || idempotency.state !== 'first') return;
      await parts.marks.end(place.key, call.id, { state: 'free' }, ttlMsOf(parts));
    },
  };
}

function isFact(value: unknown): boolean {
  const fact = value as Partial<{ state: string; kept: CachedAnswer; keeping: AnswerKeeping }> | null;
  if (fact?.state === 'repeat') return Number.isInteger(fact.kept?.answer.head.status);
  return fact?.state === 'unnamed' || (fact?.state === 'first' && fact.keeping !== undefined);
}

/** What has no effect may be made again whatever became of the first: models only answer. */
function isHarmless({ kind, effect }: Operation): boolean {
  return kind === 'model' || effect === 'read';
}

function placeOf({ config, holder }: IdempotencyParts, call: Needs): Place | null {
  const { record } = call.task;
  const { operation } = call.resolved;
  const named = callKeyOf(call, config.tool_call_ids && !isHarmless(operation));
  if (named === null) return null;
  const { id: callId, receivedAtMs: atMs } = call;
  const fingerprint = fingerprintOf(record.digestKey, call);
  return {
    key: storeKey(record.tenant, 'idempotency', record.id, named),
    mark: { callId, fingerprint, atMs, holder, ended: { state: 'running' } },
  };
}

/** The mark of the first, undefined where this is it. What has no effect is made unmarked where the store is away. */
async function taken(
  parts: IdempotencyParts,
  call: Needs,
  { key, mark }: Place,
): Promise<Mark | undefined | 'unmarked'> {
  try {
    return await parts.marks.take(key, mark, ttlMsOf(parts));
  } catch (fault) {
    if (fault instanceof StoreUnavailable && isHarmless(call.resolved.operation)) return 'unmarked';
    throw fault;
  }
}

/** As long as the window, and no shorter than the call may run: a mark that lapses under its call marks nothing. */
function ttlMsOf({ config, callMsMax }: IdempotencyParts): number {
  return Math.max(config.window_seconds * 1000, callMsMax) + graceMs;
}

/** What the first call under the key got, or why that cannot be told. */
async function answerOf(parts: IdempotencyParts, call: Needs, key: string, mark: Mark): Promise<CachedAnswer | Denial> {
  const { route } = call.resolved.operation;
  const { ended } = mark;
  const reads = () => parts.readsOf(call, route);
  if (ended.state === 'unknown') return denyUnknown(mark, reads());
  if (ended.state !== 'done') return (await stillRuns(parts, mark)) ? denyRunning(mark) : denyUnknown(mark, reads());
  if ('unkept' in ended) return denyMade(mark, ended.status, ended.unkept, reads());
  const first = readFirstAnswer(parts.seal?.open(key, ended.sealed));
  const targets = parts.targetsOf(route);
  // It may be gone from the route since: what it answered was said all the same.
  const target = targets.find(({ name }) => name === first?.target) ?? targets[0];
  if (first === undefined || target === undefined) return denyMade(mark, ended.status, 'secret_missing', reads());
  const { head, body, costMicroUsd } = first;
  return {
    ...{ callId: mark.callId, costMicroUsd, repeated: true },
    answer: { target, head, body: once(body) },
    attempt: { target: target.name, status: head.status, error: null, latencyMs: 0, sent: false },
    // The clocks of two gateways differ.
    ageMs: Math.max(0, parts.clock.nowMs() - mark.atMs),
  };
}

/** A call whose gateway has died, or that has run longer than any may, runs no more; nobody will say how it ended. */
async function stillRuns({ clock, callMsMax, isAlive }: IdempotencyParts, { atMs, holder }: Mark): Promise<boolean> {
  return clock.nowMs() - atMs <= callMsMax && (await isAlive(holder));
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

function keepingOf(parts: IdempotencyParts, call: Needs, { key }: Place): AnswerKeeping {
  const recording = new Recording(parts.config.entry_bytes);
  return {
    recorded: (answer) => recording.of(answer),
    settled: (outcome) => {
      const ended = endedOf(parts, call, key, outcome, recording);
      return parts.marks.end(key, call.id, ended, ttlMsOf(parts));
    },
  };
}

/** What the first call means to those that repeat it. */
function endedOf(parts: IdempotencyParts, call: Needs, key: string, outcome: Outcome, recording: Recording): Ended {
  const sent = outcome.attempts.filter((attempt) => attempt.sent);
  const status = sent.at(-1)?.status ?? null;
  const harmless = isHarmless(call.resolved.operation);
  if (hadNoEffect(sent) || status === didNothing) return { state: 'free' };
  if (status === null) return harmless ? { state: 'free' } : { state: 'unknown' };
  const { whole } = recording;
  if (whole === null) {
    const unkept = recording.overflowed ? 'too_long' : 'unread';
    return harmless ? { state: 'free' } : { state: 'done', status, unkept };
  }
  const { target, head, body } = whole;
  const isJson = (head.headers['content-type'] ?? '').includes('json');
  const read = isJson ? parseAnswerJson(body) : undefined;
  if (read !== undefined && isInterimAnswer(read.value)) return { state: 'free' };
  // A model that failed is asked again.
  if (harmless && (status > 299 || outcome.denial !== null)) return { state: 'free' };
  return kept(parts, call, key, { target: target.name, head, body, costMicroUsd: outcome.costMicroUsd });
}

function kept(parts: IdempotencyParts, call: Needs, key: string, answer: FirstAnswer): Ended {
  const { seal, held, config } = parts;
  const { status } = answer.head;
  if (seal === null) return { state: 'done', status, unkept: 'secret_missing' };
  const sealed = seal.close(key, documentOf(answer));
  const row = { taskId: call.task.record.id, bytes: sealed.length + key.length, ttlMs: ttlMsOf(parts) };
  const fits = held.take(key, row, { taskBytes: config.task_bytes, totalBytes: config.total_bytes });
  return fits ? { state: 'done', status, sealed } : { state: 'done', status, unkept: 'no_room' };
}
