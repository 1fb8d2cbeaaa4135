/**
 * What a server of MCP sends, message by message: a JSON body holds one (in 2025-03-26 also several), a stream of events
 * one an event. What a reader would get wrong: what cannot be read in a stream is passed over, as every client does; in a
 * JSON body it is a fault, because nothing else comes.
 */
import type { Json, UpstreamAnswer } from '../../call.ts';
import { parseAnswerText } from '../../wire/json.ts';
import { isMcpFault } from '../../wire/mcp/fault.ts';
import { messageOf, type RpcMessage } from '../../wire/mcp/message.ts';
import { parseMediaType } from '../../wire/media.ts';
import { SseParser } from '../../wire/sse.ts';
import { DialError } from '../exchange.ts';

/** Bounds of what one request may bring: of one message, of all of them together, and how many. */
export const incomingMax = { messageBytes: 16 * 1_048_576, bytes: 64 * 1_048_576, messages: 10_000 } as const;
const retryMsDefault = 1_000;

/** How far a request has heard, over all streams that it needed. */
export class Heard {
  /** Behind which event the next stream goes on; undefined where the server has named none. */
  lastId: string | undefined;
  /** How long to wait before that, as the server asks. */
  retryMs = retryMsDefault;
  readonly #most: { readonly bytes: number; readonly messages: number };
  #bytes = 0;
  #messages = 0;

  /** `endless`: it is no answer to a request, and may go on for as long as somebody listens. */
  constructor(endless = false) {
    this.#most = endless ? { bytes: Infinity, messages: Infinity } : incomingMax;
  }

  /** Throws DialError `protocol` once it is too much. */
  bytes(count: number): void {
    this.#bytes += count;
    if (this.#bytes > this.#most.bytes) throw tooMuch();
  }

  /** The same. */
  message(): void {
    this.#messages += 1;
    if (this.#messages > this.#most.messages) throw tooMuch();
  }
}

/** The messages of an answer in their order. Throws DialError where it breaks off, is too large, or is none. */
export async function* messagesOf(answer: UpstreamAnswer, heard: Heard): AsyncGenerator<RpcMessage> {
  const type = parseMediaType(answer.head.headers['content-type'] ?? '')?.type;
  if (type === 'text/event-stream') {
    yield* eventsOf(answer.body, heard);
    return;
  }
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of answer.body) {
    heard.bytes(chunk.length);
    bytes += chunk.length;
    if (bytes > incomingMax.messageBytes) throw tooMuch();
    chunks.push(chunk);
  }
  if (bytes === 0) return;
  const read = type === 'application/json' ? readText(Buffer.concat(chunks).toString('utf8')) : undefined;
  if (read === undefined) throw new DialError('protocol', 'the answer is no message of MCP', true);
  for (const message of read) {
    heard.message();
    yield message;
  }
}

async function* eventsOf(body: AsyncIterable<Uint8Array>, heard: Heard): AsyncGenerator<RpcMessage> {
  const parser = new SseParser(incomingMax.messageBytes);
  for await (const chunk of body) {
    heard.bytes(chunk.length);
    for (const { data, event, id, retryMs } of parser.push(chunk)) {
      if (id !== undefined) heard.lastId = id === '' ? undefined : id;
      if (retryMs !== undefined) heard.retryMs = retryMs;
      if (data === null || data === '' || (event !== '' && event !== 'message')) continue;
      for (const message of readText(data) ?? []) {
        heard.message();
        yield message;
      }
    }
    if (parser.overflowed) throw tooMuch();
  }
}

/** The messages of one text; undefined where it holds none. Numbers stay as they were written. */
export function readText(text: string): readonly RpcMessage[] | undefined {
  const parsed = parseAnswerText(text);
  if (parsed === undefined) return undefined;
  const { exact } = parsed;
  const messages = (Array.isArray(exact) ? (exact as readonly Json[]) : [exact]).map(messageOf);
  const read = messages.filter((message) => !isMcpFault(message));
  return read.length === messages.length && read.length > 0 ? (read as readonly RpcMessage[]) : undefined;
}

function tooMuch(): DialError {
  return new DialError('protocol', 'the server sends more than one request may bring', true);
}
