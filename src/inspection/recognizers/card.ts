/**
 * Payment card numbers: 12 to 19 digits of a known issuer range that pass the Luhn check, in one piece or in groups.
 * One in ten of all numbers passes Luhn, so most of this file keeps ids, decimals, UUIDs, phone and article numbers
 * out: a number that is part of a longer token, or of a length that cards share with those, needs a word about cards.
 */
import { cardRange, gtin, luhn } from '../card_ranges.ts';
import { classOf, isAlphanumeric, isDigit, letter } from '../characters.ts';
import type { Recognizer, Span } from '../recognizer.ts';

const digitsMin = 12;
const digitsMax = 19;
const separatorRunMax = 3;
const contextBefore = 56;
const contextAfter = 24;
const idNameReach = 32;

// Read in at most `contextBefore` characters, so that the alternation costs the same on any text.
const cardWords =
  /card|kart|carte|tarjeta|cart[aã]o|kort|credit|kredit|debit|visa|maestro|amex|american ?express|diners|unionpay|(?<![a-z])(?:cc|ccn|ccnum|pan|cvv2?|cvc2?|jcb|expires|expiry)(?![a-z])/i;
const names =
  'id|ids|uid|uuid|order|trace|span|seq|sequence|timestamp|time|ts|ean|gtin|upc|isbn|sku|imei|phone|tel|tracking|version|offset|nonce|hash';
const idWord = new RegExp(`(?<![a-z])(?:${names})(?![a-z])`, 'i');
/** `"order_id": "`, `order no. `, `trace=`: the name stands right before the number. */
const idName = new RegExp(`(?<![a-z])(?:${names})(?:[ _-]?(?:id|no|nr|num|number))?["'\\s.:=#]{0,6}$`, 'i');

const separators = /^[ ._-]*$/;

interface Groups {
  /** Digits of each group, and where each ends in the text. */
  readonly sizes: readonly number[];
  readonly ends: readonly number[];
  readonly digits: string;
}

function isSeparator(code: number): boolean {
  return code === 0x20 || code === 0x2d || code === 0x2e || code === 0x5f;
}

/** Where the digit after a short run of separators at `at` stands; -1 if there is none. */
function nextGroup(text: string, at: number): number {
  const kind = text.charCodeAt(at);
  let end = at;
  while (end - at < separatorRunMax && isSeparator(text.charCodeAt(end))) end++;
  if (end === at || !isDigit(text.charCodeAt(end))) return -1;
  // Several separators in a row are only ever spaces around a dash; `..` and `__` are something else.
  if (end - at > 1 && !/^[ -]+$/.test(text.slice(at, end))) return -1;
  return kind === 0x2e && end - at > 1 ? -1 : end;
}

function groupsAt(text: string, at: number): Groups {
  const sizes: number[] = [];
  const ends: number[] = [];
  let digits = '';
  for (let start = at; start >= 0 && digits.length <= digitsMax; ) {
    let end = start;
    while (isDigit(text.charCodeAt(end)) && end - start <= digitsMax) end++;
    digits += text.slice(start, end);
    sizes.push(end - start);
    ends.push(end);
    start = nextGroup(text, end);
  }
  return { sizes, ends, digits };
}

/** Whether people write card numbers in groups of these sizes: 4-4-4-4, 4-6-5, 8-8, or every digit by itself. */
function writtenSo(sizes: readonly number[], count: number, total: number): boolean {
  if (count === 1) return true;
  if (count > 5) return count === total && (total === 15 || total === 16);
  const shape = sizes.slice(0, count).join('-');
  return (
    shape === '4-6-5' || shape === '4-6-4' || shape === '8-8' || shape === '4-4-4-7' || /^(?:4-)+[1-4]$/.test(shape)
  );
}

type Border = 'free' | 'attached' | 'inside';

