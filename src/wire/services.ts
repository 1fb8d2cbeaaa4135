/**
 * Ways of being served that a provider prices apart from its list, under one name each: what a request asks for, and
 * what an answer says it was given. What a reader would get wrong: an agent may ask for the dearest of them in an inert
 * looking field, so a budget must know of it before the call goes.
 */
import type { Json, JsonObject } from '../call.ts';
import { listOf, objectOf } from './json-value.ts';

/** Values of `service_tier` whose price is known; any other stands before the policy like a field nobody knows. */
export const serviceTiers = ['auto', 'default', 'flex', 'priority', 'scale', 'standard_only'] as const;
/** Values of `speed`, the same. */
export const speeds = ['standard', 'fast'] as const;

interface Services {
  readonly services?: readonly string[];
}

/** Of a request to OpenAI's API, or of an answer: what `service_tier` says. `auto` and silence say nothing. */
export function tierServices(tier: Json | undefined): Services {
  if (tier === 'flex' || tier === 'priority') return { services: [tier] };
  return tier === 'default' || tier === 'scale' ? { services: [] } : {};
}

/** Of a request to Anthropic's API, or of the usage in its answer: fast output, and where it has to be processed. */
export function speedServices({ speed, inference_geo: place }: JsonObject): Services {
  if (typeof speed !== 'string' && typeof place !== 'string') return {};
  return { services: [...(speed === 'fast' ? ['fast'] : []), ...(place === 'us' ? ['us'] : [])] };
}

/** The same of usage that was translated: neither API has the other's words for it, so it stands in a member of its own. */
export function servicesNote({ services }: Services): JsonObject {
  return services === undefined ? {} : { tollgate: { services } };
}

/** What `servicesNote` wrote. */
export function notedServices({ tollgate }: JsonObject): Services {
  const { services } = objectOf(tollgate);
  if (!Array.isArray(services)) return {};
  return { services: listOf(services).filter((name) => typeof name === 'string') };
}
