/**
 * The words of JSON Schema (2020-12) that hold other schemas, for whoever walks one: documents of HTTP services and
 * definitions of MCP tools are closed and bounded in the same places.
 */

export const mapsOfSchemas: ReadonlySet<string> = new Set(['properties', 'patternProperties', 'dependentSchemas']);
export const listsOfSchemas: ReadonlySet<string> = new Set(['allOf', 'anyOf', 'oneOf', 'prefixItems']);
export const singleSchemas: ReadonlySet<string> = new Set([
  ...['items', 'additionalProperties', 'unevaluatedItems', 'unevaluatedProperties', 'contains', 'propertyNames'],
  ...['not', 'if', 'then', 'else'],
]);
/** Schemas that describe a value of their own, not one that another schema describes too. */
export const valuePositions: ReadonlySet<string> = new Set([
  ...['properties', 'patternProperties', 'prefixItems', 'items', 'additionalProperties'],
]);
/** Below these a refused member would turn into an accepted one. */
export const testing: ReadonlySet<string> = new Set(['not', 'if', 'contains', 'propertyNames']);

/** Comparing many objects pair by pair takes too long; longer arrays of unique objects are refused. */
export const uniqueObjectsMax = 1_000;
