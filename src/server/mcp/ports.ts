/** What the MCP endpoint stands on, handed in by the assembly. */
import type {
  Caller,
  JsonObject,
  McpNotice,
  Operation,
  Route,
  ShownToken,
  TaskRecord,
  Trace,
  Watch,
  WireRequest,
} from '../../call.ts';
import type { Clock } from '../../clock.ts';
import type { Denial } from '../../denial.ts';
import type { Pipeline } from '../../pipeline.ts';
import type { ClientSessions } from '../../session/client-sessions.ts';
import type { EventLog } from '../../session/event-log.ts';
import type { Owner } from '../../session/owner.ts';
import type { OpenQuestion, Questions } from '../../session/questions.ts';
import type { RequestStates } from '../../session/request-states.ts';
import type { Wakes } from '../../session/wakes.ts';
import type { FoundPage } from '../../task/results.ts';
import type { Toolset } from '../../toolset.ts';
import type { RawRequest } from '../../wire/dialect.ts';
import type { McpFault } from '../../wire/mcp/fault.ts';
import type { RpcRequest } from '../../wire/mcp/message.ts';
import type { McpClient } from '../../wire/mcp/meta.ts';
import type { CallHints, RequestContext } from '../arrival.ts';
import type { OwnPlace } from './foreign.ts';

/** Somebody's own task, alive. */
export interface OwnTask {
  readonly record: TaskRecord;
  readonly scope: Toolset;
  readonly caller: Caller;
}

/** What a request for a server, or an answer to one, is read with. */
export interface ReadingOf {
  readonly client: McpClient;
  /** Null where what is named says which route it is of. */
  readonly route: string | null;
  /** Whether the client knows names and URIs of many routes. */
  readonly aggregated: boolean;
  readonly headers: RawRequest['headers'];
}

export interface McpEndpointPorts {
  readonly clock: Clock;
  readonly pipeline: Pick<Pipeline, 'run'>;
  readonly sessions: ClientSessions;
  readonly log: EventLog;
  readonly questions: Questions;
  readonly states: RequestStates;
  readonly wakes: Wakes;
  /** Where the data plane is reached. */
  readonly place: () => OwnPlace;
  /** Whose token it is; its possession is proved once for all calls of one request. */
  readonly verify: (credential: ShownToken) => Promise<Caller | Denial>;
  /** The living task of a token, for what is no call. */
  readonly own: (credential: ShownToken | null) => Promise<OwnTask | Denial>;
  /** The routes that have tools, in the order of the table. */
  readonly routes: () => readonly Route[];
  readonly operations: (route: string) => readonly Operation[];
  /** Resolves once the operations of a route, or of all, are known, or after a short while. */
  readonly known: (route?: string) => Promise<void>;
  /**
   * A page of a result that was too long, recorded as read; undefined where there is none for this token,
   * or none of `route`, where one is named.
   */
  readonly rest: (own: OwnTask, cursor: string, route: string | null, trace: Trace) => Promise<FoundPage | undefined>;
  /** Looks once; then tells of each route whether its calls by this task are refused for now. */
  readonly suspended: (record: TaskRecord) => Promise<(route: string) => boolean>;
  /** Reads a request that reaches a server. */
  readonly read: (request: RpcRequest, reading: ReadingOf) => WireRequest | McpFault;
  /** Reads what a client answers to a question; `asked` is the request that brought it, where one did. */
  readonly readAnswer: (
    question: OpenQuestion,
    result: JsonObject,
    client: McpClient,
    asked: RpcRequest | undefined,
  ) => WireRequest | McpFault;
  readonly trace: (headers: RawRequest['headers']) => Trace;
  readonly watch: (trace: Trace) => Watch;
  /** Keeps the edition of the configuration until the returned function is called. */
  readonly hold: () => () => void;
  /** Aborts `abort` when the task, or the token, is good no more; until the returned function is called. */
  readonly guard: (own: OwnTask, route: string, abort: AbortController) => () => void;
  /** Whether streams without an end are to end now: the gateway stops, or its configuration is another by now. */
  readonly leaving: () => boolean;
  /**
   * Listens to the servers of a route for a client, for as long as `signal` lets it. What is `heard` holds no personal data
   * and no secrets; what may not pass is left out. A route that the task may not call, or that is suspended, is silent.
   */
  readonly listen: (
    own: OwnTask,
    route: string,
    client: McpClient & { readonly sessionId: string | null },
    heard: (notice: McpNotice) => void,
    signal: AbortSignal,
  ) => Promise<void>;
  /** Told that a session of a client has ended, for what servers keep for it. */
  readonly ended: (own: OwnTask, session: string) => void;
  /** Told of requests that are refused before anybody knows whose they are. */
  readonly refused: (denial: Denial) => void;
  /** Name and version of the gate. */
  readonly gate: JsonObject;
  readonly faulted: (where: string, fault: unknown) => void;
}

/** One request to the endpoint. */
export interface McpVisit {
  readonly request: RawRequest;
  readonly context: RequestContext;
  /** Aborted when the client leaves. */
  readonly abort: AbortController;
  /** Null for all routes in one. */
  readonly route: string | null;
  readonly credential: ShownToken | null;
  readonly caller: Caller;
  readonly owner: Owner;
  readonly hints: CallHints;
}
