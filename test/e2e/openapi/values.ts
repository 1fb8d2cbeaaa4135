/**
 * Values that fit a schema, and values with one fault, both from a seeded source. A value is a guess that the second
 * validator judges; what it does not accept is thrown away. A fault is made where the schema says what is allowed, and
 * knows its place and kind.
 */
import { isObject, type Judge, type Schema } from './schema.ts';

export type Kind = 'missing' | 'hallucinated' | 'type' | 'enum';

export interface Fault {
  readonly kind: Kind;
  /** JSON pointer. */
  readonly path: string;
  /** Whether alternatives lie around it, so that it may be told of them instead. */
  readonly inChoice: boolean;
  /** What was put there. */
  readonly put: unknown;
  /** The whole, with the fault in it. */
  readonly value: unknown;
}

const depthMax = 5;
const texts: Readonly<Record<string, readonly string[]>> = {
  date: ['2026-11-21'],
  'date-time': ['2026-11-21T10:00:00Z'],
  time: ['10:00:00Z'],
  email: ['someone@example.com'],
  uri: ['https://example.com/a'],
  url: ['https://example.com/a'],
  uuid: ['123e4567-e89b-42d3-a456-426614174000'],
  ipv4: ['192.0.2.1'],
  ipv6: ['2001:db8::1'],
  hostname: ['example.com'],
  byte: ['aGVsbG8='],
};
/** What patterns of real documents often ask for. */
const guesses = [
  'a',
  'abc',
  '1',
  '12',
  '123456',
  'A',
  'AB',
  'ABC',
  'abc-1',
  'a1b2c3d4',
  '2026-11-21',
  'https://example.com/a',
  '#aabbcc',
  '10:30',
  'a/b',
  '0123456789abcdef0123456789abcdef',
  '123e4567-e89b-42d3-a456-426614174000',
  'v1',
  '1.0.0',
  'a@b.co',
];

export class Values {
  readonly #random: () => number;
  readonly #judge: Judge;

  constructor(judge: Judge, random: () => number) {
    this.#judge = judge;
    this.#random = random;
  }

