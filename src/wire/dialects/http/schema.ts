/**
 * Turns the schemas of an OpenAPI document into JSON Schema 2020-12 that stands by itself: `$ref`s point into `$defs`,
 * OpenAPI 3.0's own words (`nullable`, boolean `exclusiveMinimum`) are translated.
 *
 * Objects are closed. Wherever a value is described (the body, a property, an element) by a schema that names
 * properties and does not itself speak of additional ones, members it does not name are refused, by
 * `unevaluatedProperties: false`, which sees through `$ref` and `allOf`. Free-form objects (no property named) stay
 * open. `readOnly` properties are the service's to set, and count as not named.
 */
import { type DocumentReader, objectIn } from './reader.ts';

export type Schema = Record<string, unknown>;

const mapsOfSchemas = new Set(['properties', 'patternProperties', 'dependentSchemas']);
const listsOfSchemas = new Set(['allOf', 'anyOf', 'oneOf', 'prefixItems']);
const singleSchemas = new Set([
  ...['items', 'additionalProperties', 'unevaluatedItems', 'unevaluatedProperties', 'contains', 'propertyNames'],
  ...['not', 'if', 'then', 'else'],
]);
/** Schemas that describe a value of their own, not one that another schema describes too. */
const valuePositions = new Set(['properties', 'patternProperties', 'prefixItems', 'items', 'additionalProperties']);
/** Below these a refused member would turn into an accepted one. */
const testing = new Set(['not', 'if', 'contains', 'propertyNames']);
const dropped = new Set([
  'example',
  'examples',
  'xml',
  'externalDocs',
  'discriminator',
  'nullable',
  'deprecated',
  '$comment',
]);
const refused = new Set(['$id', '$anchor', '$dynamicRef', '$dynamicAnchor', '$recursiveRef', '$recursiveAnchor']);

const depthMax = 100;
/** Comparing many objects pair by pair takes too long; longer arrays of unique objects are refused. */
const uniqueObjectsMax = 1000;

interface Position {
  /** Whether the schema alone describes the value, and may close it. */
  readonly value: boolean;
  readonly closing: boolean;
  readonly depth: number;
}

/** Collects what one operation needs: transform its schemas, then take `definitions`. */
export class SchemaBundle {
  readonly definitions: Record<string, Schema | boolean> = {};
  readonly #reader: DocumentReader;
  readonly #names = new Map<string, string>();

  constructor(reader: DocumentReader) {
    this.#reader = reader;
  }

  /** The schema at `pointer` of the document, as the schema of a value. */
  value(schema: unknown, pointer: string): Schema | boolean {
    return this.#schema(schema, pointer, { value: true, closing: true, depth: 0 });
  }

  #schema(schema: unknown, pointer: string, position: Position): Schema | boolean {
    if (typeof schema === 'boolean') return schema;
    const source = objectIn(schema);
    if (source === undefined || position.depth > depthMax) {
      this.#reader.fault(pointer, source === undefined ? 'is not a schema' : 'the schema is nested too deeply');
      return false;
    }
    const out: Schema = {};
    for (const [word, value] of Object.entries(source)) {
      if (refused.has(word)) this.#reader.fault(pointer, `${word} is not supported`);
      else if (word === '$ref') out.$ref = this.#reference(value, pointer, position);
      else if (this.#reader.is30 && '$ref' in source) continue;
      else if (!dropped.has(word) && !word.startsWith('x-')) this.#word(out, word, value, pointer, position);
    }
    this.#withoutReadOnly(out, source);
    const named = position.value && position.closing && this.#namesProperties(source, new Set());
    if (named && !('additionalProperties' in out) && !('unevaluatedProperties' in out)) {
      out.unevaluatedProperties = false;
    }
    if (out.uniqueItems === true && !this.#isScalar(source.items)) {
      out.maxItems = Math.min(uniqueObjectsMax, typeof out.maxItems === 'number' ? out.maxItems : Infinity);
    }
    return this.#reader.is30 ? fromOpenApi30(out, source) : out;
  }

  #word(out: Schema, word: string, value: unknown, pointer: string, position: Position): void {
    const inner: Position = {
      value: valuePositions.has(word),
      closing: position.closing && !testing.has(word),
      depth: position.depth + 1,
    };
    if (mapsOfSchemas.has(word)) {
      const schemas = Object.entries(objectIn(value) ?? {});
      out[word] = Object.fromEntries(
        schemas.map(([name, schema]) => [name, this.#schema(schema, `${pointer}/${word}`, inner)]),
      );
    } else if (listsOfSchemas.has(word)) {
      out[word] = (Array.isArray(value) ? value : []).map((schema) =>
        this.#schema(schema, `${pointer}/${word}`, inner),
      );
    } else if (singleSchemas.has(word)) out[word] = this.#schema(value, `${pointer}/${word}`, inner);
    else if (word !== '$defs' && word !== 'definitions') out[word] = value;
  }

  #reference(ref: unknown, pointer: string, position: Position): string {
    const found = this.#reader.resolve(ref, pointer);
    const target = `${String(ref)} ${position.closing ? 'closed' : 'open'}`;
    let name = this.#names.get(target);
    if (name === undefined) {
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
        this.definitions[name] = this.#schema(found.value, found.pointer, {
          ...position,
          value: false,
          depth: position.depth + 1,
        });
      }
    }
    return `#/$defs/${name}`;
  }

  #withoutReadOnly(out: Schema, source: Schema): void {
    const properties = objectIn(out.properties);
    if (properties === undefined) return;
    for (const [name, schema] of Object.entries(objectIn(source.properties) ?? {})) {
      if (objectIn(this.#reader.follow(schema))?.readOnly !== true) continue;
      delete properties[name];
      if (Array.isArray(out.required)) out.required = out.required.filter((required) => required !== name);
    }
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

/** The JSON types that a schema lets a value have, as far as it names them; for reading text parameters. */
export function typesOf(reader: DocumentReader, schema: unknown, depth = 0): Set<string> {
  const source = objectIn(reader.follow(schema));
  if (source === undefined || depth > 8) return new Set();
  const { type } = source;
  const types = new Set<string>(typeof type === 'string' ? [type] : Array.isArray(type) ? type.map(String) : []);
  for (const word of ['allOf', 'anyOf', 'oneOf']) {
    const list = source[word];
    if (types.size > 0 && word === 'allOf') continue;
    for (const item of Array.isArray(list) ? list : [])
      for (const inner of typesOf(reader, item, depth + 1)) types.add(inner);
  }
  return types;
}

/** Whether `schema` (as the bundle made it) lets a value have something at the path `names`. */
export function schemaHasPath(schema: Schema, names: readonly string[]): boolean {
  const definitions = objectIn(schema.$defs) ?? {};
  const has = (at: unknown, rest: readonly string[], depth: number): boolean => {
    const [name, ...further] = rest;
    if (at === false) return false;
    if (name === undefined) return true;
    const source = objectIn(at);
    if (source === undefined || depth > depthMax) return at === true;
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
