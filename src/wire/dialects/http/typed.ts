/**
 * Text as a JSON value, by the types that a schema names. Only what would be written as the same text again is taken for
 * something else than text: the target reads what stands there, not what it was taken for.
 */
import type { Json } from '../../../call.ts';
import { parseJsonText } from '../../json.ts';

const integer = /^-?(?:0|[1-9]\d*)$/;
const decimal = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;

/** `text` as the value its `types` make of it. */
export function typedValue(text: string, types: ReadonlySet<string>): Json {
  if (types.has('boolean') && (text === 'true' || text === 'false')) return text === 'true';
  if ((types.has('number') && decimal.test(text)) || (types.has('integer') && integer.test(text))) {
    const value = Number(text);
    // Where the value may also be a string, only what comes out again unchanged is a number.
    const exact = !types.has('string') || String(value) === text;
    if (exact && Math.abs(value) <= Number.MAX_SAFE_INTEGER) return value;
  }
  if (types.has('string')) return text;
  if (types.has('null') && text === 'null') return null;
  if ((types.has('object') && text.startsWith('{')) || (types.has('array') && text.startsWith('['))) {
    const parsed = parseJsonText(text);
    if ('value' in parsed) return parsed.value;
  }
  return text;
}

export type Reading =
  | { readonly value: Json }
  | { readonly fault: { readonly code: string; readonly message: string } };
