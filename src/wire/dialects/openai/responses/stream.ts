/**
 * A streamed response, event by event. It ends with one `end` event: why the response ended, at the event that holds it
 * whole, or `error` where the target sent an error event or failed, which goes on to the agent. A stream that stops in
 * the middle or is not one of such events throws `StreamBroken`, and its last bytes are held back.
 */
import type { AnswerStream, Frame, Json, JsonObject, StreamCut, StreamEvent, Told } from '../../../../call.ts';
import { cutNote } from '../../../cut-note.ts';
import { eventFrames, StreamBroken } from '../../../event-frames.ts';
import { silentFrame } from '../../../frame.ts';
import { parseAnswerJson } from '../../../json.ts';
import { listOf, objectOf, textOf } from '../../../json-value.ts';
import { type SseEvent, sseEvent } from '../../../sse.ts';
import { ResponseFrame } from './frame.ts';
import { givenIds, idsOfItem } from './ids.ts';
import { proposalOf, type Said, saidIn } from './item.ts';
import { indexAt, isMisplaced, placeOf, textPlaceOf } from './place.ts';
import { toldOf } from './recall.ts';
import { itemsMax, type Slot, Transcript } from './transcript.ts';
import { readUsage, usageDocument } from './usage.ts';

/** How many characters of events are kept for a proper end; an answer beyond ends without what came later. */
const keptCharsMax = 16 * 1024 * 1024;
/** How many texts of one answer are told apart. */
const textsMax = 16_384;

const terminal: ReadonlySet<string> = new Set(['response.completed', 'response.incomplete', 'response.failed']);

/** Reads the answer to a request with `stream: true`. What `body` throws is passed on. */
export function readResponseStream(body: AsyncIterable<Uint8Array>, route: string, kept: boolean): AnswerStream {
  const reader = new ResponseReader(route, kept);
  return {
    [Symbol.asyncIterator]: () => eventFrames(body, reader),
    cut: (why) => reader.cut(why),
    get lastNumber() {
      return reader.lastNumber;
    },
    get told() {
      return reader.told;
    },
  };
}

/** What of an event is new: texts by their places, and calls that nobody has heard of. */
interface Fresh {
  readonly texts: ReadonlySet<string>;
  readonly calls: ReadonlySet<number>;
}

/** A text that an event says whole; `item` is where its item stands in the output. */
interface Whole extends Said {
  readonly item: number;
}

class ResponseReader {
  ended = false;
  /** The numbers of the last event, and of the one before it. */
  lastNumber: number | undefined;
  #numberBefore: number | undefined;
  readonly #route: string;
  /** Whether the provider keeps the response. */
  readonly #kept: boolean;
  readonly #transcript = new Transcript();
  #keptChars = 0;
  /** The newest event is taken down with the next: where it is too much, no agent hears of it. */
  #newest: (() => void) | null = null;
  /** The event that ended the answer, as it went out. */
  #last: Slot | null = null;
  readonly #texts = new Set<string>();
  /** The proposals of the answer by the place of their item. */
  readonly #calls = new Map<number, number>();

  constructor(route: string, kept: boolean) {
    this.#route = route;
    this.#kept = kept;
  }

