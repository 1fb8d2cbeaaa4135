/**
 * E-mail addresses (RFC 5321 §4.1.2, internationalized by RFC 6531), found from their `@`. Looser than the RFC where
 * people are (dots at the end of a local part), stricter where machines write `@`: `logo@2x.png`, `left-pad@1.3.0`,
 * and `=` or `/` before an address do not belong to it.
 */
import { alphanumerics, charset, isAlphanumeric } from '../characters.ts';
import type { Recognizer, Span } from '../recognizer.ts';

const localMax = 64;
const domainMax = 253;
const labelMax = 63;
// `*` is left out: it is how this gate masks a local part, and a masked address must not be found again.
const localSet = charset(`${alphanumerics}.!#$%&'+-^_\`{|}~`);
const dot = 0x2e;
const hyphen = 0x2d;
const quote = 0x22;
/** From here on scripts are written without spaces, so that the words around an address touch it. */
const unspacedScripts = 0x2e80;

/** Ends of file names that stand where a top-level domain would, and are none. */
const fileEndings: ReadonlySet<string> = new Set(
  (
    'png jpg jpeg gif webp avif svg ico bmp js mjs cjs jsx ts mts cts tsx css scss less html htm json jsonl yaml yml ' +
    'toml xml csv txt pdf tgz tar gz bz exe dll map woff woff2 ttf lock log bak tmp wasm snap docx xlsx pptx'
  ).split(' '),
);

function isWord(code: number, unspaced: boolean): boolean {
  if (code < 0x80) return isAlphanumeric(code);
  return (
    code >= 0xaa &&
    (code < 0x2000 || (code >= unspacedScripts && code < 0xfff0)) &&
    (unspaced || code < unspacedScripts)
  );
}

function localStart(text: string, sign: number): number {
  if (text.charCodeAt(sign - 1) === quote) return quotedStart(text, sign);
  const unspaced = text.charCodeAt(sign - 1) >= unspacedScripts;
  let start = sign;
  while (start > 0 && sign - start < localMax) {
    const code = text.charCodeAt(start - 1);
    if (localSet[code] !== 1 && !(code >= 0x80 && isWord(code, unspaced))) break;
    start--;
  }
  while (start < sign && !isWord(text.charCodeAt(start), true) && text[start] !== '_') start++;
  return start;
}

/** A quoted local part: everything between two quotes of one line. */
function quotedStart(text: string, sign: number): number {
  for (let start = sign - 2; start >= 0 && sign - start <= localMax + 2; start--) {
    const code = text.charCodeAt(start);
    if (code === 10 || code === 13) return sign;
    if (code === quote) return start < sign - 2 && !isAlphanumeric(text.charCodeAt(start - 1)) ? start : sign;
  }
  return sign;
}

function labelEnd(text: string, start: number): number {
  const unspaced = text.charCodeAt(start) >= unspacedScripts;
  let end = start;
  while (end < text.length && end - start <= labelMax) {
    const code = text.charCodeAt(end);
    if (code !== hyphen && !isWord(code, unspaced)) break;
    end++;
  }
  return end;
}

const asciiTopLevel = /^(?:xn--[a-z0-9-]{2,59}|[a-z]{2,24})$/i;
const beforeHyphen = /^[a-z]{2,24}(?=-)/i;

/** How much of `label` may be a top-level domain, in characters; 0 if none. */
function topLevel(label: string): number {
  if (asciiTopLevel.test(label)) return label.length;
  if (label.charCodeAt(0) >= 0x80) return label.length >= 2 ? label.length : 0;
  // `alice@example.com-` and `alice@example.com--see`: the dash belongs to the sentence.
  return beforeHyphen.exec(label)?.[0].length ?? 0;
}

/** Where the domain that starts at `start` ends; `start` itself if there is none. */
function domainEnd(text: string, start: number): number {
  let end = start;
  let label = '';
  let lastLabel = '';
  for (let from = start; from - start < domainMax; ) {
    const to = labelEnd(text, from);
    if (to === from || to - from > labelMax || text.charCodeAt(from) === hyphen) break;
    label = text.slice(from, to);
    const length = from === start ? 0 : topLevel(label);
    // `alice@example.com.Then`: a capital after a lower-case end of domain begins the next sentence.
    if (end > start && /^[A-Z][a-z]/.test(label) && /^[a-z]+$/.test(lastLabel)) break;
    if (length > 0) end = from + length;
    lastLabel = label;
    if (text.charCodeAt(to) !== dot || (length > 0 && length < label.length)) break;
    from = to + 1;
  }
  return fileEndings.has(lastLabel.toLowerCase()) ? start : end;
}

function inDomain(code: number): boolean {
  return code === dot || code === hyphen || isWord(code, true);
}

/** The last quote before `end` that a quoted local part ending at `limit` could have; -1 if there is none. */
function quoteBefore(text: string, end: number, limit: number): number {
  for (let at = end - 1; at >= 0 && limit - at <= localMax + 2; at--) {
    const code = text.charCodeAt(at);
    if (code === 10 || code === 13) return -1;
    if (code === quote) return at;
  }
  return -1;
}

/** Where a quoted local part may have begun whose `@` is yet to come: one closed by the last character, or an open one. */
function quotedBegun(text: string): number {
  const last = quoteBefore(text, text.length, text.length);
  if (last === -1) return text.length;
  const opens = (at: number): boolean => at !== -1 && !isAlphanumeric(text.charCodeAt(at - 1));
  const first = last === text.length - 1 ? quoteBefore(text, last, text.length) : -1;
  return opens(first) ? first : opens(last) ? last : text.length;
}

/** Where an unquoted local part may have begun; what follows decides whether scripts without spaces belong to it. */
function localBegun(text: string): number {
  let start = text.length;
  while (start > 0 && text.length - start < localMax) {
    const code = text.charCodeAt(start - 1);
    if (localSet[code] !== 1 && !isWord(code, true)) break;
    start--;
  }
  while (start < text.length && !isWord(text.charCodeAt(start), true) && text[start] !== '_') start++;
  return start;
}

export const email: Recognizer = {
  name: 'email',
  triggers: { anywhere: '@' },
  longestMatch: localMax + 2 + 1 + domainMax + labelMax,
  examine(text, sign): Span | undefined {
    const start = localStart(text, sign);
    if (start === sign) return undefined;
    const end = domainEnd(text, sign + 1);
    if (end === sign + 1) return undefined;
    return { start, end, type: 'email', confidence: 0.95 };
  },
  open(text, sign): number | undefined {
    const start = localStart(text, sign);
    if (start === sign) return undefined;
    // Whatever may stand in a domain, and then all that `domainEnd` looks at.
    const limit = Math.min(text.length, sign + 2 + domainMax + labelMax);
    let end = sign + 1;
    while (end < limit && inDomain(text.charCodeAt(end))) end++;
    return end === text.length ? start : undefined;
  },
  begun: (text) => Math.min(quotedBegun(text), localBegun(text)),
};
