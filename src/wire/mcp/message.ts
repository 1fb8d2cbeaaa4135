/**
 * JSON-RPC 2.0 messages as MCP has them, read from bytes and written to text. What a reader would get wrong: MCP is
 * narrower than JSON-RPC. Ids are strings or whole numbers and never null, params are objects, and several messages in
 * one body (a batch) exist in 2025-03-26 alone.
 */
import type { Json, JsonObject } from '../../call.ts';
import { parseJson } from '../json.ts';
import { isMcpFault, type McpFault, parseFault, type RpcId, requestFault } from './fault.ts';

export interface RpcRequest {
  readonly kind: 'request';
  readonly id: RpcId;
  readonly method: string;
  /** Empty where the message has none. */
  readonly params: JsonObject;
}

export interface RpcNotification {
  readonly kind: 'notification';
  readonly method: string;
  readonly params: JsonObject;
}

/** An answer. `id` is null where its sender could not read the id of the request. */
export type RpcResponse =
  | { readonly kind: 'response'; readonly id: RpcId | null; readonly result: JsonObject }
  | { readonly kind: 'response'; readonly id: RpcId | null; readonly error: RpcError };

/** The `error` of a response as it came. */
export interface RpcError {
  readonly code: number;
  readonly message: string;
  readonly data?: Json;
}

export type RpcMessage = RpcRequest | RpcNotification | RpcResponse;

/** The version in which one body may hold several messages. */
const batchVersion = '2025-03-26';
/** The most messages of one body. */
const batchMax = 20;
const idCharsMax = 256;
const methodCharsMax = 128;

/**
 * The messages of a body that a client of `version` sent; more than one only where that version has batches, and then no
 * `initialize` among them (2025-03-26, Lifecycle). `version` is null before one is agreed on: then there is no batch.
 */
export function readMessages(bytes: Buffer, version: string | null): readonly RpcMessage[] | McpFault {
  const parsed = parseJson(bytes);
  if ('fault' in parsed) {
    const { message, offset } = parsed.fault;
    return parseFault(`The body cannot be read: ${message}${offset === null ? '' : ` (byte ${offset})`}`);
  }
  const { value } = parsed;
  if (!Array.isArray(value)) {
    const message = messageOf(value);
    return isMcpFault(message) ? message : [message];
  }
  if (version !== batchVersion) return requestFault(null, 'Only one message is taken at a time');
  if (value.length === 0 || value.length > batchMax) return requestFault(null, `A batch has 1 to ${batchMax} messages`);
  const messages: RpcMessage[] = [];
  const ids = new Set<RpcId | null>();
  for (const item of value as readonly Json[]) {
    const message = messageOf(item);
    if (isMcpFault(message)) return message;
    if (message.kind === 'request') {
      if (message.method === 'initialize') return requestFault(message.id, 'initialize may not stand in a batch');
      if (ids.has(message.id)) return requestFault(message.id, 'Two requests of the batch have one id');
      ids.add(message.id);
    }
    messages.push(message);
  }
  return messages;
}

/** The one message that a parsed document is, or why it is none. */
export function messageOf(value: Json): RpcMessage | McpFault {
  const object = objectIn(value);
  if (object === undefined) return requestFault(null, 'A message is an object');
  const { id, method, params } = object;
  const read = isRpcId(id) ? id : null;
  if (object.jsonrpc !== '2.0') return requestFault(read, 'A message has "jsonrpc": "2.0"');
  if ('method' in object) {
    if (typeof method !== 'string' || method === '' || method.length > methodCharsMax) {
      return requestFault(read, 'The method is a text');
    }
    if ('result' in object || 'error' in object) return requestFault(read, 'A message is a request or a response');
    const named = params === undefined ? {} : objectIn(params);
    if (named === undefined) return requestFault(read, 'The params are an object');
    if (!('id' in object)) return { kind: 'notification', method, params: named };
    if (read === null) return requestFault(null, 'The id of a request is a text or a whole number');
    return { kind: 'request', id: read, method, params: named };
  }
  if ('id' in object && id !== null && read === null) return requestFault(null, 'The id is a text or a whole number');
  const { result, error } = object;
  if ('result' in object === 'error' in object) return requestFault(read, 'A response has a result or an error');
  if ('result' in object) {
    const whole = objectIn(result);
    return whole === undefined
      ? requestFault(read, 'A result is an object')
      : { kind: 'response', id: read, result: whole };
  }
  const failed = objectIn(error);
  if (failed === undefined || !Number.isSafeInteger(failed.code) || typeof failed.message !== 'string') {
    return requestFault(read, 'An error has a code and a message');
  }
  return { kind: 'response', id: read, error: failed as unknown as RpcError };
}

/** Whether `value` can be the id of a request. */
export function isRpcId(value: unknown): value is RpcId {
  if (typeof value === 'string') return value.length <= idCharsMax;
  return Number.isSafeInteger(value);
}

/** A request as text. */
export function requestText(id: RpcId, method: string, params: JsonObject): string {
  return JSON.stringify({ jsonrpc: '2.0', id, method, params });
}

/** A notification as text; without params where there are none to tell. */
export function notificationText(method: string, params: JsonObject): string {
  return JSON.stringify({ jsonrpc: '2.0', method, ...(Object.keys(params).length === 0 ? {} : { params }) });
}

/** A response with a result as text. */
export function resultText(id: RpcId, result: Json): string {
  return JSON.stringify({ jsonrpc: '2.0', id, result });
}

/** A response with an error as text. What could not be read so far has no id (2026-07-28, Error Responses). */
export function errorText(id: RpcId | null, { code, message, data }: RpcError | McpFault): string {
  const error = { code, message, ...(data === undefined ? {} : { data }) };
  return JSON.stringify({ jsonrpc: '2.0', ...(id === null ? {} : { id }), error });
}

/** The answer to what had a fault: status, headers, and body. */
export function faultReply(fault: McpFault): {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
} {
  const headers = { 'content-type': 'application/json', 'cache-control': 'no-store' };
  return { status: fault.status, headers, body: Buffer.from(errorText(fault.id, fault)) };
}

/** `value` as an object; undefined for anything else, arrays included. */
export function objectIn(value: Json | undefined): JsonObject | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonObject) : undefined;
}
