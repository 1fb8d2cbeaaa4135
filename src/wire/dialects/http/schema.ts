/**
 * Turns the schemas of an OpenAPI document into JSON Schema 2020-12 that stands by itself: `$ref`s point into `$defs`,
 * OpenAPI 3.0's own words (`nullable`, boolean `exclusiveMinimum`) are translated.
 *
 * Objects of arguments are closed. Wherever a value is described (the body, a property, an element) by a schema that
 * names properties and does not itself speak of additional ones, members it does not name are refused, by
 * `unevaluatedProperties: false`, which sees through `$ref` and `allOf`. Free-form objects (no property named) stay
 * open. `readOnly` properties are the service's to set, and count as not named. Of answers nothing is closed, and
 * `writeOnly` properties are the ones that are not required.
 */

import { child } from '../../pointer.ts';
import {
  listsOfSchemas,
  mapsOfSchemas,
  singleSchemas,
  testing,
  uniqueObjectsMax,
  valuePositions,
} from '../../schema-words.ts';
import { type DocumentReader, objectIn } from './reader.ts';

export type Schema = Record<string, unknown>;

const dropped = new Set([
  ...['example', 'examples', 'xml', 'externalDocs', 'discriminator', 'nullable', 'deprecated', 'readOnly', 'writeOnly'],
  ...['$comment', '$id', '$anchor', '$schema', '$vocabulary', '$defs', 'definitions'],
]);
const refused = new Set(['$dynamicRef', '$recursiveRef']);
/** Words of OpenAPI 3.0 whose values some documents of that version write as nothing. */
const limits = /^(?:max|min)|^(?:multipleOf|pattern|format|enum|required|title|description)$/;

const depthMax = 100;

const definitionPrefix = '#/$defs/';

interface Position {
  /** Whether the schema alone describes the value, and may close it. */
  readonly value: boolean;
  readonly closing: boolean;
  readonly depth: number;
  /** Properties that are not to be had, as a schema around this one says. */
  readonly hidden: ReadonlySet<string>;
}

/** Whether values go to the service, or come from it. */
export type Direction = 'arguments' | 'answer';

/** The schemas of one document in one direction: each that is referred to is there once, for all who refer to it. */
export class SchemaBundle {
  readonly definitions: Record<string, Schema | boolean> = {};
  readonly #reader: DocumentReader;
  readonly #direction: Direction;
  readonly #names = new Map<string, string>();
  readonly #pointers = new Map<string, string>();
  readonly #referred = new Map<string, readonly string[]>();

  constructor(reader: DocumentReader, direction: Direction = 'arguments') {
    this.#reader = reader;
    this.#direction = direction;
  }

  /** The schema at `pointer` of the document, as the schema of a value. */
  value(schema: unknown, pointer: string): Schema | boolean {
    const closing = this.#direction === 'arguments';
    return this.#schema(schema, pointer, { value: true, closing, depth: 0, hidden: new Set() });
  }

  /** `schema`, made from what `value` gave, with all that it refers to in `$defs`. */
  standalone(schema: Schema): Schema {
    const names = new Set(this.#referredIn(schema));
    for (const name of names) for (const further of this.referred(name)) names.add(further);
    return { ...schema, $defs: Object.fromEntries([...names].map((name) => [name, this.definitions[name]])) };
  }

  /** Where a definition stands in the document. */
  pointerOf(name: string): string {
    return this.#pointers.get(name) ?? '';
  }

  /** The names of the definitions that a definition refers to by itself. */
  referred(name: string): readonly string[] {
    const known = this.#referred.get(name) ?? this.#referredIn(this.definitions[name]);
    this.#referred.set(name, known);
    return known;
  }

  #referredIn(schema: unknown): readonly string[] {
    const names = new Set<string>();
    const open: unknown[] = [schema];
    for (let at = open.pop(); at !== undefined; at = open.pop()) {
      if (typeof at !== 'object' || at === null) continue;
      const { $ref } = at as Schema;
      if (typeof $ref === 'string' && $ref.startsWith(definitionPrefix)) names.add($ref.slice(definitionPrefix.length));
      open.push(...Object.values(at));
    }
    return [...names];
  }

