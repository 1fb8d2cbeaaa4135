/**
 * The text in a JSON document, piece by piece, with a way to write each piece back: what inspection works on. Pieces
 * are all strings, numbers of twelve digits or more (a card number is often one; writing makes it a string), and the
 * names of members where a name could itself be data, as in `{"ann@example.com": …}`.
 *
 * What a reader would get wrong: such a name never stands in a pointer, since findings keep pointers; there it is `{n}`,
 * n being its position in the object. And the document is changed by copying what was handed out before: arguments
 * recorded with a decision do not change when obligations do their work.
 */
import { isUtf8 } from 'node:buffer';
import type { Json, Segment } from '../call.ts';
import { jsonLimits, parseAnswerText, rawNumber } from './json.ts';
import { isGone, keysOf, moveUp, type Place, takeEach } from './places.ts';
import { child, each, type PatternToken, patternTokens, pointerTokens, step } from './pointer.ts';

/**
 * How a string is taken: as text, as JSON text whose own strings are the pieces, as base64 (of a `data:` URL, too) of what
 * may be a text, or not at all (encrypted content, ids).
 */
export type Reading = 'text' | 'json' | 'base64' | 'skip';
export type Classify = (text: string, key: string | number, where: string, siblings: Json) => Reading;

/** From this many digits on a number is a piece of text. */
const numberDigitsMin = 12;
/** Base64 in either alphabet, as one line or several. */
const base64Form = /^[A-Za-z0-9+/_\s-]*={0,2}\s*$/;
/** The longest text that has the form of base64 and yet may be none, in characters. */
const chanceCharsMax = 256;
const quoteCode = 0x22;
const backslashCode = 0x5c;

type Container = Json[] | Record<string, Json>;

/** A JSON document whose pieces of text can be changed and whose members can be dropped. */
export class EditableJson {
  readonly #classify: Classify;
  /** Holds the document as its only member, so that a document that is a string can be changed as well. */
  readonly #holder: { root: Json };
  #owned = new WeakSet<object>();
  #places: Place[] | undefined;
  #segments: Segment[] = [];
  readonly #changedMembers = new Set<string>();
  /** Places of JSON text whose inner document was changed and not yet written out: once, however many its changes. */
  readonly #unwritten = new Map<Place, EditableJson>();
  /** How often a name was given to members of one object, so that finding a free one does not count up each time. */
  readonly #given = new WeakMap<Place, Map<string, number>>();
  /** How many values the JSON texts in it may still have: each is bounded, and there may be many. */
  #innerValuesLeft = jsonLimits.values;
  /** Grows with every change. */
  version = 0;

  constructor(value: Json, classify: Classify = () => 'text') {
    this.#holder = { root: value };
    this.#classify = classify;
  }

  /** The document as it stands. What is given here never changes afterwards. */
  get value(): Json {
    this.#writeInner();
    this.#owned = new WeakSet();
    return this.#holder.root as Json;
  }

  get changed(): boolean {
    return this.version > 0;
  }

  /** Whether anything in the outermost member `name` was changed. */
  changedIn(name: string): boolean {
    return this.#changedMembers.has(name);
  }

  /** All pieces, in document order; found once, so that they stay good while others are written or dropped. */
  segments(): readonly Segment[] {
    if (this.#places === undefined) {
      this.#places = [];
      this.#visit(this.#holder.root as Json, { parent: null, key: 'root', where: '', gone: false }, this.#holder);
    }
    return this.#segments;
  }

  /** Puts `value` at a member of the outermost object. */
  set(name: string, value: Json): void {
    const root = this.#own({ parent: null, key: 'root', where: '', gone: false });
    if (Array.isArray(root)) return;
    root[name] = value;
    this.#touched(name);
  }

  /**
   * Takes the value at a JSON pointer away, if it is there. Pointers may also be those of segments (`{n}`). A token `*`
   * stands for every element and member there, and the star of a name is written `~2`.
   */
  drop(where: string): void {
    this.segments();
    const pattern = patternTokens(where);
    if (pattern !== undefined && (pattern.includes(each) || where.includes('~2'))) {
      this.#dropEach(pattern);
      return;
    }
    // Pointers speak of the document as it came, also when an element before was dropped.
    const place = this.#places?.find((known) => known.where === where);
    if (place !== undefined && isGone(place)) return;
    const keys = place === undefined ? pointerTokens(where) : keysOf(place);
    const last = keys?.at(-1);
    if (keys === undefined || last === undefined) return;
    let value: Json | undefined = this.#holder.root;
    for (const key of keys) value = step(value, String(key));
    if (value === undefined) return;
    const parent = keys.slice(0, -1);
    const container = this.#ownAt(parent);
    if (Array.isArray(container)) container.splice(Number(last), 1);
    else delete container[String(last)];
    this.#forget(parent, String(last), Array.isArray(container));
    this.#touched(String(keys[0]));
  }

