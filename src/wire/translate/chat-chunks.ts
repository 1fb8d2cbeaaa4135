/**
 * The chunks of a streamed chat completion as the events of a streamed message, which the dialect of the client then
 * reads as if its own target had sent them. Blocks come one after the other, as clients of messages expect. Usage stands
 * in the last but one event, since the target tells it at its very end.
 */
import type { Frame, Json, JsonObject, Usage } from '../../call.ts';
import { readUsage } from '../dialects/openai/answer.ts';
import { type EventReading, eventFrames, StreamBroken } from '../event-frames.ts';
import { silentFrame } from '../frame.ts';
import { parseAnswerJson } from '../json.ts';
import { listOf, objectOf, textOf } from '../json-value.ts';
import { type SseEvent, sseEvent } from '../sse.ts';
import { contentText, thoughtOf } from './answers.ts';
import { messageId, messageUsage, stopReasonOf } from './endings.ts';
import { messageError } from './errors.ts';

/** How many calls of tools one answer may have. */
const callsMax = 1024;

/** The bytes of message events for a stream of chat chunks. What `body` throws is passed on; throws `StreamBroken`. */
export async function* eventsOfChat(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  for await (const { bytes } of eventFrames(body, new Translator())) if (bytes.length > 0) yield bytes;
}

type BlockKind = 'text' | 'thinking' | 'tool_use';

class Translator implements EventReading {
  ended = false;
  #started = false;
  #blocks = 0;
  #open: { readonly kind: BlockKind; readonly index: number } | null = null;
  /** Blocks of calls of tools, by the index that the target gives them. */
  readonly #calls = new Map<number, number>();
  #refuses = false;
  #finishReason: string | null = null;
  #usage: Usage | null = null;

  read(event: SseEvent): Frame {
    if (event.data === null) return silentFrame(new Uint8Array(0));
    if (event.data.trim() === '[DONE]') return this.end();
    const chunk = parseAnswerJson(Buffer.from(event.data))?.exact;
    if (typeof chunk !== 'object' || chunk === null || Array.isArray(chunk)) {
      throw new StreamBroken('the target sent a chunk that cannot be read');
    }
    return silentFrame(Buffer.concat(this.#events(chunk as JsonObject, event.data)));
  }

  /** Some servers leave `[DONE]` out; without a finish reason the answer is not whole. */
  end(): Frame {
    if (this.#finishReason === null) throw new StreamBroken('the target broke off in the middle of its answer');
    this.ended = true;
    const said = { calls: this.#calls.size > 0, refuses: this.#refuses };
    const usage = this.#usage === null ? { input_tokens: 0, output_tokens: 0 } : messageUsage(this.#usage);
    const delta = { stop_reason: stopReasonOf(this.#finishReason, said), stop_sequence: null };
    const last = [
      ...this.#close(),
      eventOf({ type: 'message_delta', delta, usage }),
      eventOf({ type: 'message_stop' }),
    ];
    return silentFrame(Buffer.concat(last));
  }

  #events(chunk: JsonObject, data: string): Buffer[] {
    if ((chunk.error ?? null) !== null) {
      this.ended = true;
      // The status of an answer that flows is said, and was a good one.
      return [eventOf(messageError(500, chunk))];
    }
    const events: Buffer[] = [];
    if (!this.#started) events.push(this.#start(chunk, data));
    // More than one choice is never asked for.
    const choice = objectOf(listOf(chunk.choices)[0]);
    events.push(...this.#delta(objectOf(choice.delta)));
    this.#finishReason = textOf(choice.finish_reason) || this.#finishReason;
    this.#usage = readUsage(chunk.usage, chunk.service_tier) ?? this.#usage;
    return events;
  }

  #start({ id, model = '' }: JsonObject, data: string): Buffer {
    this.#started = true;
    const message = { id: messageId(id, data), type: 'message', role: 'assistant', model, content: [] };
    const usage = { input_tokens: 0, output_tokens: 0 };
    return eventOf({ type: 'message_start', message: { ...message, stop_reason: null, stop_sequence: null, usage } });
  }

  #delta(delta: JsonObject): Buffer[] {
    if ((delta.function_call ?? null) !== null) {
      throw new StreamBroken('the target sent a call that has no place in a message');
    }
    const events: Buffer[] = [];
    const thought = thoughtOf(delta);
    const refusal = textOf(delta.refusal);
    const text = contentText(delta.content ?? null) + refusal;
    this.#refuses ||= refusal !== '';
    if (thought !== '') events.push(...this.#said('thinking', { type: 'thinking_delta', thinking: thought }));
    if (text !== '') events.push(...this.#said('text', { type: 'text_delta', text }));
    for (const [at, item] of listOf(delta.tool_calls).entries()) events.push(...this.#call(at, objectOf(item)));
    return events;
  }

  /** `delta` in the open block of its kind; one that is of another kind is over. */
  #said(kind: 'text' | 'thinking', delta: JsonObject): Buffer[] {
    const begun = this.#open?.kind === kind ? [] : this.#begin(kind, emptyBlocks[kind]);
    return [...begun, eventOf({ type: 'content_block_delta', index: this.#open?.index ?? 0, delta })];
  }

  #call(at: number, call: JsonObject): Buffer[] {
    const key = typeof call.index === 'number' ? call.index : at;
    const made = objectOf(call.function);
    const events: Buffer[] = [];
    let index = this.#calls.get(key);
    if (index === undefined) {
      if (this.#calls.size >= callsMax) throw new StreamBroken('the target sent an answer of too many calls');
      events.push(...this.#begin('tool_use', { id: call.id ?? '', name: made.name ?? '', input: {} }));
      index = this.#open?.index ?? 0;
      this.#calls.set(key, index);
    }
    const written = textOf(made.arguments);
    const delta = { type: 'input_json_delta', partial_json: written };
    return written === '' ? events : [...events, eventOf({ type: 'content_block_delta', index, delta })];
  }

  #begin(kind: BlockKind, members: JsonObject): Buffer[] {
    const closed = this.#close();
    const index = this.#blocks++;
    this.#open = { kind, index };
    return [...closed, eventOf({ type: 'content_block_start', index, content_block: { type: kind, ...members } })];
  }

  #close(): Buffer[] {
    const open = this.#open;
    this.#open = null;
    return open === null ? [] : [eventOf({ type: 'content_block_stop', index: open.index })];
  }
}

const emptyBlocks: Readonly<Record<'text' | 'thinking', Readonly<Record<string, Json>>>> = {
  text: { text: '' },
  thinking: { thinking: '', signature: '' },
};

function eventOf(event: JsonObject): Buffer {
  return sseEvent(JSON.stringify(event), textOf(event.type));
}