  /** A value that the second validator accepts; undefined if none was found in a few tries. */
  valid(tries = 6): unknown {
    for (let count = 0; count < tries; count++) {
      // Later tries leave out more, and what is left out cannot be wrong.
      const value = this.#make(this.#judge.schema, 0, 0.5 / (count + 1));
      if (value !== undefined && this.#judge.isValid(value)) return value;
    }
    return undefined;
  }

  #pick<Item>(items: readonly Item[]): Item {
    return items[Math.floor(this.#random() * items.length)] as Item;
  }

  #make(schema: Schema | boolean, depth: number, chance: number): unknown {
    if (typeof schema === 'boolean' || depth > 3 * depthMax) return schema === true ? 'any' : undefined;
    if ('const' in schema) return schema.const;
    if (Array.isArray(schema.enum)) return this.#pick(schema.enum);
    const parts: unknown[] = [];
    if (typeof schema.$ref === 'string') parts.push(this.#make(this.#judge.resolve(schema.$ref), depth, chance));
    if (Array.isArray(schema.allOf)) for (const one of schema.allOf) parts.push(this.#make(one, depth, chance));
    for (const word of ['oneOf', 'anyOf']) {
      const list = schema[word];
      if (Array.isArray(list)) parts.push(this.#make(this.#pick(list), depth, chance));
    }
    if (schema.type !== undefined || schema.properties !== undefined) parts.push(this.#own(schema, depth, chance));
    const objects = parts.filter(isObject);
    if (objects.length === parts.length && objects.length > 0) return Object.assign({}, ...objects);
    return parts.length === 0 ? 'any' : parts.find((one) => one !== undefined);
  }

  #own(schema: Schema, depth: number, chance: number): unknown {
    const types = Array.isArray(schema.type) ? schema.type : [schema.type ?? 'object'];
    const type = this.#pick(types.length > 1 ? types.filter((one) => one !== 'null') : types);
    switch (type) {
      case 'string':
        return this.#text(schema);
      case 'integer':
      case 'number':
        return this.#number(schema, type === 'integer');
      case 'boolean':
        return this.#random() < 0.5;
      case 'null':
        return null;
      case 'array': {
        const least = Number(schema.minItems ?? 0);
        const count = depth > depthMax ? least : Math.min(Math.max(least, 1), Number(schema.maxItems ?? 3));
        const items = Array.from({ length: count }, () =>
          this.#make((schema.items ?? true) as Schema, depth + 1, chance),
        );
        return items.includes(undefined) ? [] : items;
      }
      default: {
        const object: Schema = {};
        const required = Array.isArray(schema.required) ? schema.required : [];
        for (const [name, one] of Object.entries((schema.properties ?? {}) as Schema)) {
          if (!required.includes(name) && (depth > depthMax || this.#random() > chance)) continue;
          const value = this.#make(one as Schema, depth + 1, chance);
          if (value !== undefined) object[name] = value;
        }
        return object;
      }
    }
  }

  #text(schema: Schema): string {
    const [least, most] = [Number(schema.minLength ?? 0), Number(schema.maxLength ?? 1000)];
    const known = texts[String(schema.format)];
    if (known !== undefined) return this.#pick(known);
    if (typeof schema.pattern === 'string') {
      const fitting = guesses.filter((guess) => {
        try {
          return new RegExp(schema.pattern as string, 'u').test(guess) && guess.length >= least && guess.length <= most;
        } catch {
          return false;
        }
      });
      if (fitting.length > 0) return this.#pick(fitting);
    }
    const letters = 'abcdefghijklmnopqrstuvwxyz';
    const length = Math.min(Math.max(least, 1 + Math.floor(this.#random() * 8)), most);
    return Array.from({ length }, () => this.#pick([...letters])).join('');
  }

  #number(schema: Schema, whole: boolean): number {
    const low =
      Number(schema.exclusiveMinimum ?? schema.minimum ?? 1) + (schema.exclusiveMinimum === undefined ? 0 : 1);
    const high = Number(schema.exclusiveMaximum ?? schema.maximum ?? low + 100);
    const value = Math.min(Math.max(low, Math.floor(low + this.#random() * 10)), high);
    return whole ? Math.ceil(value) : value;
  }

  /** `value`, which is valid, with one fault of `kind` at a place that `taken` takes; undefined where there is none. */
  faulty(value: unknown, kind: Kind, taken: (site: Site) => boolean): Fault | undefined {
    const sites = this.#sites(this.#judge.schema, value, '', false, kind, 0).filter(taken);
    if (sites.length === 0) return undefined;
    const site = this.#pick(sites);
    const path = site.path
      .split('/')
      .slice(1)
      .map((token) => token.replaceAll('~1', '/').replaceAll('~0', '~'));
    const whole = changed(value, path, site.put);
    return this.#judge.isValid(whole) ? undefined : { kind, ...site, value: whole };
  }

  #sites(schema: Schema | boolean, value: unknown, path: string, inChoice: boolean, kind: Kind, depth: number): Site[] {
    if (typeof schema === 'boolean' || depth > 20) return [];
    const sites: Site[] = [];
    const visit = (one: Schema | boolean, choice: boolean) =>
      sites.push(...this.#sites(one, value, path, inChoice || choice, kind, depth + 1));
    if (typeof schema.$ref === 'string') visit(this.#judge.resolve(schema.$ref), false);
    for (const one of (schema.allOf ?? []) as Schema[]) visit(one, false);
    for (const one of [...((schema.oneOf ?? []) as Schema[]), ...((schema.anyOf ?? []) as Schema[])]) visit(one, true);
    const at = (name: string | number) => `${path}/${String(name).replaceAll('~', '~0').replaceAll('/', '~1')}`;
    if (kind === 'enum' && Array.isArray(schema.enum) && path !== '')
      sites.push({ path, inChoice, put: 'zz-not-one-of-them' });
    if (kind === 'type' && schema.type !== undefined && path !== '') {
      const types = [schema.type].flat();
      // One text may be a list of one.
      const put = types.includes('string') || types.includes('array') ? { a: 1 } : 'text';
      const any = types.includes('object') && (types.includes('string') || types.includes('array'));
      if (!any) sites.push({ path, inChoice, put });
    }
    if (isObject(value)) {
      const properties = (schema.properties ?? {}) as Schema;
      if (
        kind === 'hallucinated' &&
        (schema.unevaluatedProperties === false || schema.additionalProperties === false)
      ) {
        sites.push({ path: at('zz_hallucinated'), inChoice, put: 1 });
      }
      for (const name of kind === 'missing' && Array.isArray(schema.required) ? schema.required : []) {
        if (name in value) sites.push({ path: at(name), inChoice, put: undefined });
      }
      for (const [name, one] of Object.entries(properties)) {
        if (name in value) sites.push(...this.#sites(one as Schema, value[name], at(name), inChoice, kind, depth + 1));
      }
    }
    if (Array.isArray(value) && isObject(schema.items)) {
      for (const [index, one] of value.entries())
        sites.push(...this.#sites(schema.items, one, at(index), inChoice, kind, depth + 1));
    }
    return sites;
  }
}

/** A copy of `value` with `put` at `path`; without what is there, where that is undefined. */
function changed(value: unknown, [name, ...rest]: readonly string[], put: unknown): unknown {
  if (name === undefined) return put;
  if (Array.isArray(value)) return value.map((one, index) => (String(index) === name ? changed(one, rest, put) : one));
  const { [name]: inner, ...others } = value as Schema;
  const next = changed(inner, rest, put);
  return next === undefined ? others : { ...(value as Schema), [name]: next };
}

export interface Site {
  readonly path: string;
  readonly inChoice: boolean;
  readonly put: unknown;
}
