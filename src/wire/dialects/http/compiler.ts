/**
 * Compiles schemas (JSON Schema 2020-12, by Ajv) when they are first needed, and piece by piece: what a value consists of
 * by `$ref` alone is a piece of its own, compiled when such a value first comes, and used by all who refer to it. So a
 * schema that leads through half of a large document costs what its values need. What a reader would get wrong: a piece
 * tells nobody around it which members it has looked at, so only what is judged by itself may be one.
 */
import { Ajv2020, type AnySchemaObject, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import type { Json } from '../../../call.ts';
import type { Reason } from '../../../denial.ts';
import { child } from '../../pointer.ts';
import { Bounds } from './bounds.ts';
import { objectIn } from './reader.ts';
import type { Schema } from './schema.ts';
import { reasonsOf } from './validator.ts';

/** Values with more parts than this are judged up to their first fault, so that faults do not fill the memory. */
const allFaultsValuesMax = 5000;
/** Compiled pieces that are kept; one takes some tens of KiB. The one unused longest goes first. */
const piecesMax = 512;
/** Alternatives in alternatives that are told apart. */
const branchDepthMax = 4;

export type Validate = (value: Json) => readonly Reason[];

/** What a piece is compiled from. */
interface Piece {
  readonly schema: Schema;
  /** Definitions that its references name. */
  readonly definitions: Schema;
  /** Whether members that it does not name are refused. */
  readonly closed: boolean;
  readonly allErrors: boolean;
}

/** The schemas of one document. */
export class SchemaCompiler {
  readonly #bounds = new Bounds();
  readonly #checking = validatorOf({ allErrors: false, check: true, bounds: this.#bounds });
  readonly #patterns = new Set<string>();
  readonly #pieces = new Map<string, ValidateFunction>();
  readonly #ids = new WeakMap<object, number>();
  #lastId = 0;

  /** What is wrong with `schema`; null if it can be compiled. References must lead somewhere. */
  check(schema: Schema): string | null {
    if (this.#checking.validateSchema(schema) !== true) {
      const [first] = this.#checking.errors ?? [];
      return `a schema is wrong: ${first?.instancePath ?? ''} ${first?.message ?? ''}`;
    }
    for (const pattern of patternsIn(schema)) {
      if (this.#patterns.has(pattern)) continue;
      if (regExpOf(pattern) === undefined) return `a schema is wrong: ${JSON.stringify(pattern)} is no pattern`;
      this.#patterns.add(pattern);
    }
    return null;
  }

  /** A validator of a schema that stands by itself. Never throws for one that has been checked. */
  compile(schema: Schema): Validate {
    const definitions = objectIn(schema.$defs) ?? {};
    return (value) => {
      const judge = (isFirst: boolean) => {
        const allErrors = isFirst && !hasMoreValues(value, allFaultsValuesMax);
        const validate = this.#piece({ schema, definitions, closed: false, allErrors });
        return validate(value) ? [] : reasonsOf(this.#told(validate.errors ?? [], definitions), schema);
      };
      return this.#bounds.within(judge, () => valuesIn(value)) ?? [endless];
    };
  }

  #piece(piece: Piece): ValidateFunction {
    const key = `${this.#idOf(piece.schema)} ${piece.closed} ${piece.allErrors}`;
    const compiled = this.#pieces.get(key) ?? this.#compile(piece);
    this.#pieces.delete(key);
    this.#pieces.set(key, compiled);
    const [oldest] = this.#pieces.keys();
    if (this.#pieces.size > piecesMax && oldest !== undefined) this.#pieces.delete(oldest);
    return compiled;
  }

  #idOf(schema: Schema): number {
    const id = this.#ids.get(schema) ?? ++this.#lastId;
    this.#ids.set(schema, id);
    return id;
  }

  #compile({ schema, definitions, closed, allErrors }: Piece): ValidateFunction {
    const { $defs: _all, ...own } = schema;
    const root = inPieces(own, { free: !closed, isValue: false }) as Schema;
    const needed = new Map<string, unknown>();
    const open = refsIn(root);
    for (let name = open.pop(); name !== undefined; name = open.pop()) {
      if (needed.has(name)) continue;
      const definition = inPieces(definitions[name], { free: false, isValue: false });
      needed.set(name, objectIn(definition) === undefined ? definition : { ...objectIn(definition), [stepWord]: true });
      open.push(...refsIn(definition));
    }
    const $defs = Object.fromEntries(needed);
    // Each piece has a validator of its own, so that it can be let go of.
    const bounds = this.#bounds;
    const ajv = validatorOf({ allErrors, bounds });
    ajv.addKeyword({
      keyword: stepWord,
      errors: false,
      validate: () => {
        bounds.step();
        return true;
      },
    });
    const validate = (part: { readonly ref: string; readonly closed: boolean }, value: unknown, at: string) => {
      const found = definitions[part.ref];
      if (typeof found === 'boolean' || found === undefined) return found === true ? [] : undefined;
      bounds.step();
      const inner = this.#piece({ schema: found as Schema, definitions, closed: part.closed, allErrors });
      if (inner(value)) return [];
      return (inner.errors ?? []).map((error) => ({
        ...error,
        instancePath: at + error.instancePath,
        value: judged(error),
      }));
    };
    ajv.addKeyword({
      keyword: pieceWord,
      errors: 'full',
      validate: Object.assign(function judge(
        part: { ref: string; closed: boolean },
        value: unknown,
        _parent?: AnySchemaObject,
        context?: { instancePath: string },
      ) {
        const errors = validate(part, value, context?.instancePath ?? '');
        Object.assign(judge, {
          errors: errors ?? [{ keyword: 'false schema', instancePath: context?.instancePath ?? '', params: {} }],
        });
        return errors !== undefined && errors.length === 0;
      }),
    });
    return ajv.compile(closed ? { allOf: [root], unevaluatedProperties: false, $defs } : { ...root, $defs });
  }

  /** The errors, and of alternatives that a property tells apart those of the one it names. */
  #told(errors: readonly ErrorObject[], definitions: Schema, depth = 0): readonly ErrorObject[] {
    let told = errors;
    for (const error of errors) {
      const { keyword, parentSchema, instancePath } = error;
      const { propertyName, mapping } = objectIn(parentSchema?.discriminator) ?? {};
      const isChoice = keyword === 'oneOf' || keyword === 'anyOf';
      if (!isChoice || typeof propertyName !== 'string' || objectIn(judged(error)) === undefined) continue;
      if (depth > branchDepthMax) continue;
      const others = told.filter((one) =>
        one.parentSchema === parentSchema ? one !== error : !isIn(one, instancePath),
      );
      told = [...others, ...this.#ofBranch(error, propertyName, objectIn(mapping) ?? {}, definitions, depth)];
    }
    return told;
  }

  #ofBranch(
    error: ErrorObject,
    name: string,
    mapping: Schema,
    definitions: Schema,
    depth: number,
  ): readonly ErrorObject[] {
    const { instancePath } = error;
    const value = (judged(error) as Schema)[name];
    if (value === undefined) return [{ ...error, keyword: 'required', params: { missingProperty: name } }];
    const ref = typeof value === 'string' && Object.hasOwn(mapping, value) ? String(mapping[value]) : '';
    const schema = objectIn(definitions[ref.slice(definitionPrefix.length)]);
    if (schema === undefined) {
      const params = { allowedValues: Object.keys(mapping) };
      return [{ ...error, keyword: 'enum', params, instancePath: child(instancePath, name) }];
    }
    const validate = this.#piece({ schema, definitions, closed: false, allErrors: true });
    // It fits the alternative it names: it is another one that is at fault, or one too many.
    if (validate(judged(error))) return [error];
    const inner = (validate.errors ?? []).map((one) => ({ ...one, instancePath: instancePath + one.instancePath }));
    return this.#told(inner, definitions, depth + 1);
  }
}

