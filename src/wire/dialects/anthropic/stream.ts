/**
 * A streamed message, event by event. It ends with one `end` event: the model's stop reason at `message_stop`, or `error`
 * where the target sent an error event, which goes on to the agent. A stream that stops in the middle or is not one of
 * message events throws `StreamBroken`, and its last bytes are held back.
 */
import type { AnswerStream, Frame, Json, JsonObject, StreamCut, StreamEvent } from '../../../call.ts';
import { cutNote } from '../../cut-note.ts';
import { eventFrames, StreamBroken } from '../../event-frames.ts';
import { silentFrame } from '../../frame.ts';
import { parseAnswerJson } from '../../json.ts';
import { isCount, objectOf, textOf } from '../../json-value.ts';
import { type SseEvent, sseEvent } from '../../sse.ts';
import { EventFrame } from './event.ts';
import { givenIds } from './ids.ts';
import { countOr0, readUsage } from './usage.ts';

/** How many blocks one answer may have: what is not told apart could not be inspected as what it is. */
const blocksMax = 1024;

/** Reads the answer to a request with `stream: true`. What `body` throws is passed on. */
export function readMessageStream(body: AsyncIterable<Uint8Array>, route: string, kept = false): AnswerStream {
  const reader = new EventReader(route, kept);
  return {
    [Symbol.asyncIterator]: () => eventFrames(body, reader),
    cut: (why) => reader.cut(why),
  };
}

/** A block that has begun: whether its input is for a tool of the agent's, and which proposal that is. */
interface Block {
  readonly proposal: number | null;
  open: boolean;
}

class EventReader {
  ended = false;
  readonly #route: string;
  /** Whether the provider keeps the message. */
  readonly #kept: boolean;
  readonly #blocks = new Map<number, Block>();
  #proposals = 0;
  /** The last word on each count: later events repeat only what has changed. */
  #usage: JsonObject = {};
  #stopReason: string | null = null;
  /** A block that the newest event begins with text of its own: where that is too much, no agent hears of the block. */
  #begunLast: Block | null = null;

  constructor(route: string, kept: boolean) {
    this.#route = route;
    this.#kept = kept;
  }

