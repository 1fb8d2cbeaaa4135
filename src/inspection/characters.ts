/**
 * Character classes of the scanner, over UTF-16 code units. "Letter" and "digit" mean ASCII here on purpose: text is
 * folded before it is scanned (fold.ts), and whatever is still not ASCII then counts as a border between tokens.
 */
export const other = 0;
export const digit = 1;
export const letter = 2;

/** `other`, `digit` or `letter` of one code unit; NaN (past the end of a text) is `other`. */
export function classOf(code: number): number {
  if (code >= 48 && code <= 57) return digit;
  const lower = code | 32;
  return lower >= 97 && lower <= 122 && code < 128 ? letter : other;
}

export function isDigit(code: number): boolean {
  return code >= 48 && code <= 57;
}

export function isAlphanumeric(code: number): boolean {
  return classOf(code) !== other;
}

/** A table of the ASCII characters in `members`, for one look-up a character; 1 is in, 0 is not. */
export function charset(members: string): Uint8Array {
  const table = new Uint8Array(128);
  for (let index = 0; index < members.length; index++) table[members.charCodeAt(index)] = 1;
  return table;
}

export const digits = '0123456789';
export const upperLetters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ';
export const lowerLetters = 'abcdefghijklmnopqrstuvwxyz';
export const alphanumerics: string = digits + upperLetters + lowerLetters;

/** Where the run of characters of `set` that begins at `from` ends, looked at for at most `max` characters. */
export function runEnd(text: string, from: number, set: Uint8Array, max: number): number {
  const limit = Math.min(text.length, from + max);
  let index = from;
  while (index < limit && set[text.charCodeAt(index)] === 1) index++;
  return index;
}
