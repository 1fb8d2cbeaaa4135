/**
 * What kept answers are sealed with, and the rung that looks for them over the parts. `keys.secret` opens them at every
 * gateway on a store; a store in this process needs no secret of anybody's. Without either nothing is kept, as with
 * checkpoints: what lies in a shared store must not be readable there.
 */
import { hkdfSync } from 'node:crypto';
import { KeptAnswers } from '../cache/kept.ts';
import { type CacheStageParts, cacheStage } from '../cache/stage.ts';
import type { Admitted, UpstreamAnswer, Usage } from '../call.ts';
import type { Clock } from '../clock.ts';
import type { Config } from '../config/schema.ts';
import type { FlowCount } from '../flow.ts';
import { KeySeal } from '../identity/key-seal.ts';
import { permittedTargets } from '../route/residency.ts';
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

export function cacheRung(parts: Parts): ReturnType<typeof cacheStage> {
  const { keptAnswers: answers, config, clock, place, table, faulted } = parts;
  const targetsOf: CacheStageParts['targetsOf'] = (route, obligations) =>
    permittedTargets(table.route(route)?.targets ?? [], obligations);
  const { stage_ms: stageMs } = config.limits;
  return cacheStage({ answers, config: config.cache, clock, region: place.region, targetsOf, stageMs, faulted });
}

/** The answer of a target, taken down where it may be kept. */
export function recorded({ cache }: Admitted, answer: UpstreamAnswer): UpstreamAnswer {
  return cache.state === 'miss' ? cache.keeping.recorded(answer) : answer;
}

/** Of a kept answer nothing was reserved, and nothing is counted. */
export function uncounted(): FlowCount {
  const usage: Usage = { inputTokens: 0, outputTokens: 0, cachedInputTokens: 0 };
  return { over: () => false, counted: () => usage, settled: () => null };
}
