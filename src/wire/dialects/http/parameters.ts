/**
 * How parameters look on the wire and as arguments (OpenAPI 3.1 §4.8.12): text on one side, typed values on the other.
 * A number is read only where writing it gives a number again; any other text stays text, for the schema to judge. What
 * would not be read back as what it is cannot be written: `unwritable` finds it.
 */
import type { Json } from '../../../call.ts';
import { parseJsonText } from '../../json.ts';
import type { Pair } from './form.ts';
import type { ValueShape } from './shape.ts';
import { readTree, treeName, writeTree } from './tree.ts';
import { type Reading, typedValue } from './typed.ts';

export type Place = 'path' | 'query' | 'headers';

export interface Parameter {
  readonly place: Place;
  /** As declared; lower case for headers. */
  readonly name: string;
  readonly required: boolean;
  /**
   * How its value is written: one value, several, the members of an object in one text (`object`), each member as a
   * pair under its own name (`members`) or under names like `filter[price][max]` (`tree`), or JSON text.
   */
  readonly shape: 'single' | 'list' | 'object' | 'members' | 'tree' | 'json';
  /** Of a list: whether each element is a pair of its own (`id=1&id=2`); of an object: `a=1,b=2` in place of `a,1,b,2`. */
  readonly exploded: boolean;
  readonly delimiter: ',' | ' ' | '|' | '.';
  /** The JSON types of the value, or of the elements of a list. Empty where the schema names none. */
  readonly types: ReadonlySet<string>;
  /** Of a field of a multipart form: whether its value is a file, described and not read. */
  readonly file?: boolean;
  /** Of objects and trees. */
  readonly value?: ValueShape;
  /** What stands before a path value of the style `label`. */
  readonly prefix?: '.';
  /** Whether delimiters of URLs stand in it as they are (`allowReserved`). */
  readonly reserved?: boolean;
  /** Whether an empty text is a value whatever the schema says (`allowEmptyValue`). */
  readonly empty?: boolean;
}

/** How many elements or members one parameter may have. */
const elementsMax = 1000;

/**
 * Takes what belongs to `parameter` out of the texts that were given by name, and reads it; undefined where there is
 * nothing. Names of other parameters must be out before one that takes any name.
 */
export function takeParameter(parameter: Parameter, texts: Map<string, readonly string[]>): Reading | undefined {
  const { name, shape, value } = parameter;
  if (shape === 'tree' && value !== undefined) {
    const own = [...texts].filter(([given]) => treeName(given) === name);
    for (const [given] of own) texts.delete(given);
    return own.length === 0 ? undefined : readTree(name, own, value);
  }
  if (shape === 'members' && value !== undefined) {
    const names = value.open ? [...texts.keys()] : value.names.filter((one) => texts.has(one));
    if (names.length === 0) return undefined;
    const members: [string, Json][] = [];
    for (const member of names) {
      const [text, more] = texts.get(member) ?? [];
      texts.delete(member);
      if (text === undefined || more !== undefined)
        return { fault: { code: 'duplicate', message: `has ${member} twice` } };
      members.push([member, typedValue(text, value.member(member).types)]);
    }
    return { value: Object.fromEntries(members) };
  }
  const given = texts.get(name);
  texts.delete(name);
  return given === undefined ? undefined : readParameter(parameter, given);
}

/** The value of a parameter from its decoded texts, one for each time it was given. */
export function readParameter(parameter: Parameter, texts: readonly string[]): Reading {
  const { shape, exploded, types, place, prefix, empty } = parameter;
  if (texts.length > 1 && !(shape === 'list' && exploded && prefix === undefined)) {
    return { fault: { code: 'duplicate', message: 'was given more than once' } };
  }
  let text = texts[0] ?? '';
  if (text === '' && empty === true) return { value: '' };
  if (prefix !== undefined) {
    if (!text.startsWith(prefix)) return { fault: { code: 'format', message: `must begin with ${prefix}` } };
    text = text.slice(prefix.length);
  }
  if (shape === 'json') {
    const parsed = parseJsonText(text);
    return 'value' in parsed ? parsed : { fault: { code: 'json', message: `is not JSON: ${parsed.fault.message}` } };
  }
  if (shape === 'single') return { value: typedValue(text, types) };
  const inOne = !exploded || place !== 'query';
  const elements = inOne
    ? text.split(parameter.delimiter).map((element) => (place === 'headers' ? element.trim() : element))
    : texts;
  if (elements.length > elementsMax) return { fault: { code: 'length', message: 'has too many elements' } };
  if (shape === 'list') return { value: elements.map((element) => typedValue(element, types)) };
  return readMembers(parameter, elements);
}

