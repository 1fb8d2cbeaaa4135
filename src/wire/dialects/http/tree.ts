/**
 * Nested values under names with brackets: `filter[price][max]=5&ids[0]=1`, OpenAPI's `deepObject` and what services
 * made of it for lists and deeper objects. Lists are read with indices or with empty brackets, and written with
 * indices; a list with holes, or a name that is both a value and an object, is a fault.
 */
import type { Json } from '../../../call.ts';
import type { Pair } from './form.ts';
import type { ValueShape } from './shape.ts';
import { type Reading, typedValue } from './typed.ts';

type Node = Map<string, Node | readonly string[]>;

const depthMax = 16;
const names = /^([^[\]]+)((?:\[[^[\]]*\])*)$/;

/** The name before the brackets; the whole name where they do not pair. */
export function treeName(name: string): string {
  return names.exec(name)?.[1] ?? name;
}

/** The value under `name` from its texts by full name. */
export function readTree(
  name: string,
  given: readonly (readonly [string, readonly string[]])[],
  shape: ValueShape,
): Reading {
  const root: Node = new Map();
  for (const [full, texts] of given) {
    const path = [...full.slice(name.length).matchAll(/\[([^[\]]*)\]/g)].map(([, token]) => token as string);
    const plain = path.at(-1) === '' ? path.slice(0, -1) : path;
    const odd = plain.some((token) => token === '' || token === '__proto__');
    if (path.length > depthMax || odd) return faulty('format', 'has a name that is not taken');
    let node = root;
    for (const token of ['', ...plain].slice(0, -1)) {
      const next = node.get(token) ?? new Map();
      if (!(next instanceof Map)) return faulty('duplicate', 'is both a value and an object');
      node.set(token, next);
      node = next;
    }
    const last = plain.at(-1) ?? '';
    if (node.has(last)) return faulty('duplicate', 'was given more than once');
    // Empty brackets say that it is a list, also with one element.
    node.set(last, path.at(-1) === '' ? new Map(texts.map((text, index) => [String(index), [text]])) : texts);
  }
  return nodeValue(root.get('') as Node | readonly string[], shape);
}

function nodeValue(node: Node | readonly string[], shape: ValueShape): Reading {
  if (!(node instanceof Map)) {
    const [text = '', ...more] = node;
    const isList = shape.types.has('array');
    if (more.length > 0 && !isList) return faulty('duplicate', 'was given more than once');
    if (isList && (more.length > 0 || shape.types.size === 1)) {
      return { value: node.map((one) => typedValue(one, shape.element().types)) };
    }
    return { value: typedValue(text, shape.types) };
  }
  const isList = shape.types.has('array') && [...node.keys()].every((key) => /^(?:0|[1-9]\d{0,3})$/.test(key));
  const entries = isList ? [...node].sort(([one], [other]) => Number(one) - Number(other)) : [...node];
  if (isList && entries.some(([key], index) => Number(key) !== index)) return faulty('format', 'is a list with holes');
  const members: [string, Json][] = [];
  for (const [key, inner] of entries) {
    const read = nodeValue(inner, isList ? shape.element() : shape.member(key));
    if ('fault' in read) return read;
    members.push([key, read.value]);
  }
  return { value: isList ? members.map(([, value]) => value) : Object.fromEntries(members) };
}

/** The pairs of a value. An empty list or object has none, and cannot be written. */
export function writeTree(name: string, value: Json): readonly Pair[] {
  if (typeof value !== 'object' || value === null) return [{ name, value: String(value) }];
  return Object.entries(value).flatMap(([key, inner]) => writeTree(`${name}[${key}]`, inner as Json));
}

function faulty(code: string, message: string): Reading {
  return { fault: { code, message } };
}
