/**
 * A server of MCP that is a program of this machine: one process for all tasks, for development. It is begun with the
 * first call, and begun again after a while when it ends. What a reader would get wrong: because it is one session for
 * everybody, what it asks or logs cannot be told to be about one call; it goes to a client only while there is no other.
 */
import type { Conversation, JsonObject, McpNotice, McpSpoken, Target } from '../../call.ts';
import type { Timer } from '../../clock.ts';
import { type RpcId, rpcCodes } from '../../wire/mcp/fault.ts';
import {
  notificationText,
  objectIn,
  type RpcMessage,
  type RpcNotification,
  type RpcRequest,
  type RpcResponse,
  requestText,
  resultText,
} from '../../wire/mcp/message.ts';
import { isModern, legacyVersions, modernVersion } from '../../wire/mcp/versions.ts';
import { DialError } from '../exchange.ts';
import { Child, type ChildParts, type Program } from './child-process.ts';
import { readText } from './incoming.ts';
import { handOn } from './notices.ts';
import { type McpPorts, modernMeta } from './ports.ts';
import { Questions, refusal, replyText } from './questions.ts';

/** How long to wait before a program is begun again: at first, at most, and how long it must run to be taken for well. */
const backOffMs = { first: 250, most: 30_000, well: 60_000 } as const;
/** How long it may take to be ready, in milliseconds. */
const readyMsMax = 20_000;
/** Requests to one program that wait for their responses. */
const callsMax = 1_024;

/** A request to a program. */
export interface ProgramAsking {
  readonly id: RpcId;
  readonly text: string;
  readonly target: Target;
  readonly conversation?: Conversation | undefined;
  readonly signal: AbortSignal;
}

interface Waiting extends ProgramAsking {
  readonly questions: Questions;
  readonly resolve: (response: RpcResponse) => void;
  readonly reject: (error: DialError) => void;
}

export type ProgramPorts = Pick<ChildParts, 'clock' | 'log' | 'name' | 'path'> & Pick<McpPorts, 'info'>;

export class ProgramServer implements AsyncDisposable {
  readonly #program: Program;
  readonly #ports: ProgramPorts;
  readonly #waiting = new Map<RpcId, Waiting>();
  readonly #listeners = new Set<(notice: McpNotice) => void>();
  #child: Child | undefined;
  #ready: Promise<McpSpoken> | undefined;
  #startedMs = 0;
  #failures = 0;
  #restart: Timer | undefined;
  #closed = false;
  #own = 0;

  /** Starts nothing before the first request. */
  constructor(program: Program, ports: ProgramPorts) {
    this.#program = program;
    this.#ports = ports;
  }