/** An object in one text: `a=1,b=2`, or `a,1,b,2`. */
function readMembers({ exploded, value }: Parameter, elements: readonly string[]): Reading {
  const members = new Map<string, Json>();
  const step = exploded ? 1 : 2;
  for (let at = 0; at < elements.length; at += step) {
    const element = elements[at] as string;
    const sign = element.indexOf('=');
    const name = exploded ? element.slice(0, Math.max(sign, 0)) : element;
    const text = exploded ? element.slice(sign + 1) : elements[at + 1];
    if (text === undefined || (exploded && sign < 1)) return { fault: { code: 'format', message: 'names no members' } };
    if (members.has(name)) return { fault: { code: 'duplicate', message: 'has a member twice' } };
    members.set(name, typedValue(text, value?.member(name).types ?? new Set()));
  }
  return { value: Object.fromEntries(members) };
}

/** The texts of a value, the inverse of `readParameter`: one for each time it is to be given. */
export function writeParameter(parameter: Parameter, value: Json): readonly string[] {
  const { shape, exploded, place, delimiter, prefix = '' } = parameter;
  if (shape === 'json') return [JSON.stringify(value)];
  if (value === '' && parameter.empty === true) return [''];
  if (shape === 'object' && isObject(value)) {
    const members = Object.entries(value).map(([name, one]) => [name, textOf(one)]);
    const texts = exploded ? members.map((member) => member.join('=')) : members.flat();
    return [prefix + texts.join(delimiter)];
  }
  const elements = (Array.isArray(value) ? value : [value]).map(textOf);
  return shape === 'list' && exploded && place === 'query' ? elements : [prefix + elements.join(delimiter)];
}

/** The pairs of a value in a query or a form. */
export function pairsOf(parameter: Parameter, value: Json): readonly Pair[] {
  const { name, shape, reserved = false } = parameter;
  if (shape === 'tree') return writeTree(name, value);
  if (shape === 'members' && isObject(value)) {
    return Object.entries(value).map(([member, one]) => ({ name: member, value: textOf(one), reserved }));
  }
  return writeParameter(parameter, value).map((text) => ({ name, value: text, reserved }));
}

/** Whether a value would be read back from what is written of it. Text has no types: `5` and `"5"` are one. */
export function isWritable(parameter: Parameter, value: Json): boolean {
  let read: Reading | undefined;
  if (parameter.place === 'query') {
    const texts = new Map<string, string[]>();
    for (const { name, value: text } of pairsOf(parameter, value)) texts.set(name, [...(texts.get(name) ?? []), text]);
    read = takeParameter(parameter, texts);
  } else read = readParameter(parameter, writeParameter(parameter, value));
  return read !== undefined && 'value' in read && isSameText(read.value, value);
}

/** Whether what was read says the same as what was meant. */
export function isSameText(read: Json, meant: Json): boolean {
  if (Array.isArray(read)) {
    // One element and a list of it look the same.
    const list: readonly Json[] = Array.isArray(meant) ? meant : [meant];
    return read.length === list.length && read.every((one: Json, index) => isSameText(one, list[index] as Json));
  }
  if (isObject(read)) {
    const names = Object.keys(read);
    const hasAll = isObject(meant) && names.length === Object.keys(meant).length;
    return (
      hasAll && names.every((name) => Object.hasOwn(meant, name) && isSameText(read[name] as Json, meant[name] as Json))
    );
  }
  return (typeof meant !== 'object' || meant === null) && String(read) === String(meant);
}

function isObject(value: Json): value is { readonly [name: string]: Json } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function textOf(value: Json): string {
  return typeof value === 'object' && value !== null ? JSON.stringify(value) : String(value);
}