  /** In one go, however many there are. */
  #dropEach(pattern: readonly PatternToken[]): void {
    const places = this.#places ?? [];
    const going = takeEach(places, pattern);
    for (const [parent, keys] of going) {
      const container = this.#own(parent);
      if (Array.isArray(container)) {
        const left = container.filter((_item, index) => !keys.has(index));
        container.length = 0;
        for (const item of left) container.push(item);
      } else for (const key of keys) delete container[String(key)];
      const [member] = keysOf(parent);
      for (const name of member === undefined ? keys : [member]) this.#touched(String(name));
    }
    moveUp(places, going);
  }

  #visit(value: Json, place: Place, siblings: Json): void {
    this.#places?.push(place);
    if (typeof value === 'string') this.#visitString(value, place, siblings);
    else if (typeof value === 'number' || rawNumber(value) !== undefined) {
      const text = rawNumber(value) ?? String(value);
      if (text.length >= numberDigitsMin && text.replaceAll(/\D/g, '').length >= numberDigitsMin) {
        this.#piece(text, place);
      }
    } else if (Array.isArray(value)) {
      value.forEach((item: Json, index) => {
        this.#visit(item, { parent: place, key: index, where: child(place.where, index), gone: false }, value);
      });
    } else if (typeof value === 'object' && value !== null) {
      for (const [index, [name, member]] of Object.entries(value).entries()) {
        const plain = isPlainName(name);
        const where = child(place.where, plain ? name : `{${index}}`);
        const inner: Place = { parent: place, key: name, where, gone: false };
        if (!plain) this.#segments.push(livePiece(where, name, (text) => this.#rename(inner, text)));
        this.#visit(member as Json, inner, value);
      }
    }
  }

  #visitString(text: string, place: Place, siblings: Json): void {
    const reading = this.#classify(text, place.key, place.where, siblings);
    if (reading === 'skip' || text === '') return;
    if (reading === 'base64') {
      this.#visitBase64(text, place);
      return;
    }
    // Numbers beyond 2^53 make nothing unreadable: models write ids of services so.
    const limits = { ...jsonLimits, values: this.#innerValuesLeft };
    const parsed = reading === 'json' ? parseAnswerText(text, limits) : undefined;
    if (parsed === undefined) {
      this.#piece(text, place);
      // Whoever is more lenient reads its escapes all the same. What is found in this reading takes the text's place.
      const plain = reading === 'json' ? withoutEscapes(text) : text;
      if (plain !== text) this.#piece(plain, place);
      return;
    }
    // Escapes inside the inner text would hide what it says: its own strings are the pieces.
    const inner = new EditableJson(parsed.exact);
    for (const segment of inner.segments()) {
      const write = (replacement: string): void => {
        if (isGone(place)) return;
        segment.write(replacement);
        this.#unwritten.set(place, inner);
        this.#touched(String(keysOf(place)[0] ?? ''));
      };
      this.#segments.push(livePiece(place.where, segment.text, write));
    }
    this.#innerValuesLeft -= inner.#places?.length ?? 0;
  }

  /**
   * What a file holds is a text where its bytes are one, whatever it is said to be. What is no base64, or so short that a
   * number or a word could be it by chance, is looked at as the text it is, besides.
   */
  #visitBase64(text: string, place: Place): void {
    const head = text.slice(0, text.indexOf(',') + 1);
    const coded = text.slice(head.length);
    const bytes = Buffer.from(coded, 'base64');
    const isText = bytes.length > 0 && !bytes.includes(0) && isUtf8(bytes);
    if (!base64Form.test(coded) || (!isText && coded.length <= chanceCharsMax)) this.#piece(text, place);
    if (!isText) return;
    const write = (said: string): void => this.#write(place, head + Buffer.from(said).toString('base64'));
    this.#segments.push(livePiece(place.where, bytes.toString('utf8'), write));
  }

  #piece(text: string, place: Place): void {
    this.#segments.push(livePiece(place.where, text, (replacement) => this.#write(place, replacement)));
  }

  #writeInner(): void {
    for (const [place, inner] of this.#unwritten) this.#write(place, JSON.stringify(inner.value));
    this.#unwritten.clear();
  }

  #write(place: Place, text: string): void {
    if (isGone(place)) return;
    if (place.parent === null) this.#holder.root = text;
    else {
      const container = this.#own(place.parent);
      if (Array.isArray(container)) container[Number(place.key)] = text;
      else container[String(place.key)] = text;
    }
    this.#touched(String(keysOf(place)[0] ?? ''));
  }

  /** The member moves to the end of its object: JSON objects have no order. */
  #rename(place: Place, text: string): void {
    if (isGone(place) || place.parent === null) return;
    const container = this.#own(place.parent) as Record<string, Json>;
    const old = String(place.key);
    if (text === old) return;
    this.#touched(String(keysOf(place)[0] ?? ''));
    const value = container[old] as Json;
    delete container[old];
    let name = text === '__proto__' ? 'proto' : text;
    // Two names may be redacted to the same text; neither member may be lost.
    const given = this.#given.get(place.parent) ?? new Map<string, number>();
    this.#given.set(place.parent, given);
    let count = given.get(name) ?? 1;
    for (const base = name; Object.hasOwn(container, name); ) name = `${base}_${++count}`;
    given.set(text === '__proto__' ? 'proto' : text, count);
    container[name] = value;
    place.key = name;
    this.#touched(String(keysOf(place)[0] ?? ''));
  }

  #own(place: Place): Container {
    return this.#ownAt(keysOf(place));
  }

  /** The container at `keys`, safe to change: copied, with all on the way to it, unless that was done before. */
  #ownAt(keys: readonly (string | number)[]): Container {
    let container: Container = this.#holder;
    for (const key of ['root', ...keys]) {
      const inner = (container as Record<string, Json>)[String(key)] as Json;
      let owned = inner as Container;
      if (!this.#owned.has(owned)) {
        owned = Array.isArray(inner) ? [...inner] : { ...(inner as Record<string, Json>) };
        this.#owned.add(owned);
        (container as Record<string, Json>)[String(key)] = owned;
      }
      container = owned;
    }
    return container;
  }

  #forget(parent: readonly (string | number)[], key: string, inArray: boolean): void {
    for (const place of this.#places ?? []) {
      if (place.gone || place.parent === null) continue;
      const keys = keysOf(place.parent);
      if (keys.length !== parent.length || keys.some((known, index) => String(known) !== String(parent[index])))
        continue;
      if (String(place.key) === key) place.gone = true;
      else if (inArray && Number(place.key) > Number(key)) place.key = Number(place.key) - 1;
    }
  }

  #touched(member: string): void {
    this.version += 1;
    this.#changedMembers.add(member);
  }
}

