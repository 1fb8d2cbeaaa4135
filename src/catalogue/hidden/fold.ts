/**
 * Text as the patterns read it: lower case, Latin letters, single spaces, nothing invisible, letters that stand apart put
 * together; each character with the place that it comes from. What a reader would get wrong: a line break is a space where
 * a sentence goes on behind it, and an end where a list or the next parameter begins.
 */
import { drawnAs, oddRuns } from './characters.ts';

export interface Folded {
  readonly text: string;
  /** Of each UTF-16 unit of `text`: where in the original it comes from. */
  readonly places: readonly number[];
}

const spaced = /(?<![\p{L}\p{N}])(?:\p{L}[ .\-_*]){3,}\p{L}(?![\p{L}\p{N}])/gu;
/** What begins a line that is no going on of the one before. */
const fresh =
  /^[ \t]*(?:[-*•·+>#|]|\d{1,3}[.)]|(?:['"`*]{0,2})[\w.[\]]{1,64}(?:['"`*]{0,2})(?: ?\([^)\n]{0,80}\))? ?(?::|--? |– ))/;

/** `text`, folded. */
export function fold(text: string): Folded {
  const skipped = new Set<number>();
  for (const { from, to } of oddRuns(text)) for (let index = from; index < to; index++) skipped.add(index);
  for (const run of text.matchAll(spaced)) {
    for (let index = run.index; index < run.index + run[0].length; index++) {
      if (/[ .\-_*]/.test(text[index] as string)) skipped.add(index);
    }
  }
  const places: number[] = [];
  let folded = '';
  const add = (what: string, place: number) => {
    folded += what;
    for (let unit = 0; unit < what.length; unit++) places.push(place);
  };
  for (let index = 0; index < text.length; index++) {
    if (skipped.has(index)) continue;
    const char = String.fromCodePoint(text.codePointAt(index) as number);
    if (/\s/u.test(char)) {
      const end = spaceEnd(text, index);
      const gap = text.slice(index, end);
      const ends = /\n\s*\n/.test(gap) || (gap.includes('\n') && fresh.test(text.slice(end, end + 200)));
      add(ends ? '; ' : ' ', index);
      index = end - 1;
      continue;
    }
    const plain = char
      .normalize('NFKD')
      .replaceAll(/\p{M}/gu, '')
      .replaceAll(/[\u2018\u2019\u02bc]/g, "'")
      .replaceAll(/[\u2010-\u2015]/g, '-');
    add([...plain].map(drawnAs).join('').toLowerCase(), index);
    index += char.length - 1;
  }
  return { text: folded, places };
}

function spaceEnd(text: string, from: number): number {
  let end = from;
  while (end < text.length && /\s/u.test(text[end] as string)) end++;
  return end;
}

/** What is not shown where a text is rendered: entities, marks of emphasis and of links, elements within a line. */
const markup =
  /&(?:#(\d{1,7})|#x([0-9a-f]{1,6})|(nbsp|amp|lt|gt|quot|apos|shy));|<\/?(?:a|abbr|b|big|code|del|em|font|i|ins|kbd|mark|s|small|span|strong|sub|sup|u|wbr)\b[^<>]{0,200}>|\]\([^()\n]{0,500}\)|[*`~[\]]+|(?<![\p{L}\p{N}_])_+(?=[\p{L}\p{N}])|(?<=[\p{L}\p{N}])_+(?![\p{L}\p{N}_])/giu;
const entities: Readonly<Record<string, string>> = {
  ...{ nbsp: ' ', amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", shy: '' },
};

/** `text` as it is read where it is rendered, folded; undefined where that is no other text. */
export function foldRendered(text: string): Folded | undefined {
  let rendered = '';
  const from: number[] = [];
  let at = 0;
  const add = (what: string, place: number, step: 0 | 1) => {
    rendered += what;
    for (let unit = 0; unit < what.length; unit++) from.push(place + unit * step);
  };
  for (const found of text.matchAll(markup)) {
    const [whole, decimal, hex, name] = found;
    add(text.slice(at, found.index), at, 1);
    const code = decimal === undefined ? Number.parseInt(hex ?? '', 16) : Number(decimal);
    if (name !== undefined) add(entities[name.toLowerCase()] ?? '', found.index, 0);
    else if (code <= 0x10ffff) add(String.fromCodePoint(code), found.index, 0);
    at = found.index + whole.length;
  }
  if (at === 0) return undefined;
  add(text.slice(at), at, 1);
  const { text: folded, places } = fold(rendered);
  return { text: folded, places: places.map((place) => from[place] ?? 0) };
}

const digits: Readonly<Record<string, string>> = {
  '0': 'o',
  '1': 'i',
  '3': 'e',
  '4': 'a',
  '5': 's',
  '7': 't',
  '@': 'a',
  $: 's',
};

/** The same with digits inside words read as the letters they look like: `1gn0re`. Places stay as they are. */
export function withLettersForDigits(text: string): string {
  return text.replaceAll(/[a-z0-9@$]*[a-z][a-z0-9@$]*/g, (word) =>
    word.replaceAll(/[013457@$]/g, (digit) => digits[digit] as string),
  );
}