  #schema(schema: unknown, pointer: string, outer: Position): Schema | boolean {
    if (typeof schema === 'boolean') return schema;
    const source = objectIn(schema);
    if (source === undefined || outer.depth > depthMax) {
      this.#reader.fault(pointer, source === undefined ? 'is not a schema' : 'the schema is nested too deeply');
      return false;
    }
    const position = { ...outer, hidden: this.#hiddenIn(source, outer.hidden) };
    const out: Schema = {};
    for (const [word, value] of Object.entries(source)) {
      if (refused.has(word)) this.#reader.fault(pointer, `${word} is not supported`);
      else if (word === '$ref') out.$ref = this.#reference(value, pointer, position);
      else if (this.#reader.is30 && '$ref' in source) continue;
      else if (this.#reader.is30 && value === null && limits.test(word)) continue;
      else if (!dropped.has(word) && !word.startsWith('x-')) this.#word(out, word, value, pointer, position);
    }
    if (!this.#reader.is30 || !('$ref' in source)) this.#discriminate(out, source, position);
    withoutHidden(out, position.hidden);
    const named = position.value && position.closing && this.#namesProperties(source, new Set());
    if (named && !('additionalProperties' in out) && !('unevaluatedProperties' in out)) {
      out.unevaluatedProperties = false;
      // What must be there is known, also where nothing else says so.
      this.#nameRequired(out, source);
    }
    if (out.uniqueItems === true && !this.#isScalar(source.items)) {
      out.maxItems = Math.min(uniqueObjectsMax, typeof out.maxItems === 'number' ? out.maxItems : Infinity);
    }
    return this.#reader.is30 ? fromOpenApi30(out, source) : out;
  }

  #word(out: Schema, word: string, value: unknown, pointer: string, position: Position): void {
    const isValue = valuePositions.has(word);
    const inner: Position = {
      value: isValue,
      closing: position.closing && !testing.has(word),
      depth: position.depth + 1,
      hidden: isValue || testing.has(word) ? new Set() : position.hidden,
    };
    const at = child(pointer, word);
    if (mapsOfSchemas.has(word)) {
      const schemas = Object.entries(objectIn(value) ?? {});
      out[word] = Object.fromEntries(
        schemas.map(([name, schema]) => [name, this.#schema(schema, child(at, name), inner)]),
      );
    } else if (listsOfSchemas.has(word)) {
      const list = Array.isArray(value) ? value : [];
      if (list.length > 0) out[word] = list.map((schema, index) => this.#schema(schema, child(at, index), inner));
      else this.#reader.fault(at, 'must be a list of schemas');
    } else if (singleSchemas.has(word)) out[word] = this.#schema(value, at, inner);
    else out[word] = value;
  }

  #reference(ref: unknown, pointer: string, position: Position): string {
    const target = `${String(ref)} ${position.closing ? 'closed' : 'open'}`;
    let name = this.#names.get(target);
    if (name === undefined) {
      const found = this.#reader.resolve(ref, pointer);
      const last =
        String(ref)
          .split('/')
          .at(-1)
          ?.replaceAll(/[^A-Za-z0-9_.-]/g, '_') || 'schema';
      name = last;
      for (let count = 2; Object.hasOwn(this.definitions, name); count++) name = `${last}_${count}`;
      this.#names.set(target, name);
      // Named before it is read, so that a cycle finds it.
      this.definitions[name] = true;
      if (found !== undefined) {
        this.#pointers.set(name, found.pointer);
        const hidden = new Set<string>();
        const inner = { ...position, hidden, value: false, depth: position.depth + 1 };
        this.definitions[name] = this.#schema(found.value, found.pointer, inner);
      }
    }
    return definitionPrefix + name;
  }

  /** Properties that only the other side has, here and in whatever the schema is put together from. */
  #hiddenIn(source: Schema, around: ReadonlySet<string>): ReadonlySet<string> {
    const word = this.#direction === 'arguments' ? 'readOnly' : 'writeOnly';
    const hidden = new Set(around);
    const seen = new Set<unknown>();
    const visit = (schema: unknown, depth: number): void => {
      const one = objectIn(this.#reader.follow(schema));
      if (one === undefined || depth > 8 || seen.has(one)) return;
      seen.add(one);
      for (const [name, property] of Object.entries(objectIn(one.properties) ?? {})) {
        if (objectIn(this.#reader.follow(property))?.[word] === true) hidden.add(name);
      }
      for (const part of Array.isArray(one.allOf) ? one.allOf : []) visit(part, depth + 1);
    };
    visit(source, 0);
    return hidden;
  }

  #nameRequired(out: Schema, source: Schema): void {
    const required = (Array.isArray(out.required) ? out.required : []).filter((name) => typeof name === 'string');
    const unnamed = required.filter((name) => !this.#isNamed(source, name, new Set()));
    if (unnamed.length > 0) {
      out.properties = { ...objectIn(out.properties), ...Object.fromEntries(unnamed.map((name) => [name, true])) };
    }
  }

  #isNamed(source: unknown, name: string, seen: Set<unknown>): boolean {
    const one = objectIn(this.#reader.follow(source));
    if (one === undefined || seen.has(one)) return false;
    seen.add(one);
    if (Object.hasOwn(objectIn(one.properties) ?? {}, name)) return true;
    return [one.allOf, one.anyOf, one.oneOf].some(
      (list) => Array.isArray(list) && list.some((item) => this.#isNamed(item, name, seen)),
    );
  }

  /** Which alternative a value means (OpenAPI 3.1 §4.8.25), kept for messages; it decides nothing. */
  #discriminate(out: Schema, source: Schema, position: Position): void {
    const { propertyName, mapping } = objectIn(source.discriminator) ?? {};
    const list = Array.isArray(source.oneOf) ? source.oneOf : Array.isArray(source.anyOf) ? source.anyOf : [];
    if (typeof propertyName !== 'string' || list.length === 0) return;
    const branches = new Map<string, string>();
    const refs = list.map((item) => objectIn(item)?.$ref).filter((ref) => typeof ref === 'string');
    for (const ref of refs) branches.set(ref.split('/').at(-1) as string, ref);
    for (const [value, named] of Object.entries(objectIn(mapping) ?? {})) {
      const ref = refs.find((one) => one === named || one.split('/').at(-1) === named);
      if (ref !== undefined) branches.set(value, ref);
    }
    const closing = position.closing ? 'closed' : 'open';
    const pointers = [...branches].map(([value, ref]) => [value, `#/$defs/${this.#names.get(`${ref} ${closing}`)}`]);
    if (refs.length === list.length) out.discriminator = { propertyName, mapping: Object.fromEntries(pointers) };
  }

  #namesProperties(schema: unknown, seen: Set<unknown>): boolean {
    const source = objectIn(this.#reader.follow(schema));
    if (source === undefined || seen.has(source)) return false;
    seen.add(source);
    if (Object.keys(objectIn(source.properties) ?? {}).length > 0 || 'patternProperties' in source) return true;
    const inner = [source.allOf, source.anyOf, source.oneOf].flatMap((list) => (Array.isArray(list) ? list : []));
    return [...inner, source.then, source.else].some((item) => this.#namesProperties(item, seen));
  }

  #isScalar(schema: unknown): boolean {
    const type = objectIn(this.#reader.follow(schema))?.type;
    return typeof type === 'string' && ['string', 'number', 'integer', 'boolean', 'null'].includes(type);
  }
}

function withoutHidden(out: Schema, hidden: ReadonlySet<string>): void {
  if (hidden.size === 0) return;
  const properties = objectIn(out.properties);
  for (const name of hidden) if (properties !== undefined) delete properties[name];
  if (Array.isArray(out.required)) out.required = out.required.filter((name) => !hidden.has(name));
}

/** OpenAPI 3.0 §4.7.24: `nullable`, and limits that are exclusive by a flag. */
function fromOpenApi30(out: Schema, source: Schema): Schema {
  for (const [flag, limit] of [
    ['exclusiveMinimum', 'minimum'],
    ['exclusiveMaximum', 'maximum'],
  ] as const) {
    if (out[flag] === true && typeof out[limit] === 'number') {
      out[flag] = out[limit];
      delete out[limit];
    } else if (typeof out[flag] === 'boolean') delete out[flag];
  }
  if (source.nullable !== true || '$ref' in source) return out;
  if (typeof out.type !== 'string') return { anyOf: [{ type: 'null' }, out] };
  return { ...out, type: [out.type, 'null'] };
}

/** Whether `schema` (as the bundle made it) lets a value have something at the path `names`. */
export function schemaHasPath(schema: Schema, names: readonly string[]): boolean {
  const definitions = objectIn(schema.$defs) ?? {};
  /** By how many names are left: where it was looked, and nothing was found. */
  const seen = new Map<number, Set<unknown>>();
  const has = (at: unknown, rest: readonly string[], depth: number): boolean => {
    const [name, ...further] = rest;
    if (at === false) return false;
    if (name === undefined) return true;
    const source = objectIn(at);
    const looked = seen.get(rest.length) ?? new Set();
    if (source === undefined || depth > depthMax || looked.has(source)) return at === true;
    seen.set(rest.length, looked.add(source));
    if (typeof source.$ref === 'string' && has(definitions[source.$ref.slice('#/$defs/'.length)], rest, depth + 1)) {
      return true;
    }
    for (const word of ['allOf', 'anyOf', 'oneOf']) {
      const list = source[word];
      if (Array.isArray(list) && list.some((item) => has(item, rest, depth + 1))) return true;
    }
    const properties = objectIn(source.properties);
    if (properties !== undefined && Object.hasOwn(properties, name)) return has(properties[name], further, depth + 1);
    if (/^\d+$/.test(name) && source.items !== undefined) return has(source.items, further, depth + 1);
    if (source.additionalProperties !== undefined) return has(source.additionalProperties, further, depth + 1);
    // A free-form object may have any member.
    const named =
      properties !== undefined || '$ref' in source || 'allOf' in source || 'anyOf' in source || 'oneOf' in source;
    return !named && (source.type === undefined || source.type === 'object');
  };
  return names.length > 0 && has(schema, names, 0);
}
