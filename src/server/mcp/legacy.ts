/**
 * Clients of the versions with sessions (2025-11-25, 2025-06-18, 2025-03-26): how one begins, what is said in it, and how
 * it ends. What a reader would get wrong: the session is only found under the task of the token that comes with it, so
 * that whoever has its id and another token has nothing.
 */
import type { JsonObject } from '../../call.ts';
import { type Denial, isDenial } from '../../denial.ts';
import type { Reply } from '../../pipeline.ts';
import type { ClientSession } from '../../session/client-sessions.ts';
import { canonical } from '../../wire/canonical.ts';
import { parseAnswerJson } from '../../wire/json.ts';
import {
  isMcpFault,
  McpFault,
  methodFault,
  paramsFault,
  requestFault,
  rpcCodes,
  versionFault,
} from '../../wire/mcp/fault.ts';
import { headerNames } from '../../wire/mcp/headers.ts';
import {
  faultReply,
  isRpcId,
  objectIn,
  type RpcMessage,
  type RpcNotification,
  type RpcRequest,
} from '../../wire/mcp/message.ts';
import { logLevels } from '../../wire/mcp/meta.ts';
import { agreedVersion, isModern, isSpoken } from '../../wire/mcp/versions.ts';
import { single } from '../arrival.ts';
import { eventsAgain, jsonOf } from './answering.ts';
import type { Calling, McpCalls } from './calls.ts';
import type { ChangeStreams, Listening } from './change-stream.ts';
import { readEventId, streamHeaders } from './event-frames.ts';
import { streamFault } from './foreign.ts';
import type { McpEndpointPorts, McpVisit, OwnTask } from './ports.ts';
import { resultOf } from './route-lists.ts';
import { cancelOf, endOfSession } from './running-call.ts';
import { accepted, instructions } from './said.ts';

/** What a client may say of itself, in bytes of JSON. */
const saidBytesMax = 16_384;
/** A stream that is gone on with, and on which nothing comes for so long, ends; in milliseconds. */
const patienceMs = 10 * 60_000;
/** From this version on streams begin with an id. */
const primingVersion = '2025-11-25';

/** What both eras answer alike. */
export interface AlikeAnswers {
  readonly tools: (visit: McpVisit, request: RpcRequest, version: string) => Promise<Reply | Denial>;
  readonly capabilities: (visit: McpVisit) => JsonObject;
  readonly listening: (calling: Calling, own: OwnTask) => Listening;
}

export class LegacyEra {
  readonly #ports: McpEndpointPorts;
  readonly #calls: McpCalls;
  readonly #changes: ChangeStreams;
  readonly #alike: AlikeAnswers;

  constructor(ports: McpEndpointPorts, calls: McpCalls, changes: ChangeStreams, alike: AlikeAnswers) {
    this.#ports = ports;
    this.#calls = calls;
    this.#changes = changes;
    this.#alike = alike;
  }

  /** The session that a request names; undefined where it names none, a fault where that is not there. */
  async sessionOf({ request, owner, route, caller }: McpVisit): Promise<ClientSession | McpFault | undefined> {
    const id = request.headers[headerNames.session];
    if (id === undefined) return undefined;
    const found = typeof id === 'string' ? await this.#ports.sessions.find(owner, route, id) : undefined;
    // What was answered in it is more than a narrower token may ask for.
    if (found !== undefined && (caller.scope === null || isSameScope(found.scope, caller.scope))) return found;
    return new McpFault(null, rpcCodes.invalidRequest, 'There is no such session: begin a new one', 404);
  }

  /** The messages of one request. */
  async answer(
    visit: McpVisit,
    messages: readonly RpcMessage[],
    found: ClientSession | McpFault | undefined,
  ): Promise<Reply | Denial> {
    const [first] = messages;
    if (first?.kind === 'request' && first.method === 'initialize') return this.#initialize(visit, first);
    const session = this.#checked(visit, found);
    if (isMcpFault(session)) return faultReply(session);
    const requests = messages.filter((message) => message.kind === 'request');
    const refused: Reply[] = [];
    for (const message of messages) {
      if (message.kind === 'notification') await this.#notified(session, message);
      if (message.kind !== 'response') continue;
      const reply =
        'result' in message ? { result: message.result } : { error: message.error as unknown as JsonObject };
      const answered = await this.#calls.answered(callingOf(visit, session), message.id, reply);
      if (answered !== undefined) refused.push(answered);
    }
    const [only] = requests;
    if (only === undefined) return refused[0] ?? accepted();
    if (messages.length === 1) return this.#request(visit, session, only);
    return this.#batch(visit, session, requests);
  }

