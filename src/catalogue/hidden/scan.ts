/**
 * Finds instructions to the model where a server only ought to describe, and takes them out: in descriptions of tools,
 * prompts and resources, and in what a server says of itself. What a reader would get wrong: this is a net and no proof.
 * What an unknown text makes a model do is held by the policy and by the effect in the routing table.
 */
import { drawnAs, mixedWords, oddRuns, visible } from './characters.ts';
import { fold, foldRendered, withLettersForDigits } from './fold.ts';
import { marksOf } from './marks.ts';
import { phrases } from './phrases.ts';

export type HiddenKind =
  | 'invisible'
  | 'bidi'
  | 'look_alike'
  | 'instruction'
  | 'concealment'
  | 'secrets'
  | 'exfiltration'
  | 'markup'
  | 'encoded';

/** Something suspicious. `excerpt` has what is invisible written out, and is 160 characters at most. */
export interface Hidden {
  readonly kind: HiddenKind;
  readonly excerpt: string;
}

export interface Cleaned {
  readonly text: string;
  readonly hidden: readonly Hidden[];
}

interface Span {
  readonly kind: HiddenKind;
  readonly from: number;
  readonly to: number;
  /** What stands in its place. */
  readonly by: string;
  readonly says?: string;
}

const roundsMax = 4;
const hiddenMax = 32;
const excerptMax = 160;
/** What is longer is not read by anybody, and is refused as a whole. */
const textCharsMax = 65_536;

/** `text` without what is suspicious in it, and what that was. Links to `hosts` are the server's own. */
export function cleanText(text: string, hosts: readonly string[] = []): Cleaned {
  if (text.length > textCharsMax) {
    return { text: '', hidden: [{ kind: 'markup', excerpt: `a text of ${text.length} characters` }] };
  }
  let clean = text;
  const hidden: Hidden[] = [];
  for (let round = 0; round < roundsMax; round++) {
    const spans = spansOf(clean, hosts);
    if (spans.length === 0) return { text: round === 0 ? text : tidied(clean), hidden };
    for (const { kind, from, to, says } of spans) {
      if (hidden.length < hiddenMax) hidden.push({ kind, excerpt: excerptOf(clean.slice(from, to), says) });
    }
    clean = replaced(clean, spans);
  }
  return { text: spansOf(clean, hosts).length === 0 ? tidied(clean) : '', hidden };
}

/** What is suspicious in a value that is not prose: only what no honest value holds. */
export function hiddenInValue(text: string): readonly Hidden[] {
  return spansOf(text, [])
    .filter(({ kind }) => kind !== 'exfiltration' && kind !== 'encoded' && kind !== 'look_alike')
    .slice(0, hiddenMax)
    .map(({ kind, from, to, says }) => ({ kind, excerpt: excerptOf(text.slice(from, to), says) }));
}

function spansOf(text: string, hosts: readonly string[]): readonly Span[] {
  const spans: Span[] = [];
  for (const { kind, from, to, says } of oddRuns(text)) spans.push({ kind, from, to, by: '', says });
  for (const { from, to } of mixedWords(text)) {
    spans.push({ kind: 'look_alike', from, to, by: [...text.slice(from, to)].map(drawnAs).join('') });
  }
  for (const { kind, from, to, exact } of marksOf(text, hosts, (decoded) => phraseSpans(decoded).length > 0)) {
    spans.push({ kind, ...(exact ? { from, to } : sentenceAround(text, from, to)), by: '' });
  }
  return [...spans, ...phraseSpans(text)];
}

function phraseSpans(text: string): readonly Span[] {
  const folded = fold(text);
  const lettered = withLettersForDigits(folded.text);
  const readings = [folded, ...(lettered === folded.text ? [] : [{ ...folded, text: lettered }])];
  const rendered = foldRendered(text);
  if (rendered !== undefined) readings.push(rendered);
  return readings.flatMap(({ text: reading, places }) =>
    phrases.flatMap(({ kind, pattern, unless }) => {
      // Of many that are found in one sentence, which may be the whole text, it is looked for once.
      let sentence = { from: 0, to: 0 };
      return [...reading.matchAll(pattern)].flatMap((found): Span[] => {
        const last = found.index + found[0].length - 1;
        if (unless?.test(foldedSentence(reading, found.index, last))) return [];
        const [from, to] = [places[found.index] ?? 0, (places[last] ?? text.length - 1) + 1];
        if (from < sentence.from || to > sentence.to) sentence = sentenceAround(text, from, to);
        return [{ kind, ...sentence, by: '' }];
      });
    }),
  );
}

function foldedSentence(text: string, from: number, to: number): string {
  const before = text.slice(Math.max(0, from - 300), from);
  const start = Math.max(before.lastIndexOf('. '), before.lastIndexOf('; '), before.lastIndexOf('! '), -1);
  const after = /[.;!?](?: |$)/.exec(text.slice(to, to + 300));
  return before.slice(start + 1) + text.slice(from, to) + text.slice(to, to + (after === null ? 300 : after.index));
}

/** The sentence, or the line, that holds the places from `from` to `to`. */
function sentenceAround(text: string, from: number, to: number): { readonly from: number; readonly to: number } {
  let start = from;
  while (
    start > 0 &&
    text[start - 1] !== '\n' &&
    !endsSentence(text, start - 2) &&
    !/[。！？]/u.test(text[start - 1] as string)
  )
    start--;
  let end = to;
  while (end < text.length && text[end] !== '\n' && !(end > 0 && endsSentence(text, end - 1))) end++;
  return { from: start, to: end };
}

function endsSentence(text: string, index: number): boolean {
  if (index < 0) return false;
  if (/[。！？]/u.test(text[index] as string)) return true;
  return /[.!?]/.test(text[index] as string) && /\s/u.test(text[index + 1] ?? ' ');
}

function replaced(text: string, spans: readonly Span[]): string {
  const sorted = spans.toSorted((one, other) => one.from - other.from || other.to - one.to);
  let kept = '';
  let from = 0;
  for (const span of sorted) {
    if (span.to <= from) continue;
    if (span.from > from) kept += text.slice(from, span.from);
    // What a wider span has taken already is not put back.
    if (span.from >= from) kept += span.by;
    from = span.to;
  }
  return kept + text.slice(from);
}

function tidied(text: string): string {
  return text
    .replaceAll(/(?<![ \t])[ \t]+(?=\n|$)/g, '')
    .replaceAll(/\n{3,}/g, '\n\n')
    .trim();
}

function excerptOf(text: string, says = ''): string {
  const spelt = says === '' ? '' : `${JSON.stringify(says)} in `;
  const shown = spelt + visible(text).replaceAll(/\s+/g, ' ').trim();
  return shown.length > excerptMax ? `${shown.slice(0, excerptMax - 1)}…` : shown;
}
