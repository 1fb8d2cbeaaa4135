/**
 * What of MCP is a call: every request that reaches a server on behalf of the agent, and every answer that the agent gives
 * to one. Each goes up the same ladder as any other call. What a reader would get wrong: a client that comes again with
 * answers makes one call for each of them, before the one they are for goes on.
 */
import type { Conversation, JsonObject, McpReply, WireRequest } from '../../call.ts';
import { type Denial, isDenial } from '../../denial.ts';
import type { Reply } from '../../pipeline.ts';
import { digestOf } from '../../session/owner.ts';
import type { OpenQuestion } from '../../session/questions.ts';
import type { RequestState } from '../../session/request-states.ts';
import { traceparentOf } from '../../telemetry/trace.ts';
import { hintsOfMeta } from '../../wire/call-hints.ts';
import { canonical } from '../../wire/canonical.ts';
import { parseAnswerJson } from '../../wire/json.ts';
import { isMcpFault, paramsFault, type RpcId, rpcCodes } from '../../wire/mcp/fault.ts';
import { faultReply, objectIn, type RpcRequest } from '../../wire/mcp/message.ts';
import { type McpClient, requestMeta } from '../../wire/mcp/meta.ts';
import { isModern } from '../../wire/mcp/versions.ts';
import { arrivalOf } from '../arrival.ts';
import { shownBy } from '../credential.ts';
import { jsonOf, replyOf } from './answering.ts';
import { parkedReply } from './parked.ts';
import { pinned } from './pinned.ts';
import type { McpEndpointPorts, McpVisit, ReadingOf } from './ports.ts';
import { cursorOf, restReply } from './rest.ts';
import { emptyList, isRouteList, resultOf, routeListPage } from './route-lists.ts';
import { RunningCall } from './running-call.ts';
import { mayCall } from './tool-list.ts';

/** Calls that wait for stateless clients, of one gateway and of one task. */
const parkedMax = 1_024;
const parkedOfTaskMax = 16;
/** Resources that one stream of a stateless client tells of. */
const subscribedMax = 64;

/** Who calls: a client, and its session where it has one. */
export interface Calling {
  readonly visit: McpVisit;
  readonly client: McpClient;
  /** Null for a stateless client. */
  readonly session: string | null;
}

export class McpCalls {
  readonly #ports: McpEndpointPorts;
  readonly #parked = new Map<string, number>();
  #parkedCount = 0;

  constructor(ports: McpEndpointPorts) {
    this.#ports = ports;
  }

  /** Makes the call of a request, and gives what its client is sent. */
  async answer(calling: Calling, request: RpcRequest): Promise<Reply | Denial> {
    const { visit, session } = calling;
    const cursor = cursorOf(request);
    if (cursor !== undefined) return restReply(this.#ports, visit, request, cursor, calling.client.version);
    const { inputResponses, requestState, ...rest } = request.params;
    if (session === null && requestState !== undefined) return this.#again(calling, request);
    // Answers without the state of their question are left out: nobody has asked for them yet, and the server will.
    const asked = session === null && inputResponses !== undefined ? { ...request, params: rest } : request;
    if (isRouteList(request.method) && !this.#isOfServer(visit)) return this.#routeLists(calling, asked);
    return this.#begin(calling, asked, asked);
  }

  /** Of the resources that a stateless client wants to be told of, those that it may be: each is a call of its own. */
  async subscribed(calling: Calling, request: RpcRequest): Promise<readonly string[]> {
    const uris = objectIn(request.params.notifications)?.resourceSubscriptions;
    const honored: string[] = [];
    for (const uri of Array.isArray(uris) ? uris.slice(0, subscribedMax) : []) {
      if (typeof uri !== 'string') continue;
      const { _meta = {} } = request.params;
      const reply = await this.#begin(calling, request, {
        ...request,
        method: 'resources/subscribe',
        params: { uri, _meta },
      });
      const message = Buffer.isBuffer(reply.body) ? objectIn(parseAnswerJson(reply.body)?.value) : undefined;
      if (message?.result !== undefined) honored.push(uri);
    }
    return honored;
  }

  /** What a client of an older version answers to a question. Gives undefined where all is well. */
  async answered(calling: Calling, id: RpcId | null, reply: McpReply): Promise<Reply | undefined> {
    const { visit, session } = calling;
    const question = await this.#ports.questions.find(visit.owner, session, id);
    // Answered already, or too late: nobody waits any more, and there is nothing to be told.
    if (question === undefined) return undefined;
    if ('error' in reply) {
      await this.#ports.questions.answer(visit.owner, question, refusal(reply.error));
      return undefined;
    }
    const hand = (answer: McpReply) => this.#ports.questions.answer(visit.owner, question, answer);
    const refused = await this.#judge(calling, { question, result: reply.result }, hand);
    if (refused === undefined) return undefined;
    await hand(refusal({ code: rpcCodes.internalError }));
    return refused.status < 300 ? { ...refused, status: 403 } : refused;
  }