  /** `GET`: the stream of a session, or, by `Last-Event-ID`, what is left of another (2025-11-25, Resumability). */
  async stream(visit: McpVisit): Promise<Reply | Denial> {
    const fault = streamFault(visit.request);
    if (fault !== undefined) return faultReply(fault);
    const session = this.#checked(visit, await this.sessionOf(visit));
    if (isMcpFault(session)) return faultReply(session);
    const own = await this.#ports.own(visit.credential);
    if (isDenial(own)) return own;
    const after = single(visit.request, 'last-event-id') ?? undefined;
    const place = after === undefined ? undefined : readEventId(after);
    if (place === undefined || place.stream.startsWith('changes-')) {
      const listening = this.#alike.listening(callingOf(visit, session), own);
      return this.#changes.ofSession(listening, session.version >= primingVersion, after);
    }
    const { log, clock, guard, wakes } = this.#ports;
    const stream = { owner: visit.owner, session: session.id, id: place.stream };
    const standing = await log.standing(stream, place.number);
    if (standing === 'ended') return { status: 200, headers: streamHeaders, body: Buffer.alloc(0) };
    if (standing === 'gone') {
      return faultReply(new McpFault(null, rpcCodes.invalidRequest, 'That event is kept no more', 404));
    }
    const enter = this.#changes.enter(own);
    if (isMcpFault(enter)) return faultReply(enter);
    const abort = new AbortController();
    const unguard = guard(own, visit.route ?? '', abort);
    // Like every other stream, it ends with the token that it was opened with.
    const expiry = clock.after(Math.max(1, own.caller.expiresAtMs - clock.nowMs()), () => abort.abort());
    const deaf = wakes.on(endOfSession(session.id), () => abort.abort());
    const leave = () => {
      expiry.cancel();
      deaf();
      unguard();
      enter();
    };
    const events = log.follow(stream, place.number, patienceMs, AbortSignal.any([abort.signal, visit.abort.signal]));
    return { status: 200, headers: streamHeaders, body: eventsAgain(place.stream, events, clock, leave) };
  }

  /** `DELETE`: the client is done. */
  async end(visit: McpVisit): Promise<Reply | Denial> {
    const session = this.#checked(visit, await this.sessionOf(visit));
    if (isMcpFault(session)) return faultReply(session);
    await this.#ports.sessions.end(visit.owner, session);
    await this.#ports.wakes.wake(endOfSession(session.id));
    const own = await this.#ports.own(visit.credential);
    if (!isDenial(own)) this.#ports.ended(own, session.id);
    return { status: 204, headers: {}, body: Buffer.alloc(0) };
  }

