/**
 * API keys: by the vendor's prefix (key_shapes.ts), by the name they are assigned to (`aws_secret_access_key = …`,
 * `AccountKey=…`, `Authorization: Bearer …`), and Entra client secrets by the `Q~` inside. A prefix alone is not
 * enough: what follows must look random, or every manual with `sk-your-key-here` would be full of secrets.
 */
import { alphanumerics, charset, classOf, digit, isAlphanumeric, other, runEnd } from '../characters.ts';
import { capitals, type KeyShape, keyNames, keyShapes, word } from '../key_shapes.ts';
import type { Recognizer, Span } from '../recognizer.ts';

const nameMax = 48;
/** The most that stands between the sign of an assignment and its value (see `credential`), and one more. */
const betweenMax = 6 + 'bearer'.length + 4 + 1;
const valueMin = 20;
const valueMax = 256;
const distinctMin = 9;
const partMin = 16;
const valueSet = charset(`${alphanumerics}+/=_.~-`);
const secretTail = charset(`${alphanumerics}_.~-`);

/** Shapes by the last character of their prefix and the one before it; bare prefixes by their first two. */
function index(bare: boolean): ReadonlyMap<number, readonly KeyShape[]> {
  const found = new Map<number, KeyShape[]>();
  for (const shape of keyShapes) {
    if (isBare(shape) !== bare) continue;
    const key = bare ? pair(shape.prefix, 0) : pair(shape.prefix, shape.prefix.length - 2);
    found.set(key, [...(found.get(key) ?? []), shape]);
  }
  return found;
}

function isBare({ prefix }: KeyShape): boolean {
  return isAlphanumeric(prefix.charCodeAt(prefix.length - 1));
}

function pair(text: string, at: number): number {
  return text.charCodeAt(at) * 65536 + text.charCodeAt(at + 1);
}

const none: readonly KeyShape[] = [];
const bareShapes = index(true);
const separatedShapes = index(false);

/** How a run of characters is mixed; `changes` are those between small letters, capitals and digits. */
function mixture(text: string, start: number, end: number): { distinct: number; figures: number; changes: number } {
  const seen = new Set<number>();
  let figures = 0;
  let changes = 0;
  for (let at = start; at < end; at++) {
    const code = text.charCodeAt(at);
    seen.add(code);
    if (classOf(code) === digit) figures++;
    if (at > start && change(text.charCodeAt(at - 1), code)) changes++;
  }
  return { distinct: seen.size, figures, changes };
}

/** Not a placeholder: `xxxxxxxxxxxxxxxx` repeats itself, `your-token-goes-here` never changes within its words. */
function varied(text: string, start: number, end: number, shape: KeyShape): boolean {
  const { distinct, figures, changes } = mixture(text, start, end);
  if (shape.common && figures === 0) return false;
  return distinct >= Math.min(distinctMin, (end - start) / 2) && (shape.body === capitals || changes >= 1);
}

/** Drawn at random, as far as one can see: for values that no vendor's prefix vouches for. */
function random(text: string, start: number, end: number): boolean {
  const { distinct, figures, changes } = mixture(text, start, end);
  if (distinct < distinctMin || figures < 2 || figures === end - start || changes < 2) return false;
  // `config.services.s3.keyId2` is a path through names, `aaa.bbb.ccc` of a token has at least one long part.
  let part = 0;
  for (let at = start; at < end && part < partMin; at++) part = text[at] === '.' ? 0 : part + 1;
  return part >= partMin;
}

function change(left: number, right: number): boolean {
  if (!isAlphanumeric(left) || !isAlphanumeric(right)) return false;
  return classOf(left) !== classOf(right) || (left & 32) !== (right & 32);
}

function keyAfter(text: string, start: number, shape: KeyShape): Span | undefined {
  if (!shape.glued && isAlphanumeric(text.charCodeAt(start - 1))) return undefined;
  const from = start + shape.prefix.length;
  let end = runEnd(text, from, shape.body, shape.max + 1);
  if (end - from > shape.max || (end - from === shape.max && isAlphanumeric(text.charCodeAt(end)))) return undefined;
  // Dots and dashes at the end belong to the sentence around the key.
  while (end > from && '.-'.includes(text[end - 1] as string)) end--;
  if (end - from < shape.min || !varied(text, from, end, shape)) return undefined;
  return { start, end, type: 'api_key', confidence: 0.99 };
}

