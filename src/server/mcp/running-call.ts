/**
 * One call of a client while it runs: the conversation that the server has with the client meanwhile, and how its response
 * gets there. What a reader would get wrong: an older client that leaves has cancelled nothing, and reads on in the event
 * log; a stateless one that leaves has. Of a stateless client nothing is asked: its request ends with the questions, and
 * the call waits, for a bounded time, until it comes again with the answers.
 */
import type { Conversation, JsonObject, McpNotice, McpQuestion, McpReply, Target } from '../../call.ts';
import type { Clock } from '../../clock.ts';
import type { Reply } from '../../pipeline.ts';
import type { EventLog } from '../../session/event-log.ts';
import { digestOf, type Owner } from '../../session/owner.ts';
import { answerMs, type OpenQuestion, type Questions } from '../../session/questions.ts';
import { type RequestStates, serverStateMax } from '../../session/request-states.ts';
import type { Wakes } from '../../session/wakes.ts';
import { clientGone } from '../../settlement.ts';
import { parseAnswerJson } from '../../wire/json.ts';
import { type RpcId, rpcCodes } from '../../wire/mcp/fault.ts';
import { objectIn, type RpcRequest } from '../../wire/mcp/message.ts';
import { logLevels, type McpClient, requestMeta } from '../../wire/mcp/meta.ts';
import { noticeFor } from '../../wire/mcp/outbound.ts';
import { asksForInput, missingFor } from '../../wire/mcp/translate.ts';
import { isModern } from '../../wire/mcp/versions.ts';
import { Outbox } from './outbox.ts';

/** The most questions of one call: at the same time, and altogether. */
const askedAtOnceMax = 8;
const askedMax = 32;
/** Questions that come so shortly after each other are put to a stateless client together, in milliseconds. */
const togetherMs = 20;

export interface RunningCallParts {
  readonly clock: Clock;
  readonly log: EventLog;
  readonly questions: Questions;
  readonly states: RequestStates;
  readonly wakes: Wakes;
  readonly faulted: (where: string, fault: unknown) => void;
  /** Keeps what the call is made with until the returned function is called. */
  readonly hold: () => () => void;
  /** Counts one more call that waits for its client; undefined where there are too many. Gives what takes it back. */
  readonly park: () => (() => void) | undefined;
}

/** Whose call it is. */
export interface CallOf {
  readonly owner: Owner;
  readonly client: McpClient;
  /** The id of the client's session; null for a stateless client. */
  readonly session: string | null;
  readonly request: RpcRequest;
  /** Where the call goes, by the client's words: what a `requestState` is bound to. */
  readonly digest: string;
  /** The route of the call, where its URIs are told among those of all routes. */
  readonly aggregatedRoute?: string;
  readonly abort: AbortController;
}

/** What cancels the call of a session with this JSON-RPC id, on whichever gateway it runs. */
export function cancelOf(session: string, id: RpcId): string {
  return `cancel ${digestOf(session, typeof id, String(id))}`;
}

/** What ends all that goes on in a session of a client. */
export function endOfSession(session: string): string {
  return `session-ended ${session}`;
}

/** What cancels the call that writes this stream. */
export function cancelOfStream(stream: string): string {
  return `cancel-stream ${stream}`;
}

export class RunningCall {
  readonly outbox: Outbox;
  readonly #parts: RunningCallParts;
  readonly #of: CallOf;
  readonly #modern: boolean;
  readonly #pending = new Map<string, { readonly question: McpQuestion; readonly target: Target }>();
  #asked = 0;
  #collecting = false;
  #unpark: (() => void) | undefined;
  #target = '';
  #route = '';
  #ended: Promise<Reply> | undefined;
  #reply: Reply | undefined;
  /** Whether the response goes the way of messages. */
  #streams = false;