  #checked({ request }: McpVisit, found: ClientSession | McpFault | undefined): ClientSession | McpFault {
    if (found === undefined) return requestFault(null, 'The header Mcp-Session-Id is missing');
    if (isMcpFault(found)) return found;
    const version = request.headers[headerNames.version];
    // A client before 2025-06-18 names none.
    if (version === undefined || version === found.version) return found;
    if (typeof version === 'string' && isSpoken(version) && !isModern(version)) return found;
    return versionFault(null, String(version));
  }

  async #initialize(visit: McpVisit, { id, params }: RpcRequest): Promise<Reply | Denial> {
    const { protocolVersion, capabilities = {}, clientInfo } = params;
    const able = objectIn(capabilities);
    if (typeof protocolVersion !== 'string' || able === undefined) {
      return faultReply(paramsFault(id, 'initialize has a protocolVersion and capabilities'));
    }
    if (Buffer.byteLength(JSON.stringify([able, clientInfo ?? null])) > saidBytesMax) {
      return faultReply(paramsFault(id, `What a client says of itself is at most ${saidBytesMax} bytes`));
    }
    const own = await this.#ports.own(visit.credential);
    if (isDenial(own)) return own;
    const version = agreedVersion(protocolVersion);
    const info = objectIn(clientInfo);
    const owner = { ...visit.owner, expiresAtMs: own.record.expiresAtMs };
    const { scope } = visit.caller;
    const said = {
      ...{ route: visit.route, version, capabilities: able },
      ...(scope === null ? {} : { scope }),
      ...(info === undefined ? {} : { info }),
    };
    const session = await this.#ports.sessions.begin(owner, said);
    if (isDenial(session)) return session;
    const result = {
      protocolVersion: version,
      capabilities: this.#alike.capabilities(visit),
      serverInfo: this.#ports.gate,
      instructions,
    };
    return jsonOf(resultOf(id, result), { [headerNames.session]: session.id });
  }

  async #request(visit: McpVisit, session: ClientSession, request: RpcRequest): Promise<Reply | Denial> {
    const { id, method, params } = request;
    switch (method) {
      case 'ping':
        return jsonOf(resultOf(id, {}));
      case 'logging/setLevel': {
        const { level } = params;
        if (typeof level !== 'string' || !logLevels.includes(level)) {
          return faultReply(paramsFault(id, `level is one of ${logLevels.join(', ')}`));
        }
        const own = await this.#ports.own(visit.credential);
        if (isDenial(own)) return own;
        const owner = { ...visit.owner, expiresAtMs: own.record.expiresAtMs };
        const denial = await this.#ports.sessions.wantLog(owner, session, level);
        return denial ?? jsonOf(resultOf(id, {}));
      }
      case 'tools/list':
        return this.#alike.tools(visit, request, session.version);
      case 'server/discover':
      case 'subscriptions/listen':
        return faultReply(methodFault(id, session.version, method));
      default:
        return this.#calls.answer(callingOf(visit, session), request);
    }
  }

  /** Several requests at once (2025-03-26): each for itself, and nothing is told or asked meanwhile. */
  async #batch(visit: McpVisit, session: ClientSession, requests: readonly RpcRequest[]): Promise<Reply | Denial> {
    const silent = { ...session, capabilities: {}, logLevel: 'emergency' };
    const answers: unknown[] = [];
    for (const request of requests) {
      const { progressToken, ...meta } = objectIn(request.params._meta) ?? {};
      const reply = await this.#request(visit, silent, { ...request, params: { ...request.params, _meta: meta } });
      if (isDenial(reply)) return reply;
      if (reply.status === 401 || reply.status === 403) return reply;
      answers.push(await responseOf(reply));
    }
    return jsonOf(answers as unknown as JsonObject);
  }

  async #notified(session: ClientSession, { method, params }: RpcNotification): Promise<void> {
    const { requestId } = params;
    if (method !== 'notifications/cancelled' || !isRpcId(requestId)) return;
    await this.#ports.wakes.wake(cancelOf(session.id, requestId));
  }
}

function isSameScope(one: readonly string[] | undefined, other: readonly string[]): boolean {
  return one !== undefined && canonical(one.toSorted()) === canonical(other.toSorted());
}

function callingOf(visit: McpVisit, { id, version, capabilities, info, logLevel }: ClientSession): Calling {
  const client = {
    ...{ version, capabilities },
    ...(info === undefined ? {} : { info }),
    ...(logLevel === undefined ? {} : { logLevel }),
  };
  return { visit, client, session: id };
}

/** The response in a reply: its document, or the last event of its stream. */
async function responseOf({ body }: Reply): Promise<unknown> {
  if (Buffer.isBuffer(body)) return parseAnswerJson(body)?.exact ?? null;
  let text = '';
  for await (const chunk of body) text += Buffer.from(chunk).toString('utf8');
  const data = text.split('\n').filter((line) => line.startsWith('data: {'));
  return parseAnswerJson(Buffer.from(data.at(-1)?.slice('data: '.length) ?? ''))?.exact ?? null;
}
