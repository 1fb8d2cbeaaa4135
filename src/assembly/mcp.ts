/**
 * The MCP endpoint over the parts: where sessions, streams and questions lie, whose token it is, and how what a server
 * tells and asks while a call runs is judged as an answer of that call. What a reader would get wrong: without
 * `keys.secret` on a shared store the seal is one of this gateway alone; sessions go on everywhere, but streams and
 * questions only here.
 */
import type {
  Admitted,
  Answer,
  Caller,
  Conversation,
  Json,
  JsonObject,
  McpNotice,
  Shown,
  ShownToken,
  Target,
} from '../call.ts';
import type { Clock } from '../clock.ts';
import type { Config } from '../config/schema.ts';
import { type Denial, deny, isDenial } from '../denial.ts';
import { HeldBytes } from '../idempotency/held-bytes.ts';
import { KeySeal } from '../identity/key-seal.ts';
import type { TaskTokens } from '../identity/task-token.ts';
import type { Tried } from '../outcome.ts';
import type { Pipeline, Rooms } from '../pipeline.ts';
import { changeOf } from '../server/mcp/change-stream.ts';
import { McpEndpoint } from '../server/mcp/endpoint.ts';
import type { OwnPlace } from '../server/mcp/foreign.ts';
import type { McpEndpointPorts } from '../server/mcp/ports.ts';
import { mayCall } from '../server/mcp/tool-list.ts';
import { restOf } from '../server/result-routes.ts';
import { ClientSessions } from '../session/client-sessions.ts';
import { EventLog } from '../session/event-log.ts';
import type { SealOf } from '../session/owner.ts';
import { Questions } from '../session/questions.ts';
import { RequestStates } from '../session/request-states.ts';
import { Wakes } from '../session/wakes.ts';
import type { Store } from '../store/store.ts';
import { type AccessPorts, ownTask } from '../task/access.ts';
import { actingOf } from '../task/suspended.ts';
import { startTrace } from '../telemetry/trace.ts';
import { AnswerBody } from '../wire/answer.ts';
import { mcpReply } from '../wire/dialects/mcp/reply.ts';
import { mcpRequest } from '../wire/dialects/mcp/request.ts';
import { rpcCodes } from '../wire/mcp/fault.ts';
import { objectIn } from '../wire/mcp/message.ts';
import type { Parts } from './parts.ts';
import { restPortsOf } from './results.ts';
import { gateInfo as gate } from './upstream.ts';

/** What this gateway keeps of streams that were cut, in bytes: of one task, and of all. */
const logBounds = { taskBytes: 32 * 1_048_576, totalBytes: 256 * 1_048_576 } as const;

/** What the endpoint keeps, whatever becomes of the configuration. */
export interface McpParts {
  readonly wakes: Wakes;
  readonly sessions: ClientSessions;
  readonly log: EventLog;
  readonly questions: Questions;
  readonly states: RequestStates;
}

export interface McpGround {
  readonly config: Pick<Config, 'keys'>;
  readonly store: Store;
  readonly clock: Clock;
  readonly faulted: (where: string, fault: unknown) => void;
  /** Told of routes whose tools are others now. */
  readonly toolsChanged: Set<(route: string) => void>;
}

/** Rejects with `StoreUnavailable`. */
export async function openMcp(
  { config, store, clock, faulted, toolsChanged }: McpGround,
  opened: AsyncDisposableStack,
): Promise<McpParts> {
  const secret = config.keys.secret ?? clock.randomBytes(32).toString('base64url');
  const sealOf: SealOf = (taskId) => new KeySeal(secret, clock, `mcp of ${taskId}`);
  const held = new HeldBytes(clock);
  const wakes = opened.use(new Wakes({ store, clock, faulted }));
  await wakes.open();
  // Each gateway finds out by itself; its own clients are told when it has.
  toolsChanged.add((route) => void wakes.wake(changeOf(route, 'tools')));
  return {
    wakes,
    sessions: new ClientSessions({ store, clock }),
    log: new EventLog({ store, clock, wakes, sealOf, hasRoom: (key, row) => held.take(key, row, logBounds) }),
    questions: new Questions({ store, clock, wakes, sealOf }),
    states: new RequestStates(sealOf, clock),
  };
}

/**
 * Tokens of the requests to the endpoint. A proof of possession is good once (RFC 9449 §11.1), and one request may make
 * several calls: what was proved with it holds for all of them.
 */