  constructor(parts: RunningCallParts, of: CallOf) {
    this.#parts = parts;
    this.#of = of;
    const { clock, log, faulted } = parts;
    this.#modern = isModern(of.client.version);
    const stream = { owner: of.owner, session: of.session, id: log.newId() };
    this.outbox = new Outbox({ clock, log, stream, kept: !this.#modern, faulted });
  }

  /** The client, as the ladder and whoever speaks with the server know it. */
  get conversation(): Conversation {
    return {
      ...this.#of.client,
      sessionId: this.#of.session,
      sentTo: ({ name, route }) => {
        this.#target = name;
        this.#route = route;
      },
      tell: (notice) => this.#tell(notice),
      ask: (question, target) => this.#ask(question, target),
    };
  }

  /** Runs the call by `make`. Must be called once. */
  begin(make: () => Promise<Reply>): void {
    const { wakes, hold } = this.#parts;
    const release = hold();
    const { session, request, abort } = this.#of;
    const cancel = () => abort.abort(clientGone);
    const deaf = [wakes.on(cancelOfStream(this.outbox.stream.id), cancel)];
    if (session !== null) deaf.push(wakes.on(cancelOf(session, request.id), cancel));
    // Nobody can answer its questions or read its answer any more.
    if (session !== null) deaf.push(wakes.on(endOfSession(session), cancel));
    this.#ended = make()
      .then((reply) => this.#end(reply))
      .finally(() => {
        for (const stop of deaf) stop();
        this.#unpark?.();
        release();
      });
    this.#ended.catch((fault: unknown) => this.#parts.faulted('session', fault));
  }

  /** The reply where nothing was told before it; undefined where it comes, or came, as a message. */
  get reply(): Reply | undefined {
    return this.#streams ? undefined : this.#reply;
  }

  /** From now on the response goes the way of messages. False where it is there already, as a reply. */
  stream(): boolean {
    if (this.#reply !== undefined && !this.#streams) return false;
    this.#streams = true;
    return true;
  }

  /** The client's stream is closed before the response was on it. */
  left(): void {
    if (this.#modern && this.#unpark === undefined) this.#of.abort.abort(clientGone);
    this.outbox.park();
  }

  async #end(reply: Reply): Promise<Reply> {
    const read = await bodyOf(reply);
    const message = objectIn(read === undefined ? undefined : parseAnswerJson(read)?.exact);
    const told = message === undefined ? undefined : this.#withOwnState(message);
    const whole = { ...reply, body: told === undefined || told === message ? (read ?? noBytes) : textOf(told) };
    if (this.#streams || this.outbox.count > 0) {
      this.#streams = true;
      const { id } = this.#of.request;
      const unreadable = { jsonrpc: '2.0', id, error: { code: rpcCodes.internalError, message: 'There is no answer' } };
      await this.outbox.put(() => told ?? unreadable, true);
    } else {
      this.outbox.park();
    }
    this.#reply = whole;
    return whole;
  }

  async #tell(notice: McpNotice): Promise<void> {
    const { request, client, aggregatedRoute } = this.#of;
    const { progressToken } = requestMeta(request.params);
    const told = noticeFor(notice, {
      ...(progressToken === undefined ? {} : { progressToken }),
      ...(aggregatedRoute === undefined ? {} : { aggregatedRoute }),
    });
    if (told === undefined || !wantsLog(told, client, this.#modern)) return;
    await this.outbox.put(() => ({ jsonrpc: '2.0', ...told }), false);
  }

  async #ask(question: McpQuestion, target: Target): Promise<McpReply> {
    const { owner, client, session, abort } = this.#of;
    const { questions } = this.#parts;
    const one = { inputRequests: { one: { method: question.method, params: question.params } } };
    if (Object.keys(missingFor(one, client.capabilities)).length > 0)
      return noAnswer('The client cannot be asked that.');
    if (this.#pending.size >= askedAtOnceMax || this.#asked >= askedMax) return noAnswer('Too much was asked.');
    this.#asked++;
    if (this.#modern) {
      this.#unpark ??= this.#parts.park();
      if (this.#unpark === undefined) return noAnswer('Too many calls wait for their clients here.');
    }
    const { method } = question;
    let open: OpenQuestion | undefined;
    try {
      open = await questions.open(owner, { session, method, route: target.route, target: target.name });
      const { id } = open;
      this.#pending.set(id, { question, target });
      if (this.#modern) this.#collect();
      else {
        const message: JsonObject = { jsonrpc: '2.0', id, method, params: question.params };
        if (!(await this.outbox.put(() => message, false, true))) return noAnswer('The client cannot be asked now.');
      }
      return (await questions.wait(owner, open, answerMs, abort.signal)) ?? noAnswer('The client gave no answer.');
    } catch (fault) {
      this.#parts.faulted('session', fault);
      return noAnswer('The client cannot be asked now.');
    } finally {
      if (open !== undefined) this.#pending.delete(open.id);
    }
  }

  /** Ends the request of a stateless client with all that is asked by then. */
  #collect(): void {
    if (this.#collecting) return;
    this.#collecting = true;
    const { clock, states } = this.#parts;
    const { owner, request, digest } = this.#of;
    clock.after(togetherMs, () => {
      this.#collecting = false;
      const pending = [...this.#pending];
      const [first] = pending;
      if (first === undefined) return;
      const { route, name } = first[1].target;
      const asked = Object.fromEntries(pending.map(([id, { question }]) => [id, { method: question.method, id }]));
      const inputRequests = Object.fromEntries(
        pending.map(
          ([
            id,
            {
              question: { method, params },
            },
          ]) => [id, { method, params }],
        ),
      );
      // What comes after it is read in the log.
      const put = this.outbox.put(
        (after) => {
          const parked = { stream: this.outbox.stream.id, after };
          const requestState = states.close(owner, digest, { asked, route, target: name, parked });
          return {
            ...{ jsonrpc: '2.0', id: request.id },
            result: { resultType: 'input_required', inputRequests, requestState },
          };
        },
        false,
        true,
      );
      this.#streams = true;
      put.then(() => this.outbox.park()).catch((fault: unknown) => this.#parts.faulted('session', fault));
    });
  }

  /** The state that a server gives with its questions, as the client gets it: bound to this task, request and target. */
  #withOwnState(message: JsonObject): JsonObject {
    const result = objectIn(message.result);
    if (!this.#modern || result === undefined || !asksForInput(result)) return message;
    const { owner, digest } = this.#of;
    const { requestState } = result;
    const given =
      typeof requestState === 'string' && requestState.length <= serverStateMax ? { given: requestState } : {};
    const asked = Object.fromEntries(
      Object.entries(objectIn(result.inputRequests) ?? {}).map(([key, question]) => [
        key,
        { method: String(objectIn(question)?.method) },
      ]),
    );
    const state = { asked, route: this.#route, target: this.#target, ...given };
    return { ...message, result: { ...result, requestState: this.#parts.states.close(owner, digest, state) } };
  }
}

const noBytes = Buffer.alloc(0);

function textOf(message: JsonObject): Buffer {
  return Buffer.from(JSON.stringify(message));
}

/** The body of a reply: of a call of MCP it is one message, and read whole. */
async function bodyOf({ body }: Reply): Promise<Buffer | undefined> {
  if (Buffer.isBuffer(body)) return body;
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** Log messages are for whoever has said how severe they must be; an older client that has not gets all of them. */
function wantsLog({ method, params }: McpNotice, { logLevel }: McpClient, modern: boolean): boolean {
  if (method !== 'notifications/message') return true;
  if (logLevel === undefined) return !modern;
  return logLevels.indexOf(String(params.level)) >= logLevels.indexOf(logLevel);
}

function noAnswer(message: string): McpReply {
  return { error: { code: rpcCodes.internalError, message } };
}
