/**
 * Strict JSON from bytes (RFC 8259 within I-JSON, RFC 7493): one text has one reading, whoever parses it. Whatever two
 * parsers could understand differently (a member named twice, an integer beyond 2^53, half a surrogate pair) is
 * refused, since the policy would decide on one reading and the target act on the other. `JSON.parse` alone is lenient
 * in all of these. Messages never quote the text: it may hold personal data.
 */
import { isUtf8 } from 'node:buffer';
import type { Json } from '../call.ts';
import { child } from './pointer.ts';

export interface JsonLimits {
  /** How deep arrays and objects may lie in each other. */
  readonly depth: number;
  /** How many values the document may hold, so that every walk over it is bounded. */
  readonly values: number;
}

/** What the gate takes from agents and targets alike. */
export const jsonLimits: JsonLimits = { depth: 64, values: 100_000 };

/** What is wrong, and where: a byte offset, a JSON pointer, or neither where the parser cannot say. */
export interface JsonFault {
  readonly message: string;
  readonly offset: number | null;
  readonly pointer: string | null;
}

export type JsonResult = { readonly value: Json } | { readonly fault: JsonFault };

/**
 * Reads one JSON document. Refuses: invalid UTF-8, a byte order mark, duplicate member names, the name `__proto__`,
 * numbers beyond ±(2^53 − 1), lone surrogates (also escaped ones), and what exceeds `limits`.
 */
export function parseJson(bytes: Buffer, limits: JsonLimits = jsonLimits): JsonResult {
  if (bytes.length >= 3 && bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) {
    return { fault: { message: 'the document begins with a byte order mark', offset: 0, pointer: null } };
  }
  if (!isUtf8(bytes)) return { fault: { message: 'the document is not UTF-8', offset: null, pointer: null } };
  return parseJsonText(bytes.toString('utf8'), limits);
}

/** The same for text that is already decoded. */
export function parseJsonText(text: string, limits: JsonLimits = jsonLimits): JsonResult {
  let value: Json;
  try {
    value = JSON.parse(text) as Json;
  } catch (error) {
    return { fault: { message: 'the document is not JSON', offset: faultOffset(text, error), pointer: null } };
  }
  const survey = new Survey(limits, /\\u[dD]/.test(text), true);
  survey.visit(value, '', 0);
  if (survey.fault !== null) return { fault: survey.fault };
  if (survey.members !== countMembers(text)) {
    const message = 'an object names a member twice';
    return { fault: { message, offset: duplicateOffset(text), pointer: null } };
  }
  return { value };
}

/** A document of a target. `exact` holds numbers beyond 2^53 as `JSON.rawJSON`, so that writing it changes none. */
export interface LenientJson {
  readonly text: string;
  readonly value: Json;
  readonly exact: Json;
}

/**
 * Reads what a target answered: as strict as `parseJson` but for large numbers, which targets do send. Undefined for
 * anything else, which then can only be looked at as text.
 */
export function parseAnswerJson(bytes: Buffer, limits: JsonLimits = jsonLimits): LenientJson | undefined {
  return isUtf8(bytes) ? parseAnswerText(bytes.toString('utf8'), limits) : undefined;
}

/** The same for text that is already decoded. */
export function parseAnswerText(text: string, limits: JsonLimits = jsonLimits): LenientJson | undefined {
  let value: Json;
  try {
    value = JSON.parse(text) as Json;
  } catch {
    return undefined;
  }
  const survey = new Survey(limits, /\\u[dD]/.test(text), false);
  survey.visit(value, '', 0);
  if (survey.fault !== null || survey.members !== countMembers(text)) return undefined;
  return { text, value, exact: survey.largeNumbers ? parseExact(text) : value };
}

interface RawJson {
  readonly rawJSON: string;
}

// Node has both (ECMAScript "JSON.parse source text access"); TypeScript's library does not name them yet.
const json = JSON as unknown as {
  parse(text: string, reviver: (name: string, value: unknown, context: { source?: string }) => unknown): Json;
  rawJSON(text: string): Json;
  isRawJSON(value: unknown): boolean;
};

function parseExact(text: string): Json {
  return json.parse(text, (_name, value, context) =>
    typeof value === 'number' && isLarge(value) && context.source !== undefined ? json.rawJSON(context.source) : value,
  );
}

/** The digits of a number that `parseAnswerJson` kept as they were written; undefined for any other value. */
export function rawNumber(value: unknown): string | undefined {
  return json.isRawJSON(value) ? (value as RawJson).rawJSON : undefined;
}

