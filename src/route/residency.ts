/**
 * Where a call may go: the obligations `regions` and `clouds` of its decision against what the routing table says of
 * a target. A hard limit: an empty list permits nothing, and no other rule brings a target back.
 */
import type { Obligations, Target } from '../call.ts';
import { matches } from '../pattern.ts';

/** Those of `targets` that lie in a permitted region and a permitted cloud; an obligation left out permits all. */
export function permittedTargets(
  targets: readonly Target[],
  { regions, clouds }: Pick<Obligations, 'regions' | 'clouds'>,
): readonly Target[] {
  return targets.filter(
    ({ region, cloud }) =>
      (regions === undefined || regions.some((pattern) => matches(pattern, region))) &&
      (clouds === undefined || clouds.some((pattern) => matches(pattern, cloud))),
  );
}
