/**
 * The headers in which a modern request says again what its body says (2026-07-28, Request Metadata): checked of
 * clients, written to servers. What a reader would get wrong: they are never trusted. The gate decides on the body, and a
 * header that says something else refuses the request, since somebody on the way may have decided on the header.
 */
import { isUtf8 } from 'node:buffer';
import type { Json, JsonObject } from '../../call.ts';
import type { RawRequest } from '../dialect.ts';
import { headerFault, type McpFault } from './fault.ts';
import { objectIn, type RpcRequest } from './message.ts';

export const headerNames = {
  version: 'mcp-protocol-version',
  method: 'mcp-method',
  name: 'mcp-name',
  session: 'mcp-session-id',
  /** Begins the names of headers that repeat an argument of a tool. */
  param: 'mcp-param-',
} as const;

/** Which param of a method stands in `Mcp-Name`. */
const namedBy: Readonly<Record<string, string>> = {
  'tools/call': 'name',
  'prompts/get': 'name',
  'resources/read': 'uri',
};

const coded = /^=\?base64\?(.*)\?=$/s;
const base64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
/** What stands in a header as it is: visible ASCII, with spaces inside alone. */
const plain = /^[\x21-\x7e](?:[\x20-\x7e\t]*[\x21-\x7e])?$/;
const decimal = /^-?\d+(?:\.\d+)?$/;

/** A value as a header has it: as it is, or as base64 where that would change it (Value Encoding). */
export function encodeHeaderValue(value: string): string {
  return plain.test(value) && !coded.test(value) ? value : `=?base64?${Buffer.from(value).toString('base64')}?=`;
}

/** The value that a header means; undefined where it has the look of base64 and is none, or is no ASCII. */
export function decodeHeaderValue(text: string): string | undefined {
  const inner = coded.exec(text)?.[1];
  if (inner === undefined) return /^[\x20-\x7e\t]*$/.test(text) ? text : undefined;
  if (!base64.test(inner)) return undefined;
  const bytes = Buffer.from(inner, 'base64');
  return isUtf8(bytes) ? bytes.toString('utf8') : undefined;
}

/** The headers of a modern request that its method and params ask for. */
export function standardHeaders(version: string, method: string, params: JsonObject): Record<string, string> {
  const named = nameOf(method, params);
  return {
    [headerNames.version]: version,
    [headerNames.method]: method,
    ...(named === undefined ? {} : { [headerNames.name]: encodeHeaderValue(named) }),
  };
}

/** What is wrong with the headers of a modern request (Server Validation), in the order that the standard names them. */
export function standardHeaderFault(
  headers: RawRequest['headers'],
  { id, method, params }: RpcRequest,
  version: string,
): McpFault | undefined {
  const said = headers[headerNames.version];
  if (said === undefined) return headerFault(id, 'the header MCP-Protocol-Version is missing');
  if (said !== version) return headerFault(id, 'MCP-Protocol-Version is not the version in the body');
  if (headers[headerNames.method] === undefined) return headerFault(id, 'the header Mcp-Method is missing');
  if (headers[headerNames.method] !== method) return headerFault(id, 'Mcp-Method is not the method in the body');
  const named = nameOf(method, params);
  const header = headers[headerNames.name];
  if (named === undefined) return undefined;
  if (header === undefined) return headerFault(id, 'the header Mcp-Name is missing');
  const name = typeof header === 'string' ? decodeHeaderValue(header) : undefined;
  if (name === undefined) return headerFault(id, 'Mcp-Name cannot be read');
  return name === named ? undefined : headerFault(id, `Mcp-Name is not the ${namedBy[method]} in the body`);
}

function nameOf(method: string, params: JsonObject): string | undefined {
  const member = Object.hasOwn(namedBy, method) ? namedBy[method] : undefined;
  const value = member === undefined ? undefined : params[member];
  return typeof value === 'string' ? value : undefined;
}

/** An argument that a header repeats. */
export interface ParamHeader {
  /** In lower case, `mcp-param-` included. */
  readonly header: string;
  /** The members that lead to the argument. */
  readonly path: readonly string[];
  readonly type: 'string' | 'integer' | 'boolean';
}

const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,128}$/;
const depthMax = 32;
const schemasMax = 10_000;

