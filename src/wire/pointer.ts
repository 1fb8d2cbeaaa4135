/**
 * JSON pointers (RFC 6901): how findings, faults and obligations name a place in a document. Only own members are
 * followed, so `/constructor` never leads out of the document, and `-` (the element after the last) names nothing.
 */
import type { Json } from '../call.ts';

/** The pointer of the member or element `token` of what `pointer` names. */
export function child(pointer: string, token: string | number): string {
  if (typeof token === 'number') return `${pointer}/${token}`;
  // Most names need no escape, and a document has many.
  if (!token.includes('~') && !token.includes('/')) return `${pointer}/${token}`;
  return `${pointer}/${token.replaceAll('~', '~0').replaceAll('/', '~1')}`;
}

/** The reference tokens of a pointer; undefined for what is not one (it neither is empty nor begins with `/`). */
export function pointerTokens(pointer: string): readonly string[] | undefined {
  if (pointer === '') return [];
  if (!pointer.startsWith('/') || /~(?![01])/.test(pointer)) return undefined;
  return pointer.slice(1).split('/').map(nameOf);
}

/** Of a pointer that may name many places: a token of it, `each` being every element and every member there. */
export type PatternToken = string | typeof each;
export const each = Symbol('each element and member');

/**
 * The tokens of a pointer in which `*` stands for every element and member, and `~2` is a star that is part of a name;
 * undefined for what is none.
 */
export function patternTokens(pattern: string): readonly PatternToken[] | undefined {
  if (pattern === '') return [];
  if (!pattern.startsWith('/') || /~(?![012])/.test(pattern)) return undefined;
  return pattern
    .slice(1)
    .split('/')
    .map((token) => (token === '*' ? each : unescaped(token).replaceAll('~2', '*').replaceAll('~0', '~')));
}

/** Whether a pointer with stars in it names `where`, a plain one, or what holds that. Gives the part of `where` it names. */
export function namedBy(pattern: string, where: string): string | undefined {
  const tokens = patternTokens(pattern);
  const parts = where.split('/').slice(0, (tokens?.length ?? 0) + 1);
  if (tokens === undefined || parts.length <= tokens.length) return undefined;
  const fits = tokens.every((token, index) => token === each || token === nameOf(parts[index + 1] as string));
  return fits ? parts.join('/') : undefined;
}

function nameOf(token: string): string {
  return unescaped(token).replaceAll('~0', '~');
}

function unescaped(token: string): string {
  return token.replaceAll('~1', '/');
}

/** What `token` names in `container`; undefined if nothing. Array indices have no leading zeros (RFC 6901 §4). */
export function step(container: Json | undefined, token: string): Json | undefined {
  if (typeof container !== 'object' || container === null) return undefined;
  if (Array.isArray(container)) return /^(?:0|[1-9]\d{0,9})$/.test(token) ? container[Number(token)] : undefined;
  return Object.hasOwn(container, token) ? (container as { readonly [name: string]: Json })[token] : undefined;
}
