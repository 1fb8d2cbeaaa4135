/**
 * Looks for a kept answer once it is final what would be sent, and before anything is held for it. Kept are only answers
 * to deterministic calls that the policy has allowed it for, as their target sent them: inspection and the policy see a
 * kept answer like a new one. Nothing that goes wrong here refuses a call; then the model is asked.
 */
import type {
  AnswerKeeping,
  Arrival,
  CachedAnswer,
  CacheFact,
  DecisionFact,
  EntryFact,
  FindingsFact,
  ObeyedFact,
  Obligations,
  OperationFact,
  Outcome,
  Target,
  UncachedReason,
} from '../call.ts';
import type { Clock } from '../clock.ts';
import { matches } from '../pattern.ts';
import type { Stage } from '../stage.ts';
import { isDeterministic } from '../wire/deterministic.ts';
import { type Recorded, Recording } from '../wire/recording.ts';
import type { KeptAnswer, KeptAnswers } from './kept.ts';
import { labelsOf, samenessOf } from './sameness.ts';
import type { CacheConfig } from './section.ts';
import { isWholeAnswer, once } from './whole.ts';

/** Headers about the exchange that is over. */
const passing = /ratelimit|^retry-after|^x-should-retry$|^age$/;
/** Longer than this nobody waits for a kept answer: the model is asked instead. */
const lookUpMsMax = 250;
/** The taint of a task that has read what not everybody may see. */
const privateLabel = 'private';

export interface CacheStageParts {
  /** Null where no secret is there that every gateway of the store has. */
  readonly answers: Pick<KeptAnswers, 'keyOf' | 'find' | 'put'> | null;
  readonly config: CacheConfig;
  readonly clock: Clock;
  /** Where this gateway stands, and the store with it. */
  readonly region: string;
  /** The targets that a call of `route` may reach under the regions and clouds of its decision. */
  readonly targetsOf: (route: string, obligations: Obligations) => readonly Target[];
  /** How long a stage may take, in milliseconds. */
  readonly stageMs: number;
  readonly faulted: (where: string, fault: unknown) => void;
}

type Needs = Arrival & OperationFact & EntryFact & FindingsFact & DecisionFact & ObeyedFact;

/** Where an answer to a call may lie. */
interface Place {
  /** Null where the call is about private data. */
  readonly shared: string | null;
  /** For its task alone. */
  readonly own: string;
  readonly ttlMs: number;
}

/** The rung that adds what there is of a kept answer. Denies nothing. */
export function cacheStage(parts: CacheStageParts): Stage<Needs, CacheFact> {
  return {
    name: 'cache',
    fault: 'store_unavailable',
    gives: { cache: isFact },
    admit: async (call) => {
      try {
        return { cache: await lookUp(parts, call) };
      } catch (fault) {
        parts.faulted('cache', fault);
        return { cache: { state: 'unused', why: 'fault' } };
      }
    },
  };
}

function isFact(value: unknown): boolean {
  const fact = value as Partial<{ state: string; kept: CachedAnswer; keeping: AnswerKeeping }> | null;
  if (fact?.state === 'hit') return fact.kept?.answer.head.status === 200;
  return typeof fact?.state === 'string' && (fact.state !== 'miss' || fact.keeping !== undefined);
}

async function lookUp(parts: CacheStageParts, call: Needs): Promise<CacheFact['cache']> {
  const { answers, config, clock } = parts;
  const granted = call.decision.obligations.cache;
  if (granted === undefined) return { state: 'not_granted' };
  const why = unused(parts, call);
  if (answers === null || why !== undefined) return { state: 'unused', why: why ?? 'secret_missing' };

  const targets = parts.targetsOf(call.resolved.operation.route, call.decision.obligations);
  const { tenant, id } = call.entry.task.record;
  const sameness = samenessOf(call, targets, config.namespace);
  const place: Place = {
    shared: isPrivate(call) ? null : answers.keyOf(tenant, 'subject', sameness),
    own: answers.keyOf(tenant, 'task', id, sameness),
    ttlMs: Math.min(granted.ttl_seconds, config.ttl_seconds_max) * 1000,
  };
  if (call.caching !== 'refresh') {
    const keys = place.shared === null ? [place.own] : [place.own, place.shared];
    const nowMs = clock.nowMs();
    const limitMs = Math.min(lookUpMsMax, parts.stageMs / 2);
    const found = (await Promise.all(keys.map((key) => answers.find(key, limitMs))))
      .map((kept) => cachedOf(kept, targets, nowMs))
      .find((cached) => cached !== null && cached.ageMs < place.ttlMs);
    if (found !== undefined && found !== null) return { state: 'hit', kept: found };
  }
  return { state: 'miss', keeping: keepingOf({ ...parts, answers }, call, place) };
}

