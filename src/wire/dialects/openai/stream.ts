/**
 * A streamed chat completion, frame by frame. A stream ends with one `end` event: the model's finish reason, or `error`
 * where the target sent an error frame, which goes on to the agent. A stream that stops in the middle or is not one of
 * chat chunks throws `StreamBroken`, and its last bytes are held back.
 */
import type { AnswerHead, AnswerStream, Frame, Json, JsonObject, StreamCut, StreamEvent } from '../../../call.ts';
import { cutNote } from '../../cut-note.ts';
import { eventFrames, StreamBroken } from '../../event-frames.ts';
import { silentFrame } from '../../frame.ts';
import { parseAnswerJson } from '../../json.ts';
import { isCount, listOf, objectOf, textOf } from '../../json-value.ts';
import { parseMediaType } from '../../media.ts';
import { type SseEvent, sseEvent } from '../../sse.ts';
import { ChatAnswer, readUsage } from './answer.ts';
import { ChunkFrame, type ChunkSettings } from './chunk.ts';

/** Longest answer to a streaming request that is not a stream. */
const plainAnswerBytesMax = 8 * 1024 * 1024;
/** How many proposals of one answer are told apart. */
const proposalsMax = 1024;
/** How many choices of one answer are told apart (the limit of the provider). */
const choicesMax = 128;

const nothing = new Uint8Array(0);

/**
 * Reads the answer to a request with `stream: true`. What `body` throws is passed on; what is no chat stream ends the
 * iteration with `StreamBroken`.
 */
export function readChatStream(
  head: AnswerHead,
  body: AsyncIterable<Uint8Array>,
  settings: ChunkSettings,
): AnswerStream {
  const reader = new ChunkReader(settings);
  return {
    [Symbol.asyncIterator]: () => frames(head, body, settings, reader),
    cut: (why) => reader.cut(why),
  };
}

async function* frames(
  head: AnswerHead,
  body: AsyncIterable<Uint8Array>,
  settings: ChunkSettings,
  reader: ChunkReader,
): AsyncGenerator<Frame> {
  if (parseMediaType(head.headers['content-type'] ?? '')?.type !== 'text/event-stream') {
    yield await readPlain(head, body, settings);
    return;
  }
  yield* eventFrames(body, reader);
}

class ChunkReader {
  ended = false;
  finishReason: string | null = null;
  readonly #settings: ChunkSettings;
  readonly #proposals = new Map<string, number>();
  /** The choices begun, and whether each has its finish reason. */
  readonly #choices = new Map<number, boolean>();
  /** What every chunk of an answer repeats, as the last one said it. */
  #base: JsonObject = {};

  constructor(settings: ChunkSettings) {
    this.#settings = settings;
  }

  /** The last frame. Some servers leave `[DONE]` out; without a finish reason the answer is not whole. */
  end(bytes: Uint8Array = nothing): Frame {
    if (this.finishReason === null) throw new StreamBroken('the target broke off in the middle of its answer');
    this.ended = true;
    return silentFrame(bytes, [{ type: 'end', reason: this.finishReason }]);
  }

  read(event: SseEvent): Frame {
    if (event.data === null) return silentFrame(event.raw);
    if (event.data.trim() === '[DONE]') return this.end(event.raw);
    const parsed = parseAnswerJson(Buffer.from(event.data));
    const chunk = parsed?.value;
    if (parsed === undefined || typeof chunk !== 'object' || chunk === null || Array.isArray(chunk)) {
      throw new StreamBroken('the target sent a chunk that cannot be read');
    }
    if (isMisplaced(chunk as JsonObject)) throw new StreamBroken('the target sent a chunk whose place cannot be read');
    const { error } = chunk as JsonObject;
    if (error !== undefined && error !== null) {
      this.ended = true;
      return new ChunkFrame(event, parsed, this.#settings, (said) => [
        { type: 'text', text: textsOf(said.error as Json).join('\n') },
        { type: 'end', reason: 'error' },
      ]);
    }
    const { id, created, system_fingerprint } = chunk as JsonObject;
    this.#base = { ...(id === undefined ? {} : { id }), ...(created === undefined ? {} : { created }) };
    if (system_fingerprint !== undefined) this.#base = { ...this.#base, system_fingerprint };
    return new ChunkFrame(event, parsed, this.#settings, (said) => this.#events(said));
  }