function longer(a: Span | undefined, b: Span | undefined): Span | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return b.end - b.start > a.end - a.start ? b : a;
}

function bareKey(text: string, at: number): Span | undefined {
  const candidates = bareShapes.get(pair(text, at));
  let best: Span | undefined;
  for (const shape of candidates ?? none) {
    if (text.startsWith(shape.prefix, at)) best = longer(best, keyAfter(text, at, shape));
  }
  return best;
}

function separatedKey(text: string, at: number): Span | undefined {
  const candidates = separatedShapes.get(pair(text, at - 1));
  let best: Span | undefined;
  for (const shape of candidates ?? none) {
    const start = at + 1 - shape.prefix.length;
    if (start >= 0 && text.startsWith(shape.prefix, start)) best = longer(best, keyAfter(text, start, shape));
  }
  return best;
}

/** The name in front of an assignment, in small letters without separators; `api-key"` gives `apikey`. */
function nameBefore(text: string, sign: number): string {
  let end = sign;
  while (end > 0 && sign - end < 4 && ' \t"\'`]:'.includes(text[end - 1] as string)) end--;
  // Every name that counts ends in key, token, secret or authorization; most others go here, at the cost of one look.
  if (!'yntYNT'.includes(text[end - 1] ?? ' ')) return '';
  let start = end;
  while (
    start > 0 &&
    end - start < nameMax &&
    (word[text.charCodeAt(start - 1)] === 1 || ' .'.includes(text[start - 1] as string))
  )
    start--;
  return letters(text.slice(start, end));
}

function letters(name: string): string {
  return name.toLowerCase().replace(/[^a-z]/g, '');
}

