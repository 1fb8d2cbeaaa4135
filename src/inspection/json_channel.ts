/**
 * A JSON text that flows (the arguments of a tool call): each of its strings, and each long number, is a text of its
 * own, read with its escapes undone and written back with them. It takes no offence at wrong nesting, since nobody has
 * acted on the arguments yet; what cannot be JSON at all is read as plain text from there on.
 */
import { Changes, type Channel, type Judge, type OpenWindow } from './channel.ts';
import type { TextWindow } from './window.ts';

/** From this many digits on a number is a text; the same as in a buffered answer. */
const numberDigitsMin = 12;
/** Longer than any number that means something; what is longer is plain text. */
const tokenMax = 512;
const behindMax = 128;

const quote = 0x22;
const backslash = 0x5c;
const literals = ['true', 'false', 'null'];
const shortEscapes: Readonly<Record<string, string>> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t' };

/** A string inside the text: what it says so far, and where on the wire each of its characters begins. */
interface Inner {
  readonly window: TextWindow;
  /** Places on the wire behind each escape, by the character that follows there; ascending. */
  readonly places: { readonly unit: number; readonly at: number }[];
  units: number;
  text: string;
}

export class JsonChannel implements Channel {
  readonly changes: Changes = new Changes();
  readonly #open: OpenWindow;
  readonly #judge: Judge;
  #mode: 'start' | 'between' | 'string' | 'token' | 'plain' = 'start';
  /** Characters on the wire so far. */
  #at = 0;
  /** The last of them, and what comes now; and where that begins. */
  #seen = '';
  #seenFrom = 0;
  #token = '';
  #escape = '';
  #inner: Inner | undefined;
  #plain: { readonly window: TextWindow; readonly from: number } | undefined;
  #decided = 0;

  constructor(open: OpenWindow, judge: Judge) {
    this.#open = open;
    this.#judge = judge;
  }

