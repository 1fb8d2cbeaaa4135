/**
 * The events of a streamed message as the chunks of a streamed chat completion, which the dialect of the client then
 * reads as if its own target had sent them. Thinking goes as `reasoning_content`. A block that has no place in a chat
 * completion breaks the stream: an agent would take the rest for the whole.
 */
import type { Frame, Json, JsonObject } from '../../call.ts';
import { readUsage } from '../dialects/anthropic/usage.ts';
import { type EventReading, eventFrames, StreamBroken } from '../event-frames.ts';
import { silentFrame } from '../frame.ts';
import { parseAnswerJson } from '../json.ts';
import { isCount, objectOf, textOf } from '../json-value.ts';
import { type SseEvent, sseEvent } from '../sse.ts';
import { chatUsage, completionId, finishReasonOf } from './endings.ts';
import { chatError } from './errors.ts';

/** The bytes of chat chunks for a stream of message events. What `body` throws is passed on; throws `StreamBroken`. */
export async function* chunksOfMessage(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  for await (const { bytes } of eventFrames(body, new Translator())) if (bytes.length > 0) yield bytes;
}

interface Call {
  readonly index: number;
  /** Whether any of its arguments were sent. */
  begun: boolean;
}

class Translator implements EventReading {
  ended = false;
  #id = '';
  #model: Json = '';
  /** Calls of tools by the index of their block. */
  readonly #calls = new Map<Json, Call>();
  #usage: JsonObject = {};
  /** Whether the answer was counted at its end: what its beginning says of it is next to nothing. */
  #counted = false;
  #stopReason: string | null = null;
  #refusal = '';

  read(event: SseEvent): Frame {
    if (event.data === null) return silentFrame(new Uint8Array(0));
    const said = parseAnswerJson(Buffer.from(event.data))?.exact;
    if (typeof said !== 'object' || said === null || Array.isArray(said)) {
      throw new StreamBroken('the target sent an event that cannot be read');
    }
    const type = event.event === 'error' ? 'error' : textOf((said as JsonObject).type);
    return silentFrame(Buffer.concat(this.#chunks(type, said as JsonObject, event.data)));
  }

  end(): Frame {
    if (this.#stopReason === null) throw new StreamBroken('the target broke off in the middle of its answer');
    return silentFrame(Buffer.concat(this.#last()));
  }

  #chunks(type: string, said: JsonObject, data: string): Buffer[] {
    switch (type) {
      case 'message_start': {
        const { id, model = '', usage } = objectOf(said.message);
        this.#id = completionId(id, data);
        this.#model = model;
        this.#count(usage);
        return [this.#chunk({ role: 'assistant', content: '' })];
      }
      case 'content_block_start':
        return this.#begin(said.index ?? 0, objectOf(said.content_block));
      case 'content_block_delta':
        return this.#delta(said.index ?? 0, objectOf(said.delta));
      case 'content_block_stop': {
        const call = this.#calls.get(said.index ?? 0);
        return call === undefined || call.begun ? [] : [this.#arguments(call, '{}')];
      }
      case 'message_delta': {
        const { stop_reason, stop_details } = objectOf(said.delta);
        this.#count(said.usage);
        this.#counted ||= isCount(objectOf(said.usage).output_tokens);
        this.#stopReason = textOf(stop_reason) || this.#stopReason;
        this.#refusal = textOf(objectOf(stop_details).explanation) || this.#refusal;
        return [];
      }
      case 'message_stop':
        return this.#last();
      case 'error':
        this.ended = true;
        // The status of an answer that flows is said, and was a good one.
        return [sseEvent(JSON.stringify(chatError(500, said)))];
      default:
        return [];
    }
  }

  #begin(at: Json, block: JsonObject): Buffer[] {
    switch (block.type) {
      case 'text':
        return this.#text('content', block.text);
      case 'thinking':
        return this.#text('reasoning_content', block.thinking);
      case 'redacted_thinking':
        return [];
      case 'tool_use': {
        const index = this.#calls.size;
        const whole = Object.keys(objectOf(block.input)).length > 0;
        this.#calls.set(at, { index, begun: whole });
        const made = { name: block.name ?? '', arguments: whole ? JSON.stringify(block.input) : '' };
        return [this.#chunk({ tool_calls: [{ index, id: block.id ?? '', type: 'function', function: made }] })];
      }
      default:
        throw new StreamBroken('the target sent a block that has no place in a chat completion');
    }
  }

  #delta(at: Json, delta: JsonObject): Buffer[] {
    switch (delta.type) {
      case 'text_delta':
        return this.#text('content', delta.text);
      case 'thinking_delta':
        return this.#text('reasoning_content', delta.thinking);
      case 'input_json_delta': {
        const call = this.#calls.get(at);
        const text = textOf(delta.partial_json);
        if (call === undefined) throw new StreamBroken('the target sent arguments of a call that it had not begun');
        return text === '' ? [] : [this.#arguments(call, text)];
      }
      // Only who signed can read it; and nothing that could be quoted was asked to be.
      case 'signature_delta':
      case 'citations_delta':
        return [];
      default:
        throw new StreamBroken('the target sent a delta that has no place in a chat completion');
    }
  }

  #text(member: string, text: Json | undefined): Buffer[] {
    return textOf(text) === '' ? [] : [this.#chunk({ [member]: textOf(text) })];
  }

  #arguments(call: Call, text: string): Buffer {
    call.begun = true;
    return this.#chunk({ tool_calls: [{ index: call.index, function: { arguments: text } }] });
  }

  #last(): Buffer[] {
    this.ended = true;
    const native = this.#stopReason;
    const finish = { finish_reason: finishReasonOf(native ?? ''), native_finish_reason: native };
    const refusal = this.#refusal === '' ? [] : [this.#chunk({ refusal: this.#refusal })];
    const usage = this.#counted ? readUsage(this.#usage) : null;
    const counted = usage === null ? [] : [this.#event({ choices: [], usage: chatUsage(usage) })];
    return [...refusal, this.#chunk({}, finish), ...counted, sseEvent('[DONE]')];
  }

  #chunk(delta: JsonObject, ending: JsonObject = { finish_reason: null }): Buffer {
    return this.#event({ choices: [{ index: 0, delta, ...ending }] });
  }

  #event(more: JsonObject): Buffer {
    const base = { id: this.#id, object: 'chat.completion.chunk', created: 0, model: this.#model };
    return sseEvent(JSON.stringify({ ...base, ...more }));
  }

  /** The last word on each count: later events repeat only what has changed. */
  #count(usage: Json | undefined): void {
    const counts = Object.entries(objectOf(usage)).filter(([, value]) => value !== null);
    this.#usage = { ...this.#usage, ...Object.fromEntries(counts) };
  }
}
