/**
 * The scanner: one pass over each folded text asks the recognizers where their triggers stand, and what they find is
 * mapped back to the text as it was. Spans of different types may overlap on purpose: a policy that speaks of one
 * type only must not lose it because another type explained the same characters more loudly.
 */
import type { Finding, Json, Segment } from '../call.ts';
import { classOf, digit, other } from './characters.ts';
import { fold } from './fold.ts';
import { CustomPattern } from './pattern.ts';
import type { Recognizer, Span } from './recognizer.ts';
import { recognizers as builtIn } from './recognizers/index.ts';
import type { InspectionConfig } from './section.ts';

/** How deep a document is copied for the records; what lies deeper is left out, not passed on unseen. */
const depthMax = 128;
/** Figures from which a JSON number can be a card; shorter ones are copied without a look. */
const numberDigitsMin = 12;

/** A span and the text it was found in, as folded; what a hash is made of. */
export interface Match extends Span {
  readonly folded: string;
}

/** Where one recognizer or custom pattern stands in a text that goes on; offsets are of the folded text. */
export interface Seeker {
  readonly type: string;
  /** It has said all it will of what would trigger it before here. */
  next: number;
  /** What it may still find begins here or later. */
  begun: number;
}

export class Inspector {
  readonly #recognizers: readonly Recognizer[];
  readonly #custom: readonly CustomPattern[];
  /** For each ASCII character a bit for every recognizer that wants to be asked there. */
  readonly #anywhere = new Uint32Array(128);
  readonly #tokenStart = new Uint32Array(128);
  #digitRun = 0;
  readonly #customTypes: ReadonlySet<string>;

