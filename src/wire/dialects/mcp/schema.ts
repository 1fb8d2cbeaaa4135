/**
 * The input schema of a tool as arguments are judged by it: JSON Schema 2020-12 that stands by itself, whatever draft the
 * server wrote, with objects closed. Wherever a value is described by a schema that names properties and does not itself
 * speak of additional ones, members it does not name are refused. What a reader would get wrong: agents are shown the
 * schema as the server wrote it, not this one. No `$ref` is followed out of it (2026-07-28, `$ref` Resolution).
 */

import type { JsonObject } from '../../../call.ts';
import { pointerTokens } from '../../pointer.ts';
import {
  listsOfSchemas,
  mapsOfSchemas,
  singleSchemas,
  testing,
  uniqueObjectsMax,
  valuePositions,
} from '../../schema-words.ts';

type Schema = Record<string, unknown>;

const drafts: Readonly<Record<string, 'new' | 'old'>> = {
  'https://json-schema.org/draft/2020-12/schema': 'new',
  'https://json-schema.org/draft/2019-09/schema': 'new',
  'http://json-schema.org/draft-07/schema': 'old',
  'http://json-schema.org/draft-06/schema': 'old',
};

/** Words that say nothing of what is valid, some of them other things to our validator than to the server's. */
const left = new Set([
  '$schema',
  '$comment',
  '$anchor',
  '$defs',
  'definitions',
  'nullable',
  'discriminator',
  'examples',
]);
const refused = new Set(['$dynamicRef', '$dynamicAnchor', '$recursiveRef', '$recursiveAnchor']);
/** What stands here is a value, and no schema. */
const data = new Set(['const', 'enum', 'default', 'examples']);
const anchorForm = /^#([A-Za-z_][A-Za-z0-9_.-]*)$/;

