/**
 * Characters that a person who reads a description does not see, or sees as others: what is invisible, what turns the
 * direction of text, what looks like a Latin letter. What a reader would get wrong: some of them belong to honest text (a
 * joiner in an emoji or in Persian, the tags of a flag), and those are left alone.
 */

/** `invisible` is there and not seen, `bidi` changes the order in which text is shown. */
export type OddKind = 'invisible' | 'bidi';

/** A run of odd characters of one kind, by UTF-16 places; `says` is what tag characters spell in ASCII. */
export interface OddRun {
  readonly kind: OddKind;
  readonly from: number;
  readonly to: number;
  readonly says: string;
}

/** Code points, from and to. Tabs and line breaks are none of them. */
const bidi: readonly (readonly [number, number])[] = [
  [0x202a, 0x202e],
  [0x2066, 0x2069],
];
const invisible: readonly (readonly [number, number])[] = [
  ...([
    [0x0, 0x8],
    [0xb, 0xc],
    [0xe, 0x1f],
    [0x7f, 0x9f],
    [0xad, 0xad],
    [0x34f, 0x34f],
    [0x61c, 0x61c],
  ] as const),
  ...([
    [0x115f, 0x1160],
    [0x17b4, 0x17b5],
    [0x180b, 0x180f],
    [0x200b, 0x200f],
    [0x2028, 0x2029],
  ] as const),
  ...([
    [0x2060, 0x2065],
    [0x206a, 0x206f],
    [0x3164, 0x3164],
    [0xfe00, 0xfe0f],
    [0xfeff, 0xfeff],
  ] as const),
  ...([
    [0xffa0, 0xffa0],
    [0xfff0, 0xfffb],
    [0x1bca0, 0x1bca3],
    [0x1d173, 0x1d17a],
    [0xe0000, 0xe0fff],
  ] as const),
];
const pictograph = /\p{Extended_Pictographic}|\p{Emoji_Modifier}|[\ufe0f\u20e3#*0-9]/u;
/** Scripts whose words need joiners, or whose lines need marks of direction. */
const joining =
  /\p{Script=Arabic}|\p{Script=Syriac}|\p{Script=Devanagari}|\p{Script=Bengali}|\p{Script=Gurmukhi}|\p{Script=Gujarati}|\p{Script=Oriya}|\p{Script=Tamil}|\p{Script=Telugu}|\p{Script=Kannada}|\p{Script=Malayalam}|\p{Script=Sinhala}|\p{Script=Khmer}|\p{Script=Mongolian}/u;
const rightToLeft = /\p{Script=Arabic}|\p{Script=Hebrew}|\p{Script=Syriac}/u;
const flag = 0x1f3f4;
/** Of a flag: `gbsct` and its like. */
const flagTagsMax = 7;

/** All runs of odd characters in `text`, in their order. */
export function oddRuns(text: string): readonly OddRun[] {
  const runs: OddRun[] = [];
  const isRightToLeft = rightToLeft.test(text);
  let before: number | undefined;
  let index = 0;
  while (index < text.length) {
    const code = text.codePointAt(index) as number;
    const char = String.fromCodePoint(code);
    const length = char.length;
    const kind = kindOf(code);
    if (code === flag) {
      index = endOfFlag(text, index + length);
      before = code;
      continue;
    }
    if (kind === undefined || isHonest(isRightToLeft, code, before, text.codePointAt(index + length))) {
      before = code;
      index += length;
      continue;
    }
    const says = code >= 0xe0020 && code <= 0xe007e ? String.fromCharCode(code - 0xe0000) : '';
    const last = runs.at(-1);
    if (last !== undefined && last.to === index && last.kind === kind) {
      runs[runs.length - 1] = { kind, from: last.from, to: index + length, says: last.says + says };
    } else runs.push({ kind, from: index, to: index + length, says });
    index += length;
  }
  return runs;
}

function kindOf(code: number): OddKind | undefined {
  const within = ([from, to]: readonly [number, number]) => code >= from && code <= to;
  if (code > 0x1f && code < 0x7f) return undefined;
  return bidi.some(within) ? 'bidi' : invisible.some(within) ? 'invisible' : undefined;
}

/** Behind the tags of a flag that is properly ended; else where it began. */
function endOfFlag(text: string, from: number): number {
  let index = from;
  for (let tags = 0; tags <= flagTagsMax; tags++) {
    const code = text.codePointAt(index);
    if (code === 0xe007f) return tags === 0 ? from : index + 2;
    if (code === undefined || code < 0xe0030 || code > 0xe007a) return from;
    index += 2;
  }
  return from;
}

function isHonest(
  isRightToLeft: boolean,
  code: number,
  before: number | undefined,
  after: number | undefined,
): boolean {
  const is = (pattern: RegExp, one: number | undefined) => one !== undefined && pattern.test(String.fromCodePoint(one));
  if (code === 0xfe0f || code === 0xfe0e) return is(/\p{Emoji}|\p{S}/u, before);
  if (code === 0x200d && is(pictograph, before) && is(/\p{Extended_Pictographic}/u, after)) return true;
  if (code === 0x200c || code === 0x200d) return is(joining, before) && (after === undefined || is(joining, after));
  if (code === 0x200e || code === 0x200f || code === 0x61c) return isRightToLeft;
  return false;
}

/** Letters of other scripts that are drawn as Latin ones. */
const latin: Readonly<Record<string, string>> = Object.freeze({
  ...{ а: 'a', е: 'e', о: 'o', р: 'p', с: 'c', у: 'y', х: 'x', і: 'i', ј: 'j', ѕ: 's', һ: 'h', ԁ: 'd', ԛ: 'q', ԝ: 'w' },
  ...{ ӏ: 'l', ɡ: 'g', ո: 'n', ս: 'u', օ: 'o', г: 'r', к: 'k', п: 'n', т: 't', м: 'm', в: 'b', н: 'h' },
  ...{
    А: 'A',
    В: 'B',
    Е: 'E',
    К: 'K',
    М: 'M',
    Н: 'H',
    О: 'O',
    Р: 'P',
    С: 'C',
    Т: 'T',
    Х: 'X',
    У: 'Y',
    І: 'I',
    Ј: 'J',
    Ѕ: 'S',
  },
  ...{ ο: 'o', ν: 'v', ι: 'i', Α: 'A', Β: 'B', Ε: 'E', Ζ: 'Z', Η: 'H', Ι: 'I', Κ: 'K', Μ: 'M', Ν: 'N', Ο: 'O', Ρ: 'P' },
  ...{ Τ: 'T', Υ: 'Y', Χ: 'X', ı: 'i' },
});

/** The Latin letter that `char` is drawn as; `char` itself where it is none of these. */
export function drawnAs(char: string): string {
  return Object.hasOwn(latin, char) ? (latin[char] as string) : char;
}

/** Words in which look-alikes stand among Latin letters, by their places. A unit such as `μs` is none. */
export function mixedWords(text: string): readonly { readonly from: number; readonly to: number }[] {
  const found: { from: number; to: number }[] = [];
  for (const word of text.matchAll(/\p{L}{3,64}/gu)) {
    const chars = [...word[0]];
    const plain = chars.filter((char) => /[A-Za-z]/.test(char)).length;
    const alike = chars.filter((char) => char !== 'ı' && Object.hasOwn(latin, char)).length;
    if (plain >= 1 && alike >= 1 && plain + alike === chars.length) {
      found.push({ from: word.index, to: word.index + word[0].length });
    }
  }
  return found;
}

/** `text` with everything that is not seen written out, for people: `\u{200B}`. */
export function visible(text: string): string {
  let shown = '';
  for (const char of text) {
    const code = char.codePointAt(0) as number;
    shown += kindOf(code) === undefined ? char : `\\u{${code.toString(16).toUpperCase()}}`;
  }
  return shown;
}
