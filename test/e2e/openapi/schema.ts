/**
 * Schemas of OpenAPI documents for the second validator: a conversion of its own, which shares no code with the gate.
 * References are kept, with all that they reach below `$defs`; objects that name properties are closed, and what is
 * read-only is taken away, as the gate promises to read them.
 */
import { type OutputUnit, Validator } from '@cfworker/json-schema';
import type { OpenApi } from './documents.ts';

export type Schema = Record<string, unknown>;

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** What a local `$ref` names, through any number of them. */
export function followed(document: OpenApi, value: unknown): Record<string, unknown> {
  let at = value;
  for (let count = 0; count < 20 && isObject(at) && typeof at.$ref === 'string'; count++) {
    const path = at.$ref.slice(2).split('/');
    at = path.reduce<unknown>((from, token) => {
      const name = decodeURIComponent(token).replaceAll('~1', '/').replaceAll('~0', '~');
      return (from as Record<string, unknown> | undefined)?.[name];
    }, document);
  }
  return isObject(at) ? at : {};
}

const kept = ['allOf', 'anyOf', 'oneOf'] as const;
const words = new Set([
  ...['type', 'enum', 'const', 'required', 'minLength', 'maxLength', 'minItems', 'maxItems', 'minProperties'],
  ...['maxProperties', 'minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'multipleOf', 'pattern', 'format'],
  ...['uniqueItems'],
]);

/** Converts the schemas of one document; those that are referred to once for all. */
export class Conversion {
  readonly #document: OpenApi;
  readonly #is30: boolean;
  readonly #defs = new Map<string, Schema | boolean>();
  readonly #names = new Map<string, string>();

  constructor(document: OpenApi) {
    this.#document = document;
    this.#is30 = String(document.openapi).startsWith('3.0');
  }

  /** A schema that judges, and that values are made from. */
  judge(schema: Schema | boolean): Judge {
    return new Judge(schema, this.#defs);
  }

  /** `schema` of a value. */
  value(schema: unknown): Schema | boolean {
    return this.#convert(schema, true, new Set());
  }

  #convert(schema: unknown, isValue: boolean, around: ReadonlySet<string>): Schema | boolean {
    if (typeof schema === 'boolean') return schema;
    if (!isObject(schema)) return true;
    const hidden = new Set([...around, ...this.#readOnly(schema, 0)]);
    const out: Schema = {};
    const inner = (one: unknown) => this.#convert(one, false, hidden);
    if (typeof schema.$ref === 'string') out.$ref = this.#reference(schema.$ref);
    if (typeof schema.$ref !== 'string' || !this.#is30) {
      for (const [word, value] of Object.entries(schema)) if (words.has(word) && value !== null) out[word] = value;
      if (typeof out.pattern === 'string') out.pattern = strictPattern(out.pattern);
      for (const word of kept) if (Array.isArray(schema[word])) out[word] = schema[word].map(inner);
      for (const word of ['not', 'if', 'then', 'else']) if (word in schema) out[word] = inner(schema[word]);
      if (isObject(schema.properties)) {
        const own = Object.entries(schema.properties).filter(([name]) => !hidden.has(name));
        out.properties = Object.fromEntries(own.map(([name, one]) => [name, this.value(one)]));
      }
      for (const word of ['items', 'additionalProperties']) if (word in schema) out[word] = this.value(schema[word]);
      for (const word of ['prefixItems'])
        if (Array.isArray(schema[word])) out[word] = schema[word].map((one) => this.value(one));
      if (Array.isArray(out.required)) out.required = out.required.filter((name) => !hidden.has(name as string));
      this.#of30(out, schema);
    }
    const closes = isValue && !('additionalProperties' in schema) && this.#isNamed(schema, new Set());
    if (closes) {
      out.unevaluatedProperties = false;
      const required = (out.required ?? []) as string[];
      const unnamed = required.filter((name) => !isObject(out.properties) || !(name in out.properties));
      const free = unnamed.filter((name) => !this.#has(schema, name, 0));
      if (free.length > 0)
        out.properties = { ...(out.properties as Schema), ...Object.fromEntries(free.map((name) => [name, true])) };
    }
    const isNull = this.#is30 && schema.nullable === true && schema.$ref === undefined;
    return isNull && typeof out.type !== 'string' && !Array.isArray(out.type)
      ? { anyOf: [{ type: 'null' }, out] }
      : out;
  }

  #of30(out: Schema, schema: Schema): void {
    if (!this.#is30) return;
    if (schema.nullable === true && typeof out.type === 'string') out.type = [out.type, 'null'];
    for (const [flag, limit] of [
      ['exclusiveMinimum', 'minimum'],
      ['exclusiveMaximum', 'maximum'],
    ] as const) {
      if (out[flag] === true) {
        out[flag] = out[limit];
        delete out[limit];
      } else if (out[flag] === false) delete out[flag];
    }
  }

  #reference(ref: string): string {
    let name = this.#names.get(ref);
    if (name === undefined) {
      name = `d${this.#names.size}`;
      this.#names.set(ref, name);
      this.#defs.set(name, this.#convert(followed(this.#document, { $ref: ref }), false, new Set()));
    }
    return `#/$defs/${name}`;
  }

  #readOnly(schema: Schema, depth: number): string[] {
    const one = followed(this.#document, schema);
    const own = Object.entries(isObject(one.properties) ? one.properties : {});
    const hidden = own.filter(([, value]) => followed(this.#document, value).readOnly === true).map(([name]) => name);
    const parts = Array.isArray(one.allOf) && depth < 8 ? one.allOf : [];
    return [...hidden, ...parts.flatMap((part) => this.#readOnly(part, depth + 1))];
  }

  #isNamed(schema: unknown, seen: Set<unknown>): boolean {
    const one = followed(this.#document, schema);
    if (seen.has(one)) return false;
    seen.add(one);
    if (isObject(one.properties) && Object.keys(one.properties).length > 0) return true;
    if ('patternProperties' in one) return true;
    const parts = kept.flatMap((word) => (Array.isArray(one[word]) ? (one[word] as unknown[]) : []));
    return parts.some((part) => this.#isNamed(part, seen));
  }

  #has(schema: unknown, name: string, depth: number): boolean {
    const one = followed(this.#document, schema);
    if (depth > 8) return false;
    if (isObject(one.properties) && name in one.properties) return true;
    return kept.some(
      (word) => Array.isArray(one[word]) && (one[word] as unknown[]).some((part) => this.#has(part, name, depth + 1)),
    );
  }
}

/** The second validator reads patterns with the `u` flag alone, where escapes of what needs none are faults. */
function strictPattern(pattern: string): string {
  return pattern.replaceAll(/\\([^\w^$\\.*+?()[\]{}|/-])/g, '$1').replaceAll(/\\_/g, '_');
}

/** A converted schema with all it refers to. */
export class Judge {
  readonly schema: Schema | boolean;
  readonly #defs: ReadonlyMap<string, Schema | boolean>;
  #validator: Validator | undefined;

  constructor(schema: Schema | boolean, defs: ReadonlyMap<string, Schema | boolean>) {
    this.schema = schema;
    this.#defs = defs;
  }

  resolve(ref: string): Schema | boolean {
    return this.#defs.get(ref.slice('#/$defs/'.length)) ?? true;
  }

  isValid(value: unknown): boolean {
    this.#validator ??= new Validator(this.#whole() as never, '2020-12', true);
    return this.#validator.validate(value).valid;
  }

  errors(value: unknown): readonly OutputUnit[] {
    return new Validator(this.#whole() as never, '2020-12', false).validate(value).errors;
  }

  #whole(): Schema {
    const needed: Record<string, unknown> = {};
    const open: unknown[] = [this.schema];
    for (let at = open.pop(); at !== undefined; at = open.pop()) {
      if (typeof at !== 'object' || at === null) continue;
      const { $ref } = at as Schema;
      const name = typeof $ref === 'string' ? $ref.slice('#/$defs/'.length) : undefined;
      if (name !== undefined && !(name in needed)) {
        needed[name] = this.#defs.get(name) ?? true;
        open.push(needed[name]);
      }
      open.push(...Object.values(at));
    }
    return { allOf: [this.schema], $defs: needed };
  }
}
