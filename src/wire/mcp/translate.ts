/**
 * One result or error of a server in the version of the client. What a reader would get wrong: members that a version
 * does not have are not merely useless to its clients. A modern client refuses a result without `resultType`, an older one
 * a `structuredContent` that is no object.
 */
import type { Json, JsonObject } from '../../call.ts';
import { internalFault, type McpFault, type RpcId, rpcCodes } from './fault.ts';
import { objectIn, type RpcError } from './message.ts';
import { metaKeys } from './meta.ts';
import { isModern } from './versions.ts';

/** Methods whose results say how long they may be kept (2026-07-28, CacheableResult). */
const cacheable = new Set([
  ...['tools/list', 'prompts/list', 'resources/list', 'resources/templates/list', 'resources/read', 'server/discover'],
]);
/** Methods that a modern server may answer with questions (2026-07-28, Multi Round-Trip Requests). */
const askable = new Set(['tools/call', 'prompts/get', 'resources/read']);
/** From this version on there are links to resources, and structured content. */
const structuredVersion = '2025-06-18';

/** Whether a client of this version knows blocks that link to a resource. */
export function hasLinks(version: string): boolean {
  return version >= structuredVersion;
}

/** Whether a result is one that asks for input before there can be another. */
export function asksForInput(result: JsonObject): boolean {
  return result.resultType === 'input_required';
}

/**
 * A result as a client of `version` takes it; a fault for one that it has no form for. `serverInfo` names the gate, which
 * is the server that the client speaks with. What was judged for one task is for nobody else, so it is always private.
 */
export function resultFor(
  version: string,
  method: string,
  result: JsonObject,
  id: RpcId,
  serverInfo: JsonObject,
): JsonObject | McpFault {
  const { resultType = 'complete' } = result;
  if (resultType !== 'complete' && !(asksForInput(result) && isModern(version) && askable.has(method))) {
    return internalFault(id, 'The server answered with a kind of result that its client does not take', version);
  }
  if (isModern(version)) return modernResult(method, { ...result, resultType }, serverInfo);
  const { resultType: _type, ttlMs: _ttl, cacheScope: _scope, ...rest } = result;
  return { ...olderContent(version, rest), ...metaWithout(rest, metaKeys.serverInfo) };
}

function modernResult(method: string, result: JsonObject, serverInfo: JsonObject): JsonObject {
  const { ttlMs } = result;
  const isTime = typeof ttlMs === 'number' && Number.isFinite(ttlMs) && ttlMs >= 0;
  return {
    ...result,
    ...(cacheable.has(method) && !asksForInput(result) ? { ttlMs: isTime ? ttlMs : 0, cacheScope: 'private' } : {}),
    _meta: { ...objectIn(result._meta), [metaKeys.serverInfo]: serverInfo },
  };
}

function metaWithout(result: JsonObject, key: string): { readonly _meta?: JsonObject } {
  const meta = objectIn(result._meta);
  if (meta === undefined || !Object.hasOwn(meta, key)) return {};
  const { [key]: _gone, ...rest } = meta;
  return { _meta: rest };
}

function olderContent(version: string, result: JsonObject): JsonObject {
  const { structuredContent, ...rest } = result;
  const named = structuredContent === undefined || objectIn(structuredContent) === undefined ? rest : result;
  if (hasLinks(version) || !Array.isArray(named.content)) return named;
  return { ...named, content: named.content.map((block: Json) => linkAsText(block)) };
}

/** A link to a resource, for a client whose version has none. */
function linkAsText(block: Json): Json {
  const link = objectIn(block);
  if (link?.type !== 'resource_link') return block;
  const said = [link.title ?? link.name, link.description].filter((part) => typeof part === 'string');
  return { type: 'text', text: `${said.join(': ')} <${String(link.uri)}>` };
}

/**
 * An error as a client of `version` knows it. What a modern server may not say is said in its words: that a resource is
 * not there is a param that does not fit.
 */
