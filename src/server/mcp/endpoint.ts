/**
 * `/mcp` and `/mcp/{route}`: the MCP server that agents see. This page tells the eras apart and answers what is no call;
 * what is one goes to `calls.ts`. What a reader would get wrong: the era is of the request, not of the connection or the
 * gate. A request that names its version in `_meta` stands for itself (2026-07-28); `initialize` begins a session.
 */
import type { JsonObject, Operation } from '../../call.ts';
import { type Denial, deny, isDenial } from '../../denial.ts';
import type { Reply } from '../../pipeline.ts';
import { answerMs } from '../../session/questions.ts';
import type { RawRequest } from '../../wire/dialect.ts';
import { isMcpFault, methodFault, paramsFault, type RpcId, requestFault } from '../../wire/mcp/fault.ts';
import { headerNames, standardHeaderFault } from '../../wire/mcp/headers.ts';
import { faultReply, type RpcMessage, type RpcRequest, readMessages } from '../../wire/mcp/message.ts';
import { modernClient, versionIn } from '../../wire/mcp/meta.ts';
import { isModern, mcpVersions } from '../../wire/mcp/versions.ts';
import { hintsOf, type RequestContext } from '../arrival.ts';
import { credentialOf } from '../credential.ts';
import { jsonOf } from './answering.ts';
import { type Calling, McpCalls, modernList } from './calls.ts';
import { ChangeStreams, type Listening } from './change-stream.ts';
import { mediaFault, strangerFault } from './foreign.ts';
import { LegacyEra } from './legacy.ts';
import type { McpEndpointPorts, McpVisit, OwnTask } from './ports.ts';
import { resultOf } from './route-lists.ts';
import { accepted, instructions } from './said.ts';
import { mayCall, toolEntries, toolPage } from './tool-list.ts';

const endpointPath = /^\/mcp(?:\/([A-Za-z0-9_.-]{1,64}))?$/;
/** How long a modern client may take lists for what they are, in milliseconds. */
const listTtlMs = 30_000;

export class McpEndpoint {
  readonly #ports: McpEndpointPorts;
  readonly #calls: McpCalls;
  readonly #changes: ChangeStreams;
  readonly #legacy: LegacyEra;