  get told(): Told | undefined {
    const response = objectOf(this.#last?.said.response);
    // Some servers tell at the end only that it is the end.
    const output = listOf(response.output).length > 0 ? response.output : this.#transcript.ended().output;
    return toldOf(response, output);
  }

  end(): Frame {
    throw new StreamBroken('the target broke off in the middle of its answer');
  }

  read(event: SseEvent): Frame {
    if (event.data === null) return silentFrame(event.raw);
    const parsed = parseAnswerJson(Buffer.from(event.data));
    const said = parsed?.value;
    if (parsed === undefined || typeof said !== 'object' || said === null || Array.isArray(said)) {
      throw new StreamBroken('the target sent an event that cannot be read');
    }
    const whole = said as JsonObject;
    if (isMisplaced(whole)) throw new StreamBroken('the target sent an event whose place cannot be read');
    const type = event.event === 'error' ? 'error' : textOf(whole.type) || event.event;
    this.#newest?.();
    const slot: Slot = { said: kept(type, whole) };
    if (terminal.has(type)) this.#last = slot;
    this.#newest = () => this.#keep(type, slot, (event.data as string).length);
    const fresh = this.#note(type, whole);
    const source = { event, json: parsed, givenIds: idsIn(whole, this.#kept) };
    // A frame may be read a second time, changed: then that is what its agent has got.
    return new ResponseFrame(source, this.#route, (changed) => {
      slot.said = kept(type, changed);
      return this.#events(type, changed, fresh);
    });
  }

  /** What is open ends, then the response, as if the model had come to its limit. */
  cut(why: StreamCut): Uint8Array {
    this.ended = true;
    let number = this.#numberBefore;
    const { events, output } = this.#transcript.ended();
    const response = {
      object: 'response',
      ...this.#transcript.response,
      model: this.#route,
      status: 'incomplete',
      error: null,
      incomplete_details: { reason: 'max_output_tokens' },
      output,
      usage: usageDocument(why.usage),
      tollgate: cutNote(why),
    };
    const last = { type: 'response.incomplete', response, tollgate: cutNote(why) };
    this.#last = { said: { response: { ...this.#transcript.response, status: 'incomplete', output } } };
    const numbered = [...events, last].map((one): { readonly type: string } => {
      if (number !== undefined) number += 1;
      return { ...one, ...(number === undefined ? {} : { sequence_number: number }) };
    });
    return Buffer.concat(numbered.map((one) => sseEvent(JSON.stringify(one), one.type)));
  }

  #keep(type: string, slot: Slot, chars: number): void {
    this.#keptChars += chars;
    if (this.#keptChars <= keptCharsMax) this.#transcript.add(type, slot);
  }

  /** Takes down what later events build on; gives what is new in this one. */
  #note(type: string, said: JsonObject): Fresh {
    this.#numberBefore = this.lastNumber;
    this.lastNumber = indexAt(said, 'sequence_number') ?? this.lastNumber;
    if (type === 'error' || terminal.has(type)) this.ended = true;
    const texts = new Set<string>();
    const calls = new Set<number>();
    const hear = (where: string): void => {
      if (this.#texts.has(where)) return;
      if (this.#texts.size >= textsMax) throw new StreamBroken('the target sent an answer of too many texts');
      this.#texts.add(where);
      texts.add(where);
    };
    for (const [item, of] of itemsIn(type, said)) {
      if (proposalOf(of) === null || this.#calls.has(item)) continue;
      if (this.#calls.size >= itemsMax) throw new StreamBroken('the target sent an answer of too many items');
      this.#calls.set(item, this.#calls.size);
      calls.add(item);
    }
    const place = textPlaceOf(said);
    if (place !== undefined && typeof said.delta === 'string' && said.delta !== '') hear(place.where);
    for (const { where } of wholesIn(type, said)) hear(where);
    return { texts, calls };
  }

  #events(type: string, said: JsonObject, fresh: Fresh): readonly StreamEvent[] {
    const events: StreamEvent[] = [];
    for (const [item, of] of itemsIn(type, said)) {
      const call = proposalOf(of);
      const index = this.#calls.get(item);
      if (call === null || index === undefined || !fresh.calls.has(item)) continue;
      events.push({ type: 'tool_arguments', index, id: call.id, name: call.name, text: '' });
    }
    events.push(...this.#delta(said));
    for (const { where, kind, text, item } of wholesIn(type, said)) {
      if (fresh.texts.has(where)) events.push(...this.#said(kind, text, item));
    }
    const response = objectOf(said.response);
    if (terminal.has(type)) {
      const usage = readUsage(response.usage, response.service_tier);
      if (usage !== null) events.push({ type: 'usage', usage });
    }
    if (type === 'error' || type === 'response.failed') {
      const message = textOf(said.message) || textOf(objectOf(said.error ?? response.error).message);
      if (message !== '') events.push({ type: 'text', text: message });
      events.push({ type: 'end', reason: 'error' });
    } else if (terminal.has(type)) {
      const reason = textOf(objectOf(response.incomplete_details).reason) || textOf(response.status) || 'completed';
      events.push({ type: 'end', reason });
    }
    return events;
  }

  #delta(said: JsonObject): readonly StreamEvent[] {
    const { delta } = said;
    if (typeof delta !== 'string' || delta === '' || said.type === 'response.audio.delta') return [];
    // What is not known may be what the model wrote as well.
    const kind = textPlaceOf(said)?.kind ?? 'reasoning';
    return kind === 'untold' ? [] : this.#said(kind, delta, indexAt(said, 'output_index') ?? 0);
  }

  #said(kind: Said['kind'], text: string, item: number): readonly StreamEvent[] {
    if (kind !== 'call') return [{ type: kind, text }];
    const index = this.#calls.get(item);
    return index === undefined ? [{ type: 'reasoning', text }] : [{ type: 'tool_arguments', index, text }];
  }
}

/** The items that an event holds whole, with their places in the output. */
function itemsIn(type: string, said: JsonObject): readonly (readonly [item: number, of: JsonObject])[] {
  const at = indexAt(said, 'output_index');
  if (at !== null && said.item !== undefined) return [[at, objectOf(said.item)]];
  if (!terminal.has(type)) return [];
  return listOf(objectOf(said.response).output).map((item, index) => [index, objectOf(item)] as const);
}

/** The texts that an event says whole. What an item only begins with, and is no text, is said when it is done. */
function wholesIn(type: string, said: JsonObject): readonly Whole[] {
  const begins = type === 'response.output_item.added';
  const wholes = itemsIn(type, said).flatMap(([item, of]) =>
    saidIn(of)
      .filter(
        ({ kind }) => !begins || kind !== 'call' || typeof of.arguments === 'string' || typeof of.input === 'string',
      )
      .map((one): Whole => ({ ...one, where: `/output/${item}${one.where}`, item })),
  );
  if (wholes.length > 0 || !/\.(?:done|added)$/.test(type)) return wholes;
  return [...doneText(said), ...partTexts(said)];
}

function doneText(said: JsonObject): Whole[] {
  const place = textPlaceOf(said);
  const text = place === undefined ? '' : textOf(said[place.wholeIn]);
  if (place === undefined || place.kind === 'untold' || text === '') return [];
  return [{ where: place.where, kind: place.kind, text, item: indexAt(said, 'output_index') ?? 0 }];
}

function partTexts(said: JsonObject): Whole[] {
  const part = objectOf(said.part);
  const kind = part.type === 'output_text' || part.type === 'refusal' ? 'text' : 'reasoning';
  return ['text', 'refusal'].flatMap((member) => {
    const text = textOf(part[member]);
    if (text === '') return [];
    return [{ where: `${placeOf(said)}/${member}`, kind, text, item: indexAt(said, 'output_index') ?? 0 }];
  });
}

/** What a proper end is made of; of most events that is little. */
function kept(type: string, said: JsonObject): JsonObject {
  const { response, item, part, delta, output_index, content_index, summary_index } = said;
  const at: Record<string, Json> = {};
  for (const [name, value] of Object.entries({
    response,
    item,
    part,
    delta,
    output_index,
    content_index,
    summary_index,
  })) {
    if (value !== undefined) at[name] = value;
  }
  return type === 'response.audio.delta' ? {} : at;
}

function idsIn(said: JsonObject, kept: boolean): readonly string[] {
  const response = said.response === undefined ? [] : givenIds(objectOf(said.response), kept);
  const rest = [said.item, said.annotation].flatMap((value) =>
    value === undefined ? [] : idsOfItem(objectOf(value), kept),
  );
  return [...response, ...rest];
}
