/**
 * MCP at `/mcp` (the tools of all routes) and `/mcp/{route}`: requests to servers, as one message each. What a reader
 * would get wrong: whoever speaks with clients is the front, which knows sessions and streams; here a request is read
 * that stands for itself, as checks and documents of the gate have it. `initialize`, lists of tools and the like are no
 * calls, and are not read here.
 */
import type { WireRequest } from '../../call.ts';
import { type Denial, deny } from '../../denial.ts';
import type { Dialect, RawRequest } from '../dialect.ts';
import { isMcpFault, type McpFault } from '../mcp/fault.ts';
import { headerNames, standardHeaderFault } from '../mcp/headers.ts';
import { type RpcRequest, readMessages } from '../mcp/message.ts';
import { type McpClient, modernClient, versionIn } from '../mcp/meta.ts';
import { isModern, isSpoken, unnamedVersion } from '../mcp/versions.ts';
import { requestMediaType } from '../media.ts';
import { unaddressedDenial } from './mcp/denial.ts';
import { isCallMethod, mcpRequest } from './mcp/request.ts';

export { mcpTools } from './mcp/operation.ts';

const prefix = '/mcp';
const routeForm = /^[a-z0-9_-]{1,64}$/;

export const mcp: Dialect = {
  name: 'mcp',
  handles: (path) => mcpRoute(path) !== undefined,
  parse: parseMcp,
  denial: (denial, members) => unaddressedDenial(denial, members),
  // A stream of MCP ends with the answer to its request, which the front sends.
  denialFrame: () => Buffer.alloc(0),
};

/** The route of an endpoint; null for that of all routes, undefined for a path that is none. */
export function mcpRoute(path: string): string | null | undefined {
  if (path === prefix) return null;
  if (!path.startsWith(`${prefix}/`)) return undefined;
  const route = path.slice(prefix.length + 1);
  return routeForm.test(route) ? route : undefined;
}

/**
 * The request of a client as it names itself: a modern one in `_meta`, an older one by the header of the version it has
 * agreed on. Faults as the standard has them: 400 with -32602, -32020 or -32022.
 */
function clientOf({ headers }: Pick<RawRequest, 'headers'>, request: RpcRequest): McpClient | McpFault {
  const named = headers[headerNames.version];
  const modern = versionIn(request.params) !== null || (typeof named === 'string' && isModern(named));
  if (!modern) {
    const version = typeof named === 'string' && isSpoken(named) ? named : unnamedVersion;
    return { version, capabilities: {} };
  }
  const client = modernClient(request.id, request.params);
  return isMcpFault(client) ? client : (standardHeaderFault(headers, request, client.version) ?? client);
}

function parseMcp(request: RawRequest): WireRequest | Denial {
  const route = mcpRoute(request.path);
  if (route === undefined) return deny('route_unknown', 'the path must be /mcp or /mcp/{route}');
  if (request.method !== 'POST') return deny('method_not_allowed', 'calls are made by POST', { allowed: ['POST'] });
  const media = requestMediaType(request);
  if (media === null || !('type' in media)) {
    return media ?? deny('media_type_unsupported', 'the body must be application/json');
  }
  if (media.type !== 'application/json') return deny('media_type_unsupported', 'the body must be application/json');
  const messages = readMessages(request.body, null);
  if (isMcpFault(messages)) return deny('request_invalid', messages.message);
  const [message] = messages;
  if (message?.kind !== 'request' || !isCallMethod(message.method)) {
    return deny('request_invalid', 'this message is no call: it reaches no server');
  }
  const client = clientOf(request, message);
  if (isMcpFault(client)) return deny('request_invalid', client.message);
  const read = mcpRequest({
    ...{ route, aggregated: route === null, message, client, headers: request.headers },
    ...{ callKey: 'checked', gate: { name: 'tollgate' } },
  });
  return isMcpFault(read) ? deny('request_invalid', read.message) : read;
}
