/** The `act` claim (RFC 8693 §4.1): the agent that acts, and nested in it whom it acts for, the nearest first. */
import type { JsonObject } from '../call.ts';

export function actOf(agent: string, actors: readonly string[]): JsonObject {
  const [above, ...further] = actors;
  return above === undefined ? { sub: agent } : { sub: agent, act: actOf(above, further) };
}
