/**
 * Whether an operation's arguments can have a member at a dotted path, by its input schema. Only a schema that is closed
 * says no; what is not understood of one says yes.
 */
import type { Json } from '../../call.ts';
import { pointerTokens, step } from '../../wire/pointer.ts';

type Schema = Readonly<Record<string, unknown>>;

const depthMax = 64;

/** `dottedPath` as policies read it: of the names in it, none is the index of a list. */
export function canHave(schema: unknown, dottedPath: string): boolean {
  return has(schema, dottedPath.split('.'), schema, 0);
}

function has(schema: unknown, names: readonly string[], root: unknown, depth: number): boolean {
  if (schema === false) return false;
  if (names.length === 0 || depth > depthMax || !isSchema(schema)) return true;
  const next = (one: unknown) => has(one, names, root, depth + 1);
  if (typeof schema.$ref === 'string') {
    const target = targetOf(schema.$ref, root);
    if (target !== undefined && !next(target)) return false;
  }
  if (Array.isArray(schema.allOf) && !schema.allOf.every(next)) return false;
  for (const ways of [schema.anyOf, schema.oneOf]) if (Array.isArray(ways) && !ways.some(next)) return false;
  const types = schema.type === undefined ? ['object'] : [schema.type].flat();
  if (!types.includes('object')) return false;
  const { properties, additionalProperties: open = true, patternProperties } = schema;
  const [name = '', ...rest] = names;
  if (isSchema(properties) && Object.hasOwn(properties, name)) return has(properties[name], rest, root, depth + 1);
  if (isSchema(patternProperties) && Object.keys(patternProperties).length > 0) return true;
  return open === true || has(open, rest, root, depth + 1);
}

function targetOf(reference: string, root: unknown): unknown {
  if (!reference.startsWith('#')) return undefined;
  return pointerTokens(decodeURI(reference.slice(1)))?.reduce<Json | undefined>(step, root as Json);
}

function isSchema(value: unknown): value is Schema {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
