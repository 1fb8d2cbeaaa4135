/**
 * The members of the policy input that cost something to build, and are left out where no rule of a bundle refers to
 * them. What a reader would get wrong: a bundle lists what it does *not* use (`metadata.tollgate.unused_input` of its
 * manifest), never what it uses; so a list made before a member was named here leaves that member in.
 */

/** Dotted paths into the input of `tollgate.call` and `tollgate.response`. */
export const inputParts = [
  'agent.claims',
  'subject.claims',
  'task.labels',
  'task.plan',
  'task.history',
  'task.counts',
  'call.arguments',
  'call.tools',
  'call.provenance',
  'response.headers',
  'response.body',
] as const;

export type InputPart = (typeof inputParts)[number];

/** What is left out of an input. */
export type LeftOut = ReadonlySet<InputPart>;

/** Nothing is left out. */
export const wholeInput: LeftOut = new Set();

/** Of names from a manifest those that this gate knows; a name that it does not know is of a newer one, and built. */
export function knownParts(names: readonly string[]): LeftOut {
  return new Set(inputParts.filter((part) => names.includes(part)));
}

/** What may be left out for several bundles that decide on the same input: what none of them uses. */
export function leftOutForAll(sets: readonly LeftOut[]): LeftOut {
  const [first, ...rest] = sets;
  if (first === undefined) return wholeInput;
  return rest.length === 0 ? first : new Set([...first].filter((part) => rest.every((other) => other.has(part))));
}