  /** `sent` is what goes to the server, `asked` what the client asked for. */
  async #begin(calling: Calling, asked: RpcRequest, sent: RpcRequest, state?: RequestState): Promise<Reply> {
    const { visit, client, session } = calling;
    const wire = this.#ports.read(sent, readingOf(calling));
    if (isMcpFault(wire)) return faultReply(wire);
    // An older client that leaves has not cancelled.
    const abort = isModern(client.version) ? visit.abort : new AbortController();
    const running = new RunningCall(
      { ...this.#ports, park: () => this.#park(visit) },
      {
        ...{ owner: visit.owner, client, session, request: asked, digest: digestOfRequest(visit, asked), abort },
        ...(visit.route === null ? { aggregatedRoute: wire.route } : {}),
      },
    );
    const made = state === undefined ? wire : pinned(wire, state.target);
    running.begin(() => this.#run(calling, asked, made, abort, running.conversation));
    return replyOf(running, client.version, session !== null, headersOf(visit));
  }

  async #run(
    { visit, client }: Calling,
    request: RpcRequest,
    wire: WireRequest,
    abort: AbortController,
    conversation: Conversation,
  ): Promise<Reply> {
    const { clock, pipeline, watch } = this.#ports;
    const meta = requestMeta(request.params);
    const { traceparent } = visit.request.headers;
    const { tracestate, baggage } = meta;
    const trace =
      traceparent !== undefined || meta.traceparent === undefined
        ? visit.context.trace
        : this.#ports.trace({ traceparent: meta.traceparent, tracestate, baggage });
    const named = hintsOfMeta(objectIn(request.params._meta) ?? {});
    if (isDenial(named)) return faultReply(paramsFault(request.id, named.message));
    const all = { ...named, ...visit.hints, toolCallId: visit.hints.toolCallId ?? named.toolCallId };
    // The names of a call are not those of the answers that come with it: two questions may have the same answer.
    const { idempotencyKey: _ofCall, ...unnamed } = { ...all, toolCallId: null };
    const hints = conversation.handOver === undefined ? all : unnamed;
    const arrival = arrivalOf(
      clock,
      { ...visit.context, trace },
      {
        ...{ surface: 'mcp', request: wire, hints, abort, conversation },
        credential: visit.credential?.token ?? null,
        shown: visit.credential?.shown ?? shownBy(visit.request, null),
        watch: watch(trace),
      },
    );
    const reply = await pipeline.run(arrival);
    if (!isRouteList(request.method) || !Buffer.isBuffer(reply.body)) return reply;
    const empty = emptyList(request.method, reply.body);
    return empty === undefined ? reply : this.#listReply(reply, request.id, empty, client.version);
  }