function unused({ answers, config, region }: CacheStageParts, call: Needs): UncachedReason | undefined {
  const { resolved, caching, decision, entry } = call;
  if (!config.enabled) return 'disabled';
  if (answers === null) return 'secret_missing';
  if (caching === 'bypass') return 'bypassed';
  if (!isDeterministic(resolved.operation, resolved.payload)) return 'not_deterministic';
  // What is kept lies where this gateway is.
  const lists = [...(entry.task.record.regions ?? []), decision.obligations.regions ?? ['*']];
  return lists.every((list) => list.some((pattern) => matches(pattern, region))) ? undefined : 'region';
}

/** Whether private data may be in the question, and so in the answer. */
function isPrivate(call: Needs): boolean {
  return call.inspection.findings.length > 0 || labelsOf(call).has(privateLabel);
}

/** Null where it came from a target that is not there any more, or that the call may not reach. */
function cachedOf(kept: KeptAnswer | undefined, targets: readonly Target[], nowMs: number): CachedAnswer | null {
  const target = targets.find(({ name }) => name === kept?.target);
  if (kept === undefined || target === undefined) return null;
  const { callId, head, body, costMicroUsd, storedAtMs } = kept;
  return {
    ...{ callId, costMicroUsd },
    answer: { target, head, body: once(body) },
    attempt: { target: target.name, status: head.status, error: null, latencyMs: 0, sent: false },
    // The clocks of two gateways differ.
    ageMs: Math.max(0, nowMs - storedAtMs),
  };
}

type Keeper = CacheStageParts & { readonly answers: NonNullable<CacheStageParts['answers']> };

function keepingOf(parts: Keeper, call: Needs, place: Place): AnswerKeeping {
  const recording = new Recording(parts.config.entry_bytes);
  const { payload } = call.resolved;
  // A smaller budget may shorten the answer further; that one is not what others would get.
  const lengths = new Set([payload.model?.maxTokens, call.decision.obligations.max_tokens?.value ?? null]);
  return {
    recorded: (answer) => recording.of(answer),
    settled: async (outcome) => {
      const { whole } = recording;
      if (whole === null || !endedWell(outcome) || !lengths.has(payload.model?.maxTokens)) return;
      if (await isWholeAnswer(payload, whole)) await keep(parts, call, outcome, whole, place);
    },
  };
}

function endedWell({ denial, status, usage, attempts }: Outcome): boolean {
  const answered = attempts.at(-1);
  return denial === null && status === 200 && usage !== null && answered?.status === 200 && answered.sent;
}

async function keep(
  { answers, config, clock }: Keeper,
  { id, entry }: Needs,
  { answerFindings, answerDecision, costMicroUsd }: Outcome,
  { target, head, body }: Recorded,
  { shared, own, ttlMs }: Place,
): Promise<void> {
  const nowMs = clock.nowMs();
  const tainted = answerDecision?.obligations.taint?.includes(privateLabel) === true;
  const key = answerFindings.length > 0 || tainted ? own : (shared ?? own);
  const lifeMs = key === own ? Math.min(ttlMs, entry.task.record.expiresAtMs - nowMs) : ttlMs;
  if (lifeMs <= 0) return;
  const headers = Object.entries(head.headers).filter(([name]) => !passing.test(name));
  const kept: KeptAnswer = {
    ...{ callId: id, target: target.name, body, costMicroUsd, storedAtMs: nowMs },
    head: { status: head.status, headers: Object.fromEntries(headers) },
  };
  await answers.put(key, kept, lifeMs, config.total_bytes);
}
