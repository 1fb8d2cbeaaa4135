/**
 * `name=value&…`, as queries and form bodies hold it (WHATWG URL §5.1): decoded once, in order. `+` is a space. It is
 * always written anew from what was read, so that both sides read the same.
 */

export interface Pair {
  readonly name: string;
  readonly value: string;
  /** Of what is written: whether delimiters that mean nothing in a query stand in the value as they are. */
  readonly reserved?: boolean;
}

/** How many pairs are taken. */
const pairsMax = 1000;

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for
const notTaken = /[\u0000-\u0020\u007f-\uffff#\\]/;

/** The pairs of `text`; a string says why it cannot be read. NUL is refused, also when encoded. */
export function readPairs(text: string): readonly Pair[] | string {
  if (notTaken.test(text)) return 'holds a character that must be percent-encoded';
  const pairs: Pair[] = [];
  for (const part of text.split('&')) {
    if (part === '') continue;
    if (pairs.length === pairsMax) return 'holds too many parameters';
    const at = part.indexOf('=');
    const name = decoded(at === -1 ? part : part.slice(0, at));
    const value = decoded(at === -1 ? '' : part.slice(at + 1));
    if (name === undefined || value === undefined) return 'is not percent-encoded UTF-8';
    if (name.includes('\0') || value.includes('\0')) return 'holds a NUL character';
    pairs.push({ name, value });
  }
  return pairs;
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return undefined;
  }
}

/** The pairs as text, every reserved character encoded but where a pair says otherwise, a space as `%20`. */
export function writePairs(pairs: readonly Pair[]): string {
  return pairs.map(({ name, value, reserved }) => `${encodeURIComponent(name)}=${encoded(value, reserved)}`).join('&');
}

/** A semicolon is always encoded: some servers take it for `&`. */
function encoded(value: string, reserved = false): string {
  const text = encodeURIComponent(value);
  return reserved ? text.replaceAll(/%(?:3A|2F|3F|40|24|2C)/g, decodeURIComponent) : text;
}
