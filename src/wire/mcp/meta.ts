/**
 * What a request says of itself in `params._meta`: for a modern client its version, what it can do and who it is
 * (2026-07-28, General fields), in both eras where it stands in a trace and what its progress is told by.
 */
import type { Conversation, Json, JsonObject } from '../../call.ts';
import { toolCallIdMeta } from '../call-hints.ts';
import { headerFault, isMcpFault, type McpFault, paramsFault, type RpcId, versionFault } from './fault.ts';
import { objectIn } from './message.ts';
import { isModern, isSpoken } from './versions.ts';

const prefix = 'io.modelcontextprotocol/';

export const metaKeys = {
  version: `${prefix}protocolVersion`,
  capabilities: `${prefix}clientCapabilities`,
  clientInfo: `${prefix}clientInfo`,
  serverInfo: `${prefix}serverInfo`,
  logLevel: `${prefix}logLevel`,
  subscriptionId: `${prefix}subscriptionId`,
  /** Not of MCP: the id of the tool call of a model that this request carries out. */
  toolCallId: toolCallIdMeta,
} as const;

/** Log levels, the least severe first (RFC 5424). */
export const logLevels: readonly string[] = [
  ...['debug', 'info', 'notice', 'warning', 'error', 'critical', 'alert', 'emergency'],
];

/** The client of a call as far as its requests have to say. */
export type McpClient = Pick<Conversation, 'version' | 'capabilities' | 'info' | 'logLevel'>;

/** What `_meta` may hold in both eras. */
export interface RequestMeta {
  /** What the client wants progress told by; absent where it wants none told. */
  readonly progressToken?: RpcId;
  /** As the headers of these names; their form is for whoever reads them. */
  readonly traceparent?: string;
  readonly tracestate?: string;
  readonly baggage?: string;
  readonly toolCallId?: string;
}

const textCharsMax = 8_192;
const toolCallIdForm = /^[\x21-\x7e]{1,256}$/;

/** The version that a request says it is of; null where it does not: then it is of an older one. */
export function versionIn(params: JsonObject): Json | null {
  return objectIn(params._meta)?.[metaKeys.version] ?? null;
}

/** What a request says of itself; what is not of the form is left out. */
export function requestMeta(params: JsonObject): RequestMeta {
  const meta = objectIn(params._meta) ?? {};
  const text = (name: string): string | undefined => {
    const value = meta[name];
    return typeof value === 'string' && value.length <= textCharsMax ? value : undefined;
  };
  const { progressToken } = meta;
  const token = typeof progressToken === 'string' || Number.isSafeInteger(progressToken) ? progressToken : undefined;
  const toolCallId = text(metaKeys.toolCallId);
  const named = {
    progressToken: token as RpcId | undefined,
    ...{ traceparent: text('traceparent'), tracestate: text('tracestate'), baggage: text('baggage') },
    toolCallId: toolCallId !== undefined && toolCallIdForm.test(toolCallId) ? toolCallId : undefined,
  };
  return Object.fromEntries(Object.entries(named).filter(([, value]) => value !== undefined)) as RequestMeta;
}

/**
 * The client as a modern request names it; `header` is what its MCP-Protocol-Version says. Faults: 400 with -32602 for what
 * every request has to carry and this one does not, -32020 for another version in the header, -32022 for one that the gate
 * does not speak or that has no such requests.
 */
export function modernClient(id: RpcId, params: JsonObject, header?: string | readonly string[]): McpClient | McpFault {
  const meta = objectIn(params._meta);
  if (meta === undefined) return paramsFault(id, 'The params have no _meta', 'malformed');
  const version = meta[metaKeys.version];
  if (typeof version !== 'string') return missing(id, metaKeys.version, 'a text');
  if (header !== undefined && header !== version) {
    return headerFault(id, 'MCP-Protocol-Version is not the version in the body');
  }
  if (!isSpoken(version) || !isModern(version)) return versionFault(id, version);
  const capabilities = objectIn(meta[metaKeys.capabilities]);
  if (capabilities === undefined) return missing(id, metaKeys.capabilities, 'an object');
  const info = infoIn(id, meta);
  if (isMcpFault(info)) return info;
  const logLevel = meta[metaKeys.logLevel];
  if (logLevel !== undefined && !(typeof logLevel === 'string' && logLevels.includes(logLevel))) {
    return paramsFault(id, `${metaKeys.logLevel} must be one of ${logLevels.join(', ')}`, 'malformed');
  }
  return { version, capabilities, ...info, ...(typeof logLevel === 'string' ? { logLevel } : {}) };
}

function missing(id: RpcId, key: string, what: string): McpFault {
  return paramsFault(id, `_meta must hold ${key}: ${what}`, 'malformed');
}

function infoIn(id: RpcId, meta: JsonObject): { readonly info?: JsonObject } | McpFault {
  const given = meta[metaKeys.clientInfo];
  if (given === undefined) return {};
  const info = objectIn(given);
  if (typeof info?.name === 'string' && typeof info.version === 'string') return { info };
  return paramsFault(id, `${metaKeys.clientInfo} must have a name and a version`, 'malformed');
}
