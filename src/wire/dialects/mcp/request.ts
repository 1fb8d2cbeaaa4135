/**
 * From a JSON-RPC request to the call it means: which operation of which route, with which arguments. Whoever speaks with
 * the client has read the message and knows its version; what comes here reaches a server, if the ladder lets it. What a
 * reader would get wrong: a fault of the protocol (no name, params of another shape) is a JSON-RPC error, but a tool that
 * does not exist, or arguments that do not fit it, are denials: the model is told, and can do better.
 */
import type { JsonObject, Operation, OperationRegistry, Resolved, WireRequest } from '../../../call.ts';
import { type Denial, deny, isDenial } from '../../../denial.ts';
import type { RawRequest } from '../../dialect.ts';
import { isMcpFault, type McpFault, methodFault, paramsFault } from '../../mcp/fault.ts';
import { paramHeaderFault } from '../../mcp/headers.ts';
import { faultReply, objectIn, type RpcRequest } from '../../mcp/message.ts';
import { type McpClient, requestMeta } from '../../mcp/meta.ts';
import { aggregatedName, isShortened, readAggregatedName, readAggregatedUri } from '../../mcp/names.ts';
import { isModern } from '../../mcp/versions.ts';
import { HttpOperation } from '../http/operation.ts';
import type { McpAsked } from './asked.ts';
import { addressedDenial } from './denial.ts';
import { httpToolPayload } from './http-tool.ts';
import { requestMethod } from './methods.ts';
import { McpMethodOperation, McpToolOperation } from './operation.ts';
import { type McpInputs, McpPayload } from './payload.ts';
import { isCallable, toolNameOf } from './tool-entry.ts';

/** A request of a client that reaches a server. */
export interface McpCall {
  /** Of `/mcp/{route}`, or of one list among those that make up a list of many routes; null: what it names says which. */
  readonly route: string | null;
  /** Whether the client knows names and URIs of many routes. */
  readonly aggregated: boolean;
  readonly message: RpcRequest;
  readonly client: McpClient;
  /** Of the HTTP request: of a modern one they are checked. */
  readonly headers: RawRequest['headers'];
  /** Begins the ids of requests to servers; another for each call. */
  readonly callKey: string;
  /** Name and version of the gate, as clients and servers are told. */
  readonly gate: JsonObject;
}

const allowedMax = 50;
const stateCharsMax = 262_144;

/** What a call is about, once its names are those of its server. */
interface Meant {
  readonly route: string;
  readonly args: JsonObject;
  readonly inputs: McpInputs;
}

/** Whether this method of a client reaches a server, and so is a call. */
export function isCallMethod(method: string): boolean {
  return method === 'tools/call' || requestMethod(method) !== undefined;
}

/** The call that a request means. Faults: -32601 for what is no call, -32602 for params that cannot be read. */
export function mcpRequest(call: McpCall): WireRequest | McpFault {
  const { message, client, gate } = call;
  if (!isCallMethod(message.method)) return methodFault(message.id, client.version, message.method);
  const meant = meaning(call);
  if (isMcpFault(meant)) return meant;
  const asked: McpAsked = { ...call, meta: requestMeta(message.params) };
  let operations: OperationRegistry | undefined;
  let mismatch: { readonly fault: McpFault; readonly denial: Denial } | undefined;
  return {
    kind: 'tool',
    route: meant.route,
    resolve: (registry) => {
      operations = registry;
      if (message.method !== 'tools/call') return resolveMethod(meant, asked, registry);
      const resolved = resolveTool(call, meant, asked, registry);
      if (!isMcpFault(resolved)) return resolved;
      // Which headers a tool has is only known here, and that one says something else is an error of the protocol.
      mismatch = { fault: resolved, denial: deny('request_invalid', resolved.message) };
      return mismatch.denial;
    },
    denial: (denial, members) =>
      mismatch?.denial === denial
        ? faultReply(mismatch.fault)
        : addressedDenial(
            message,
            client,
            gate,
            denial,
            members,
            (name) => knownName(call, operations?.get(name)) ?? name,
          ),
  };
}

function meaning(call: McpCall): Meant | McpFault {
  const { message } = call;
  const { _meta, inputResponses, requestState, ...params } = message.params;
  const inputs = inputsOf(call);
  if (isMcpFault(inputs)) return inputs;
  if (message.method === 'tools/call') {
    const { name, arguments: given = {}, ...others } = params;
    const args = objectIn(given);
    if (typeof name !== 'string' || name === '') return paramsFault(message.id, 'The name of the tool is a text');
    if (args === undefined) return paramsFault(message.id, 'The arguments are an object');
    const [other] = Object.keys(others);
    if (other !== undefined) return paramsFault(message.id, 'tools/call takes a name and arguments');
    const route = call.route ?? readAggregatedName(name)?.route ?? '';
    return { route, args, inputs };
  }
  const { route, aggregated } = call;
  const own = aggregated ? ownNames(message.method, params) : { args: params };
  // A list has no name that would say of which route it is: whoever asks many says it.
  const named = own.route ?? route ?? '';
  return { route: route ?? named, args: route !== null && named !== route ? params : own.args, inputs };
}