export function errorFor(version: string, { code, message, data }: RpcError): RpcError {
  const told = { message, ...(data === undefined ? {} : { data }) };
  if (!isModern(version)) return { code, ...told };
  if (code === rpcCodes.resourceNotFound) return { code: rpcCodes.invalidParams, ...told };
  if (code === rpcCodes.urlElicitationRequired) return { code: rpcCodes.internalError, ...told };
  return { code, ...told };
}

/** The HTTP status of an error in the body: a modern client learns by it what kind of error it is. */
export function statusOfError(version: string, code: number): number {
  if (!isModern(version)) return 200;
  if (code === rpcCodes.methodNotFound) return 404;
  const ofMessage = [rpcCodes.headerMismatch, rpcCodes.missingClientCapability, rpcCodes.unsupportedVersion];
  return ofMessage.some((known) => known === code) ? 400 : 200;
}

/**
 * The pages that a server of 2025-11-25 wants its user to visit before it goes on (`-32042`), as a modern client is asked
 * for it: it answers, and makes the call again. Undefined for any other error, and for what asks for nothing.
 */
export function urlQuestions(error: RpcError): JsonObject | undefined {
  if (error.code !== rpcCodes.urlElicitationRequired) return undefined;
  const asked = objectIn(error.data)?.elicitations;
  if (!Array.isArray(asked) || asked.length === 0 || asked.length > 16) return undefined;
  const requests: Record<string, Json> = {};
  for (const [index, item] of (asked as readonly Json[]).entries()) {
    const { message, url } = objectIn(item) ?? {};
    if (typeof message !== 'string' || typeof url !== 'string') return undefined;
    requests[`url_${index + 1}`] = { method: 'elicitation/create', params: { mode: 'url', message, url } };
  }
  return { resultType: 'input_required', inputRequests: requests };
}

/** What a client has to be able to do for the questions in a result; empty where it has said so of all of them. */
export function missingFor(result: JsonObject, capabilities: JsonObject): JsonObject {
  const missing: Record<string, Json> = {};
  for (const request of Object.values(objectIn(result.inputRequests) ?? {})) {
    const { method, params } = objectIn(request) ?? {};
    if (method === 'elicitation/create') {
      const mode = objectIn(params)?.mode === 'url' ? 'url' : 'form';
      const declared = objectIn(capabilities.elicitation);
      // Who names no mode means forms (2025-11-25, Elicitation).
      const forms = declared !== undefined && (Object.keys(declared).length === 0 || 'form' in declared);
      if (mode === 'url' ? declared?.url === undefined : !forms) missing.elicitation = { [mode]: {} };
    } else if (method === 'sampling/createMessage') {
      if (objectIn(capabilities.sampling) === undefined) missing.sampling = {};
    } else if (method === 'roots/list') {
      if (objectIn(capabilities.roots) === undefined) missing.roots = {};
    } else missing[String(method).slice(0, 64)] = {};
  }
  return missing;
}

/** What a client can be asked, and which kinds of it a version has a name for. */
const kindsOf: Readonly<Record<string, readonly string[]>> = {
  elicitation: ['form', 'url'],
  sampling: ['context', 'tools'],
  roots: [],
};

/**
 * What a client of the gate may be asked by a server. Only that it can is told, by the names that the versions have for
 * it: nobody has judged the rest of what a client says there, which could be anything.
 */
export function declaredCapabilities(capabilities: JsonObject): JsonObject {
  const declared: Record<string, Json> = {};
  for (const [name, kinds] of Object.entries(kindsOf)) {
    const said = objectIn(capabilities[name]);
    if (said === undefined) continue;
    const able = kinds.filter((kind) => objectIn(said[kind]) !== undefined);
    // Who names no mode means forms; who names others alone means none that can be asked here.
    if (name === 'elicitation' && able.length === 0 && Object.keys(said).length > 0) continue;
    declared[name] = Object.fromEntries(able.map((kind) => [kind, {}]));
  }
  return declared;
}