/**
 * A JSON text with the escapes undone that hide what it says (RFC 8259 §7), however wrong the rest of it is. Those stay
 * without which it would say something else: of quotes, backslashes, control characters and surrogates.
 */
function withoutEscapes(text: string): string {
  return text.replaceAll(/\\(?:u([0-9a-fA-F]{4})|.)/gs, (written, hex: string | undefined) => {
    if (written === '\\/') return '/';
    const code = Number.parseInt(hex ?? '', 16);
    const meant = code >= 0x20 && code !== quoteCode && code !== backslashCode && (code < 0xd800 || code > 0xdfff);
    return meant ? String.fromCharCode(code) : written;
  });
}

/** A segment whose text is what was last written, so that what was changed can be scanned again. */
function livePiece(where: string, text: string, change: (text: string) => void): Segment {
  let current = text;
  return {
    where,
    get text() {
      return current;
    },
    write(replacement) {
      change(replacement);
      current = replacement;
    },
  };
}

/**
 * Whether a name is only a name: at most 40 ASCII letters, digits and `_ - . : / $ @`-prefix, fewer than six digits,
 * and not the look of a key (16 characters or more with capitals and digits). Addresses, numbers and keys are not.
 */
export function isPlainName(name: string): boolean {
  if (name.length > 40 || !/^[@$]?[A-Za-z0-9_.:/$-]*$/.test(name)) return false;
  const digits = name.replaceAll(/\D/g, '').length;
  return digits < 6 && !(digits > 0 && name.length >= 16 && /[A-Z]/.test(name));
}
