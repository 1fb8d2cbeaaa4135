/**
 * The part of JSON Schema that the input contract is written in, as the generator reads it. A keyword that is not
 * here is not obeyed while generating; what comes out is checked against the whole schema afterwards.
 */
import type { Json, JsonObject } from '../../call.ts';

export interface Schema {
  readonly type?: string;
  readonly const?: Json;
  readonly enum?: readonly Json[];
  readonly anyOf?: readonly Schema[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: Schema | boolean;
  readonly items?: Schema;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minimum?: number;
  readonly maximum?: number;
}

/** A schema that takes any JSON. */
export const anything: Schema = {};

/** What members that are not declared must fit; null where there may be none. */
export function openMembers(schema: Schema): Schema | null {
  const { additionalProperties: open = true } = schema;
  if (open === false) return null;
  return open === true ? anything : open;
}

/** The schema of the member `name`; null where there may be no such member. */
export function memberSchema(schema: Schema, name: string): Schema | null {
  const { properties = {} } = schema;
  return Object.hasOwn(properties, name) ? (properties[name] as Schema) : openMembers(schema);
}

/** Whether `value` is of the type of `schema`. */
export function fits(schema: Schema, value: Json): boolean {
  switch (schema.type) {
    case undefined:
      return true;
    case 'null':
      return value === null;
    case 'array':
      return Array.isArray(value);
    case 'object':
      return typeof value === 'object' && value !== null && !Array.isArray(value);
    case 'integer':
      return Number.isInteger(value);
    default:
      return typeof value === schema.type;
  }
}

/** The alternative of `schema` that `value` was made by. */
export function branchOf(schema: Schema, value: Json): Schema {
  return schema.anyOf === undefined ? schema : (schema.anyOf.find((branch) => fits(branch, value)) ?? anything);
}

/** A place in a document: `holder[key]` is there, or may be put there. */
export interface Spot {
  readonly holder: JsonObject | Json[];
  readonly key: string | number;
  readonly schema: Schema;
  /** Names from the document's root; positions of lists stand as `*`. */
  readonly path: readonly string[];
  /** The path's words joined by `/`. */
  readonly place: string;
  /** Whether it may be taken away. */
  readonly optional: boolean;
}

/** Every value below `root`, the deeper after the higher. */
export function spotsOf(root: JsonObject, schema: Schema): Spot[] {
  const spots: Spot[] = [];
  const visit = (value: Json, at: Schema, path: readonly string[], place: string): void => {
    if (value === null || typeof value !== 'object') return;
    const own = branchOf(at, value);
    if (Array.isArray(value)) {
      const { items = anything, minItems = 0 } = own;
      const below = [...path, '*'];
      const belowPlace = `${place}/*`;
      const optional = value.length > minItems;
      for (const [index, item] of value.entries()) {
        spots.push({ holder: value, key: index, schema: items, path: below, place: belowPlace, optional });
        visit(item, items, below, belowPlace);
      }
      return;
    }
    for (const [name, member] of Object.entries(value)) {
      const below = [...path, name];
      const belowPlace = place === '' ? name : `${place}/${name}`;
      const given = memberSchema(own, name) ?? anything;
      spots.push({
        holder: value as JsonObject,
        key: name,
        schema: given,
        path: below,
        place: belowPlace,
        optional: own.required?.includes(name) !== true,
      });
      visit(member as Json, given, below, belowPlace);
    }
  };
  visit(root, schema, [], '');
  return spots;
}