  /** The last frame of an answer without its `message_stop`; without a stop reason it is not whole. */
  end(): Frame {
    if (this.#stopReason === null) throw new StreamBroken('the target broke off in the middle of its answer');
    this.ended = true;
    return silentFrame(new Uint8Array(0), [{ type: 'end', reason: this.#stopReason }]);
  }

  read(event: SseEvent): Frame {
    if (event.data === null) return silentFrame(event.raw);
    const parsed = parseAnswerJson(Buffer.from(event.data));
    const said = parsed?.value;
    if (parsed === undefined || typeof said !== 'object' || said === null || Array.isArray(said)) {
      throw new StreamBroken('the target sent an event that cannot be read');
    }
    const { index } = said as JsonObject;
    if (index !== undefined && !isCount(index)) {
      // Clients find the block all the same, and inspection another one.
      throw new StreamBroken('the target sent an event whose place cannot be read');
    }
    const type = event.event === 'error' ? 'error' : textOf((said as JsonObject).type);
    this.#note(type, said as JsonObject);
    // A frame may be read a second time, changed: nothing is noted then.
    const source = { event, json: parsed, givenIds: this.#given(said as JsonObject) };
    return new EventFrame(source, this.#route, (changed) => this.#events(type, changed));
  }

  /** Blocks that are open end, then the message, as if the model had come to its limit. */
  cut(why: StreamCut): Uint8Array {
    const { usage } = why;
    this.ended = true;
    const events: object[] = [];
    for (const [index, block] of this.#blocks) {
      if (block.open && block !== this.#begunLast) events.push({ type: 'content_block_stop', index });
    }
    const created = Math.min(
      countOr0(this.#usage.cache_creation_input_tokens),
      Math.max(0, usage.inputTokens - usage.cachedInputTokens),
    );
    events.push({
      type: 'message_delta',
      delta: { stop_reason: 'max_tokens', stop_sequence: null },
      usage: {
        input_tokens: Math.max(0, usage.inputTokens - usage.cachedInputTokens - created),
        cache_creation_input_tokens: created,
        cache_read_input_tokens: usage.cachedInputTokens,
        output_tokens: usage.outputTokens,
      },
      tollgate: cutNote(why),
    });
    events.push({ type: 'message_stop' });
    return Buffer.concat(events.map((event) => sseEvent(JSON.stringify(event), (event as { type: string }).type)));
  }

  #given({ message, content_block: block, delta }: JsonObject): readonly string[] {
    const content = block === undefined ? [] : [block];
    const { container = null } = objectOf(delta);
    return givenIds({ container, content, ...objectOf(message) }, this.#kept);
  }

  /** Takes down what later events build on. */
  #note(type: string, said: JsonObject): void {
    const index = typeof said.index === 'number' ? said.index : 0;
    this.#begunLast = null;
    switch (type) {
      case 'message_start':
        this.#count(objectOf(said.message).usage);
        break;
      case 'content_block_start': {
        if (this.#blocks.size >= blocksMax && !this.#blocks.has(index)) {
          throw new StreamBroken('the target sent an answer of too many blocks');
        }
        const isTool = objectOf(said.content_block).type === 'tool_use';
        const block: Block = { proposal: isTool ? this.#proposals++ : null, open: true };
        this.#blocks.set(index, block);
        if (this.#begun(said).some((one) => 'text' in one && one.text !== '')) this.#begunLast = block;
        break;
      }
      case 'content_block_stop': {
        const block = this.#blocks.get(index);
        if (block !== undefined) block.open = false;
        break;
      }
      case 'message_delta':
        this.#count(said.usage);
        this.#stopReason = textOf(objectOf(said.delta).stop_reason) || this.#stopReason;
        break;
      case 'message_stop':
      case 'error':
        this.ended = true;
        break;
      default:
    }
  }

  #count(usage: Json | undefined): void {
    const said = Object.entries(objectOf(usage)).filter(([, value]) => value !== null);
    this.#usage = { ...this.#usage, ...Object.fromEntries(said) };
  }

  #events(type: string, said: JsonObject): readonly StreamEvent[] {
    switch (type) {
      case 'message_start':
        return this.#counted(objectOf(said.message).usage);
      case 'content_block_start':
        return this.#begun(said);
      case 'content_block_delta':
        return this.#delta(said);
      case 'message_delta':
        return this.#counted(said.usage);
      case 'message_stop':
        return [{ type: 'end', reason: this.#stopReason ?? 'end_turn' }];
      case 'error': {
        const text = textOf(objectOf(said.error).message);
        return [...(text === '' ? [] : [{ type: 'text', text } as const]), { type: 'end', reason: 'error' }];
      }
      default:
        return [];
    }
  }

  #counted(said: Json | undefined): readonly StreamEvent[] {
    const usage = said === undefined ? null : readUsage(this.#usage);
    // A count of nothing at all is none: a target of another API tells what it read at its end.
    const counted = usage !== null && usage.inputTokens + usage.outputTokens > 0;
    return counted ? [{ type: 'usage', usage }] : [];
  }

  /** What a block begins with. Results of the provider's own tools are for inspection, but no model wrote them. */
  #begun(said: JsonObject): readonly StreamEvent[] {
    const { type, text, thinking, id, name, input } = objectOf(said.content_block);
    if (type === 'text' && textOf(text) !== '') return [{ type: 'text', text: textOf(text) }];
    if (type === 'thinking' && textOf(thinking) !== '') return [{ type: 'reasoning', text: textOf(thinking) }];
    const index = this.#proposalAt(said);
    if (index === null) return [];
    const whole = Object.keys(objectOf(input)).length > 0 ? JSON.stringify(input) : '';
    return [{ type: 'tool_arguments', index, id: textOf(id), name: textOf(name), text: whole }];
  }

  #delta(said: JsonObject): readonly StreamEvent[] {
    const { type, ...delta } = objectOf(said.delta);
    const given = (text: string): boolean => text !== '';
    switch (type) {
      case 'text_delta':
        return [textOf(delta.text)].filter(given).map((text) => ({ type: 'text', text }));
      case 'input_json_delta': {
        const index = this.#proposalAt(said);
        const text = textOf(delta.partial_json);
        if (index !== null) return [{ type: 'tool_arguments', index, text }];
        return text === '' ? [] : [{ type: 'reasoning', text }];
      }
      // A signature was not written by the model, and a citation quotes what it has read.
      case 'signature_delta':
      case 'citations_delta':
        return [];
      default:
        return Object.entries(delta)
          .filter(([name]) => name !== 'encrypted_content')
          .map(([, value]) => textOf(value))
          .filter(given)
          .map((text) => ({ type: 'reasoning', text }));
    }
  }

  #proposalAt({ index }: JsonObject): number | null {
    return this.#blocks.get(typeof index === 'number' ? index : 0)?.proposal ?? null;
  }
}
