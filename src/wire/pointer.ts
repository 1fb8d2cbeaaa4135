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
  return pointer
    .slice(1)
    .split('/')
    .map((token) => token.replaceAll('~1', '/').replaceAll('~0', '~'));
}

/** What `token` names in `container`; undefined if nothing. Array indices have no leading zeros (RFC 6901 §4). */
export function step(container: Json | undefined, token: string): Json | undefined {
  if (typeof container !== 'object' || container === null) return undefined;
  if (Array.isArray(container)) return /^(?:0|[1-9]\d{0,9})$/.test(token) ? container[Number(token)] : undefined;
  return Object.hasOwn(container, token) ? (container as { readonly [name: string]: Json })[token] : undefined;
}
