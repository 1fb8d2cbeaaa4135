/**
 * One form of a JSON value, whoever wrote it: RFC 8785 (JCS). Digests, commitments and the audit chain are made over
 * it. What a reader would get wrong: `JSON.stringify` keeps the order of members, so equal values have unequal texts.
 */
import canonicalize from 'canonicalize';
import type { Json } from '../call.ts';

/**
 * The JCS text of `value` (RFC 8785 §3.2): members sorted by UTF-16 code units, numbers as ECMAScript prints them.
 * @throws Error for what I-JSON (RFC 7493) has no form for: NaN, infinities, lone surrogates, cycles. `parseJson` lets
 * none of these in, so after it a throw is a fault of the gate.
 */
export function canonical(value: Json): string {
  const text = canonicalize(value);
  if (text === undefined) throw new TypeError('only JSON values have a canonical form');
  return text;
}
