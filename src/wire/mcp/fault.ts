/**
 * JSON-RPC errors as values: the code, the text, and the HTTP status that goes with it. The status depends on the era:
 * a modern server says with it what kind of error it is (2026-07-28, Streamable HTTP), an older one answers 200 to
 * whatever it could read. Refusals by the gate are denials, and no faults; see `denial.ts` beside.
 */
import type { Json, JsonObject } from '../../call.ts';
import { isModern, mcpVersions } from './versions.ts';

/** Ids as JSON-RPC within MCP has them: never null, never a fraction. */
export type RpcId = string | number;

export const rpcCodes = {
  parseError: -32700,
  invalidRequest: -32600,
  methodNotFound: -32601,
  invalidParams: -32602,
  internalError: -32603,
  /** 2025-11-25 and older; since then `invalidParams`. */
  resourceNotFound: -32002,
  headerMismatch: -32020,
  missingClientCapability: -32021,
  unsupportedVersion: -32022,
  /** 2025-11-25 alone: the client is to have its user visit a page first. */
  urlElicitationRequired: -32042,
} as const;

/** Why a message is answered with a JSON-RPC error. `id` is null where the message could not be read so far. */
export class McpFault {
  readonly id: RpcId | null;
  readonly code: number;
  readonly message: string;
  readonly data: Json | undefined;
  /** The HTTP status of the answer. */
  readonly status: number;

  constructor(id: RpcId | null, code: number, message: string, status: number, data?: Json) {
    this.id = id;
    this.code = code;
    this.message = message;
    this.status = status;
    this.data = data;
  }
}

export function isMcpFault(value: unknown): value is McpFault {
  return value instanceof McpFault;
}

/** What is no JSON: 400 in both eras. */
export function parseFault(message: string): McpFault {
  return new McpFault(null, rpcCodes.parseError, message, 400);
}

/** What is JSON and no message of JSON-RPC, or not here: 400 in both eras. */
export function requestFault(id: RpcId | null, message: string): McpFault {
  return new McpFault(id, rpcCodes.invalidRequest, message, 400);
}

/** A method that there is not: 404 for a modern client, whose method it may be that the server is too old for. */
export function methodFault(id: RpcId, version: string, method: string): McpFault {
  const shown = /^[A-Za-z0-9_/$-]{1,64}$/.test(method) ? method : 'of that name';
  return new McpFault(id, rpcCodes.methodNotFound, `There is no method ${shown} here`, isModern(version) ? 404 : 200);
}

/** Params that do not fit their method. `malformed`: without what every modern request carries, which is 400. */
export function paramsFault(id: RpcId, message: string, malformed: 'malformed' | 'unfit' = 'unfit'): McpFault {
  return new McpFault(id, rpcCodes.invalidParams, message, malformed === 'malformed' ? 400 : 200);
}

/** A header that is missing, cannot be read, or says something else than the body (2026-07-28, Server Validation). */
export function headerFault(id: RpcId, message: string): McpFault {
  return new McpFault(id, rpcCodes.headerMismatch, `Header mismatch: ${message}`, 400);
}

/** The request needs something that the client has not said it can do. */
export function capabilityFault(id: RpcId, requiredCapabilities: JsonObject): McpFault {
  const names = Object.keys(requiredCapabilities).join(', ');
  const message = `The client has not declared what this needs: ${names}`;
  return new McpFault(id, rpcCodes.missingClientCapability, message, 400, { requiredCapabilities });
}

/** A version that the gate does not speak; says which ones it does. */
export function versionFault(id: RpcId | null, requested: string): McpFault {
  const data = { supported: mcpVersions, requested: requested.slice(0, 64) };
  return new McpFault(id, rpcCodes.unsupportedVersion, 'Unsupported protocol version', 400, data);
}

/** An error of the gate itself. */
export function internalFault(id: RpcId | null, message: string, version: string): McpFault {
  return new McpFault(id, rpcCodes.internalError, message, isModern(version) ? 500 : 200);
}