export class TokensOfRequests implements Pick<TaskTokens, 'verify'> {
  readonly #tokens: Pick<TaskTokens, 'verify'>;
  readonly #nowMs: () => number;
  readonly #proved = new WeakMap<Shown, { readonly token: string; readonly caller: Promise<Caller | Denial> }>();

  constructor(tokens: Pick<TaskTokens, 'verify'>, nowMs: () => number) {
    this.#tokens = tokens;
    this.#nowMs = nowMs;
  }

  /** The caller, remembered for this very request. */
  first(credential: ShownToken): Promise<Caller | Denial> {
    const known = this.#proved.get(credential.shown);
    if (known?.token === credential.token) return known.caller;
    const caller = this.#tokens.verify(credential);
    this.#proved.set(credential.shown, { token: credential.token, caller });
    return caller;
  }

  /** The same, where it was asked before; any other request is judged by itself. */
  async verify(credential: ShownToken | null): Promise<Caller | Denial> {
    const known = credential === null ? undefined : this.#proved.get(credential.shown);
    if (known === undefined || known.token !== credential?.token) return this.#tokens.verify(credential);
    const caller = await known.caller;
    // One request may last longer than its token.
    return isDenial(caller) || this.#nowMs() < caller.expiresAtMs ? caller : this.#tokens.verify(credential);
  }
}

/** What an edition of the configuration knows of its surroundings. */
export interface McpSurroundings {
  /** Keeps the edition until the returned function is called. */
  readonly hold: () => () => void;
  /** Whether it is no longer in force, or the gateway stops. */
  readonly leaving: () => boolean;
  /** Where the data plane listens. */
  readonly address: () => OwnPlace['address'];
}

/** The endpoint of one edition. */
export function mcpEndpointOf(
  parts: Parts,
  pipeline: Pipeline,
  access: AccessPorts,
  { hold, leaving, address }: McpSurroundings,
): McpEndpoint {
  const hosts = parts.config.gateway.hosts.map((host) => host.toLowerCase());
  const { clock, config, faulted, mcp, publicUrl, requestTokens, running, suspensions, table, telemetry } = parts;
  const { redact, servers } = parts;
  const verify = (credential: ShownToken) => requestTokens.first(credential);
  const rests = restPortsOf(parts);
  const callKey = () => clock.randomBytes(9).toString('base64url');
  const ports: McpEndpointPorts = {
    ...mcp,
    ...{ clock, pipeline, verify, hold, leaving, gate, faulted },
    place: () => ({ publicUrl, hosts, address: address() }),
    own: async (credential) => {
      const own = await ownTask({ ...access, verifyTask: verify }, credential, clock.nowMs());
      if (isDenial(own) || credential === null) return own as Denial;
      const caller = await verify(credential);
      if (isDenial(caller)) return caller;
      return (await suspensions.denialOf(actingOf(own.record))) ?? { ...own, caller };
    },
    routes: () => table.routes().filter(({ kind }) => kind === 'mcp' || kind === 'http'),
    operations: (route) => table.ofRoute(route),
    known: (route) => table.known(route),
    rest: (own, cursor, route, trace) => restOf(rests, own, cursor, { trace }, route),
    suspended: async (record) => {
      const list = await suspensions.look();
      const nowMs = clock.nowMs();
      return (route) => list.denialOf({ ...actingOf(record), route }, nowMs) !== undefined;
    },
    read: (message, reading) => mcpRequest({ ...reading, message, callKey: callKey(), gate }),
    readAnswer: ({ id, route, method }, result, client, asked) =>
      mcpReply({ ...{ id, route, method, result, client, gate }, ...(asked === undefined ? {} : { asked }) }),
    trace: (headers) => startTrace(clock, headers, config.telemetry),
    watch: (trace) => telemetry.watch(trace),
    guard: ({ record, caller }, route, abort) => running.enter(record, route, caller.tokenId, abort),
    refused: (denial) => telemetry.denied(denial),
    listen: async ({ record, scope }, route, client, heard, signal) => {
      // What the task may not call, it does not hear, nor is it heard there.
      if (!table.ofRoute(route).some((operation) => mayCall(record, scope, operation))) return;
      if ((await suspensions.denialOf({ ...actingOf(record), route })) !== undefined) return;
      const pass = async ({ method, params }: McpNotice) => {
        const told = method.endsWith('/list_changed')
          ? { method, params: {} }
          : { method, params: pick(params, 'uri') };
        // No call is there whose answer it would be part of: what inspection would take out of it is not told at all.
        if (JSON.stringify(redact(told)) === JSON.stringify(told)) heard(told);
      };
      await servers.listen(
        { errand: servers.errandOf(record, route, signal), conversation: client, heard: pass },
        table.route(route)?.targets ?? [],
      );
    },
    ended: ({ record }, session) => void servers.endClient(record, session),
  };
  return new McpEndpoint(ports);
}