const assignment = /[:=>\s"'`]{0,6}/y;
const credential = /[:=\s"'`]{0,6}(?:bearer|basic|token|apikey)\s{1,4}/iy;

/** What may stand between a name and its value; undefined if it is not the name of a key. */
function patternFor(name: string): RegExp | undefined {
  if (name.endsWith('authorization')) return credential;
  return keyNames.some((ending) => name.endsWith(ending)) ? assignment : undefined;
}

function valueSpan(text: string, from: number, confidence: number): Span | undefined {
  const end = runEnd(text, from, valueSet, valueMax + 1);
  if (end - from > valueMax || end - from < valueMin || !random(text, from, end)) return undefined;
  return { start: from, end, type: 'api_key', confidence };
}

/** A random value behind `name =` or `name:` where the name is that of a key. */
function assignedKey(text: string, sign: number): Span | undefined {
  // `::`, `==` and `:=` are one sign; the last character of it asks.
  if (':='.includes(text[sign + 1] ?? ' ')) return undefined;
  const last = text.charCodeAt(sign - 1);
  if (last <= 0x20 && text.charCodeAt(sign - 2) <= 0x20) return undefined;
  const name = nameBefore(text, sign);
  if (name.length < 6) return undefined;
  const pattern = patternFor(name);
  if (pattern === undefined) return undefined;
  pattern.lastIndex = sign + 1;
  return pattern.test(text) ? valueSpan(text, pattern.lastIndex, 0.75) : undefined;
}

/** Entra (Azure AD) client secrets: three characters, a digit, `Q~`, and 31 to 34 more. */
function entraSecret(text: string, tilde: number): Span | undefined {
  const start = tilde - 5;
  if (text[tilde - 1] !== 'Q' || start < 0 || classOf(text.charCodeAt(tilde - 2)) !== digit) return undefined;
  for (let at = start; at < tilde - 2; at++) if (secretTail[text.charCodeAt(at)] !== 1) return undefined;
  const end = runEnd(text, tilde + 1, secretTail, 35);
  if (end - tilde < 32 || end - tilde > 35) return undefined;
  return { start, end, type: 'api_key', confidence: 0.95 };
}

const bareStarts = [...bareShapes.values()].flat().map(({ prefix }) => prefix[0]);

/** Whether the text ends before it is clear where the key of `shape` that begins at `start` ends, or that it is none. */
function shapeOpen(text: string, start: number, { prefix, body, max }: KeyShape): boolean {
  const from = start + prefix.length;
  if (from > text.length) return prefix.startsWith(text.slice(start));
  return text.startsWith(prefix, start) && runEnd(text, from, body, max + 1) === text.length;
}

function bareOpen(text: string, at: number): number | undefined {
  if (at + 1 >= text.length) return at;
  return (bareShapes.get(pair(text, at)) ?? none).some((shape) => shapeOpen(text, at, shape)) ? at : undefined;
}

function separatedOpen(text: string, at: number): number | undefined {
  let first: number | undefined;
  for (const shape of separatedShapes.get(pair(text, at - 1)) ?? none) {
    const start = at + 1 - shape.prefix.length;
    if (start >= 0 && shapeOpen(text, start, shape)) first = Math.min(first ?? start, start);
  }
  return first;
}

function assignedOpen(text: string, sign: number): number | undefined {
  const pattern = patternFor(nameBefore(text, sign));
  if (pattern === undefined) return undefined;
  if (text.length <= sign + betweenMax) return sign;
  pattern.lastIndex = sign + 1;
  return pattern.test(text) && runEnd(text, pattern.lastIndex, valueSet, valueMax + 1) === text.length
    ? sign
    : undefined;
}

function entraOpen(text: string, tilde: number): number | undefined {
  if (text[tilde - 1] !== 'Q' || tilde < 5) return undefined;
  return runEnd(text, tilde + 1, secretTail, 35) === text.length ? tilde - 5 : undefined;
}

const prefixMax = Math.max(...keyShapes.map(({ prefix }) => prefix.length));
const inPrefix = charset([...new Set(keyShapes.map(({ prefix }) => prefix).join(''))].join(''));
const beginnings: ReadonlySet<string> = new Set(
  [...separatedShapes.values()]
    .flat()
    .flatMap(({ prefix }) => Array.from({ length: prefix.length - 1 }, (_, length) => prefix.slice(0, length + 1))),
);

/** Where a prefix that ends in a separator may have begun; or an Entra secret, up to five characters before its tilde. */
function begun(text: string): number {
  const last = text.charCodeAt(text.length - 1);
  let reach = 3;
  if (classOf(last) === digit) reach = 4;
  else if (text.endsWith('Q') && classOf(text.charCodeAt(text.length - 2)) === digit) reach = 5;
  let start = text.length;
  while (start > 0 && text.length - start < reach && secretTail[text.charCodeAt(start - 1)] === 1) start--;
  // The longest beginning counts; most texts end in a space, and nothing is looked up for them.
  for (let at = text.length - 1; at >= 0 && text.length - at < prefixMax; at--) {
    if (inPrefix[text.charCodeAt(at)] !== 1) break;
    if (at < start && beginnings.has(text.slice(at))) start = at;
  }
  return start;
}

export const apiKey: Recognizer = {
  name: 'api_key',
  triggers: { anywhere: '-_./:=~', tokenStart: [...new Set(bareStarts)].join('') },
  longestMatch: 2048 + prefixMax,
  examine(text, at): Span | undefined {
    const code = text.charCodeAt(at);
    if (classOf(code) !== other) return bareKey(text, at);
    if (code === 0x3a || code === 0x3d) return assignedKey(text, at);
    return code === 0x7e ? entraSecret(text, at) : separatedKey(text, at);
  },
  open(text, at): number | undefined {
    const code = text.charCodeAt(at);
    if (classOf(code) !== other) return bareOpen(text, at);
    if (code === 0x3a || code === 0x3d) return assignedOpen(text, at);
    return code === 0x7e ? entraOpen(text, at) : separatedOpen(text, at);
  },
  begun,
  whole(text, hint): Span | undefined {
    const name = letters(hint.slice(hint.lastIndexOf(' ') + 1));
    const pattern = patternFor(name);
    if (pattern === undefined) return undefined;
    pattern.lastIndex = 0;
    const span = pattern.test(text) ? valueSpan(text, pattern.lastIndex, 0.75) : undefined;
    return span?.end === text.trimEnd().length ? span : undefined;
  },
};
