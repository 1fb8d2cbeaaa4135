/**
 * A streamed chat completion, frame by frame. Frames keep their bytes but for `model`, and for the usage that only the
 * gate asked for. A stream ends with one `end` event: the model's finish reason, or `error` where the target sent an
 * error frame, which goes on to the agent. A stream that stops in the middle or is not one of chat chunks throws
 * `StreamBroken`, and its last bytes are held back.
 */
import type { AnswerHead, Frame, Json, JsonObject, StreamEvent } from '../../../call.ts';
import { parseAnswerJson } from '../../json.ts';
import { parseMediaType } from '../../media.ts';
import { withMembers } from '../../members.ts';
import { type SseEvent, SseParser, sseEvent } from '../../sse.ts';
import { ChatAnswer, readUsage } from './answer.ts';
import { listOf, objectOf, textOf } from './ask.ts';

export interface StreamSettings {
  readonly route: string;
  /** Whether the client asked for usage itself. */
  readonly usage: boolean;
}

/** Longest answer to a streaming request that is not a stream. */
const plainAnswerBytesMax = 8 * 1024 * 1024;
/** What may come after the end before the gate stops reading; read on so that the connection can be used again. */
const tailBytesMax = 64 * 1024;
/** How many proposals of one answer are told apart. */
const proposalsMax = 1024;

/** The target broke off or sent what is not a chat stream. */
export class StreamBroken extends Error {
  override readonly name = 'StreamBroken';
}

const nothing = new Uint8Array(0);

/**
 * Reads the answer to a request with `stream: true`. What `body` throws is passed on.
 * @throws StreamBroken
 */
export async function* readChatStream(
  head: AnswerHead,
  body: AsyncIterable<Uint8Array>,
  settings: StreamSettings,
): AsyncGenerator<Frame> {
  if (parseMediaType(head.headers['content-type'] ?? '')?.type !== 'text/event-stream') {
    yield await readPlain(head, body, settings);
    return;
  }
  const parser = new SseParser();
  const reader = new ChunkReader(settings);
  let tailBytes = 0;
  for await (const chunk of body) {
    if (reader.ended) {
      tailBytes += chunk.length;
      if (tailBytes > tailBytesMax) return;
      continue;
    }
    for (const event of parser.push(chunk)) {
      if (!reader.ended) yield reader.read(event);
    }
    if (parser.overflowed && !reader.ended) throw new StreamBroken('the target sent an event that is too long');
  }
  const rest = reader.ended ? undefined : parser.end();
  if (rest !== undefined) yield reader.read(rest);
  if (!reader.ended) yield reader.end();
}

class ChunkReader {
  ended = false;
  finishReason: string | null = null;
  readonly #settings: StreamSettings;
  readonly #proposals = new Map<string, number>();

  constructor(settings: StreamSettings) {
    this.#settings = settings;
  }

  /** The last frame. Some servers leave `[DONE]` out; without a finish reason the answer is not whole. */
  end(bytes: Uint8Array = nothing): Frame {
    if (this.finishReason === null) throw new StreamBroken('the target broke off in the middle of its answer');
    this.ended = true;
    return { bytes, events: [{ type: 'end', reason: this.finishReason }] };
  }

  read(event: SseEvent): Frame {
    if (event.data === null) return { bytes: event.raw, events: [] };
    if (event.data.trim() === '[DONE]') return this.end(event.raw);
    const parsed = parseAnswerJson(Buffer.from(event.data));
    const chunk = parsed?.value;
    if (typeof chunk !== 'object' || chunk === null || Array.isArray(chunk)) {
      throw new StreamBroken('the target sent a chunk that cannot be read');
    }
    const object = chunk as JsonObject;
    if (object.error !== undefined && object.error !== null) {
      this.ended = true;
      const text = textsOf(object.error).join('\n');
      return {
        bytes: event.raw,
        events: [
          { type: 'text', text },
          { type: 'end', reason: 'error' },
        ],
      };
    }
    const events = this.#events(object);
    return { bytes: this.#bytes(event, object), events };
  }

  #bytes(event: SseEvent, chunk: JsonObject): Uint8Array {
    const data = event.data as string;
    const changes: Record<string, string | null> = {};
    const { route, usage } = this.#settings;
    if (typeof chunk.model === 'string' && chunk.model !== route) changes.model = JSON.stringify(route);
    if (!usage && chunk.usage !== undefined) {
      // The chunk that only the gate asked for; on the others the provider sends `usage: null` because of it.
      if (chunk.usage !== null && listOf(chunk.choices).length === 0) return nothing;
      changes.usage = null;
    }
    if (Object.keys(changes).length === 0) return event.raw;
    const changed = withMembers(data, changes);
    const at = event.dataLines === 1 ? event.raw.lastIndexOf(data) : -1;
    if (at === -1) return sseEvent(changed);
    return Buffer.concat([
      event.raw.subarray(0, at),
      Buffer.from(changed),
      event.raw.subarray(at + Buffer.byteLength(data)),
    ]);
  }

