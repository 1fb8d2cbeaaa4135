/**
 * The documents that the trail keeps: what a policy saw, between what it never did. What a reader would get wrong:
 * `remembered` stands first, and can be read also where the document itself was cut.
 */
import type { Json, JsonObject } from '../../call.ts';
import { stringEnd } from '../../wire/json.ts';
import { type InputPart, inputParts } from '../input-parts.ts';
import type { ReplayedEvent } from './recorded.ts';

/** As `RecordedInput` of the audit room. */
export type RecordedInput =
  | { readonly state: 'kept' | 'cut'; readonly text: string }
  | { readonly state: 'erased' | 'none' | 'unreadable' };

/** An event with what is left of its input; as `RecordedEvent` of the audit room. */
export interface ReplayedDecision {
  readonly event: ReplayedEvent;
  /** Of an outcome what its answer was decided on. */
  readonly input: RecordedInput;
}

/** A kept document, taken apart. */
export interface KeptInput {
  /** What the policy saw of it. */
  readonly document: JsonObject;
  readonly leftOut: readonly string[];
  readonly remembered: JsonObject | null;
  /** A second revision had a say in the decision. */
  readonly twofold: boolean;
}

export const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The object that `text` is; null where it is none. */
export function objectIn(text: string): JsonObject | null {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
}

export const textsIn = (value: Json | undefined): readonly string[] =>
  Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];

/** Null for what is no document. */
export function keptInput(text: string): KeptInput | null {
  const kept = objectIn(text);
  if (kept === null) return null;
  const { left_out: leftOut, remembered, also_by: alsoBy, ...document } = kept;
  return {
    document,
    leftOut: textsIn(leftOut),
    remembered: isObject(remembered) ? remembered : null,
    twofold: alsoBy !== undefined,
  };
}

const opening = '{"remembered":';

/** What is remembered in a kept document, whether it is whole or not. */
export function rememberedIn(input: RecordedInput): JsonObject | null {
  if (!('text' in input) || !input.text.startsWith(opening)) return null;
  const { text } = input;
  let depth = 0;
  for (let at = opening.length; at < text.length; at++) {
    const char = text[at];
    if (char === '"') at = stringEnd(text, at);
    else if (char === '{' || char === '[') depth += 1;
    else if (char === '}' || char === ']') depth -= 1;
    if (depth === 0) return objectIn(text.slice(opening.length, at + 1));
  }
  return null;
}

/** Of names that were left out, those a document is asked for; a name this gate does not know counts as asked for. */
export function askedFor(leftOut: readonly string[], unused: ReadonlySet<InputPart>): readonly string[] {
  return leftOut.filter((name) => !unused.has(name as InputPart));
}

export const isPart = (name: string): name is InputPart => (inputParts as readonly string[]).includes(name);
