/**
 * A result that is longer than its agent should get at once, as pages, each of which is a whole one by itself: of a JSON
 * document its longest list or text is spread over them, all the rest standing in each; a text is cut behind a line. What
 * a reader would get wrong: pages overlap in nothing but what stands around the list, so that whoever reads all has
 * each element once.
 */
import type { Json } from '../../call.ts';
import { rawNumber } from '../json.ts';

/** What one page holds of the whole. */
export interface Page {
  readonly text: string;
  /** What it has of the elements of the list or of the characters of the text: from, to (not in it), of. */
  readonly unit: 'items' | 'characters';
  readonly from: number;
  readonly to: number;
  readonly of: number;
}

/** How many pages there may be. */
const pagesMax = 256;
/** How deep the longest list is looked for. */
const depthMax = 32;

/** A text in pages of at most `bytesMax`, cut behind a line, a word or at least a character. */
export function textPages(text: string, bytesMax: number): readonly Page[] {
  const pages: Page[] = [];
  for (let from = 0; from < text.length && pages.length < pagesMax; ) {
    const to = from + fitting(text.slice(from, from + bytesMax), bytesMax);
    pages.push({ text: text.slice(from, to), unit: 'characters', from, to, of: text.length });
    from = to;
  }
  return pages;
}

/** How many characters of a text go into `bytesMax` bytes (at least one does), at the best place to cut. */
function fitting(text: string, bytesMax: number): number {
  let chars = text.length;
  if (Buffer.byteLength(text) > bytesMax) {
    // A character of UTF-16 has three bytes at most, two of them four.
    chars = Math.max(1, Math.floor(bytesMax / 3));
    for (let step = chars; step >= 1; step = Math.floor(step / 2)) {
      while (chars + step <= text.length && Buffer.byteLength(text.slice(0, chars + step)) <= bytesMax) chars += step;
    }
  } else if (text.length < bytesMax) return chars;
  const half = Math.floor(chars / 2);
  const line = text.lastIndexOf('\n', chars - 1) + 1;
  if (line > half) return line;
  const word = text.lastIndexOf(' ', chars - 1) + 1;
  if (word > half) return word;
  const code = text.charCodeAt(chars - 1);
  return code >= 0xd800 && code < 0xdc00 && chars > 1 ? chars - 1 : chars;
}

type Keys = readonly (string | number)[];

/** What may be spread: a list of two or more, or a text. */
interface Spread {
  readonly keys: Keys;
  readonly value: string | readonly Json[];
}

/** A document in pages of at most `bytesMax`; undefined where it cannot be spread over such. */
export function jsonPages(document: Json, bytesMax: number): readonly Page[] | undefined {
  const whole = bytesOf(document);
  for (const { keys, value } of spreadable(document)) {
    const around = whole - bytesOf(value);
    const room = bytesMax - around - 2;
    const largest =
      typeof value === 'string' ? 64 : value.reduce<number>((most, item) => Math.max(most, bytesOf(item)), 0);
    if (room < largest) continue;
    const cuts = typeof value === 'string' ? cutText(value, room) : cutList(value, room);
    const place = (from: number, to: number): Page => ({
      text: JSON.stringify(withAt(document, keys, value.slice(from, to) as Json)),
      unit: typeof value === 'string' ? 'characters' : 'items',
      ...{ from, to, of: value.length },
    });
    return cuts.slice(0, pagesMax).map(([from, to]) => place(from, to));
  }
  return undefined;
}

function cutList(list: readonly Json[], room: number): readonly (readonly [number, number])[] {
  const cuts: [number, number][] = [];
  let from = 0;
  let bytes = 0;
  for (const [index, item] of list.entries()) {
    const more = bytesOf(item) + 1;
    if (index > from && bytes + more > room) {
      cuts.push([from, index]);
      [from, bytes] = [index, 0];
    }
    bytes += more;
  }
  return [...cuts, [from, list.length]];
}

function cutText(text: string, room: number): readonly (readonly [number, number])[] {
  const cuts: [number, number][] = [];
  for (let from = 0; from < text.length && cuts.length < pagesMax; ) {
    // Escapes take up to six bytes a character.
    let to = from + fitting(text.slice(from, from + room), room);
    while (to - from > 1 && bytesOf(text.slice(from, to)) - 2 > room) to = from + Math.ceil((to - from) / 2);
    if (isHalf(text, to) && to - from > 1) to -= 1;
    cuts.push([from, to]);
    from = to;
  }
  return cuts;
}

/** Whether a cut at `at` would part the two halves of a character. */
function isHalf(text: string, at: number): boolean {
  const code = text.charCodeAt(at - 1);
  return code >= 0xd800 && code < 0xdc00 && at < text.length;
}

/** What may be spread, along the way of the largest value of each: the outermost lists first, then the text it ends in. */
function spreadable(document: Json): readonly Spread[] {
  const lists: Spread[] = [];
  const texts: Spread[] = [];
  let keys: Keys = [];
  let value: Json = document;
  for (let depth = 0; depth < depthMax; depth++) {
    if (typeof value === 'string') texts.push({ keys, value });
    if (Array.isArray(value) && value.length > 1) lists.push({ keys, value });
    if (typeof value !== 'object' || value === null || rawNumber(value) !== undefined) break;
    const members: readonly (readonly [string | number, Json])[] = Array.isArray(value)
      ? value.map((item: Json, index) => [index, item] as const)
      : Object.entries(value as { readonly [name: string]: Json });
    let [largest, most]: [readonly [string | number, Json] | undefined, number] = [undefined, -1];
    for (const member of members) {
      const bytes = bytesOf(member[1]);
      if (bytes > most) [largest, most] = [member, bytes];
    }
    if (largest === undefined) break;
    keys = [...keys, largest[0]];
    value = largest[1];
  }
  return [...lists, ...texts];
}

function withAt(value: Json, keys: Keys, instead: Json): Json {
  const [key, ...rest] = keys;
  if (key === undefined) return instead;
  if (Array.isArray(value))
    return value.map((item: Json, index) => (index === key ? withAt(item, rest, instead) : item));
  const object = value as { readonly [name: string]: Json };
  return { ...object, [String(key)]: withAt(object[String(key)] as Json, rest, instead) };
}

function bytesOf(value: Json): number {
  return Buffer.byteLength(JSON.stringify(value));
}