  /** A stateless client comes again with the answers to what it was asked. */
  async #again(calling: Calling, request: RpcRequest): Promise<Reply> {
    const { visit } = calling;
    const { requestState, inputResponses, ...rest } = request.params;
    const digest = digestOfRequest(visit, request);
    const state = this.#ports.states.open(visit.owner, digest, requestState);
    if (state === undefined)
      return faultReply(paramsFault(request.id, 'The requestState is not one of this request, or too old'));
    const responses = objectIn(inputResponses) ?? {};
    const missing = Object.keys(state.asked).filter((key) => objectIn(responses[key]) === undefined);
    if (missing.length > 0) {
      return faultReply(paramsFault(request.id, `inputResponses must answer ${missing.join(', ').slice(0, 200)}`));
    }
    const judged: Record<string, JsonObject> = {};
    for (const [key, { method, id }] of Object.entries(state.asked)) {
      const question: OpenQuestion = { id: id ?? key, session: null, method, route: state.route, target: state.target };
      const hand = async (reply: McpReply): Promise<boolean> => {
        if (id !== undefined) return this.#ports.questions.answer(visit.owner, question, reply);
        if ('result' in reply) judged[key] = reply.result;
        return true;
      };
      const answer = { question, result: responses[key] as JsonObject, asked: request };
      const refused = await this.#judge(calling, answer, hand);
      if (refused === undefined) continue;
      // Whoever waits is told that there is no answer, and ends.
      if (id !== undefined) await hand(refusal({ code: rpcCodes.internalError }));
      return refused;
    }
    if (state.parked !== undefined) {
      const stream = { owner: visit.owner, session: null, id: state.parked.stream };
      return parkedReply(
        this.#ports,
        { stream, after: state.parked.after, request, signal: visit.abort.signal },
        headersOf(visit),
      );
    }
    const given = state.given === undefined ? {} : { requestState: state.given };
    const answers = Object.keys(judged).length === 0 ? {} : { inputResponses: judged };
    return this.#begin(calling, request, { ...request, params: { ...rest, ...answers, ...given } }, state);
  }

  /** One call for an answer; undefined once it was handed over, else what its client is told. */
  async #judge(
    calling: Calling,
    {
      question,
      result,
      asked,
    }: { readonly question: OpenQuestion; readonly result: JsonObject; readonly asked?: RpcRequest },
    hand: (reply: McpReply) => Promise<boolean>,
  ): Promise<Reply | undefined> {
    const { client, session } = calling;
    const wire = this.#ports.readAnswer(question, result, client, asked);
    if (isMcpFault(wire)) return faultReply(wire);
    let handed = false;
    const conversation: Conversation = {
      ...{ ...client, sessionId: session, tell: async () => undefined },
      ask: async () => refusal({ code: rpcCodes.internalError }),
      handOver: async (reply) => {
        handed = await hand(reply);
        return handed;
      },
    };
    const { id, method } = question;
    const request: RpcRequest = { kind: 'request', id, method, params: {} };
    const abort = new AbortController();
    const reply = await this.#run(calling, request, pinned(wire, question.target), abort, conversation);
    return handed ? undefined : reply;
  }

  async #routeLists(calling: Calling, request: RpcRequest): Promise<Reply> {
    const { visit, client } = calling;
    const own = await this.#ports.own(visit.credential);
    const routes: string[] = [];
    for (const { name, kind } of this.#ports.routes()) {
      if (visit.route !== null && visit.route !== name) continue;
      const operation = this.#ports.operations(name).find((one) => one.name === `${name}.${request.method}`);
      // Of a task that has ended, the ladder says so.
      const may = 'record' in own && operation !== undefined && mayCall(own.record, own.scope, operation);
      if (kind === 'mcp' && (may || !('record' in own))) routes.push(name);
    }
    const { cursor, ...rest } = request.params;
    const page = await routeListPage(request.method, cursor, routes, async (route, params) => {
      const one = { ...request, params: { ...rest, ...params } };
      const wire = this.#ports.read(one, { ...readingOf(calling), route });
      if (isMcpFault(wire)) return faultReply(wire);
      const conversation: Conversation = {
        ...{ ...client, sessionId: calling.session, tell: async () => undefined },
        ask: async () => refusal({ code: rpcCodes.internalError }),
      };
      return this.#run(calling, one, wire, visit.abort, conversation);
    });
    if (page === undefined) return faultReply(paramsFault(request.id, 'The cursor is none of this list'));
    if ('refused' in page) return page.refused;
    return this.#listReply(undefined, request.id, page.result, client.version);
  }

  /** Whether it is the endpoint of one MCP server: all others list what many have, or none. */
  #isOfServer({ route }: McpVisit): boolean {
    return this.#ports.routes().some(({ name, kind }) => kind === 'mcp' && name === route);
  }

  #listReply(reply: Reply | undefined, id: RpcId, result: JsonObject, version: string): Reply {
    const whole = isModern(version) ? modernList(result, this.#ports.gate) : result;
    return jsonOf(resultOf(id, whole), reply?.headers ?? {});
  }

  /** Counts a call that waits for its client; undefined where too many do. */
  #park({ owner: { taskId } }: McpVisit): (() => void) | undefined {
    const ofTask = this.#parked.get(taskId) ?? 0;
    if (this.#parkedCount >= parkedMax || ofTask >= parkedOfTaskMax) return undefined;
    this.#parkedCount++;
    this.#parked.set(taskId, ofTask + 1);
    return () => {
      this.#parkedCount--;
      const left = (this.#parked.get(taskId) ?? 1) - 1;
      if (left === 0) this.#parked.delete(taskId);
      else this.#parked.set(taskId, left);
    };
  }
}

/** A list for a modern client: nobody else may be shown it, and it is to be asked for again before long. */
export function modernList(result: JsonObject, gate: JsonObject, ttlMs = 0): JsonObject {
  const meta = { ...objectIn(result._meta), 'io.modelcontextprotocol/serverInfo': gate };
  return { ...result, resultType: 'complete', ttlMs, cacheScope: 'private', _meta: meta };
}

function readingOf({ visit, client }: Calling): ReadingOf {
  return { client, route: visit.route, aggregated: visit.route === null, headers: visit.request.headers };
}

/** What a request asks for, by a token that reaches so far, whoever's answers come with it. */
function digestOfRequest({ route, caller }: McpVisit, { method, params }: RpcRequest): string {
  const { _meta, inputResponses, requestState, ...rest } = params;
  return digestOf(route ?? '', method, canonical(rest), canonical(caller.scope?.toSorted() ?? null));
}

/** Headers of a stream: what is known of a call before it has ended. */
function headersOf({ context, owner }: McpVisit): Record<string, string> {
  return {
    'x-request-id': context.requestId,
    'x-tollgate-task-id': owner.taskId,
    traceresponse: traceparentOf(context.trace),
  };
}

/** That a client gave no answer, in words of our own: what it wrote has been judged by nobody. */
function refusal({ code }: JsonObject): McpReply {
  const known = Number.isSafeInteger(code) ? (code as number) : rpcCodes.internalError;
  return { error: { code: known, message: 'The client gave no answer.' } };
}