/** `inside` a longer number: never a card. `attached` to a longer token, such as an id: only with a word about cards. */
function leftBorder(text: string, at: number, total: number): Border {
  const code = text.charCodeAt(at - 1);
  if (classOf(code) === letter) return 'attached';
  if (code === 0x2b) return total <= 15 ? 'attached' : 'free';
  if (!isSeparator(code) || code === 0x20) return 'free';
  const before = text.charCodeAt(at - 2);
  if (isDigit(before)) return 'inside';
  return classOf(before) === letter ? 'attached' : 'free';
}

function rightBorder(text: string, end: number): Border {
  const code = text.charCodeAt(end);
  if (classOf(code) === letter) return 'attached';
  if (isDigit(code)) return 'inside';
  const after = text.charCodeAt(end + 1);
  if (code === 0x2e) return isDigit(after) ? 'inside' : 'free';
  if (code === 0x2d || code === 0x5f) return isAlphanumeric(after) ? 'attached' : 'free';
  return 'free';
}

function aboutCards(text: string, start: number, end: number, hint: string): boolean {
  return (
    cardWords.test(text.slice(Math.max(0, start - contextBefore), start)) ||
    cardWords.test(text.slice(end, end + contextAfter)) ||
    cardWords.test(hint)
  );
}

/** Whether the number is all there is in its field. */
function standsAlone(text: string, start: number, end: number): boolean {
  return text.trim().length === end - start;
}

/** Whether the words right before the number, or the name of its field, say that it is something else. */
function namedOtherwise(text: string, start: number, end: number, hint: string): boolean {
  const before = text.slice(Math.max(0, start - idNameReach), start);
  return idName.test(before) || (standsAlone(text, start, end) && idWord.test(hint.replaceAll('_', ' ')));
}

function judge(text: string, start: number, end: number, digits: string, hint: string): Span | undefined {
  const range = cardRange(digits);
  if (range === undefined || !luhn(digits)) return undefined;
  const left = leftBorder(text, start, digits.length);
  const right = rightBorder(text, end);
  if (left === 'inside' || right === 'inside') return undefined;
  const about = aboutCards(text, start, end, hint);
  if (!about) {
    if (left !== 'free' || right !== 'free') return undefined;
    if (range !== 'certain' && namedOtherwise(text, start, end, hint)) return undefined;
    if (range === 'shared' && (!standsAlone(text, start, end) || gtin(digits))) return undefined;
  }
  return { start, end, type: 'card', confidence: range === 'shared' ? (about ? 0.8 : 0.6) : about ? 0.97 : 0.85 };
}

export const card: Recognizer = {
  name: 'card',
  triggers: { digitRun: true },
  longestMatch: digitsMax + (digitsMax - 1) * separatorRunMax,
  examine(text, at, hint): Span | undefined {
    // Most numbers are short and alone; they go here, before anything is allocated.
    let first = at + 1;
    while (first - at < digitsMin && isDigit(text.charCodeAt(first))) first++;
    if (first - at < digitsMin && nextGroup(text, first) < 0) return undefined;
    const { sizes, ends, digits } = groupsAt(text, at);
    // The longest that is right: of a 19-digit number whose first 16 digits also pass, nothing may stay behind.
    let total = digits.length;
    for (let last = sizes.length - 1; last >= 0 && total >= digitsMin; last--) {
      if (total <= digitsMax && writtenSo(sizes, last + 1, total)) {
        const span = judge(text, at, ends[last] as number, digits.slice(0, total), hint);
        if (span !== undefined) return span;
      }
      total -= sizes[last] as number;
    }
    return undefined;
  },
  open(text, at): number | undefined {
    let first = at + 1;
    while (first - at < digitsMin && isDigit(text.charCodeAt(first))) first++;
    if (first - at < digitsMin && first < text.length && !isSeparator(text.charCodeAt(first))) return undefined;
    const { ends, digits } = groupsAt(text, at);
    const end = ends.at(-1) as number;
    if (digits.length <= digitsMax && text.length - end <= separatorRunMax && separators.test(text.slice(end)))
      return at;
    if (digits.length < digitsMin) return undefined;
    // Words about cards behind the number count, and so does being all there is in the text.
    if (text.length <= end + contextAfter) return at;
    return text.trim().length === text.slice(at, end).length ? at : undefined;
  },
};