const depthMax = 64;
const schemasMax = 5_000;
const patternCharsMax = 1_024;
/** A repeated group with a repetition at its end inside: some texts take such a pattern exponentially long. */
const runaway = /[+*}]\)[+*{]|\|[^()]*\)[+*{]/;

interface Position {
  /** Whether the schema alone describes the value, and may close it. */
  readonly value: boolean;
  readonly closing: boolean;
  readonly depth: number;
}

class SchemaFault extends Error {}

/** The schema that arguments are judged by, or why there is none: then the tool is not for use. */
export function judgedSchema(inputSchema: JsonObject): Schema | string {
  const { $schema } = inputSchema;
  const name = typeof $schema === 'string' ? $schema.replace(/#$/, '') : 'https://json-schema.org/draft/2020-12/schema';
  const draft = Object.hasOwn(drafts, name) ? drafts[name] : undefined;
  if (draft === undefined || ($schema !== undefined && typeof $schema !== 'string')) {
    return `its $schema is none of ${Object.keys(drafts).join(', ')}`;
  }
  try {
    return new Closing(inputSchema, draft === 'old').root();
  } catch (fault) {
    if (fault instanceof SchemaFault) return fault.message;
    throw fault;
  }
}

class Closing {
  readonly #root: Schema;
  readonly #old: boolean;
  readonly #definitions: Record<string, Schema | boolean> = {};
  readonly #names = new Map<string, string>();
  #count = 0;

  constructor(root: JsonObject, old: boolean) {
    this.#root = root;
    this.#old = old;
  }

  root(): Schema {
    // Whatever the server says, arguments are an object. One that names no property takes none, as `{properties: {}}` says.
    const { $id, ...root } = this.#root;
    const schema = this.#schema(root, { value: true, closing: true, depth: 0 }) as Schema;
    const open = 'additionalProperties' in schema || 'unevaluatedProperties' in schema;
    const closed = open || !('properties' in schema) ? {} : { unevaluatedProperties: false };
    return {
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      ...schema,
      ...closed,
      type: 'object',
      $defs: this.#definitions,
    };
  }

  #schema(schema: unknown, position: Position): Schema | boolean {
    if (typeof schema === 'boolean') return schema;
    const source = objectOf(schema);
    this.#count += 1;
    if (source === undefined) throw new SchemaFault('one of its schemas is neither an object nor a boolean');
    if (position.depth > depthMax) throw new SchemaFault('its schemas are nested too deeply');
    if (this.#count > schemasMax) throw new SchemaFault('it holds too many schemas');
    if ('$id' in source) throw new SchemaFault('a $id inside of it is not supported');
    const out: Schema = {};
    // In the old drafts nothing beside a $ref counts (draft-07 §8.3).
    const only = this.#old && typeof source.$ref === 'string' ? { $ref: source.$ref } : source;
    for (const [word, value] of Object.entries(only)) {
      if (refused.has(word)) throw new SchemaFault(`${word} is not supported`);
      if (word === '$ref') out.$ref = this.#reference(value, position);
      else if (!left.has(word)) this.#word(out, word, value, source, position);
    }
    const closes = position.value && position.closing && this.#namesProperties(only, new Set());
    if (closes && !('additionalProperties' in out) && !('unevaluatedProperties' in out)) {
      out.unevaluatedProperties = false;
    }
    if (out.uniqueItems === true) {
      out.maxItems = Math.min(uniqueObjectsMax, typeof out.maxItems === 'number' ? out.maxItems : uniqueObjectsMax);
    }
    return out;
  }

  #word(out: Schema, word: string, value: unknown, source: Schema, position: Position): void {
    const inner: Position = {
      value: valuePositions.has(word),
      closing: position.closing && !testing.has(word),
      depth: position.depth + 1,
    };
    const each = (list: unknown) => (Array.isArray(list) ? list : []).map((one) => this.#schema(one, inner));
    if (word === 'items' && Array.isArray(value)) {
      // Until 2020-12 a list of schemas stood here, and the schema of the rest in `additionalItems`.
      out.prefixItems = each(value);
      if (source.additionalItems !== undefined) out.items = this.#schema(source.additionalItems, inner);
    } else if (word === 'dependencies') this.#dependencies(out, value, inner);
    else if (mapsOfSchemas.has(word)) {
      const schemas = Object.entries(objectOf(value) ?? {});
      if (word === 'patternProperties' && schemas.some(([pattern]) => isRunaway(pattern))) {
        throw new SchemaFault('a pattern of its patternProperties takes too long on some names');
      }
      out[word] = Object.fromEntries(schemas.map(([name, schema]) => [name, this.#schema(schema, inner)]));
    } else if (listsOfSchemas.has(word)) out[word] = each(value);
    else if (singleSchemas.has(word)) out[word] = this.#schema(value, inner);
    // Such a pattern is left for the server to judge: a text that it takes for ever on would hold up the gate.
    else if (word === 'pattern' && (typeof value !== 'string' || isRunaway(value))) return;
    else if (word !== 'additionalItems') out[word] = value;
  }

  #dependencies(out: Schema, value: unknown, inner: Position): void {
    const entries = Object.entries(objectOf(value) ?? {});
    const schemas = entries.filter(([, one]) => !Array.isArray(one));
    out.dependentRequired = Object.fromEntries(entries.filter(([, one]) => Array.isArray(one)));
    out.dependentSchemas = Object.fromEntries(schemas.map(([name, one]) => [name, this.#schema(one, inner)]));
  }

  #reference(ref: unknown, position: Position): string {
    const found = this.#find(ref);
    const target = `${String(ref)} ${position.closing ? 'closed' : 'open'}`;
    let name = this.#names.get(target);
    if (name === undefined) {
      name = `schema_${this.#names.size + 1}`;
      this.#names.set(target, name);
      // Named before it is read, so that a cycle finds it.
      this.#definitions[name] = true;
      this.#definitions[name] = this.#schema(found, { ...position, value: false, depth: position.depth + 1 });
    }
    return `#/$defs/${name}`;
  }

  #find(ref: unknown): unknown {
    const name = typeof ref === 'string' ? anchorForm.exec(ref)?.[1] : undefined;
    if (name !== undefined) {
      const anchored = anchoredIn(this.#root, name, 0);
      if (anchored === undefined) throw new SchemaFault('a $ref names nothing in the schema');
      return anchored;
    }
    const tokens = typeof ref === 'string' && ref.startsWith('#') ? pointerTokens(decoded(ref.slice(1))) : undefined;
    if (tokens === undefined) throw new SchemaFault('a $ref leads out of the schema, or is no pointer');
    let value: unknown = this.#root;
    for (const token of tokens) {
      const inside = typeof value === 'object' && value !== null && Object.hasOwn(value, token);
      if (!inside) throw new SchemaFault('a $ref names nothing in the schema');
      value = (value as Schema)[token];
    }
    if (tokens.length > 0) return value;
    const { $id, ...root } = this.#root;
    return root;
  }

  #namesProperties(schema: unknown, seen: Set<unknown>): boolean {
    const source = objectOf(schema);
    if (source === undefined || seen.has(source)) return false;
    seen.add(source);
    if (Object.keys(objectOf(source.properties) ?? {}).length > 0) return true;
    if (typeof source.$ref === 'string' && this.#namesProperties(this.#find(source.$ref), seen)) return true;
    return ['allOf', 'anyOf', 'oneOf'].some((word) => {
      const list = source[word];
      return Array.isArray(list) && list.some((one) => this.#namesProperties(one, seen));
    });
  }
}

/** The schema of this `$anchor`; the first one, where a schema wrongly has two. */
function anchoredIn(value: unknown, name: string, depth: number): Schema | undefined {
  if (typeof value !== 'object' || value === null || depth > depthMax) return undefined;
  if (!Array.isArray(value) && (value as Schema).$anchor === name) return value as Schema;
  for (const [word, inner] of Object.entries(value)) {
    const found = data.has(word) ? undefined : anchoredIn(inner, name, depth + 1);
    if (found !== undefined) return found;
  }
  return undefined;
}

function isRunaway(pattern: string): boolean {
  return pattern.length > patternCharsMax || runaway.test(pattern);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return '\0';
  }
}

function objectOf(value: unknown): Schema | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Schema) : undefined;
}