  /** How the program is spoken to, once it runs. Throws DialError `connect` where it does not. */
  ready(): Promise<McpSpoken> {
    if (this.#closed) throw new DialError('connect', 'the program is being ended', false);
    if (this.#restart !== undefined) throw new DialError('connect', 'the program ended a moment ago', false);
    this.#ready ??= this.#begin();
    return this.#ready;
  }

  /** The response to a request in the version of `ready`. Throws DialError. */
  ask(asking: ProgramAsking): Promise<RpcResponse> {
    const { id, signal } = asking;
    const { promise, resolve, reject } = Promise.withResolvers<RpcResponse>();
    if (this.#waiting.size >= callsMax) throw new DialError('connect', `${callsMax} requests wait already`, false);
    if (signal.aborted) throw new DialError('aborted', 'the call was given up', false);
    const questions = new Questions(asking.conversation, asking.target);
    this.#waiting.set(id, { ...asking, questions, resolve, reject });
    const given = () => {
      this.#child?.write(notificationText('notifications/cancelled', { requestId: id, reason: 'given up' }));
      reject(new DialError('aborted', 'the call was given up', true));
    };
    signal.addEventListener('abort', given, { once: true });
    if (this.#child?.write(asking.text) !== true) reject(new DialError('connect', 'the program does not read', false));
    return promise.finally(() => {
      signal.removeEventListener('abort', given);
      this.#waiting.delete(id);
    });
  }

  /** A request of the gate's own. Throws DialError. */
  own(target: Target, method: string, params: JsonObject, signal: AbortSignal): Promise<RpcResponse> {
    const id = `tollgate.${++this.#own}`;
    return this.ask({ id, text: requestText(id, method, params), target, signal });
  }

  /** Told of what is about no single call: what has changed. Gives the function that ends it. */
  listen(heard: (notice: McpNotice) => void): () => void {
    this.#listeners.add(heard);
    return () => this.#listeners.delete(heard);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#restart?.cancel();
    await this.#child?.end();
  }

  async #begin(): Promise<McpSpoken> {
    const { clock, log, name, path } = this.#ports;
    this.#startedMs = clock.monotonicMs();
    const child: Child = new Child(this.#program, {
      ...{ clock, log, name, path },
      line: (text) => this.#line(text),
      ended: (why) => this.#ended(child, why),
    });
    this.#child = child;
    const abort = new AbortController();
    const timer = clock.after(readyMsMax, () => abort.abort());
    try {
      return await this.#handshake(abort.signal);
    } catch (fault) {
      await child.end();
      const why = fault instanceof DialError ? fault.message : String(fault);
      throw new DialError('connect', `the program is no server of MCP: ${why}`, false);
    } finally {
      timer.cancel();
    }
  }

  /** Older programs may end at what they do not know, so the older way is tried first. */
  async #handshake(signal: AbortSignal): Promise<McpSpoken> {
    const target = { name: this.#ports.name } as Target;
    const said = await this.own(
      target,
      'initialize',
      {
        protocolVersion: legacyVersions[0] as string,
        // What clients of its calls may be able to; each question is held against the one it goes to.
        capabilities: { elicitation: {}, sampling: {}, roots: {} },
        clientInfo: this.#ports.info,
      },
      signal,
    );
    if ('result' in said) {
      const { protocolVersion } = said.result;
      if (typeof protocolVersion !== 'string' || !legacyVersions.includes(protocolVersion)) {
        throw new DialError('protocol', 'it speaks no version that the gate speaks', true);
      }
      this.#child?.write(notificationText('notifications/initialized', {}));
      return { version: protocolVersion };
    }
    const modern = await this.own(target, 'server/discover', { _meta: modernMeta(this.#ports) }, signal);
    const versions = 'result' in modern ? modern.result.supportedVersions : undefined;
    if (Array.isArray(versions) && versions.includes(modernVersion)) return { version: modernVersion };
    throw new DialError('protocol', 'it speaks no version that the gate speaks', true);
  }

  #ended(child: Child, why: string): void {
    if (this.#child !== child) return;
    this.#child = undefined;
    this.#ready = undefined;
    for (const { reject } of this.#waiting.values()) reject(new DialError('reset', `the program ended: ${why}`, true));
    if (this.#closed) return;
    const { clock, log, name } = this.#ports;
    const wasWell = clock.monotonicMs() - this.#startedMs >= backOffMs.well;
    this.#failures = wasWell ? 0 : this.#failures + 1;
    const waitMs = Math.min(backOffMs.most, backOffMs.first * 2 ** Math.max(0, this.#failures - 1));
    log('warn', 'a program has ended, and is begun again', { program: name, why, wait_ms: waitMs });
    this.#restart = clock.after(waitMs, () => {
      this.#restart = undefined;
      if (this.#closed || this.#ready !== undefined) return;
      this.#ready = this.#begin();
      // Its end schedules the next beginning.
      this.#ready.catch(() => undefined);
    });
  }

  #line(text: string): void {
    for (const message of readText(text) ?? []) this.#message(message);
  }

  #message(message: RpcMessage): void {
    if (message.kind === 'response') {
      if (message.id !== null) this.#waiting.get(message.id)?.resolve(message);
    } else if (message.kind === 'request') void this.#asked(message);
    else this.#told(message);
  }

  /** Only while one call alone is under way is it known whose question it is. */
  async #asked(question: RpcRequest): Promise<void> {
    const calls = this.#calls();
    const [only] = calls;
    const text =
      question.method === 'ping'
        ? resultText(question.id, {})
        : calls.length === 1 && only !== undefined
          ? await only.questions.answer(question)
          : replyText(question.id, refusal(rpcCodes.methodNotFound, 'No one client can be asked this'));
    this.#child?.write(text);
  }

  #told(notice: RpcNotification): void {
    const { method, params } = notice;
    if (method === 'notifications/progress') {
      const token = params.progressToken;
      const call = typeof token === 'string' || typeof token === 'number' ? this.#waiting.get(token) : undefined;
      if (call !== undefined) void this.#handOn(call, notice);
      return;
    }
    if (method === 'notifications/message') {
      const calls = this.#calls();
      if (calls.length === 1 && calls[0] !== undefined) void this.#handOn(calls[0], notice);
      return;
    }
    for (const heard of this.#listeners) heard({ method, params });
  }

  #handOn({ target, conversation }: Waiting, notice: RpcNotification): Promise<void> {
    return handOn({ changed: () => undefined }, target, notice, conversation?.tell);
  }

  #calls(): readonly Waiting[] {
    return [...this.#waiting.values()].filter(({ conversation }) => conversation !== undefined);
  }
}

/** The params of a request of the gate's own, in a version. */
export function ownParams(ports: Pick<McpPorts, 'info'>, { version }: McpSpoken, params: JsonObject): JsonObject {
  return isModern(version) ? { ...params, _meta: { ...objectIn(params._meta), ...modernMeta(ports) } } : params;
}