  /** Throws where a custom pattern is unsafe or a recognizer does not exist (checkInspection says so before). */
  constructor(config: Partial<InspectionConfig> = {}) {
    const names = config.recognizers ?? builtIn.map(({ name }) => name);
    this.#recognizers = names.map((name) => {
      const found = builtIn.find((recognizer) => recognizer.name === name);
      if (found === undefined) throw new Error(`there is no recognizer ${name}`);
      return found;
    });
    this.#custom = (config.custom ?? []).map(({ type, pattern, context }) => new CustomPattern(type, pattern, context));
    this.#customTypes = new Set(this.#custom.map(({ type }) => type));
    this.#recognizers.forEach(({ triggers }, place) => {
      const bit = 1 << place;
      for (const char of triggers.anywhere ?? '') mark(this.#anywhere, char, bit);
      for (const char of triggers.tokenStart ?? '') mark(this.#tokenStart, char, bit);
      if (triggers.digitRun === true) this.#digitRun |= bit;
    });
  }

  /**
   * Findings of all segments, added up by type and place; in the order of the segments. `where` is a JSON pointer in
   * which personal data in member names is replaced as in the records. Confidence is the highest of those added up.
   */
  scan(segments: readonly Segment[]): Finding[] {
    const found = new Map<string, Finding>();
    for (const segment of segments) {
      const spans = this.matches(segment.text, hintOf(segment.where));
      if (spans.length > 0) addFindings(found, spans, this.publicWhere(segment.where));
    }
    return [...found.values()];
  }

  /**
   * What is found in one text, by start; offsets are UTF-16 units of `text`. Spans of one type never overlap, spans of
   * different types may. Linear in the length of the text. `hint` is made by `hintOf` from where the text stands.
   */
  scanText(text: string, hint = ''): Span[] {
    return this.matches(text, hint).map(({ start, end, type, confidence }) => ({ start, end, type, confidence }));
  }

  /** As scanText, with the folded text of each span. For this room only: a match holds the value itself. */
  matches(text: string, hint: string): Match[] {
    const folded = fold(text);
    const spans = this.sweep(folded.text, hint);
    for (const recognizer of this.#recognizers) {
      const span = recognizer.whole?.(folded.text, hint);
      if (span !== undefined) spans.push(span);
    }
    return this.settled(spans).map((span) => ({
      ...span,
      start: folded.original(span.start),
      end: folded.original(span.end),
      folded: folded.text.slice(span.start, span.end),
    }));
  }

  /** Spans as they are told: one for what overlaps within a type, none that another type explains. */
  settled(spans: Span[]): Span[] {
    return settle(spans, this.#customTypes);
  }

  /** What looks for findings here, for a stream that keeps track of each: recognizers first, then custom patterns. */
  seekers(): Seeker[] {
    const types = [...this.#recognizers.map(({ name }) => name), ...this.#custom.map(({ type }) => type)];
    return types.map((type) => ({ type, next: 0, begun: 0 }));
  }

  /**
   * Everything found in a folded text, not settled. With `seekers`, of a text that goes on unless it is `over`: each
   * looks on from its `next`, gives what no further text can change, and says from where on something may be found.
   */
  sweep(text: string, hint: string, seekers?: Seeker[], over = false): Span[] {
    const spans: Span[] = [];
    const next = seekers?.map((seeker) => seeker.next) ?? this.#recognizers.map(() => 0);
    const waiting = new Map<number, number>();
    const first = seekers === undefined ? 0 : Math.min(text.length, ...next.slice(0, this.#recognizers.length));
    let previous = classOf(text.charCodeAt(first - 1));
    // What waits for more text is not asked again: nothing behind it is decided before it.
    let asked = -1;
    for (let at = first; at < text.length; at++) {
      const code = text.charCodeAt(at);
      if (code >= 128) {
        previous = other;
        continue;
      }
      const kind = classOf(code);
      let wanted = this.#anywhere[code] as number;
      if (kind !== other && previous === other) wanted |= this.#tokenStart[code] as number;
      if (kind === digit && previous !== digit) wanted |= this.#digitRun;
      previous = kind;
      wanted &= asked;
      for (let place = 0; wanted !== 0; place++, wanted >>>= 1) {
        if ((wanted & 1) === 0 || at < (next[place] as number)) continue;
        const recognizer = this.#recognizers[place] as Recognizer;
        const open = seekers === undefined || over ? undefined : recognizer.open(text, at);
        if (open !== undefined) {
          waiting.set(place, open);
          next[place] = at;
          asked &= ~(1 << place);
          continue;
        }
        const found = recognizer.examine(text, at, hint);
        if (found === undefined) continue;
        if (typeof found !== 'number') spans.push(found);
        next[place] = typeof found === 'number' ? found : found.end;
      }
    }
    seekers?.forEach((seeker, place) => {
      const recognizer = this.#recognizers[place];
      if (recognizer === undefined) return;
      const open = waiting.get(place);
      seeker.next = open === undefined ? text.length : (next[place] as number);
      seeker.begun = Math.min(open ?? text.length, (over ? undefined : recognizer.begun?.(text)) ?? text.length);
    });
    for (const [index, pattern] of this.#custom.entries()) {
      this.#seek(pattern, text, hint, spans, seekers?.[index + this.#recognizers.length], over);
    }
    return spans;
  }

  #seek(pattern: CustomPattern, text: string, hint: string, spans: Span[], seeker?: Seeker, over = false): void {
    const open = seeker !== undefined && !over;
    const undecided = open ? Math.max(seeker.next, text.length - pattern.undecided) : text.length;
    let next = undecided;
    for (const span of pattern.find(text, hint, seeker?.next)) {
      if (open && span.start >= undecided) break;
      spans.push(span);
      next = Math.max(next, span.end);
    }
    if (seeker === undefined) return;
    seeker.next = next;
    seeker.begun = next;
  }

  /** A copy for the records: every finding in a string, a long number or a member name is replaced by `[type]`. */
  redactedCopy(value: Json): Json {
    return this.#copy(value, '', 0);
  }

  #copy(value: Json, hint: string, depth: number): Json {
    if (typeof value === 'string') return this.redactedText(value, hint);
    if (typeof value === 'number') {
      if (Math.abs(value) < 10 ** (numberDigitsMin - 1)) return value;
      const text = this.redactedText(String(value), hint);
      return text === String(value) ? value : text;
    }
    if (value === null || typeof value === 'boolean') return value;
    if (depth >= depthMax) return '[too deep]';
    if (Array.isArray(value)) return value.map((item: Json) => this.#copy(item, hint, depth + 1));
    const names = new Set<string>();
    const given = new Map<string, number>();
    return Object.fromEntries(
      Object.entries(value).map(([name, member]) => {
        const base = this.redactedText(name);
        let copy = base;
        let again = given.get(base) ?? 1;
        while (names.has(copy)) copy = `${base} ${++again}`;
        given.set(base, again);
        names.add(copy);
        return [copy, this.#copy(member, nextHint(hint, name), depth + 1)];
      }),
    );
  }

  /** `text` with every finding replaced by `[type]`. */
  redactedText(text: string, hint = ''): string {
    return replaceSpans(text, clusters(this.matches(text, hint)), ({ type }) => `[${type}]`);
  }

  /** A JSON pointer that may be shown: member names can hold personal data too. */
  publicWhere(where: string): string {
    return this.redactedText(where);
  }
}

function mark(table: Uint32Array, char: string, bit: number): void {
  const code = char.charCodeAt(0);
  table[code] = (table[code] as number) | bit;
}

/** Adds spans of one place to the findings collected so far, keyed by type and place. */
function addFindings(found: Map<string, Finding>, spans: readonly Span[], where: string): void {
  for (const { type, confidence } of spans) {
    const key = `${type} ${where}`;
    const before = found.get(key);
    const count = (before?.count ?? 0) + 1;
    found.set(key, { type, count, where, confidence: Math.max(confidence, before?.confidence ?? 0) });
  }
}

/** The last two member names of a JSON pointer as words: `/body/payment/cardNumber` gives `payment card_number`. */
export function hintOf(where: string): string {
  let hint = '';
  for (const token of where.split('/').slice(-3))
    hint = nextHint(hint, token.replaceAll('~1', '/').replaceAll('~0', '~'));
  return hint;
}

const hintNameMax = 64;

function nextHint(hint: string, name: string): string {
  if (name === '' || /^[0-9]+$/.test(name)) return hint;
  const own = name
    .slice(0, hintNameMax)
    .replace(/(?<=[a-z])(?=[A-Z])/g, '_')
    .replaceAll(' ', '_')
    .toLowerCase();
  const last = hint.slice(hint.lastIndexOf(' ') + 1);
  return last === '' ? own : `${last} ${own}`;
}

/**
 * One span for what overlaps within a type. A span wholly inside one of another type that is as sure is left out (the
 * digits of an IBAN are no card), unless its type is in `keep`: what operators look for themselves is always told.
 */
function settle(spans: Span[], keep: ReadonlySet<string>): Span[] {
  if (spans.length < 2) return spans;
  spans.sort((a, b) => a.start - b.start || b.end - a.end || b.confidence - a.confidence);
  const joined: Span[] = [];
  const lastOf = new Map<string, number>();
  for (const span of spans) {
    const place = lastOf.get(span.type);
    const last = place === undefined ? undefined : joined[place];
    if (place !== undefined && last !== undefined && span.start < last.end) {
      joined[place] = {
        ...last,
        end: Math.max(last.end, span.end),
        confidence: Math.max(last.confidence, span.confidence),
      };
    } else {
      lastOf.set(span.type, joined.length);
      joined.push(span);
    }
  }
  // Of the types there are, which reaches furthest: a span is only inside one that started before it.
  const reach = new Map<string, Span>();
  return joined.filter((span) => {
    for (const around of keep.has(span.type) ? [] : reach.values()) {
      if (around.end >= span.end && around.type !== span.type && around.confidence >= span.confidence) return false;
    }
    const own = reach.get(span.type);
    if (own === undefined || own.end <= span.end) reach.set(span.type, span);
    return true;
  });
}

/** Overlapping spans as one, under the type of the surest of them. */
function clusters(spans: readonly Span[]): Span[] {
  const joined: Span[] = [];
  for (const span of spans) {
    const last = joined.at(-1);
    if (last === undefined || span.start >= last.end) {
      joined.push(span);
      continue;
    }
    const surest = span.confidence > last.confidence ? span : last;
    joined[joined.length - 1] = { ...surest, start: last.start, end: Math.max(last.end, span.end) };
  }
  return joined;
}

/** `text` with each of `spans` replaced; they are in order and do not overlap. Linear, whatever their number. */
export function replaceSpans<S extends Pick<Span, 'start' | 'end'>>(
  text: string,
  spans: readonly S[],
  replacement: (span: S) => string,
): string {
  const pieces: string[] = [];
  let copied = 0;
  for (const span of spans) {
    pieces.push(text.slice(copied, span.start), replacement(span));
    copied = span.end;
  }
  pieces.push(text.slice(copied));
  return pieces.join('');
}
