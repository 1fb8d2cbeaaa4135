/**
 * Says what is wrong with arguments in a way an agent can learn from: a stable code, a JSON pointer, what was expected,
 * and the nearest name there is. Messages are made from the schema and never hold a value, which may be personal data.
 */
import type { ErrorObject } from 'ajv/dist/2020.js';
import type { Reason } from '../../../denial.ts';
import { reasonsMax } from '../../arguments-denial.ts';
import { child, pointerTokens } from '../../pointer.ts';
import { isPlainName } from '../../segments.ts';
import { objectIn } from './reader.ts';
import type { Schema } from './schema.ts';

/** So many errors are looked at, and for so many names the nearest known one is looked for. */
const errorsMax = 5_000;
const nearestMax = reasonsMax;

/** The names that schemas know, each read once. */
type Known = (source: unknown) => ReadonlyMap<string, unknown>;

/** The errors of a validator as reasons, one for each place and code; never none. `schema` stands by itself. */
export function reasonsOf(errors: readonly ErrorObject[], schema: Schema): readonly Reason[] {
  const reasons = new Map<string, Reason>();
  const unfitting: Reason[] = [];
  const read = new Map<unknown, ReadonlyMap<string, unknown>>();
  const known: Known = (source) => {
    const names = read.get(source) ?? knownNames(source, schema);
    read.set(source, names);
    return names;
  };
  let unknown = 0;
  for (const error of errors.slice(0, errorsMax)) {
    if (reasons.size === reasonsMax) break;
    const reason = reasonOf(error, known, unknown < nearestMax);
    if (reason === undefined) continue;
    if (reason.code === 'unknown_member') unknown += 1;
    if (reason.code === beside) unfitting.push(reason);
    else reasons.set(`${reason.code} ${reason.path}`, reason);
  }
  // A member that is named somewhere mostly has a fault of its own. If not, it belongs to an alternative that is not met.
  for (const reason of unfitting) {
    const path = reason.path ?? '';
    const around = path.slice(0, path.lastIndexOf('/') + 1);
    const told = [...reasons.values()].some((one) => `${one.path}/`.startsWith(around));
    if (!told) reasons.set(`shape ${path}`, { ...reason, code: 'shape' });
  }
  if (reasons.size === 0) reasons.set('', { code: 'constraint', message: 'does not fit the schema', path: '' });
  return [...reasons.values()];
}

/** Only until all reasons are known. */
const beside = 'beside';

/** `near`: whether the known name that is nearest to an unknown one is worth the time. */
function reasonOf(error: ErrorObject, knownTo: Known, near: boolean): Reason | undefined {
  const path = maskedPointer(error.instancePath);
  const params = error.params as Record<string, unknown>;
  const limit = `${String(params.comparison ?? '')} ${String(params.limit ?? '')}`.trim();
  switch (error.keyword) {
    case 'required': {
      const name = String(params.missingProperty);
      const found = knownTo(error.parentSchema).get(name);
      const type = objectIn(found)?.type;
      const expected = typeof type === 'string' ? `: expected ${type}` : '';
      return { code: 'missing', message: `${name} is required${expected}`, path: child(path, name) };
    }
    case 'additionalProperties':
    case 'unevaluatedProperties': {
      const name = String(params.additionalProperty ?? params.unevaluatedProperty);
      const known = knownTo(error.parentSchema);
      if (!known.has(name)) return unknownName('unknown_member', name, near ? [...known.keys()] : null, path);
      const message = `${isPlainName(name) ? name : 'this name'} does not go with what is beside it`;
      return { code: beside, message, path: child(path, isPlainName(name) ? name : '{}') };
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

/** The reason for a name that nobody declared: its place, and the nearest name that was (null: not to be told). */
export function unknownName(code: string, name: string, known: readonly string[] | null, path: string): Reason {
  const near = known === null ? undefined : nearestName(name, known);
  const shown = isPlainName(name) ? name : 'this name';
  const hint = known === null ? '' : near === undefined ? knownHint(known) : `: did you mean ${near}?`;
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
    if (Math.abs(name.length - Math.min(64, candidate.length)) >= bestDistance) continue;
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