/**
 * The arguments that a tool's input schema wants repeated in headers (`x-mcp-header`), or what is wrong with how it says
 * so: then the tool is not for use (Custom Headers from Tool Parameters).
 */
export function paramHeaders(inputSchema: JsonObject): readonly ParamHeader[] | string {
  const found: ParamHeader[] = [];
  let visited = 0;
  const visit = (node: Json, path: readonly string[] | null, depth: number): string | undefined => {
    if (typeof node !== 'object' || node === null) return undefined;
    visited += 1;
    if (depth > depthMax * 2 || visited > schemasMax) return 'the schema is too large to look for x-mcp-header';
    if (Array.isArray(node)) return firstFault(node, (item: Json) => visit(item, null, depth + 1));
    const schema = node as JsonObject;
    if (Object.hasOwn(schema, 'x-mcp-header')) {
      const fault = take(schema, path);
      if (fault !== undefined) return fault;
    }
    return firstFault(Object.entries(schema), ([word, inner]) => {
      // Data, and no schemas.
      if (word === 'const' || word === 'enum' || word === 'default' || word === 'examples') return undefined;
      if (!mapsOfSchemas.has(word)) return visit(inner, null, depth + 1);
      const into = (name: string) => (word === 'properties' && path !== null ? [...path, name] : null);
      return firstFault(Object.entries(objectIn(inner) ?? {}), ([name, one]) => visit(one, into(name), depth + 1));
    });
  };
  const take = (schema: JsonObject, path: readonly string[] | null): string | undefined => {
    const name = schema['x-mcp-header'];
    if (path === null || path.length === 0 || path.length > depthMax) {
      return 'x-mcp-header may only stand at a property that nothing but properties leads to';
    }
    if (typeof name !== 'string' || !token.test(name)) return 'x-mcp-header must be the name of a header';
    const { type } = schema;
    if (type !== 'string' && type !== 'integer' && type !== 'boolean') {
      return 'x-mcp-header may only stand at a string, an integer or a boolean';
    }
    const header = `${headerNames.param}${name.toLowerCase()}`;
    if (found.some((known) => known.header === header)) return `x-mcp-header names ${name} twice`;
    found.push({ header, path, type });
    return undefined;
  };
  return visit(inputSchema, [], 0) ?? found;
}

const mapsOfSchemas = new Set(['properties', 'patternProperties', 'dependentSchemas', '$defs', 'definitions']);

function firstFault<T>(items: readonly T[], faultOf: (item: T) => string | undefined): string | undefined {
  for (const item of items) {
    const fault = faultOf(item);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

/** The headers that repeat arguments. What is not there, or null, is not repeated. */
export function writeParamHeaders(declared: readonly ParamHeader[], args: JsonObject): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const { header, path } of declared) {
    const text = textAt(args, path);
    if (text !== undefined) headers[header] = encodeHeaderValue(text);
  }
  return headers;
}

/** What is wrong with the headers that repeat arguments of a modern `tools/call`. */
export function paramHeaderFault(
  headers: RawRequest['headers'],
  declared: readonly ParamHeader[],
  args: JsonObject,
  { id }: Pick<RpcRequest, 'id'>,
): McpFault | undefined {
  for (const { header, path, type } of declared) {
    const said = headers[header];
    const text = textAt(args, path);
    // A header that repeats nothing is one the gate does not know, and is not sent on.
    if (text === undefined) continue;
    if (said === undefined) return headerFault(id, `the header ${header} is missing`);
    const value = typeof said === 'string' ? decodeHeaderValue(said) : undefined;
    if (value === undefined) return headerFault(id, `${header} cannot be read`);
    const isNumber = type === 'integer' && decimal.test(value) && decimal.test(text);
    if (isNumber ? Number(value) !== Number(text) : value !== text) {
      return headerFault(id, `${header} is not what the body says`);
    }
  }
  return undefined;
}

function textAt(args: JsonObject, path: readonly string[]): string | undefined {
  let value: Json | undefined = args;
  for (const name of path) {
    const object: JsonObject | undefined = objectIn(value);
    value = object !== undefined && Object.hasOwn(object, name) ? object[name] : undefined;
  }
  if (typeof value === 'string') return value;
  return typeof value === 'boolean' || typeof value === 'number' ? String(value) : undefined;
}
