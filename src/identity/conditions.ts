/**
 * Conditions on the claims of an issuer's tokens: what tells the agents among all the workloads that it vouches for. A
 * condition on a claim that is not there fails; of a list, one member that fits is enough.
 */
import type { Json, JsonObject } from '../call.ts';
import { matches } from '../pattern.ts';
import { claimAt, parseClaimSource } from './claim-path.ts';

/** As in tollgate.yaml: exactly one of the three is set. */
export interface ConditionConfig {
  readonly claim: string;
  readonly equals?: string | number | boolean;
  readonly one_of?: readonly (string | number | boolean)[];
  readonly matches?: string;
}

export type Condition = (claims: JsonObject) => boolean;

const listMax = 1_000;

/** What is wrong with a condition; undefined if nothing is. */
export function conditionFault({ claim, equals, one_of, matches }: ConditionConfig): string | undefined {
  const source = parseClaimSource(claim);
  if (source === undefined || 'literal' in source) return `"${claim}" is not a claim path: expected claims.name`;
  const given = [equals, one_of, matches].filter((one) => one !== undefined).length;
  return given === 1 ? undefined : 'expected exactly one of equals, one_of and matches';
}

/** A condition that has no fault, ready to be asked. */
export function readCondition(config: ConditionConfig): Condition {
  const source = parseClaimSource(config.claim);
  if (source === undefined || 'literal' in source) throw new Error(`"${config.claim}" is not a claim path`);
  const { path } = source;
  const fits = fitOf(config);
  return (claims) => {
    const value = claimAt(path, claims);
    if (value === undefined) return false;
    return Array.isArray(value) ? value.length <= listMax && value.some(fits) : fits(value);
  };
}

function fitOf({ equals, one_of, matches: pattern }: ConditionConfig): (value: Json) => boolean {
  if (pattern !== undefined) return (value) => typeof value === 'string' && matches(pattern, value);
  const wanted = new Set<Json>(one_of ?? (equals === undefined ? [] : [equals]));
  return (value) => wanted.has(value);
}
