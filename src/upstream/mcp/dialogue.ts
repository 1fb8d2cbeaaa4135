/**
 * From a request that was taken to the one response to it, over HTTP. Meanwhile the server tells and asks things on the
 * same stream; an older one may close the stream and have it taken up again where it ended (`Last-Event-ID`,
 * 2025-11-25). What a reader would get wrong: taking a stream up again repeats nothing, the request is sent once.
 */
import type { Conversation, Target, UpstreamAnswer } from '../../call.ts';
import type { Clock } from '../../clock.ts';
import type { RpcId } from '../../wire/mcp/fault.ts';
import type { RpcResponse } from '../../wire/mcp/message.ts';
import { isModern } from '../../wire/mcp/versions.ts';
import { DialError } from '../exchange.ts';
import type { Errand } from '../send.ts';
import { Heard, messagesOf } from './incoming.ts';
import { handOn } from './notices.ts';
import type { McpPorts } from './ports.ts';
import { Questions, Replies } from './questions.ts';
import { isAnswerTo, pathOf, sessionHeaders, tell } from './talk.ts';

/** How often one stream is taken up again: in all, and in a row without an event in between. */
const streamsMax = 1_000;
const fruitlessMax = 4;
/** How long to wait before that at least and at most, in milliseconds, whatever the server asks for. */
const retryMsMin = 20;
const retryMsMax = 30_000;

export interface DialogueParts {
  readonly ports: Pick<McpPorts, 'send' | 'clock' | 'changed'>;
  readonly errand: Errand;
  /** `mcp` says how it is spoken to. */
  readonly target: Target;
  readonly conversation: Conversation | undefined;
}

export class Dialogue {
  readonly questions: Questions;
  readonly #parts: DialogueParts;
  readonly #replies = new Replies();

  constructor(parts: DialogueParts) {
    this.#parts = parts;
    this.questions = new Questions(parts.conversation, parts.target);
  }

  /** The response to the request `id`, whose answer has begun. Throws DialError where none comes. */
  async response(id: RpcId, first: UpstreamAnswer): Promise<RpcResponse> {
    const heard = new Heard();
    let answer = first;
    let fruitless = 0;
    for (let streams = 1; ; streams++) {
      const before = heard.lastId;
      const found = await this.#read(id, answer, heard);
      if (found !== undefined) return found;
      fruitless = heard.lastId === before ? fruitless + 1 : 0;
      if (streams >= streamsMax || fruitless > fruitlessMax) throw cut();
      let next = await this.#again(heard);
      for (; next === undefined; next = await this.#again(heard)) if (++fruitless > fruitlessMax) throw cut();
      answer = next;
    }
  }

  /** Undefined where the stream ended before the response, and can be taken up again. */
  async #read(id: RpcId, answer: UpstreamAnswer, heard: Heard): Promise<RpcResponse | undefined> {
    const { ports, target, conversation } = this.#parts;
    const modern = isModern(target.mcp?.version ?? '');
    try {
      for await (const message of messagesOf(answer, heard)) {
        if (isAnswerTo(message, id)) return message;
        if (message.kind === 'notification') await handOn(ports, target, message, conversation?.tell);
        // Modern servers ask in their results alone.
        else if (message.kind === 'request' && !modern) this.#asked(message);
      }
    } catch (fault) {
      const broken = fault instanceof DialError && fault.kind === 'reset';
      if (!broken || modern || heard.lastId === undefined) throw fault;
      return undefined;
    }
    // A modern server that lets go of a request has lost it (2026-07-28, Streamable HTTP).
    if (modern || heard.lastId === undefined) throw cut();
    return undefined;
  }

  /** Answers a question in its own time: the stream goes on meanwhile. Throws DialError where too many are under way. */
  #asked(question: Parameters<Questions['answer']>[0]): void {
    const { ports, errand, target } = this.#parts;
    this.#replies.take(async () => {
      const text = await this.questions.answer(question);
      await tell(ports, errand, target, text, sessionHeaders(target.mcp));
    });
  }

  /** The stream behind what was heard; undefined where the server cannot be reached just now. */
  async #again({ lastId = '', retryMs }: Heard): Promise<UpstreamAnswer | undefined> {
    const { ports, errand, target } = this.#parts;
    await pause(ports.clock, Math.min(retryMsMax, Math.max(retryMsMin, retryMs)), errand.abort.signal);
    const headers = {
      accept: 'text/event-stream',
      ...sessionHeaders(target.mcp),
      'last-event-id': lastId,
    };
    const sent = await ports.send(errand, target, { method: 'GET', path: pathOf(target), headers, body: null });
    if ('failed' in sent) return undefined;
    if (sent.answer.head.status === 200) return sent.answer;
    for await (const _chunk of sent.answer.body) break;
    throw new DialError('reset', `the stream was not given again: HTTP ${sent.answer.head.status}`, true);
  }
}

/** Until the time is over. Throws DialError `aborted` where the call is given up meanwhile. */
export function pause(clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const end = () => {
      timer.cancel();
      signal.removeEventListener('abort', end);
      if (signal.aborted) reject(new DialError('aborted', 'the call was given up', true));
      else resolve();
    };
    const timer = clock.after(delayMs, end);
    if (signal.aborted) end();
    else signal.addEventListener('abort', end, { once: true });
  });
}

function cut(): DialError {
  return new DialError('reset', 'the stream ended before the response', true);
}