  get decided(): number {
    if (this.#plain !== undefined) return this.#plain.from + this.#plain.window.decided;
    return this.#inner === undefined ? this.#decided : wireAt(this.#inner, this.#inner.window.decided);
  }

  push(text: string): void {
    this.#seen = this.#seen.slice(-behindMax - tokenMax) + text;
    this.#seenFrom = this.#at + text.length - this.#seen.length;
    for (let index = 0; index < text.length; index++) {
      if (this.#mode === 'plain') {
        this.#plain?.window.push(text.slice(index));
        return;
      }
      this.#take(text[index] as string);
      this.#at++;
    }
    this.#flush();
  }

  end(): void {
    if (this.#mode === 'token') this.#endToken();
    this.#endString();
    this.#plain?.window.end();
    if (this.#plain === undefined) this.#decided = this.#at;
  }

  judge(): void {
    if (this.#mode === 'token') this.#endToken();
    this.#inner?.window.judge();
    this.#plain?.window.judge();
  }

  #take(char: string): void {
    if (this.#mode === 'string') this.#inString(char);
    else if (this.#mode === 'token' && /[-+.0-9A-Za-z]/.test(char)) {
      this.#token += char;
      const word = /^[a-z]/.test(this.#token);
      const fits = word
        ? literals.some((literal) => literal.startsWith(this.#token))
        : /^[-+.0-9eE]+$/.test(this.#token);
      if (!fits || this.#token.length > tokenMax) this.#toPlain();
    } else {
      if (this.#mode === 'token') this.#endToken();
      this.#between(char);
    }
  }

  #between(char: string): void {
    const starting = this.#mode === 'start';
    if (' \t\n\r'.includes(char)) this.#decided = this.#at + 1;
    else if (starting ? '{['.includes(char) : '{}[],:'.includes(char)) {
      this.#mode = 'between';
      this.#decided = this.#at + 1;
    } else if (!starting && char === '"') this.#beginString();
    else if (!starting && /[-0-9tfn]/.test(char)) {
      this.#mode = 'token';
      this.#token = char;
    } else {
      this.#token = char;
      this.#toPlain();
    }
  }

  // ── strings ───────────────────────────────────────────────────────────────────────────────────────────────────────
  #beginString(): void {
    const inner: Inner = {
      window: this.#open((matches) => {
        for (const { start, end, text } of this.#judge(matches)) {
          const escaped = JSON.stringify(text).slice(1, -1);
          this.changes.replace({ start: wireAt(inner, start), end: wireAt(inner, end), text: escaped });
        }
      }),
      places: [{ unit: 0, at: this.#at + 1 }],
      units: 0,
      text: '',
    };
    this.#mode = 'string';
    this.#inner = inner;
    this.#decided = this.#at + 1;
  }

  #inString(char: string): void {
    const inner = this.#inner as Inner;
    if (this.#escape !== '') {
      this.#escape += char;
      const said = unescaped(this.#escape);
      if (said === undefined) return;
      this.#escape = '';
      inner.text += said;
      inner.units += said.length;
      inner.places.push({ unit: inner.units, at: this.#at + 1 });
    } else if (char.charCodeAt(0) === backslash) this.#escape = char;
    else if (char.charCodeAt(0) === quote) {
      this.#endString();
      this.#mode = 'between';
      this.#decided = this.#at + 1;
    } else {
      inner.text += char;
      inner.units++;
    }
  }

  #flush(): void {
    const inner = this.#inner;
    if (inner === undefined || inner.text === '') return;
    const { text } = inner;
    inner.text = '';
    inner.window.push(text);
    // Of the places, those before the last that is decided are not asked for again.
    const settled = inner.places.findLastIndex(({ unit }) => unit <= inner.window.decided);
    if (settled > 1024) inner.places.splice(0, settled);
  }

  #endString(): void {
    this.#flush();
    this.#inner?.window.end();
    this.#inner = undefined;
    this.#escape = '';
  }

  // ── numbers, and what is no JSON ──────────────────────────────────────────────────────────────────────────────────
  #endToken(): void {
    const token = this.#token;
    const start = this.#at - token.length;
    this.#token = '';
    this.#mode = 'between';
    this.#decided = this.#at;
    if (token.length < numberDigitsMin || token.replaceAll(/\D/g, '').length < numberDigitsMin) return;
    let changed = '';
    let copied = 0;
    const window = this.#open((matches) => {
      for (const change of this.#judge(matches)) {
        changed += token.slice(copied, change.start) + change.text;
        copied = change.end;
      }
    });
    window.push(token);
    window.end();
    if (copied === 0) return;
    // A number with something taken out of it is none any more.
    this.changes.replace({ start, end: this.#at, text: JSON.stringify(changed + token.slice(copied)) });
  }

  /** From the token on that cannot be JSON, the rest is plain text, with what stands before it in view. */
  #toPlain(): void {
    const from = this.#at + 1 - this.#token.length;
    const behind = this.#seen.slice(0, from - this.#seenFrom).slice(-behindMax);
    const window = this.#open((matches) => {
      for (const { start, end, text } of this.#judge(matches)) {
        this.changes.replace({ start: from + start, end: from + end, text });
      }
    }, behind);
    this.#plain = { window, from };
    window.push(this.#token);
    this.#mode = 'plain';
  }
}

/** Where on the wire the character `unit` of a string begins. */
function wireAt({ places }: Inner, unit: number): number {
  let low = 0;
  let high = places.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((places[middle] as Inner['places'][number]).unit <= unit) low = middle;
    else high = middle - 1;
  }
  const place = places[low] as Inner['places'][number];
  return place.at + unit - place.unit;
}

/** What an escape stands for; undefined while it is not all there. One that JSON does not know stands for itself. */
function unescaped(written: string): string | undefined {
  const kind = written[1] as string;
  if (kind !== 'u') return shortEscapes[kind] ?? ('"\\/'.includes(kind) ? kind : written);
  if (!/^\\u[0-9a-fA-F]*$/.test(written)) return written;
  return written.length < 6 ? undefined : String.fromCharCode(Number.parseInt(written.slice(2), 16));
}
