/**
 * The input schemas as a map of places: whether there can be such a place in the input of a package, and which texts
 * alone may stand there. A package that belongs to no phase, such as `lib`, may be used in any, so a place counts for it
 * if one of the inputs has it.
 */
import type { Json } from '../../call.ts';
import { callInputSchema, responseInputSchema, taskInputSchema } from '../schemas.ts';
import type { Place, Step } from './scope.ts';

interface Schema {
  readonly type?: string;
  readonly const?: Json;
  readonly enum?: readonly Json[];
  readonly anyOf?: readonly Schema[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: Schema | boolean;
  readonly items?: Schema;
}

/** Why there is no such place: at which step it ends, and which names were to be had. */
export interface Missing {
  readonly index: number;
  /** Names that there are; null where what stands there has none. */
  readonly known: readonly string[] | null;
  readonly holds: 'object' | 'list' | 'value';
}

const anything: Schema = {};
const schemas: Readonly<Record<string, Schema>> = {
  'tollgate.task': taskInputSchema as Schema,
  'tollgate.call': callInputSchema as Schema,
  'tollgate.response': responseInputSchema as Schema,
};

/** The inputs that a package may be given. `system.log` is OPA's own, and is given an event of the decision log. */
export function inputsOf(packageWords: readonly string[]): readonly Schema[] {
  if (packageWords[0] === 'system') return [anything];
  const own = schemas[packageWords.join('.')];
  return own === undefined ? Object.values(schemas) : [own];
}

/** Undefined if one of `inputs` has the place; of several that have not, the one that comes furthest is told. */
export function missingFrom(inputs: readonly Schema[], place: Place): Missing | undefined {
  let furthest: Missing | undefined;
  for (const input of inputs) {
    const end = follow([input], place);
    if (!('index' in end)) return undefined;
    if (furthest === undefined || end.index > furthest.index) furthest = end;
    else if (end.index === furthest.index && end.known !== null) {
      furthest = { ...end, known: [...new Set([...(furthest.known ?? []), ...end.known])] };
    }
  }
  return furthest;
}

/** The only texts that may stand at the place; null where any may, or no text at all. */
export function textsAt(inputs: readonly Schema[], place: Place): readonly string[] | null {
  const texts = new Set<string>();
  for (const input of inputs) {
    const end = follow([input], place);
    if ('index' in end) continue;
    for (const schema of end.schemas) {
      if (schema.type === 'null') continue;
      const closed = schema.enum ?? (schema.const === undefined ? undefined : [schema.const]);
      if (schema.type !== 'string' || closed === undefined) return null;
      for (const text of closed) texts.add(text as string);
    }
  }
  return texts.size === 0 ? null : [...texts];
}

function follow(start: readonly Schema[], place: Place): Missing | { readonly schemas: readonly Schema[] } {
  let at = start.flatMap(branches);
  for (const [index, step] of place.entries()) {
    const next = at.flatMap((schema) => stepInto(schema, step));
    if (next.length === 0) return { index, ...whatIs(at) };
    at = next.flatMap(branches);
  }
  return { schemas: at };
}

function branches(schema: Schema): readonly Schema[] {
  return schema.anyOf === undefined ? [schema] : schema.anyOf.flatMap(branches);
}

function stepInto(schema: Schema, step: Step): readonly Schema[] {
  if (schema.type === undefined) return [anything];
  if (schema.type === 'array') return typeof step === 'string' ? [] : [schema.items ?? anything];
  if (schema.type !== 'object') return [];
  const { properties = {}, additionalProperties: open = true } = schema;
  const others = open === false ? [] : [open === true ? anything : open];
  if (step === null) return [...Object.values(properties), ...others];
  if (typeof step === 'number') return others;
  return Object.hasOwn(properties, step) ? [properties[step] as Schema] : others;
}

function whatIs(schemas: readonly Schema[]): Omit<Missing, 'index'> {
  const objects = schemas.filter(({ type }) => type === 'object');
  if (objects.length > 0) {
    return { known: objects.flatMap(({ properties = {} }) => Object.keys(properties)), holds: 'object' };
  }
  return { known: null, holds: schemas.some(({ type }) => type === 'array') ? 'list' : 'value' };
}
