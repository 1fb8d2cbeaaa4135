/**
 * Requests to servers, as they go out: the envelope of each version around a method and its params. What a reader would
 * get wrong: nothing of what the client says of itself goes on but what it can be asked. The server's client is the gate,
 * and it is the gate's id that progress is told by; who tells the client puts the client's own back.
 */
import type { Json, JsonObject, McpNotice, OutboundRequest, Target } from '../../call.ts';
import { parseJson } from '../json.ts';
import type { RpcId } from './fault.ts';
import { headerNames, standardHeaders } from './headers.ts';
import { objectIn, requestText } from './message.ts';
import { type McpClient, metaKeys } from './meta.ts';
import { aggregatedUri } from './names.ts';
import { declaredCapabilities } from './translate.ts';
import { isModern } from './versions.ts';

/** One request to a server. */
export interface Asking {
  /** Not used before in the session with this server. */
  readonly id: RpcId;
  readonly method: string;
  /** Without `_meta`. */
  readonly params: JsonObject;
  readonly client: McpClient;
  /** Whether the client wants to be told how far it is. */
  readonly progress: boolean;
  /** Name and version of the gate. */
  readonly gate: JsonObject;
  /** More headers: the arguments that are repeated there. Only for modern servers. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** The request that a server gets. Throws where it is not known yet how the target is spoken to. */
export function encodeAsking(asking: Asking, { url, mcp }: Pick<Target, 'url' | 'mcp'>): OutboundRequest {
  if (mcp === undefined) throw new Error('how the target is spoken to is not known');
  const { id, method, params, client, progress, gate, headers } = asking;
  const { version, sessionId } = mcp;
  const common: Record<string, Json> = progress ? { progressToken: id } : {};
  const modern = isModern(version);
  const meta: Record<string, Json> = modern
    ? {
        ...common,
        [metaKeys.version]: version,
        [metaKeys.capabilities]: declaredCapabilities(client.capabilities),
        [metaKeys.clientInfo]: gate,
        ...(client.logLevel === undefined ? {} : { [metaKeys.logLevel]: client.logLevel }),
      }
    : common;
  const whole = Object.keys(meta).length === 0 ? params : { ...params, _meta: meta };
  return {
    method: 'POST',
    // The endpoint is the URL itself; a slash at its end belongs to it.
    path: url.endsWith('/') ? '/' : '',
    headers: {
      accept: 'application/json, text/event-stream',
      'content-type': 'application/json',
      ...(modern ? { ...standardHeaders(version, method, params), ...headers } : legacyHeaders(version, sessionId)),
    },
    body: Buffer.from(requestText(id, method, whole)),
  };
}

/** The headers of a session: the version is named from 2025-06-18 on. */
export function legacyHeaders(version: string, sessionId: string | undefined): Record<string, string> {
  return {
    ...(version >= '2025-06-18' ? { [headerNames.version]: version } : {}),
    ...(sessionId === undefined ? {} : { [headerNames.session]: sessionId }),
  };
}

/** The same request with another id, which progress is told by as well. */
export function withId(request: OutboundRequest, id: RpcId): OutboundRequest {
  return changed(request, ({ id: _old, params, ...rest }) => {
    const meta = objectIn(objectIn(params)?._meta);
    const told = meta?.progressToken === undefined ? {} : { _meta: { ...meta, progressToken: id } };
    return { ...rest, id, params: { ...objectIn(params), ...told } };
  });
}

/** The same request with the answers to what a modern server asked, and the state that it gave with its questions. */
export function withInputs(
  request: OutboundRequest,
  id: RpcId,
  inputResponses: JsonObject,
  requestState: Json | undefined,
): OutboundRequest {
  return changed(withId(request, id), ({ params, ...rest }) => ({
    ...rest,
    params: { ...objectIn(params), inputResponses, ...(requestState === undefined ? {} : { requestState }) },
  }));
}

function changed(request: OutboundRequest, change: (message: JsonObject) => JsonObject): OutboundRequest {
  const read = parseJson(request.body ?? Buffer.alloc(0));
  const message = 'value' in read ? objectIn(read.value) : undefined;
  if (message === undefined) throw new Error('what goes to a server is one JSON-RPC request');
  return { ...request, body: Buffer.from(JSON.stringify(change(message))) };
}

/**
 * What a server tells, for the client of a call: progress by the client's own token, resources by the URI that the client
 * knows them by. Undefined where it is not for this client: progress that it did not ask for.
 */
export function noticeFor(
  { method, params }: McpNotice,
  { progressToken, aggregatedRoute }: { readonly progressToken?: RpcId; readonly aggregatedRoute?: string },
): McpNotice | undefined {
  if (method === 'notifications/progress') {
    return progressToken === undefined ? undefined : { method, params: { ...params, progressToken } };
  }
  if (aggregatedRoute !== undefined && typeof params.uri === 'string') {
    return { method, params: { ...params, uri: aggregatedUri(aggregatedRoute, params.uri) } };
  }
  return { method, params };
}