const pieceWord = 'x-piece';
/** Stands in what others refer to: whatever goes round and round comes by it. */
const stepWord = 'x-step';
const endless: Reason = {
  code: 'constraint',
  message: 'takes too long to be held against the schema: send less, or what is nested less',
  path: '',
};
const definitionPrefix = '#/$defs/';
const maps = new Set(['properties', 'patternProperties', 'dependentSchemas']);
const values = new Set(['properties', 'patternProperties', 'items', 'prefixItems', 'additionalProperties']);
const inPlace = new Set(['allOf', 'anyOf', 'oneOf', 'not', 'if', 'then', 'else', 'dependentSchemas']);
const others = new Set(['contains', 'propertyNames', 'unevaluatedItems', 'unevaluatedProperties']);
/** Words beside a `$ref` that ask nothing of the value. */
const annotations = new Set(['$ref', 'title', 'description', 'default', 'unevaluatedProperties']);

interface Setting {
  /** Whether nothing around asks which members have been looked at. */
  readonly free: boolean;
  /** Whether the schema alone describes its value. */
  readonly isValue: boolean;
}

/** A copy of `schema` in which what can be a piece of its own is one. */
function inPieces(schema: unknown, { free, isValue }: Setting): unknown {
  const source = objectIn(schema);
  if (source === undefined) return schema;
  const { $ref } = source;
  const asks = 'unevaluatedProperties' in source || 'unevaluatedItems' in source;
  if (typeof $ref === 'string' && (isValue || free) && isPiece(source)) {
    return {
      [pieceWord]: { ref: $ref.slice(definitionPrefix.length), closed: source.unevaluatedProperties === false },
    };
  }
  const isFree = (isValue || free) && !asks;
  const copy: Schema = {};
  for (const [word, value] of Object.entries(source)) {
    const setting =
      values.has(word) || others.has(word) ? { free: true, isValue: true } : { free: isFree, isValue: false };
    if (maps.has(word)) copy[word] = mapped(objectIn(value) ?? {}, setting);
    else if (Array.isArray(value) && (inPlace.has(word) || values.has(word))) {
      copy[word] = value.map((one) => inPieces(one, setting));
    } else if (inPlace.has(word) || values.has(word) || others.has(word)) copy[word] = inPieces(value, setting);
    else copy[word] = value;
  }
  return copy;
}