function isLarge(value: number): boolean {
  return value > Number.MAX_SAFE_INTEGER || value < -Number.MAX_SAFE_INTEGER;
}

/** One walk over a parsed document, which finds everything that `JSON.parse` lets pass but duplicates. */
class Survey {
  members = 0;
  largeNumbers = false;
  fault: JsonFault | null = null;
  readonly #limits: JsonLimits;
  readonly #surrogates: boolean;
  readonly #strict: boolean;
  #values = 0;

  /** `surrogates`: whether the text holds escapes that could make a lone one; raw ones cannot be valid UTF-8. */
  constructor(limits: JsonLimits, surrogates: boolean, strict: boolean) {
    this.#limits = limits;
    this.#surrogates = surrogates;
    this.#strict = strict;
  }

  visit(value: Json, pointer: string, depth: number): void {
    this.#values += 1;
    if (this.#values > this.#limits.values) {
      this.#fail('the document holds too many values', null);
    } else if (typeof value === 'string') {
      if (this.#surrogates && !value.isWellFormed()) this.#fail('a string holds a lone surrogate', pointer);
    } else if (typeof value === 'number') {
      if (isLarge(value)) {
        this.largeNumbers = true;
        if (this.#strict) this.#fail('the number is beyond 2^53: send it as a string', pointer);
      }
    } else if (typeof value === 'object' && value !== null) {
      if (depth >= this.#limits.depth) this.#fail('the document is nested too deeply', null);
      else if (Array.isArray(value)) this.#visitArray(value, pointer, depth + 1);
      else this.#visitObject(value as { readonly [name: string]: Json }, pointer, depth + 1);
    }
  }

  #visitArray(items: readonly Json[], pointer: string, depth: number): void {
    for (let index = 0; index < items.length && this.fault === null; index++) {
      this.visit(items[index] as Json, `${pointer}/${index}`, depth);
    }
  }

  #visitObject(object: { readonly [name: string]: Json }, pointer: string, depth: number): void {
    for (const name of Object.keys(object)) {
      if (this.fault !== null) return;
      this.members += 1;
      if (this.#surrogates && !name.isWellFormed()) this.#fail('a name holds a lone surrogate', pointer);
      else if (name === '__proto__') this.#fail('a member may not be named __proto__', pointer);
      else this.visit(object[name] as Json, child(pointer, name), depth);
    }
  }

  #fail(message: string, pointer: string | null): void {
    this.fault ??= { message, offset: null, pointer };
  }
}

const quote = 0x22;
const backslash = 0x5c;
const colon = 0x3a;

/** Index of the quote that closes the string whose opening quote is at `start`. The text must be valid JSON. */
export function stringEnd(text: string, start: number): number {
  let end = text.indexOf('"', start + 1);
  while (end !== -1) {
    let slashes = 0;
    while (text.charCodeAt(end - 1 - slashes) === backslash) slashes += 1;
    if (slashes % 2 === 0) return end;
    end = text.indexOf('"', end + 1);
  }
  return text.length;
}

/** How many members the text names; more than the parsed document has means that one was named twice. */
function countMembers(text: string): number {
  let members = 0;
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code === quote) index = stringEnd(text, index);
    else if (code === colon) members += 1;
  }
  return members;
}

/** Byte offset of the second occurrence of a name in its object; only called where there is one. */
function duplicateOffset(text: string): number | null {
  const open: (Set<string> | null)[] = [];
  for (let index = 0; index < text.length; index++) {
    const char = text[index];
    if (char === '{') open.push(new Set());
    else if (char === '[') open.push(null);
    else if (char === '}' || char === ']') open.pop();
    else if (char === '"') {
      const start = index;
      index = stringEnd(text, start);
      const names = open.at(-1);
      if (names === null || names === undefined || !/^\s*:/.test(text.slice(index + 1, index + 64))) continue;
      const name = JSON.parse(text.slice(start, index + 1)) as string;
      if (names.has(name)) return Buffer.byteLength(text.slice(0, start));
      names.add(name);
    }
  }
  return null;
}

/** V8 names the position in most of its messages; the rest of such a message quotes the text and is left out. */
function faultOffset(text: string, error: unknown): number | null {
  const position = /at position (\d+)/.exec(error instanceof Error ? error.message : '')?.[1];
  return position === undefined ? null : Buffer.byteLength(text.slice(0, Number(position)));
}