  #events(chunk: JsonObject): StreamEvent[] {
    const events: StreamEvent[] = [];
    for (const item of listOf(chunk.choices)) {
      const choice = objectOf(item);
      this.#delta(typeof choice.index === 'number' ? choice.index : 0, objectOf(choice.delta), events);
      const reason = textOf(choice.finish_reason);
      // Of several choices the one that was cut short says more.
      if (reason !== '' && this.finishReason !== 'length') this.finishReason = reason;
    }
    const usage = readUsage(chunk.usage);
    if (usage !== null) events.push({ type: 'usage', usage });
    return events;
  }

  #delta(choice: number, delta: JsonObject, events: StreamEvent[]): void {
    for (const [name, value] of Object.entries(delta)) {
      if (name === 'role' || value === null) continue;
      if (name === 'tool_calls') {
        for (const [at, item] of listOf(value).entries()) {
          const call = objectOf(item);
          const part = call.custom === undefined ? objectOf(call.function) : objectOf(call.custom);
          const index = typeof call.index === 'number' ? call.index : at;
          events.push(this.#proposal(`${choice}:${index}`, call.id, part));
        }
      } else if (name === 'function_call') {
        events.push(this.#proposal(`${choice}:function_call`, undefined, objectOf(value)));
      } else if (name === 'audio') {
        const text = textOf(objectOf(value).transcript);
        if (text !== '') events.push({ type: 'text', text });
      } else {
        // Fields of other servers carry text too; what is not the answer itself counts as reasoning.
        const type = name === 'content' || name === 'refusal' ? 'text' : 'reasoning';
        for (const text of textsOf(value)) events.push({ type, text });
      }
    }
  }

  #proposal(key: string, id: Json | undefined, part: JsonObject): StreamEvent {
    let index = this.#proposals.get(key);
    if (index === undefined) {
      index = this.#proposals.size;
      if (index < proposalsMax) this.#proposals.set(key, index);
    }
    return {
      type: 'tool_arguments',
      index,
      ...(typeof id === 'string' && id !== '' ? { id } : {}),
      ...(typeof part.name === 'string' && part.name !== '' ? { name: part.name } : {}),
      text: textOf(part.arguments ?? part.input),
    };
  }
}

/** All strings in `value` that are not empty; depth and number are bounded by the parser. */
function textsOf(value: Json): string[] {
  if (typeof value === 'string') return value === '' ? [] : [value];
  if (typeof value !== 'object' || value === null) return [];
  return Object.values(value).flatMap((inner) => textsOf(inner as Json));
}

/** The answer of a target that did not stream, as one frame with all that it means. */
async function readPlain(head: AnswerHead, body: AsyncIterable<Uint8Array>, settings: StreamSettings): Promise<Frame> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of body) {
    length += chunk.length;
    if (length > plainAnswerBytesMax) throw new StreamBroken('the target sent an answer that is too long');
    chunks.push(chunk);
  }
  const answer = new ChatAnswer(settings.route, head, Buffer.concat(chunks));
  const events: StreamEvent[] = answer.segments().map(({ text }) => ({ type: 'text', text }));
  for (const [index, { id, name, arguments: text }] of answer.proposals.entries()) {
    events.push({ type: 'tool_arguments', index, id, name, text });
  }
  if (answer.usage !== null) events.push({ type: 'usage', usage: answer.usage });
  events.push({ type: 'end', reason: answer.finishReason ?? 'error' });
  return { bytes: answer.encode().body, events };
}