/** What comes with the second try of a request (2026-07-28, Multi Round-Trip Requests). */
function inputsOf({ message, client }: McpCall): McpInputs | McpFault {
  const { inputResponses, requestState } = message.params;
  if (inputResponses === undefined && requestState === undefined) return {};
  if (!isModern(client.version)) return paramsFault(message.id, 'This version has no inputResponses');
  const responses = inputResponses === undefined ? {} : { inputResponses: objectIn(inputResponses) };
  const bad = Object.values(objectIn(inputResponses) ?? {}).some((one) => objectIn(one) === undefined);
  if (bad || ('inputResponses' in responses && responses.inputResponses === undefined)) {
    return paramsFault(message.id, 'inputResponses holds an object for each question');
  }
  if (requestState !== undefined && (typeof requestState !== 'string' || requestState.length > stateCharsMax)) {
    return paramsFault(message.id, 'requestState is a text, as it was given');
  }
  return { ...(responses as McpInputs), ...(requestState === undefined ? {} : { requestState }) };
}

/** The params of a method with the names of its server, and the route that they were of. */
function ownNames(method: string, params: JsonObject): { readonly route?: string; readonly args: JsonObject } {
  if (typeof params.uri === 'string') {
    const read = readAggregatedUri(params.uri);
    return read === undefined ? { args: params } : { route: read.route, args: { ...params, uri: read.uri } };
  }
  if (method === 'prompts/get' && typeof params.name === 'string') {
    const read = readAggregatedName(params.name);
    return read === undefined ? { args: params } : { route: read.route, args: { ...params, name: read.name } };
  }
  const ref = method === 'completion/complete' ? objectIn(params.ref) : undefined;
  if (ref === undefined) return { args: params };
  const { route, args } = ownNames('prompts/get', ref);
  return { ...(route === undefined ? {} : { route }), args: { ...params, ref: args } };
}

function resolveTool(
  call: McpCall,
  { route, args, inputs }: Meant,
  asked: McpAsked,
  registry: OperationRegistry,
): Resolved | Denial | McpFault {
  const { message, client, headers } = call;
  const name = message.params.name as string;
  const operation = findTool(call, name, registry);
  if (operation === undefined) return unknownTool(route, registry);
  if (operation instanceof HttpOperation) {
    const payload = httpToolPayload(operation, args, asked);
    return payload.validate() ?? { operation, payload };
  }
  const fault = isModern(client.version) ? paramHeaderFault(headers, operation.headers, args, message) : undefined;
  if (fault !== undefined) return fault;
  const payload = new McpPayload(operation, args, inputs, asked);
  return payload.validate() ?? { operation, payload };
}

function findTool(
  { route, aggregated }: McpCall,
  name: string,
  registry: OperationRegistry,
): HttpOperation | McpToolOperation | undefined {
  const isTool = (operation: Operation | undefined): operation is HttpOperation | McpToolOperation =>
    operation instanceof McpToolOperation || (operation instanceof HttpOperation && isCallable(operation));
  if (!aggregated) {
    const operation = registry.get(`${route}.${name}`);
    return isTool(operation) && operation.route === route ? operation : undefined;
  }
  if (isShortened(name)) {
    const named = (operation: Operation) =>
      isTool(operation) && aggregatedName(operation.route, toolNameOf(operation)) === name;
    const operation = registry.all().find(named);
    return isTool(operation) ? operation : undefined;
  }
  const read = readAggregatedName(name);
  const operation = read === undefined ? undefined : registry.get(`${read.route}.${read.name}`);
  return isTool(operation) && operation.route === read?.route ? operation : undefined;
}

/** What the client knows a tool by; undefined for what is none, or none of this endpoint. */
function knownName({ route, aggregated }: McpCall, operation: Operation | undefined): string | undefined {
  if (operation === undefined || !isCallable(operation)) return undefined;
  if (aggregated) return aggregatedName(operation.route, toolNameOf(operation));
  return operation.route === route ? toolNameOf(operation) : undefined;
}

function unknownTool(route: string, registry: OperationRegistry): Denial {
  const allowed = registry.ofRoute(route).filter(isCallable).slice(0, allowedMax);
  return deny('operation_unknown', 'there is no tool of that name', { allowed: allowed.map(({ name }) => name) });
}

function resolveMethod(
  { route, args, inputs }: Meant,
  asked: McpAsked,
  registry: OperationRegistry,
): Resolved | Denial {
  const { method } = asked.message;
  if (registry.route(route)?.kind !== 'mcp') {
    return deny('route_unknown', 'what is named belongs to no MCP server of this gate');
  }
  const operation = registry.get(`${route}.${method}`);
  if (!(operation instanceof McpMethodOperation)) return deny('operation_unknown', `${route} has no ${method}`);
  const payload = new McpPayload(operation, args, inputs, asked);
  const denial = payload.validate();
  return isDenial(denial) ? denial : { operation, payload };
}
