/**
 * How parameters look on the wire and as arguments (OpenAPI 3.1 §4.8.12): text on one side, typed values on the other.
 * A number is read only where writing it gives a number again; any other text stays text, for the schema to judge.
 */
import type { Json } from '../../../call.ts';
import { parseJsonText } from '../../json.ts';

export type Place = 'path' | 'query' | 'headers';

export interface Parameter {
  readonly place: Place;
  /** As declared; lower case for headers. */
  readonly name: string;
  readonly required: boolean;
  /** How its value is written: one value, several, or JSON text. */
  readonly shape: 'single' | 'list' | 'json';
  /** Of a list: whether each element is a pair of its own (`id=1&id=2`). */
  readonly exploded: boolean;
  readonly delimiter: ',' | ' ' | '|';
  /** The JSON types of the value, or of the elements of a list. Empty where the schema names none. */
  readonly types: ReadonlySet<string>;
}

/** How many elements one list parameter may have. */
const elementsMax = 1000;

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
  return text;
}

export type Reading =
  | { readonly value: Json }
  | { readonly fault: { readonly code: string; readonly message: string } };

/** The value of a parameter from its decoded texts, one for each time it was given. */
export function readParameter(parameter: Parameter, texts: readonly string[]): Reading {
  const { shape, exploded, delimiter, types, place } = parameter;
  if (texts.length > 1 && !(shape === 'list' && exploded)) {
    return { fault: { code: 'duplicate', message: 'was given more than once' } };
  }
  const text = texts[0] ?? '';
  if (shape === 'json') {
    const parsed = parseJsonText(text);
    return 'value' in parsed ? parsed : { fault: { code: 'json', message: `is not JSON: ${parsed.fault.message}` } };
  }
  if (shape === 'single') return { value: typedValue(text, types) };
  const elements = exploded
    ? texts
    : text.split(delimiter).map((element) => (place === 'headers' ? element.trim() : element));
  if (elements.length > elementsMax) return { fault: { code: 'length', message: 'has too many elements' } };
  return { value: elements.map((element) => typedValue(element, types)) };
}

/** The texts of a value, the inverse of `readParameter`: one for each time it is to be given. */
export function writeParameter(parameter: Parameter, value: Json): readonly string[] {
  if (parameter.shape === 'json') return [JSON.stringify(value)];
  const elements = (Array.isArray(value) ? value : [value]).map((element: Json) => String(element));
  return parameter.shape === 'list' && parameter.exploded ? elements : [elements.join(parameter.delimiter)];
}
