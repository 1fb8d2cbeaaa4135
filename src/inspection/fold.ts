/**
 * Undoes cheap disguises before a text is scanned: full-width and other scripts' digits, invisible characters,
 * typographic dashes and spaces, `%40`, `&#64;`, and the escapes of JSON inside a string (`\n`, `\u0040`). Only the
 * scanner sees folded text; spans are mapped back, and what is sent on keeps every character that was not replaced.
 * Not undone: nested encodings (`%2540`), base64, look-alike letters of other alphabets, "alice at example dot com".
 */

export interface FoldedText {
  readonly text: string;
  /** The offset in the original text of an offset in `text`. */
  original(offset: number): number;
}

const suspicious = /[%\\&\u0080-\uffff]/;
const remove = -1;
const keep = -2;

/** First code unit of each run of ten decimal digits outside ASCII (Unicode Nd, the scripts in wide use). */
const zeros = [
  0x0660, 0x06f0, 0x07c0, 0x0966, 0x09e6, 0x0a66, 0x0ae6, 0x0b66, 0x0be6, 0x0c66, 0x0ce6, 0x0d66, 0x0e50, 0x0ed0,
  0x0f20, 0x1040, 0x17e0, 0x1810, 0xff10,
];

function foldUnit(code: number): number {
  if (code < 0xa0) return keep;
  if (code === 0xa0 || code === 0x1680 || code === 0x202f || code === 0x205f || code === 0x3000) return 0x20;
  if (code === 0xad || code === 0x034f || code === 0x180e || code === 0xfeff) return remove;
  if (code < 0x0660) return code === 0x058a ? 0x2d : keep;
  if (code <= 0x1819) {
    for (const zero of zeros) if (code >= zero && code < zero + 10) return 0x30 + code - zero;
    return code === 0x115f || code === 0x1160 ? remove : keep;
  }
  if (code < 0x2000) return keep;
  if (code <= 0x206f) {
    if (code <= 0x200a) return 0x20;
    if (code >= 0x2010 && code <= 0x2015) return 0x2d;
    if (code === 0x2024) return 0x2e;
    if (code <= 0x200f || (code >= 0x202a && code <= 0x202e) || code >= 0x2060) return remove;
    return code === 0x2043 ? 0x2d : keep;
  }
  if (code === 0x2212) return 0x2d;
  if (code === 0x3002) return 0x2e;
  if (code === 0x3164 || code === 0xffa0) return remove;
  if (code >= 0xfe00 && code <= 0xfe0f) return remove;
  if (code === 0xfe58 || code === 0xfe63) return 0x2d;
  if (code === 0xfe52 || code === 0xff61) return 0x2e;
  if (code === 0xfe6b) return 0x40;
  if (code >= 0xff01 && code <= 0xff5e) return code - 0xfee0;
  return keep;
}

/** Mathematical letters and digits (U+1D400…), and the invisible tag characters (U+E0020…) that smuggle ASCII. */
function foldPair(high: number, low: number): number {
  if (high === 0xd835) {
    if (low >= 0xdfce) return 0x30 + ((low - 0xdfce) % 10);
    if (low <= 0xdea3) {
      const place = (low - 0xdc00) % 52;
      return place < 26 ? 65 + place : 71 + place;
    }
  }
  if (high === 0xdb40 && low >= 0xdc20 && low <= 0xdc7e) return low - 0xdc00;
  return high === 0xdb40 ? remove : keep;
}

function hexValue(code: number): number {
  if (code >= 48 && code <= 57) return code - 48;
  const lower = code | 32;
  return lower >= 97 && lower <= 102 ? lower - 87 : -1;
}

/** The number of `length` hex digits at `at`, or -1. */
function hex(text: string, at: number, length: number): number {
  let value = 0;
  for (let index = at; index < at + length; index++) {
    const figure = hexValue(text.charCodeAt(index));
    if (figure < 0) return -1;
    value = value * 16 + figure;
  }
  return value;
}

function printable(code: number): boolean {
  return code >= 0x20 && code <= 0x7e;
}

// Zeros in front are bounded, so that a stream knows how long one can be.
const entity = /&#(?:x0{0,16}([0-9a-f]{2})|0{0,5}([0-9]{2,3}));/iy;

interface Escape {
  readonly code: number;
  readonly width: number;
}

