/**
 * What kept answers are sealed with, and the rung that looks for them over the parts. `keys.secret` opens them at every
 * gateway on a store; a store in this process needs no secret of anybody's. Without either nothing is kept, as with
 * checkpoints: what lies in a shared store must not be readable there.
 */
import { hkdfSync } from 'node:crypto';
import { KeptAnswers } from '../cache/kept.ts';
import { type CacheStageParts, cacheStage } from '../cache/stage.ts';
import type { Admitted, CacheFact, IdempotencyFact, UpstreamAnswer, Usage } from '../call.ts';
import type { Clock } from '../clock.ts';
import type { Config } from '../config/schema.ts';
import type { FlowCount } from '../flow.ts';
import { KeySeal } from '../identity/key-seal.ts';
import { permittedTargets } from '../route/residency.ts';
import type { Stage } from '../stage.ts';
import type { Store } from '../store/store.ts';
import type { Parts } from './parts.ts';

export interface AnswersGround {
  readonly store: Store;
  readonly clock: Clock;
  readonly faulted: (where: string, fault: unknown) => void;
}

/** The answers in the store; null where no secret is configured that all gateways share. */
export function keptAnswersOf({ keys, store: kind }: Pick<Config, 'keys' | 'store'>, ground: AnswersGround) {
  const { store, clock, faulted } = ground;
  const secret = keys.secret ?? (kind.kind === 'memory' ? clock.randomBytes(32).toString('base64url') : null);
  if (secret === null) return null;
  const key = Buffer.from(hkdfSync('sha256', secret, 'tollgate', 'digests of answered calls', 32));
  const seal = new KeySeal(secret, clock, 'answers of models');
  return new KeptAnswers({ store, clock, secret: { seal, key }, faulted });
}

type CacheRung = ReturnType<typeof cacheStage>;

/** A call that was made before gets the answer it got; any other what is kept for its equals. */
export function cacheRung(
  parts: Parts,
): Stage<Parameters<CacheRung['admit']>[0] & Partial<IdempotencyFact>, CacheFact> {
  const { keptAnswers: answers, config, clock, place, table, faulted } = parts;
  const targetsOf: CacheStageParts['targetsOf'] = (route, obligations) =>
    permittedTargets(table.route(route)?.targets ?? [], obligations);
  const { stage_ms: stageMs } = config.limits;
  const ground = { answers, clock, region: place.region, targetsOf, stageMs, faulted };
  const rung = cacheStage({ ...ground, config: config.cache });
  return {
    ...rung,
    // What a tool answered has any status: a refund is 201.
    gives: { cache: (value) => isRepeat(value) || rung.gives.cache(value) },
    admit: (call) =>
      call.idempotency?.state === 'repeat'
        ? { cache: { state: 'hit', kept: call.idempotency.kept } }
        : rung.admit(call),
  };
}

function isRepeat(value: unknown): boolean {
  const { state, kept } = (value ?? {}) as Partial<Extract<CacheFact['cache'], { readonly state: 'hit' }>>;
  return state === 'hit' && kept?.repeated === true && Number.isInteger(kept.answer.head.status);
}

/** The answer of a target, taken down where it may be kept. */
export function recorded({ cache, idempotency }: Admitted & Partial<IdempotencyFact>, answer: UpstreamAnswer) {
  const marked = idempotency?.state === 'first' ? idempotency.keeping.recorded(answer) : answer;
  return cache.state === 'miss' ? cache.keeping.recorded(marked) : marked;
}

/** Of a kept answer nothing was reserved, and nothing is counted. */
export function uncounted(): FlowCount {
  const usage: Usage = { inputTokens: 0, outputTokens: 0, cachedInputTokens: 0 };
  return { over: () => false, counted: () => usage, settled: () => null };
}
