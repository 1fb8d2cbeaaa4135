/**
 * Compiles input schemas (JSON Schema 2020-12, by Ajv) and says what is wrong with arguments in a way an agent can learn
 * from: a stable code, a JSON pointer, what was expected, and the nearest name there is. Messages are made from the
 * schema and never hold a value, which may be personal data.
 */
import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import type { JsonObject } from '../../../call.ts';
import type { Reason } from '../../../denial.ts';
import { child, pointerTokens } from '../../pointer.ts';
import { isPlainName } from '../../segments.ts';
import { objectIn } from './reader.ts';
import type { Schema } from './schema.ts';

/** How many reasons one denial lists. */
export const reasonsMax = 20;
/** Documents with more values than this are judged up to their first fault, so that faults do not fill the memory. */
const allFaultsValuesMax = 5000;

export type Validate = (args: JsonObject) => readonly Reason[];

/** Compiles the schemas of one document. `compile` throws an Error for a schema that is not one. */
export class SchemaCompiler {
  readonly #all = compiler(true);
  readonly #first = compiler(false);

  compile(schema: Schema): Validate {
    const all = this.#all.compile(schema);
    let first: ValidateFunction | undefined;
    return (args) => {
      let validate = all;
      if (hasMoreValues(args, allFaultsValuesMax)) {
        first ??= this.#first.compile(schema);
        validate = first;
      }
      return validate(args) ? [] : reasonsOf(validate.errors ?? [], schema);
    };
  }
}

function compiler(allErrors: boolean): Ajv2020 {
  const regExp = (pattern: string, flags: string): RegExp => {
    try {
      return new RegExp(pattern, flags);
    } catch {
      // Many documents hold patterns that are only good without the `u` flag.
      return new RegExp(pattern);
    }
  };
  const ajv = new Ajv2020({
    allErrors,
    verbose: true,
    strict: false,
    logger: false,
    messages: false,
    code: { regExp: Object.assign(regExp, { code: 'new RegExp' }) },
  });
  // Published as CommonJS: what the types call default is the module itself at run time.
  const plugin = formats as unknown as typeof formats.default;
  plugin(ajv);
  return ajv;
}

function hasMoreValues(value: unknown, limit: number): boolean {
  let count = 0;
  const open: unknown[] = [value];
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    count += 1;
    if (count > limit) return true;
    if (typeof at === 'object' && at !== null) for (const inner of Object.values(at)) open.push(inner);
  }
  return false;
}

function reasonsOf(errors: readonly ErrorObject[], schema: Schema): readonly Reason[] {
  const reasons = new Map<string, Reason>();
  for (const error of errors) {
    const reason = reasonOf(error, schema);
    if (reason === undefined || reasons.size === reasonsMax) continue;
    reasons.set(`${reason.code} ${reason.path}`, reason);
  }
  return [...reasons.values()];
}