  /** Every choice that was not over ends as if the model had come to its limit; then usage, and the end mark. */
  cut(why: StreamCut): Uint8Array {
    const { usage } = why;
    this.ended = true;
    const base = { ...this.#base, object: 'chat.completion.chunk', model: this.#settings.route };
    const open = [...this.#choices].filter(([, finished]) => !finished).map(([index]) => index);
    const choices = (open.length === 0 ? [0] : open).map((index) => ({ index, delta: {}, finish_reason: 'length' }));
    const parts = [sseEvent(JSON.stringify({ ...base, choices, tollgate: cutNote(why) }))];
    if (this.#settings.usage) {
      const { inputTokens: prompt_tokens, outputTokens: completion_tokens } = usage;
      const total_tokens = prompt_tokens + completion_tokens;
      const counted = { prompt_tokens, completion_tokens, total_tokens };
      parts.push(sseEvent(JSON.stringify({ ...base, choices: [], usage: counted })));
    }
    return Buffer.concat([...parts, sseEvent('[DONE]')]);
  }

  #events(chunk: JsonObject): StreamEvent[] {
    const events: StreamEvent[] = [];
    for (const item of listOf(chunk.choices)) {
      const choice = objectOf(item);
      const index = typeof choice.index === 'number' ? choice.index : 0;
      this.#delta(index, objectOf(choice.delta), events);
      const reason = textOf(choice.finish_reason);
      if (this.#choices.size < choicesMax || this.#choices.has(index)) {
        this.#choices.set(index, reason !== '' || this.#choices.get(index) === true);
      }
      // Of several choices the one that was cut short says more.
      if (reason !== '' && this.finishReason !== 'length') this.finishReason = reason;
    }
    const usage = readUsage(chunk.usage, chunk.service_tier);
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

/** Whether a choice or a call has an index that is none: clients find it all the same, and inspection another place. */
function isMisplaced({ choices }: JsonObject): boolean {
  return listOf(choices).some((item) => {
    const { index, delta } = objectOf(item);
    return isWrong(index) || listOf(objectOf(delta).tool_calls).some((call) => isWrong(objectOf(call).index));
  });
}

function isWrong(index: Json | undefined): boolean {
  return index !== undefined && index !== null && !isCount(index);
}

/** All strings in `value` that are not empty; depth and number are bounded by the parser. */
function textsOf(value: Json): string[] {
  if (typeof value === 'string') return value === '' ? [] : [value];
  if (typeof value !== 'object' || value === null) return [];
  return Object.values(value).flatMap((inner) => textsOf(inner as Json));
}

/** The answer of a target that did not stream, as one frame with all that it means. */
async function readPlain(head: AnswerHead, body: AsyncIterable<Uint8Array>, settings: ChunkSettings): Promise<Frame> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of body) {
    length += chunk.length;
    if (length > plainAnswerBytesMax) throw new StreamBroken('the target sent an answer that is too long');
    chunks.push(chunk);
  }
  return plainFrame(new ChatAnswer(settings.route, head, Buffer.concat(chunks)));
}

function plainFrame(answer: ChatAnswer): Frame {
  const segments = answer.segments();
  const events: StreamEvent[] = segments.map(({ text }) => ({ type: 'text', text }));
  for (const [index, { id, name, arguments: text }] of answer.proposals.entries()) {
    events.push({ type: 'tool_arguments', index, id, name, text });
  }
  if (answer.usage !== null) events.push({ type: 'usage', usage: answer.usage });
  events.push({ type: 'end', reason: answer.finishReason ?? 'error' });
  return {
    bytes: answer.encode().body,
    events,
    pieces: () => segments.map(({ where, text }) => ({ where, text, reading: 'whole' })),
    rewrite: (texts) => {
      segments.forEach((segment, index) => {
        const text = texts[index];
        if (text !== undefined && text !== segment.text) segment.write(text);
      });
      return plainFrame(answer);
    },
  };
}
