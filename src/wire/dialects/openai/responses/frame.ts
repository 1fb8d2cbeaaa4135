/**
 * One event of a streamed response as a frame: its bytes for the agent, what it means, and its text, which inspection may
 * change. An event that nothing changed keeps its bytes, but for the model that its response names. What a reader would
 * get wrong: the text of an answer comes up to five times, in its deltas and whole at every end, so pieces say of what is
 * whole that it may have been said before.
 */
import type { Frame, JsonObject, Piece, StreamEvent } from '../../../../call.ts';
import type { LenientJson } from '../../../json.ts';
import { objectOf } from '../../../json-value.ts';
import { withMemberAt } from '../../../members.ts';
import { EditableJson } from '../../../segments.ts';
import { type SseEvent, withData } from '../../../sse.ts';
import { textWithoutLogprobs } from './answer.ts';
import { classify } from './classify.ts';
import { indexAt, placeOf, textPlaceOf } from './place.ts';

/** What of an event the reader makes of it; the same again for one that was changed. */
export type ReadEvents = (event: JsonObject) => readonly StreamEvent[];

export class ResponseFrame implements Frame {
  readonly bytes: Uint8Array;
  readonly events: readonly StreamEvent[];
  readonly givenIds: readonly string[];
  readonly #event: SseEvent;
  readonly #json: LenientJson;
  readonly #route: string;
  readonly #read: ReadEvents;

  /** `json` is what the data of `event` was read as; an object. `text` is that data where it was changed. */
  constructor(
    source: { readonly event: SseEvent; readonly json: LenientJson; readonly givenIds: readonly string[] },
    route: string,
    read: ReadEvents,
    text?: string,
  ) {
    this.#event = source.event;
    this.#json = source.json;
    this.givenIds = source.givenIds;
    this.#route = route;
    this.#read = read;
    const said = (text === undefined ? source.json.value : JSON.parse(text)) as JsonObject;
    this.events = read(said);
    const data = text ?? (source.event.data as string);
    const { model } = objectOf(said.response);
    const named = typeof model === 'string' && model !== route;
    const changed = named ? withMemberAt(data, ['response', 'model'], JSON.stringify(route)) : data;
    this.bytes = text === undefined && !named ? source.event.raw : withData(source.event, changed);
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
    return new ResponseFrame(source, this.#route, this.#read, textWithoutLogprobs(document.value));
  }

  #document(): EditableJson {
    return new EditableJson(this.#json.exact, classify);
  }
}

const indices = new Set(['sequence_number', 'output_index', 'content_index', 'summary_index']);
const itemId = /^[a-z]{1,10}_[A-Za-z0-9]{1,80}$/;

/** The one piece of an event that says nothing but some text, as most do; undefined for every other. */
function onlyText(said: JsonObject): Piece | undefined {
  const place = textPlaceOf(said);
  const { delta } = said;
  if (place === undefined || typeof delta !== 'string' || delta === '') return undefined;
  for (const name in said) {
    const value = said[name];
    if (name === 'type' || name === 'delta') continue;
    if (indices.has(name) ? !Number.isSafeInteger(value) || (value as number) > 1e11 : !isSilent(name, value)) {
      return undefined;
    }
  }
  return { where: place.where, text: delta, reading: place.reading };
}

function isSilent(name: string, value: unknown): boolean {
  if (name === 'item_id') return typeof value === 'string' && itemId.test(value);
  return name === 'logprobs' && Array.isArray(value) && value.length === 0;
}

/** A text with its place in the answer as a whole. */
function pieceOf(at: string, text: string, said: JsonObject): Piece {
  const again = (where: string): Piece => ({ where, text, reading: 'again' });
  const item = indexAt(said, 'output_index');
  if (at === '/response' || at.startsWith('/response/')) return again(at.slice('/response'.length));
  if (item === null) return flowing(at, text, said, at);
  const below = (beginning: string): string | undefined =>
    at === beginning || at.startsWith(`${beginning}/`) ? at.slice(beginning.length) : undefined;
  const inItem = below('/item');
  if (inItem !== undefined) return again(`/output/${item}${inItem}`);
  const inPart = below('/part');
  if (inPart !== undefined) return again(`${placeOf(said)}${inPart}`);
  const inNote = below('/annotation');
  if (inNote !== undefined) return again(`${placeOf(said)}/annotations${inNote}`);
  return flowing(at, text, said, `${placeOf(said)}${at}`);
}

/** What is called a delta goes on in the next one of its place, known or not; anything else is whole. */
function flowing(at: string, text: string, said: JsonObject, otherwise: string): Piece {
  const place = textPlaceOf(said);
  const isDelta = at === '/delta' || at.startsWith('/delta/');
  if (!isDelta) return { where: place?.wholeIn === at.slice(1) ? place.where : otherwise, text, reading: 'again' };
  if (place !== undefined && at === '/delta') return { where: place.where, text, reading: place.reading };
  return { where: `${placeOf(said)}/${String(said.type).slice(0, 80)}${at}`, text, reading: 'flow' };
}