/**
 * The rooms with what goes on beside an answer: what a server tells and asks is inspected and decided on as part of the
 * answer to its call, before the client hears of it; and a call that is an answer is handed to whoever waits for it.
 */
export function withConversations(rooms: Rooms, clock: Clock, faulted: (where: string, fault: unknown) => void): Rooms {
  const { exchange, response } = rooms;
  return {
    ...rooms,
    exchange: {
      ...exchange,
      attempt: async (call, target) => {
        const { conversation } = call;
        if (conversation === undefined) return exchange.attempt(call, target);
        if (conversation.handOver !== undefined) return handedOver(call, target, conversation.handOver, clock);
        conversation.sentTo?.(target);
        return exchange.attempt({ ...call, conversation: judged(conversation, call, response, faulted) }, target);
      },
    },
  };
}

/** What the server says passes as its decision on the call's answers has it, or not at all. */
function judged(
  conversation: Conversation,
  call: Admitted,
  response: Rooms['response'],
  faulted: (where: string, fault: unknown) => void,
): Conversation {
  let count = 0;
  const pass = async (said: { readonly method: string; readonly params: JsonObject }) => {
    if (++count > saidMax) return undefined;
    try {
      const answer = saidAnswer(said);
      const findings = response.inspect(answer);
      const decision = response.decide(call, answer.head, answer.body, findings);
      const denial = await response.obey(call, answer, findings, decision, answer.head);
      const params = objectIn(objectIn(answer.body)?.params);
      return denial !== undefined || params === undefined ? undefined : { method: said.method, params };
    } catch (fault) {
      faulted('response', fault);
      return undefined;
    }
  };
  return {
    ...conversation,
    tell: async (notice, target) => {
      const passed = await pass(notice);
      if (passed !== undefined) await conversation.tell(passed, target);
    },
    ask: async (question, target) => {
      const passed = await pass(question);
      if (passed !== undefined) return conversation.ask(passed, target);
      return { error: { code: rpcCodes.internalError, message: 'The gate does not put this question to the client.' } };
    },
  };
}

/** What a server may tell and ask during one call; of more none is looked at, and none passes. */
const saidMax = 1_024;

/** One member of an object, where it is there. */
function pick(object: JsonObject, name: string): JsonObject {
  const value = object[name];
  return value === undefined ? {} : { [name]: value };
}

const jsonHead = { status: 200, headers: { 'content-type': 'application/json' } } as const;

/** A message of a server as inspection and policy see it. */
function saidAnswer(said: { readonly method: string; readonly params: JsonObject }): Answer {
  const body = new AnswerBody(jsonHead, Buffer.from(JSON.stringify(said)));
  return {
    ...{ head: jsonHead, usage: null, proposals: [], text: '' },
    get body(): Json {
      return body.json;
    },
    segments: () => body.segments(),
    drop: (where) => body.drop(where),
    encode: () => body.encode(),
  };
}

/** The attempt of a call that is an answer: nothing is sent but to whoever waits for it. */
async function handedOver(
  call: Admitted,
  target: Target,
  handOver: NonNullable<Conversation['handOver']>,
  clock: Clock,
): Promise<Tried> {
  const startMs = clock.monotonicMs();
  const taken = await handOver({ result: call.resolved.payload.args });
  const attempt = { target: target.name, error: null, latencyMs: clock.monotonicMs() - startMs };
  if (!taken) {
    const denial = deny('upstream_unavailable', 'Nobody waits for this answer any more.', { retryable: false });
    return { failed: { ...attempt, status: null, error: 'not_waited_for', sent: false }, denial };
  }
  const body = only(Buffer.from(JSON.stringify({ jsonrpc: '2.0', id: 1, result: {} })));
  return { attempt: { ...attempt, status: 200, sent: true }, answer: { target, head: jsonHead, body } };
}

async function* only(bytes: Buffer): AsyncIterable<Uint8Array> {
  yield bytes;
}
