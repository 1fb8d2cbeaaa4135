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
