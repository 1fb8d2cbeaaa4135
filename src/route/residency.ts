/**
 * Where a call may go: the obligations `regions` and `clouds` of its decision against what the routing table says of
 * a target. A hard limit: an empty list permits nothing, and no other rule brings a target back.
 */
import type { Obligations, Target } from '../call.ts';

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

/**
 * Whether `name` fits `pattern`, in which `*` stands for any characters, none included, and all else for itself:
 * `eu-*`, `*-west-*`, `*`. Letters must be of the same case.
 */
export function matches(pattern: string, name: string): boolean {
  const [head = '', ...rest] = pattern.split('*');
  const tail = rest.pop();
  if (tail === undefined) return name === pattern;
  if (name.length < head.length + tail.length || !name.startsWith(head) || !name.endsWith(tail)) return false;
  let at = head.length;
  const endAt = name.length - tail.length;
  for (const part of rest) {
    const found = name.indexOf(part, at);
    if (found === -1 || found + part.length > endAt) return false;
    at = found + part.length;
  }
  return true;
}
