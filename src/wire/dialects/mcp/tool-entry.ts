/**
 * Operations as `tools/list` shows them, whatever is behind them. What a reader would get wrong: the annotations are the
 * gate's own, from the routing table. What a server says of its tools there is not passed on.
 */
import type { Json, JsonObject, Operation } from '../../../call.ts';
import { objectIn } from '../../mcp/message.ts';
import { aggregatedName } from '../../mcp/names.ts';
import { isModern } from '../../mcp/versions.ts';
import { HttpOperation } from '../http/operation.ts';
import { denialSchema } from './denial.ts';
import { isSayable, sayableForm, shownMembers } from './http-tool.ts';
import { McpToolOperation } from './operation.ts';

export interface ToolEntryOptions {
  /** Whether the list holds the tools of many routes. */
  readonly aggregated: boolean;
  /** That the client speaks. */
  readonly version: string;
}

/** Methods of HTTP that may be repeated (RFC 9110 §9.2.2). */
const idempotent = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE']);
/** Below these a `$ref` is data. */
const data = new Set(['const', 'enum', 'default', 'examples', 'example']);

/** Whether an operation is a tool that can be called by MCP. */
export function isCallable(operation: Operation): boolean {
  if (operation instanceof HttpOperation) return isSayable(operation);
  return operation instanceof McpToolOperation && operation.drift !== 'blocked';
}

/** The name of an operation at its route, as its own surface has it. */
export function toolNameOf({ name, route }: Operation): string {
  return name.slice(route.length + 1);
}

/** The entry of `tools/list`; undefined for what is no tool of this list. */
export function toolEntry(operation: Operation, { aggregated, version }: ToolEntryOptions): JsonObject | undefined {
  if (!isCallable(operation)) return undefined;
  const own = toolNameOf(operation);
  const name = aggregated ? aggregatedName(operation.route, own) : own;
  if (operation instanceof McpToolOperation) return { name, ...mcpEntry(operation, version) };
  return operation instanceof HttpOperation ? { name, ...httpEntry(operation, version) } : undefined;
}

function mcpEntry(operation: McpToolOperation, version: string): JsonObject {
  const { title, description, inputSchema, outputSchema, rest, annotations } = operation.definition;
  const { icons, _meta } = rest ?? {};
  const shownTitle = title ?? annotations?.title;
  return {
    ...(typeof shownTitle === 'string' ? { title: shownTitle } : {}),
    ...(description === undefined ? {} : { description }),
    inputSchema: { ...inputSchema, type: 'object' },
    ...outputOf(outputSchema, version),
    annotations: annotationsOf(operation, operation.effect === 'read'),
    ...(icons === undefined ? {} : { icons }),
    ...(_meta === undefined ? {} : { _meta }),
  };
}

function httpEntry(operation: HttpOperation, version: string): JsonObject {
  const { method, template } = operation.draft;
  const { summary, effect } = operation;
  const request = `${method} ${template.source}`;
  const what = summary === request ? '' : `${/[.!?]$/.test(summary) ? summary : `${summary}.`} `;
  const effects = { read: 'Reads', write: 'Changes', delete: 'Deletes or replaces' } as const;
  return {
    ...(summary === request || summary.length > 80 ? {} : { title: summary }),
    description: `${what}${effects[effect]} data of ${operation.route} (${request}).`,
    inputSchema: httpInput(operation),
    ...outputOf(operation.outputSchema ?? undefined, version),
    annotations: annotationsOf(operation, idempotent.has(method)),
  };
}

/** The arguments without the places that have nothing to say; those that are left out are filled in on the call. */
function httpInput(operation: HttpOperation): JsonObject {
  const schema = (sayableForm(operation)?.inputSchema ?? operation.inputSchema) as JsonObject;
  const shown = shownMembers(operation);
  const properties = Object.entries(objectIn(schema.properties) ?? {}).filter(([name]) => shown.includes(name));
  const needed = ([name, place]: readonly [string, Json]) => {
    const { required } = objectIn(place) ?? {};
    return name === 'body' ? operation.draft.body?.required === true : Array.isArray(required) && required.length > 0;
  };
  return {
    ...schema,
    properties: Object.fromEntries(properties),
    required: properties.filter(needed).map(([name]) => name),
  };
}

function annotationsOf({ effect, reads, sends }: Operation, repeatable: boolean): JsonObject {
  return {
    readOnlyHint: effect === 'read',
    destructiveHint: effect === 'delete',
    idempotentHint: repeatable,
    openWorldHint: sends === 'outside' || reads.includes('untrusted'),
  };
}

/**
 * The output schema, where clients of this version take it: in older ones an object. Clients check all that is structured
 * by it, some of them errors too, so the schema says how the gate refuses, and that it may have taken something out.
 */
function outputOf(schema: JsonObject | undefined, version: string): { readonly outputSchema?: JsonObject } {
  const isObject = schema?.type === 'object';
  if (schema === undefined || !(isObject || isModern(version))) return {};
  const { $schema, ...rest } = schema;
  const own = rest.$id === undefined ? (rebased(rest, 0) as JsonObject) : rest;
  return {
    outputSchema: {
      ...($schema === undefined ? {} : { $schema }),
      ...(isObject ? { type: 'object' } : {}),
      anyOf: [own, denialSchema, { description: 'The same, without what the policy does not let pass.' }],
    },
  };
}

/** A schema that has moved below `anyOf`: its pointers go there. */
function rebased(value: Json, depth: number): Json {
  if (typeof value !== 'object' || value === null || depth > 100) return value;
  if (Array.isArray(value)) return value.map((item: Json) => rebased(item, depth + 1));
  return Object.fromEntries(
    Object.entries(value).map(([word, inner]: [string, Json]) => {
      if (data.has(word)) return [word, inner];
      const points = word === '$ref' && typeof inner === 'string' && /^#(?:\/|$)/.test(inner);
      return [word, points ? `#/anyOf/0${(inner as string).slice(1)}` : rebased(inner, depth + 1)];
    }),
  );
}