/** The escape that begins at `at` with `%`, `&` or a backslash, if it stands for one character that matters. */
function escapeAt(text: string, at: number, first: number): Escape | undefined {
  if (first === 0x25) {
    const code = hex(text, at + 1, 2);
    return printable(code) ? { code, width: 3 } : undefined;
  }
  if (first === 0x26) {
    entity.lastIndex = at;
    const match = entity.exec(text);
    if (match === null) return undefined;
    const code = match[1] === undefined ? Number(match[2]) : Number.parseInt(match[1], 16);
    return printable(code) ? { code, width: match[0].length } : undefined;
  }
  // JSON in JSON in JSON doubles the backslashes each time, so the whole run of them belongs to the escape.
  let end = at + 1;
  while (text.charCodeAt(end) === 0x5c) end++;
  const kind = text.charCodeAt(end);
  if (kind === 0x6e || kind === 0x72 || kind === 0x74) return { code: kind === 0x74 ? 9 : 10, width: end + 1 - at };
  if (kind === 0x22 || kind === 0x2f) return { code: kind, width: end + 1 - at };
  if (kind === 0x75) {
    const code = hex(text, end + 1, 4);
    if (code < 0) return undefined;
    const folded = foldUnit(code);
    return { code: folded === keep ? code : folded, width: end + 5 - at };
  }
  // Nothing an escape stands for: the run is passed over as it is, so that a run of n costs n and not n².
  return { code: keep, width: end - at };
}

/** What may be the beginning of an escape with `%` or `&`, at the end of a text. */
const begunEscape = /(?:%[0-9a-f]?|&(?:#(?:x0{0,16}[0-9a-f]{0,2}|0{0,5}[0-9]{0,3})?)?)$/i;
const escapeMax = 24;

/** How much of a text that goes on can be folded: up to an escape or a character that is not all there. */
export function foldable(text: string): number {
  const last = text.charCodeAt(text.length - 1);
  if (last >= 0xd800 && last <= 0xdbff) return text.length - 1;
  // A run of backslashes belongs to one escape, with `u` and up to three of its four digits behind it.
  let run = text.length;
  while (text.length - run < 3 && hexValue(text.charCodeAt(run - 1)) >= 0) run--;
  if (text[run - 1] === 'u') run--;
  else run = text.length;
  let start = run;
  while (text.charCodeAt(start - 1) === 0x5c) start--;
  if (start < run) return start;
  const from = Math.max(0, text.length - escapeMax);
  const begun = begunEscape.exec(text.slice(from));
  return begun === null ? text.length : from + begun.index;
}

/** Folds `text` in one pass. Plain ASCII without `%`, `&` or backslash comes back as it is, at the cost of one test. */
export function fold(text: string): FoldedText {
  if (!suspicious.test(text)) return { text, original: (offset) => offset };
  const foldedAt: number[] = [0];
  const originalAt: number[] = [0];
  let folded = '';
  let copied = 0;
  const replace = (at: number, width: number, code: number): void => {
    folded += text.slice(copied, at);
    if (code !== remove) folded += String.fromCharCode(code);
    copied = at + width;
    foldedAt.push(folded.length);
    originalAt.push(copied);
  };
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    if (unit === 0x25 || unit === 0x26 || unit === 0x5c) {
      const escaped = escapeAt(text, at, unit);
      if (escaped === undefined) continue;
      if (escaped.code !== keep) replace(at, escaped.width, escaped.code);
      at += escaped.width - 1;
    } else if (unit >= 0xd800 && unit <= 0xdbff) {
      const code = foldPair(unit, text.charCodeAt(at + 1));
      if (code !== keep) replace(at, 2, code);
      at++;
    } else if (unit >= 0xa0) {
      const code = foldUnit(unit);
      if (code !== keep) replace(at, 1, code);
    }
  }
  if (copied === 0) return { text, original: (offset) => offset };
  folded += text.slice(copied);
  return { text: folded, original: (offset) => originalOffset(foldedAt, originalAt, offset) };
}

function originalOffset(foldedAt: readonly number[], originalAt: readonly number[], offset: number): number {
  let low = 0;
  let high = foldedAt.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((foldedAt[middle] as number) <= offset) low = middle;
    else high = middle - 1;
  }
  return (originalAt[low] as number) + offset - (foldedAt[low] as number);
}
