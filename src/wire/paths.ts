/**
 * Dotted paths (`body.amount_cents`), as `remember` in the routing table writes them: for people, who do not think in
 * JSON pointers. A name that holds a dot cannot be addressed; an element of an array is its index.
 */
import type { Json } from '../call.ts';
import { step } from './pointer.ts';

/** The names of a dotted path; undefined if one is empty. */
export function pathNames(path: string): readonly string[] | undefined {
  const names = path.split('.');
  return names.some((name) => name === '') ? undefined : names;
}

/** The value at `dottedPath` of `args`; undefined if there is none. */
export function valueAt(args: Json, dottedPath: string): Json | undefined {
  const names = pathNames(dottedPath);
  if (names === undefined) return undefined;
  let value: Json | undefined = args;
  for (const name of names) value = step(value, name);
  return value;
}
