/**
 * Limits by time as they travel with a call: what was taken of them for it, and how they stand, for the headers of its
 * answer. Only limits of agents, tenants and routes are told to agents; what a target can take is not their business.
 */

export type RateUnit = 'requests' | 'tokens';

/** What of a bucket of the store was taken. `refill` comes back in every `perMs`, up to `capacity`. */
export interface RateHold {
  readonly unit: RateUnit;
  readonly key: string;
  readonly refill: number;
  readonly perMs: number;
  readonly capacity: number;
  readonly amount: number;
}

/** How a limit stood when a call was let through, or was not. */
export interface RateState {
  /** `agent_route_requests`. */
  readonly name: string;
  readonly unit: RateUnit;
  /** How much in every `perMs`. */
  readonly quota: number;
  readonly perMs: number;
  readonly remaining: number;
  /** Until all of it is there again, in milliseconds from `atMs` on the wall clock. */
  readonly fullMs: number;
  readonly atMs: number;
  /** Whose it is: what the caller knows of itself. */
  readonly partition: string;
}

/** What may be sent in a minute. */
export interface MinuteLimits {
  readonly requestsPerMinute?: number;
  readonly tokensPerMinute?: number;
}

/** A credential of a target with what it can take. */
export interface TargetKey extends MinuteLimits {
  readonly name: string;
}
