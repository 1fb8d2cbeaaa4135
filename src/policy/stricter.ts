/**
 * One decision of two that were made about the same call: that of the policies the task was opened under, and that of
 * the policies in force now. A task goes on under its own, and what newer ones refuse or demand counts at once. So the
 * result allows only what both allow, and demands what either demands. What cannot be expressed is stricter, never
 * laxer.
 */
import type { Decision, Obligations, Selector } from '../call.ts';
import { matches } from '../pattern.ts';

/** What stands of `own` once `newer` has been asked too. */
export function stricter(own: Decision, newer: Decision): Decision {
  if (!own.allow) return { ...own, alsoBy: newer.revision };
  if (!newer.allow) return { ...newer, alsoBy: own.revision };
  return { ...own, alsoBy: newer.revision, obligations: demandsOf(own.obligations, newer.obligations) };
}

/** What meets both. */
export function demandsOf(one: Obligations, other: Obligations): Obligations {
  const maxTokens = lowest(one.max_tokens, other.max_tokens);
  const approval = other.approval ?? one.approval;
  const wrapUp = leastWrapUp(one.wrap_up, other.wrap_up);
  return {
    ...both('redact', one, other, selectorsOf),
    ...both('mask', one, other, selectorsOf),
    ...both('hash', one, other, selectorsOf),
    ...both('block', one, other, selectorsOf),
    ...both('drop', one, other, textsOf),
    ...both('taint', one, other, textsOf),
    ...both('regions', one, other, narrowed),
    ...both('clouds', one, other, narrowed),
    ...(approval === undefined ? {} : { approval }),
    ...(maxTokens === undefined ? {} : { max_tokens: maxTokens }),
    ...(wrapUp === undefined ? {} : { wrap_up: wrapUp }),
    ...shorterCache(one.cache, other.cache),
    ...both('mark', one, other, (first, second) => ({ ...first, ...second })),
  };
}

/** The obligation `name` of both: of the one that has it, or joined. */
function both<Name extends keyof Obligations>(
  name: Name,
  one: Obligations,
  other: Obligations,
  join: (first: NonNullable<Obligations[Name]>, second: NonNullable<Obligations[Name]>) => Obligations[Name],
): Obligations {
  const first = one[name];
  const second = other[name];
  const joined =
    first === undefined || second === undefined
      ? (first ?? second)
      : join(first as NonNullable<Obligations[Name]>, second as NonNullable<Obligations[Name]>);
  return joined === undefined ? {} : { [name]: joined };
}

function selectorsOf(first: readonly Selector[], second: readonly Selector[]): readonly Selector[] {
  const said = new Map([...first, ...second].map((selector) => [`${selector.type}\n${selector.path}`, selector]));
  return [...said.values()];
}

function textsOf(first: readonly string[], second: readonly string[]): readonly string[] {
  return [...new Set([...first, ...second])];
}

/** Patterns for what fits both lists, as far as one pattern can say it; the rest is permitted by none. */
function narrowed(first: readonly string[], second: readonly string[]): readonly string[] {
  const fit = first.flatMap((one) => second.map((other) => overlap(one, other)));
  return [...new Set(fit.filter((pattern) => pattern !== null))];
}

/** A pattern that lets through nothing that one of the two does not; null where none is known. */
function overlap(one: string, other: string): string | null {
  // A pattern that fits another, read as text, covers it: `eu-*` covers `eu-west-*`.
  if (matches(one, other)) return other;
  if (matches(other, one)) return one;
  const [head, tail] = [one, other].toSorted((left) => (left.endsWith('*') ? -1 : 1)) as [string, string];
  const split = (pattern: string) => pattern.split('*');
  if (split(head).length !== 2 || split(tail).length !== 2 || !head.endsWith('*') || !tail.startsWith('*')) return null;
  return `${head}${tail.slice(1)}`;
}

function lowest(
  one: Obligations['max_tokens'],
  other: Obligations['max_tokens'],
): Obligations['max_tokens'] | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  const refused = one.on_excess === 'deny' || other.on_excess === 'deny';
  const values = [one.value, other.value].filter((value) => value !== undefined);
  return {
    ...(values.length === 0 ? {} : { value: Math.min(...values) }),
    on_excess: refused ? 'deny' : 'lower',
  };
}

/** It lets a task go beyond its budget: only where both say so, and by the less. */
function leastWrapUp(one: Obligations['wrap_up'], other: Obligations['wrap_up']): Obligations['wrap_up'] | undefined {
  if (one === undefined || other === undefined) return undefined;
  return { tokens: Math.min(one.tokens, other.tokens) };
}

/** It lets an answer be kept: only where both say so, and for the shorter time. */
function shorterCache(one: Obligations['cache'], other: Obligations['cache']): Pick<Obligations, 'cache'> {
  if (one === undefined || other === undefined) return {};
  return { cache: { ttl_seconds: Math.min(one.ttl_seconds, other.ttl_seconds) } };
}