  constructor(ports: McpEndpointPorts) {
    this.#ports = ports;
    this.#calls = new McpCalls(ports);
    this.#changes = new ChangeStreams(ports);
    this.#legacy = new LegacyEra(ports, this.#calls, this.#changes, {
      tools: (visit, request, version) => this.#tools(visit, request, version),
      capabilities: (visit) => this.#capabilities(visit, true),
      listening: (calling, own) => this.#listening(calling, own),
    });
  }

  handles(path: string): boolean {
    return path === '/mcp' || path.startsWith('/mcp/');
  }

  /**
   * Answers one request to the endpoint. Denies 401, `route_unknown`, `method_not_allowed`, and what the task of the token
   * is refused where it is no call; all else is answered as JSON-RPC has it.
   */
  async answer(request: RawRequest, context: RequestContext, abort: AbortController): Promise<Reply | Denial> {
    const stranger = strangerFault(request, this.#ports.place());
    if (stranger !== undefined) {
      this.#ports.refused(deny('request_invalid', stranger.message));
      return faultReply(stranger);
    }
    const [whole, route = null] = endpointPath.exec(request.path) ?? [];
    if (whole === undefined) return deny('route_unknown', 'There is no such route here.');
    if (!['POST', 'GET', 'DELETE'].includes(request.method)) {
      return deny('method_not_allowed', 'This endpoint takes POST, GET and DELETE.', {
        allowed: ['POST', 'GET', 'DELETE'],
      });
    }
    const visit = await this.#visit(request, context, abort, route);
    if (isDenial(visit)) return visit;
    const version = request.headers[headerNames.version];
    if (request.method !== 'POST') {
      if (typeof version === 'string' && isModern(version)) {
        return deny('method_not_allowed', 'This version has POST alone.', { allowed: ['POST'] });
      }
      return request.method === 'GET' ? this.#legacy.stream(visit) : this.#legacy.end(visit);
    }
    const media = mediaFault(request);
    if (media !== undefined) return faultReply(media);
    const session = await this.#legacy.sessionOf(visit);
    const batches = session !== undefined && !isMcpFault(session) ? session.version : null;
    const messages = readMessages(request.body, batches);
    if (isMcpFault(messages)) return faultReply(messages);
    const [message] = messages;
    if (message !== undefined && messages.length === 1 && isOfModernEra(message, version))
      return this.#modern(visit, message);
    return this.#legacy.answer(visit, messages, session);
  }

  async #visit(
    request: RawRequest,
    context: RequestContext,
    abort: AbortController,
    route: string | null,
  ): Promise<McpVisit | Denial> {
    const { clock, own, verify, routes } = this.#ports;
    const credential = credentialOf(request);
    if (isDenial(credential)) return credential;
    const caller = credential === null ? await own(null) : await verify(credential);
    if (isDenial(caller)) return caller;
    if ('record' in caller) throw new Error('without a credential there is no task');
    const hints = hintsOf(request);
    if (isDenial(hints)) return hints;
    if (route !== null && !routes().some(({ name }) => name === route)) {
      return deny('route_unknown', 'There is no route of that name that has tools.');
    }
    // A client that is asked something may come again with a newer token.
    const expiresAtMs = Math.max(caller.expiresAtMs, clock.nowMs() + answerMs);
    const owner = { tenant: caller.tenant, taskId: caller.taskId, expiresAtMs };
    return { request, context, abort, route, credential, caller, owner, hints };
  }

  /** A message of a stateless client. */
  async #modern(visit: McpVisit, message: RpcMessage): Promise<Reply | Denial> {
    // Its closed streams say what an older client sends notifications for.
    if (message.kind === 'notification') return accepted();
    if (message.kind === 'response')
      return faultReply(requestFault(null, 'A client of this version sends no responses'));
    const client = modernClient(message.id, message.params, visit.request.headers[headerNames.version]);
    if (isMcpFault(client)) return faultReply(client);
    const fault = standardHeaderFault(visit.request.headers, message, client.version);
    if (fault !== undefined) return faultReply(fault);
    const calling: Calling = { visit, client, session: null };
    switch (message.method) {
      case 'server/discover':
        return this.#discover(visit, message.id);
      case 'tools/list':
        return this.#tools(visit, message, client.version);
      case 'subscriptions/listen': {
        const own = await this.#ports.own(visit.credential);
        if (isDenial(own)) return own;
        const uris = await this.#calls.subscribed(calling, message);
        return this.#changes.listen(this.#listening(calling, own), message, uris);
      }
      case 'resources/subscribe':
      case 'resources/unsubscribe':
        // Of older versions alone.
        return faultReply(methodFault(message.id, client.version, message.method));
      default:
        return this.#calls.answer(calling, message);
    }
  }

  async #discover(visit: McpVisit, id: RpcId): Promise<Reply | Denial> {
    const own = await this.#ports.own(visit.credential);
    if (isDenial(own)) return own;
    const result = { supportedVersions: mcpVersions, capabilities: this.#capabilities(visit, false), instructions };
    return jsonOf(resultOf(id, modernList(result, this.#ports.gate, listTtlMs)));
  }

  /** What the servers behind the gate may have; a server that has no such list has an empty one. */
  #capabilities({ route }: McpVisit, sessions: boolean): JsonObject {
    const changes = { listChanged: true };
    const routes = this.#ports.routes().filter(({ name }) => route === null || route === name);
    if (!routes.some(({ kind }) => kind === 'mcp')) {
      // The rest of a long result is a resource, too.
      const cuts = routes.some(({ result }) => result?.maxBytes !== undefined);
      return cuts ? { tools: changes, resources: {} } : { tools: changes };
    }
    const resources = { ...changes, subscribe: true };
    return { tools: changes, resources, prompts: changes, completions: {}, ...(sessions ? { logging: {} } : {}) };
  }

  async #tools(visit: McpVisit, { id, params }: RpcRequest, version: string): Promise<Reply | Denial> {
    const own = await this.#ports.own(visit.credential);
    if (isDenial(own)) return own;
    const page = toolPage(await this.#listed(visit, own, version), params.cursor);
    if (page === undefined) return faultReply(paramsFault(id, 'The cursor is none of this list'));
    const result = { ...page } as JsonObject;
    return jsonOf(resultOf(id, isModern(version) ? modernList(result, this.#ports.gate, listTtlMs) : result));
  }

  /** What the task may call now, as the client is shown it. */
  async #listed({ route }: McpVisit, { record, scope }: OwnTask, version: string): Promise<readonly JsonObject[]> {
    const { routes, operations, known, suspended } = this.#ports;
    await known(route ?? undefined);
    const isSuspended = await suspended(record);
    const those: Operation[] = [];
    for (const { name } of routes()) {
      if (route !== null && route !== name) continue;
      const callable = operations(name).filter((operation) => mayCall(record, scope, operation));
      if (callable.length > 0 && !isSuspended(name)) those.push(...callable);
    }
    return toolEntries(those, { aggregated: route === null, version });
  }

  #listening({ visit, client, session }: Calling, own: OwnTask): Listening {
    const routes = this.#ports.routes().filter(({ name }) => visit.route === null || visit.route === name);
    const listed = () => this.#listed(visit, own, client.version);
    return {
      ...{ own, routes, listed, aggregated: visit.route === null, signal: visit.abort.signal },
      client: { ...client, sessionId: session },
    };
  }
}

/** Whether a message stands for itself, by what it says of its version, or by what its header says. */
function isOfModernEra(message: RpcMessage, header: string | readonly string[] | undefined): boolean {
  if (message.kind !== 'response' && versionIn(message.params) !== null) return true;
  return typeof header === 'string' && isModern(header);
}