function reasonOf(error: ErrorObject, schema: Schema): Reason | undefined {
  const path = maskedPointer(error.instancePath);
  const params = error.params as Record<string, unknown>;
  const limit = `${String(params.comparison ?? '')} ${String(params.limit ?? '')}`.trim();
  switch (error.keyword) {
    case 'required': {
      const name = String(params.missingProperty);
      const found = knownNames(error.parentSchema, schema).get(name);
      const type = objectIn(found)?.type;
      const expected = typeof type === 'string' ? `: expected ${type}` : '';
      return { code: 'missing', message: `${name} is required${expected}`, path: child(path, name) };
    }
    case 'additionalProperties':
    case 'unevaluatedProperties': {
      const name = String(params.additionalProperty ?? params.unevaluatedProperty);
      const known = knownNames(error.parentSchema, schema);
      // A member that is named but does not fit has a fault of its own.
      return known.has(name) ? undefined : unknownName('unknown_member', name, [...known.keys()], path);
    }
    case 'type': {
      const types = Array.isArray(params.type) ? params.type.join(' or ') : String(params.type);
      return { code: 'type', message: `expected ${types}`, path };
    }
    case 'enum':
    case 'const': {
      const values = error.keyword === 'enum' ? (params.allowedValues as unknown[]) : [params.allowedValue];
      const shown = values.slice(0, 20).map((value) => JSON.stringify(value));
      return { code: 'enum', message: `expected one of ${shown.join(', ')}${values.length > 20 ? ', …' : ''}`, path };
    }
    case 'format':
      return { code: 'format', message: `expected the format ${String(params.format)}`, path };
    case 'pattern':
      return { code: 'pattern', message: `expected to match ${String(params.pattern)}`, path };
    case 'minLength':
    case 'maxLength':
    case 'minItems':
    case 'maxItems':
    case 'minProperties':
    case 'maxProperties':
      return { code: 'length', message: `${error.keyword} is ${String(params.limit)}`, path };
    case 'minimum':
    case 'maximum':
    case 'exclusiveMinimum':
    case 'exclusiveMaximum':
      return { code: 'range', message: `must be ${limit}`, path };
    case 'multipleOf':
      return { code: 'range', message: `must be a multiple of ${String(params.multipleOf)}`, path };
    case 'anyOf':
    case 'oneOf':
      return {
        code: 'shape',
        message: `must fit ${error.keyword === 'oneOf' ? 'exactly ' : ''}one of several shapes`,
        path,
      };
    case 'false schema':
      return { code: 'unknown_member', message: 'must not be there', path };
    case 'if':
    case '$ref':
      return undefined;
    default:
      return { code: 'constraint', message: `does not meet ${error.keyword}`, path };
  }
}

/** The names that a schema gives to properties, through `$ref` and its combinations. */
function knownNames(source: unknown, root: Schema): Map<string, unknown> {
  const names = new Map<string, unknown>();
  const seen = new Set<unknown>();
  const open: unknown[] = [source];
  for (let at = objectIn(open.pop()); at !== undefined || open.length > 0; at = objectIn(open.pop())) {
    if (at === undefined || seen.has(at)) continue;
    seen.add(at);
    for (const [name, schema] of Object.entries(objectIn(at.properties) ?? {})) names.set(name, schema);
    for (const word of ['allOf', 'anyOf', 'oneOf']) if (Array.isArray(at[word])) open.push(...(at[word] as unknown[]));
    open.push(at.then, at.else);
    if (typeof at.$ref === 'string') {
      const name = at.$ref.slice('#/$defs/'.length);
      open.push(objectIn(root.$defs)?.[name]);
    }
  }
  return names;
}

/** The reason for a name that nobody declared: its place, and the nearest name that was. */
export function unknownName(code: string, name: string, known: readonly string[], path: string): Reason {
  const near = nearestName(name, known);
  const shown = isPlainName(name) ? name : 'this name';
  const hint = near === undefined ? knownHint(known) : `: did you mean ${near}?`;
  return { code, message: `${shown} is not known${hint}`, path: child(path, isPlainName(name) ? name : '{}') };
}

function knownHint(known: readonly string[]): string {
  if (known.length === 0) return ': nothing is taken here';
  return `: known are ${known.slice(0, 10).join(', ')}${known.length > 10 ? ', …' : ''}`;
}

/** The known name that takes the fewest edits, if it is near enough to be meant. */
function nearestName(name: string, known: readonly string[]): string | undefined {
  if (name.length > 64) return undefined;
  let best: string | undefined;
  let bestDistance = Math.max(1, Math.floor(name.length / 3)) + 1;
  for (const candidate of known.slice(0, 200)) {
    const distance = editDistance(name.toLowerCase(), candidate.slice(0, 64).toLowerCase());
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** Levenshtein's distance. */
function editDistance(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, index) => index);
  for (let at = 1; at <= one.length; at++) {
    const next = [at];
    for (let to = 1; to <= other.length; to++) {
      const replaced = (row[to - 1] as number) + (one[at - 1] === other[to - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[to] as number) + 1, (next[to - 1] as number) + 1));
    }
    row = next;
  }
  return row[other.length] as number;
}

/** Names that could be data do not stand in pointers (see segments.ts). */
function maskedPointer(pointer: string): string {
  return (pointerTokens(pointer) ?? []).reduce(
    (path, token) => child(path, /^\d+$/.test(token) || isPlainName(token) ? token : '{}'),
    '',
  );
}
