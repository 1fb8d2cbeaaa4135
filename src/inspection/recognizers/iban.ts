/**
 * International bank account numbers (ISO 13616-1): the country's length and structure and the ISO 7064 mod 97 check,
 * all capitals or all small letters, in one piece or in groups. A number whose check fails is not reported: people
 * misspell account numbers, but a random one is right once in 97.
 */
import { classOf, digit, isAlphanumeric, letter } from '../characters.ts';
import { ibanStructures } from '../iban_structures.ts';
import type { Recognizer, Span } from '../recognizer.ts';

const lengthMax = 34;
const separators = ' -._';
/** Characters together without a separator before the first one may come: country and check digits. */
const firstGroupMin = 4;
const smallI = 0x69;

/** Mod 97 of the number that ISO 7064 makes of an IBAN; 1 for a right one. */
function mod97(iban: string): number {
  let rest = 0;
  for (let index = 0; index < iban.length; index++) {
    const code = iban.charCodeAt((index + 4) % iban.length);
    rest = code <= 57 ? (rest * 10 + code - 48) % 97 : (rest * 100 + code - 55) % 97;
  }
  return rest;
}

function fits(kind: string | undefined, code: number): boolean {
  const found = classOf(code);
  return kind === 'n' ? found === digit : kind === 'a' ? found === letter : found !== 0;
}

/** The span of an IBAN that starts at `start`, if there is one. */
function ibanAt(text: string, start: number): Span | undefined {
  if (classOf(text.charCodeAt(start + 1)) !== letter || classOf(text.charCodeAt(start + 2)) !== digit) return undefined;
  if (classOf(text.charCodeAt(start + 3)) !== digit) return undefined;
  const country = text.slice(start, start + 2);
  const structure = ibanStructures.get(country.toUpperCase());
  if (structure === undefined) return undefined;
  const lower = country.toLowerCase() === country;
  if (!lower && country.toUpperCase() !== country) return undefined;
  let iban = text.slice(start, start + firstGroupMin);
  let end = start + firstGroupMin;
  for (const kind of structure) {
    if (separators.includes(text[end] ?? 'x') && isAlphanumeric(text.charCodeAt(end - 1))) end++;
    const code = text.charCodeAt(end);
    if (!fits(kind, code) || (code > 57 && code > 90 !== lower)) return undefined;
    iban += text[end];
    end++;
  }
  if (isAlphanumeric(text.charCodeAt(end)) || mod97(iban.toUpperCase()) !== 1) return undefined;
  return { start, end, type: 'iban', confidence: 0.98 };
}

/** Whether the text ends before it is clear that no IBAN, or where one, starts at `start`. */
function mayGoOn(text: string, start: number): boolean {
  for (let at = start; at < start + firstGroupMin; at++) {
    if (at >= text.length) return true;
    if (classOf(text.charCodeAt(at)) !== (at < start + 2 ? letter : digit)) return false;
  }
  if (!ibanStructures.has(text.slice(start, start + 2).toUpperCase())) return false;
  const limit = Math.min(text.length, start + lengthMax * 2);
  let end = start + firstGroupMin;
  while (end < limit && (isAlphanumeric(text.charCodeAt(end)) || separators.includes(text[end] as string))) end++;
  return end === text.length;
}

export const iban: Recognizer = {
  name: 'iban',
  triggers: { tokenStart: 'ABCDEFGHIJKLMNOPQRSTUVXYZabcdefghijklmnopqrstuvxyz' },
  longestMatch: lengthMax * 2 + 'IBAN'.length,
  examine(text, at): Span | undefined {
    if ((text.charCodeAt(at) | 32) !== smallI || !/^iban/i.test(text.slice(at, at + 4))) return ibanAt(text, at);
    return ibanAt(text, at + 4);
  },
  open(text, at): number | undefined {
    const named = 'iban'.startsWith(text.slice(at, at + 4).toLowerCase());
    if (named && text.length <= at + 4) return at;
    return mayGoOn(text, named ? at + 4 : at) ? at : undefined;
  },
};
