/**
 * One event of a streamed message as a frame: its bytes for the agent, what it means, and its text, which inspection may
 * change. An event that nothing changed keeps its bytes, but for the model that `message_start` names.
 */
import type { Frame, JsonObject, Piece, StreamEvent } from '../../../call.ts';
import type { LenientJson } from '../../json.ts';
import { objectOf } from '../../json-value.ts';
import { withMemberAt } from '../../members.ts';
import { EditableJson } from '../../segments.ts';
import { type SseEvent, withData } from '../../sse.ts';
import { classify } from './classify.ts';

/** What of an event the reader makes of it; the same again for one that was changed. */
export type ReadEvents = (event: JsonObject) => readonly StreamEvent[];

/** One event, what its data was read as (an object), and the ids that it gives. */
export interface EventSource {
  readonly event: SseEvent;
  readonly json: LenientJson;
  readonly givenIds: readonly string[];
}

export class EventFrame implements Frame {
  readonly bytes: Uint8Array;
  readonly events: readonly StreamEvent[];
  readonly givenIds: readonly string[];
  readonly #event: SseEvent;
  readonly #json: LenientJson;
  readonly #route: string;
  readonly #read: ReadEvents;

  /** `text` is the data of the event where it was changed. */
  constructor(source: EventSource, route: string, read: ReadEvents, text?: string) {
    const { event, json } = source;
    this.#event = event;
    this.#json = json;
    this.givenIds = source.givenIds;
    this.#route = route;
    this.#read = read;
    const said = (text === undefined ? json.value : JSON.parse(text)) as JsonObject;
    this.events = read(said);
    const data = text ?? (event.data as string);
    const { model } = objectOf(said.message);
    const named = typeof model === 'string' && model !== route;
    const changed = named ? withMemberAt(data, ['message', 'model'], JSON.stringify(route)) : data;
    this.bytes = text === undefined && !named ? event.raw : withData(event, changed);
  }

  pieces(): readonly Piece[] {
    const said = objectOf(this.#json.value);
    const only = onlyText(said);
    if (only !== undefined) return [only];
    return this.#document()
      .segments()
      .map(({ where, text }) => pieceOf(where, text, said));
  }

  rewrite(texts: readonly string[]): Frame {
    const document = this.#document();
    document.segments().forEach((segment, index) => {
      const text = texts[index];
      if (text !== undefined && text !== segment.text) segment.write(text);
    });
    if (!document.changed) return this;
    const source = { event: this.#event, json: this.#json, givenIds: this.givenIds };
    return new EventFrame(source, this.#route, this.#read, JSON.stringify(document.value));
  }

  #document(): EditableJson {
    return new EditableJson(this.#json.exact, classifyEvent);
  }
}

/** Words of the format, where they stand for what the format means by them. */
const words = new Set([
  ...['message_start', 'message_delta', 'message_stop', 'content_block_start', 'content_block_delta'],
  ...['content_block_stop', 'ping', 'error', 'message', 'assistant', 'text', 'tool_use', 'thinking'],
  ...['text_delta', 'input_json_delta', 'thinking_delta', 'signature_delta', 'citations_delta', 'redacted_thinking'],
  ...['end_turn', 'max_tokens', 'stop_sequence', 'pause_turn', 'refusal', 'standard', 'priority'],
]);
const wordKeys = new Set(['type', 'role', 'stop_reason', 'service_tier']);

const classifyEvent: typeof classify = (text, key, where, siblings) =>
  wordKeys.has(String(key)) && words.has(text) ? 'skip' : classify(text, key, where, siblings);

/** The members of deltas that go on in the next one, by the type of the delta, and where they do in the whole answer. */
const flowing: Readonly<Record<string, readonly [member: string, place: string, reading: 'flow' | 'json']>> = {
  text_delta: ['text', 'text', 'flow'],
  thinking_delta: ['thinking', 'thinking', 'flow'],
  input_json_delta: ['partial_json', 'input', 'json'],
  compaction_delta: ['content', 'content', 'flow'],
};

/** The one piece of an event that says nothing but some text, as most do; undefined for every other. */
function onlyText(said: JsonObject): Piece | undefined {
  if (said.type !== 'content_block_delta' || Object.keys(said).length !== 3) return undefined;
  const delta = objectOf(said.delta);
  const flow = flowing[String(delta.type)];
  const text = flow === undefined ? undefined : delta[flow[0]];
  if (flow === undefined || typeof text !== 'string' || text === '' || Object.keys(delta).length !== 2)
    return undefined;
  const index = indexOf(said);
  return index === null ? undefined : { where: `/content/${index}/${flow[1]}`, text, reading: flow[2] };
}

/** A text with its place in the answer as a whole. */
function pieceOf(at: string, text: string, said: JsonObject): Piece {
  const whole = (where: string): Piece => ({ where, text, reading: 'whole' });
  if (at.startsWith('/message/')) return whole(at.slice('/message'.length));
  const index = indexOf(said);
  if (index === null) return whole(at);
  const place = `/content/${index}`;
  if (at.startsWith('/content_block/')) {
    const { type } = objectOf(said.content_block);
    // What a block begins with goes on in its deltas.
    const goesOn = (type === 'text' && at.endsWith('k/text')) || (type === 'thinking' && at.endsWith('k/thinking'));
    const where = `${place}${at.slice('/content_block'.length)}`;
    return goesOn ? { where, text, reading: 'flow' } : whole(where);
  }
  if (!at.startsWith('/delta/')) return whole(at);
  const delta = objectOf(said.delta);
  const flow = flowing[String(delta.type)];
  if (flow !== undefined && at === `/delta/${flow[0]}`) return { where: `${place}/${flow[1]}`, text, reading: flow[2] };
  if (delta.type === 'citations_delta') return whole(`${place}/citations${at.slice('/delta/citation'.length)}`);
  // What is not known may go on as well.
  const known = flow !== undefined || delta[at.slice('/delta/'.length)] !== text;
  return known
    ? whole(`${place}${at.slice('/delta'.length)}`)
    : { where: `${place}${at.slice(6)}`, text, reading: 'flow' };
}

/** Which block an event is about; null where it says none. */
function indexOf({ index }: JsonObject): number | null {
  return Number.isSafeInteger(index) && (index as number) >= 0 ? (index as number) : null;
}
