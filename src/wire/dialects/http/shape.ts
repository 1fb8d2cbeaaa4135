/**
 * What a schema says of the shape of values, as far as text has to be read by it: JSON types, members, elements. It is
 * read loosely (all alternatives together); whether a value fits is for the validator alone.
 */
import { type DocumentReader, objectIn } from './reader.ts';

/** Looked up when it is needed, as schemas may refer to themselves. */
export interface ValueShape {
  /** Empty where the schema names none. */
  readonly types: ReadonlySet<string>;
  /** The names that an object may have, in the order of the document. */
  readonly names: readonly string[];
  /** Whether it may have others. */
  readonly open: boolean;
  member(name: string): ValueShape;
  element(): ValueShape;
  /** The schemas of a member, and of elements. */
  schemaOf(name: string): readonly unknown[];
  elementSchemas(): readonly unknown[];
}

const depthMax = 8;
const alternatives = ['allOf', 'anyOf', 'oneOf'] as const;

/** The shape of what `schema` describes. */
export function valueShape(reader: DocumentReader, schema: unknown): ValueShape {
  return new SchemaShape(reader, [schema]);
}

class SchemaShape implements ValueShape {
  readonly #reader: DocumentReader;
  readonly #schemas: readonly unknown[];
  #types: ReadonlySet<string> | undefined;
  #members: { readonly named: Map<string, unknown[]>; readonly others: readonly unknown[] } | undefined;

  /** Several schemas are alternatives. */
  constructor(reader: DocumentReader, schemas: readonly unknown[]) {
    this.#reader = reader;
    this.#schemas = schemas;
  }

  get types(): ReadonlySet<string> {
    this.#types ??= new Set(this.#schemas.flatMap((schema) => [...typesOf(this.#reader, schema)]));
    return this.#types;
  }

  get names(): readonly string[] {
    return [...this.#read().named.keys()];
  }

  get open(): boolean {
    const { named, others } = this.#read();
    return others.length > 0 || named.size === 0;
  }

  member(name: string): ValueShape {
    return new SchemaShape(this.#reader, this.schemaOf(name));
  }

  element(): ValueShape {
    return new SchemaShape(this.#reader, this.elementSchemas());
  }

  schemaOf(name: string): readonly unknown[] {
    const { named, others } = this.#read();
    return named.get(name) ?? others;
  }

  elementSchemas(): readonly unknown[] {
    return this.#all().flatMap(({ items: one, prefixItems }) => [
      ...(one === undefined ? [] : [one]),
      ...(Array.isArray(prefixItems) ? prefixItems : []),
    ]);
  }

  #read(): { readonly named: Map<string, unknown[]>; readonly others: readonly unknown[] } {
    if (this.#members !== undefined) return this.#members;
    const named = new Map<string, unknown[]>();
    const others: unknown[] = [];
    for (const source of this.#all()) {
      for (const [name, schema] of Object.entries(objectIn(source.properties) ?? {})) {
        const before = named.get(name);
        if (before === undefined) named.set(name, [schema]);
        else before.push(schema);
      }
      const { additionalProperties } = source;
      if (additionalProperties !== undefined && additionalProperties !== false) others.push(additionalProperties);
      others.push(...Object.values(objectIn(source.patternProperties) ?? {}));
    }
    this.#members = { named, others };
    return this.#members;
  }

  /** The schemas and all they are made of. */
  #all(): readonly Record<string, unknown>[] {
    const all = new Set<Record<string, unknown>>();
    const visit = (schema: unknown, depth: number): void => {
      const source = objectIn(this.#reader.follow(schema));
      if (source === undefined || all.has(source) || depth > depthMax) return;
      all.add(source);
      for (const inner of partsOf(source)) visit(inner, depth + 1);
      // Words beside a $ref count from OpenAPI 3.1 on.
      if (!this.#reader.is30 && objectIn(schema) !== source) {
        const beside = objectIn(schema) ?? {};
        if (Object.keys(beside).length > 1) visit({ ...beside, $ref: undefined }, depth + 1);
      }
    };
    for (const schema of this.#schemas) visit(schema, 0);
    return [...all];
  }
}

function partsOf(source: Record<string, unknown>): readonly unknown[] {
  const lists = alternatives.flatMap((word) => (Array.isArray(source[word]) ? (source[word] as unknown[]) : []));
  return [...lists, source.then, source.else];
}

/** The JSON types that a schema lets a value have, as far as it names them; for reading text. */
export function typesOf(reader: DocumentReader, schema: unknown): ReadonlySet<string> {
  return typesIn(reader, schema, 0, new Map());
}

/** `known`: what was found of schemas that are parts of several others. */
function typesIn(
  reader: DocumentReader,
  schema: unknown,
  depth: number,
  known: Map<unknown, ReadonlySet<string>>,
): ReadonlySet<string> {
  const source = objectIn(reader.follow(schema));
  if (source === undefined || depth > depthMax) return new Set();
  const before = known.get(source);
  if (before !== undefined) return before;
  const types = new Set<string>();
  known.set(source, types);
  for (const one of ownTypes(reader, source, depth, known)) types.add(one);
  return types;
}

function ownTypes(
  reader: DocumentReader,
  source: Record<string, unknown>,
  depth: number,
  known: Map<unknown, ReadonlySet<string>>,
): ReadonlySet<string> {
  const { type } = source;
  const types = new Set<string>(typeof type === 'string' ? [type] : Array.isArray(type) ? type.map(String) : []);
  if (reader.is30 && source.nullable === true && types.size > 0) types.add('null');
  if (types.size > 0) return types;
  for (const word of alternatives) {
    const list = source[word];
    for (const item of Array.isArray(list) ? list : [])
      for (const inner of typesIn(reader, item, depth + 1, known)) types.add(inner);
  }
  if (types.size > 0) return types;
  if (source.properties !== undefined || source.additionalProperties !== undefined) types.add('object');
  if (source.items !== undefined) types.add('array');
  const values = Array.isArray(source.enum) ? source.enum : 'const' in source ? [source.const] : [];
  for (const value of values) types.add(value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value);
  return types;
}