function mapped(schemas: Schema, setting: Setting): Schema {
  return Object.fromEntries(Object.entries(schemas).map(([name, one]) => [name, inPieces(one, setting)]));
}

function isPiece(source: Schema): boolean {
  const closes = source.unevaluatedProperties;
  return Object.keys(source).every((word) => annotations.has(word)) && (closes === undefined || closes === false);
}

/** The definitions that a schema refers to. Data in it may look like a reference, and then costs a little. */
function refsIn(schema: unknown): string[] {
  const names: string[] = [];
  const open: unknown[] = [schema];
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    if (typeof at !== 'object' || at === null) continue;
    const { $ref } = at as Schema;
    if (typeof $ref === 'string' && $ref.startsWith(definitionPrefix)) names.push($ref.slice(definitionPrefix.length));
    open.push(...Object.values(at));
  }
  return names;
}

/** The value that an error is about. Ajv puts that around a piece in its place, so a piece's errors keep their own. */
function judged(error: ErrorObject & { readonly value?: unknown }): unknown {
  return 'value' in error ? error.value : error.data;
}

function isIn({ instancePath }: ErrorObject, pointer: string): boolean {
  return instancePath === pointer || instancePath.startsWith(`${pointer}/`);
}

interface ValidatorOptions {
  readonly allErrors: boolean;
  readonly check?: boolean;
  readonly bounds: Bounds;
}

function validatorOf({ allErrors, check = false, bounds }: ValidatorOptions): Ajv2020 {
  const regExp = (pattern: string) => bounds.pattern(regExpOf(pattern) ?? new RegExp(pattern));
  const ajv = new Ajv2020({
    ...{ allErrors, verbose: true, strict: false, logger: false, messages: check, meta: check, validateSchema: false },
    code: { regExp: Object.assign(regExp, { code: 'new RegExp' }) },
  });
  // Published as CommonJS: what the types call default is the module itself at run time.
  const plugin = formats as unknown as typeof formats.default;
  plugin(ajv);
  return ajv;
}

/** Many documents hold patterns that are only good without the `u` flag, or begin with another engine's flags. */
function regExpOf(pattern: string): RegExp | undefined {
  const [, flags = '', rest = pattern] = /^\(\?([is]+)\)(.*)$/s.exec(pattern) ?? [];
  for (const unicode of ['u', '']) {
    try {
      return new RegExp(rest, `${unicode}${flags}`);
    } catch {
      // The other reading may do.
    }
  }
  return undefined;
}

/** Every pattern in a schema; values that stand in it as data have none. */
function* patternsIn(schema: unknown): Generator<string> {
  const open: { readonly at: unknown; readonly names: boolean }[] = [{ at: schema, names: false }];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { at, names } = next;
    if (typeof at !== 'object' || at === null) continue;
    const { pattern, patternProperties } = at as Schema;
    if (!names && typeof pattern === 'string') yield pattern;
    if (!names) yield* Object.keys(objectIn(patternProperties) ?? {});
    for (const [word, inner] of Object.entries(at)) {
      if (!names && (word === 'enum' || word === 'const' || word === 'default')) continue;
      open.push({ at: inner, names: !names && (word === 'properties' || word === 'patternProperties') });
    }
  }
}

function hasMoreValues(value: unknown, limit: number): boolean {
  return valuesIn(value, limit) > limit;
}

/** How many values there are, the first one counted; no more than one beyond `limit`. */
function valuesIn(value: unknown, limit = Infinity): number {
  let count = 0;
  const open: unknown[] = [value];
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    count += 1;
    if (count > limit) break;
    if (typeof at === 'object' && at !== null) for (const inner of Object.values(at)) open.push(inner);
  }
  return count;
}
