/**
 * One chunk of a streamed chat completion as a frame: its bytes for the agent, what it means, and its text, which
 * inspection may change. A chunk that nothing changed keeps its bytes, but for `model` and for usage that only the
 * gate asked for. One that was changed loses its `logprobs`, which spell out the text once more.
 */
import type { Frame, Json, JsonObject, Piece, StreamEvent } from '../../../call.ts';
import type { LenientJson } from '../../json.ts';
import { listOf, objectOf, textOf } from '../../json-value.ts';
import { withMembers } from '../../members.ts';
import { pointerTokens } from '../../pointer.ts';
import { EditableJson, type Reading } from '../../segments.ts';
import { type SseEvent, withData } from '../../sse.ts';
import { givenIds } from './ids.ts';

export interface ChunkSettings {
  readonly route: string;
  /** Whether the client asked for usage itself. */
  readonly usage: boolean;
}

/** What of a chunk's object the reader makes of it; the same again for a chunk that was changed. */
export type ReadEvents = (chunk: JsonObject) => readonly StreamEvent[];

export class ChunkFrame implements Frame {
  readonly bytes: Uint8Array;
  readonly events: readonly StreamEvent[];
  readonly givenIds: readonly string[];
  readonly #event: SseEvent;
  readonly #json: LenientJson;
  readonly #settings: ChunkSettings;
  readonly #read: ReadEvents;

  /** `json` is what the data of `event` was read as; an object. `text` is that data where it was changed. */
  constructor(event: SseEvent, json: LenientJson, settings: ChunkSettings, read: ReadEvents, text?: string) {
    this.#event = event;
    this.#json = json;
    this.#settings = settings;
    this.#read = read;
    const chunk = (text === undefined ? json.value : JSON.parse(text)) as JsonObject;
    this.events = read(chunk);
    this.givenIds = givenIds(chunk);
    this.bytes = chunkBytes(event, chunk, settings, text);
  }

  pieces(): readonly Piece[] {
    const chunk = objectOf(this.#json.value);
    const only = onlyContent(chunk);
    if (only !== undefined) return [only];
    return this.#document()
      .segments()
      .map(({ where, text }) => pieceOf(where, text, chunk));
  }

  rewrite(texts: readonly string[]): Frame {
    const document = this.#document();
    document.segments().forEach((segment, index) => {
      const text = texts[index];
      if (text !== undefined && text !== segment.text) segment.write(text);
    });
    if (!document.changed) return this;
    const chunk = document.value as JsonObject;
    const choices = listOf(chunk.choices).map((choice) =>
      objectOf(choice).logprobs === undefined ? choice : { ...objectOf(choice), logprobs: null },
    );
    const text = JSON.stringify(Array.isArray(chunk.choices) ? { ...chunk, choices } : chunk);
    return new ChunkFrame(this.#event, this.#json, this.#settings, this.#read, text);
  }

  #document(): EditableJson {
    return new EditableJson(this.#json.exact, classify);
  }
}

/** What the agent gets of a chunk; nothing of the usage chunk that it did not ask for. */
function chunkBytes(event: SseEvent, chunk: JsonObject, settings: ChunkSettings, text?: string): Uint8Array {
  const data = event.data as string;
  const changes: Record<string, string | null> = {};
  if (typeof chunk.model === 'string' && chunk.model !== settings.route) changes.model = JSON.stringify(settings.route);
  if (!settings.usage && chunk.usage !== undefined) {
    // The chunk that only the gate asked for; on the others the provider sends `usage: null` because of it.
    if (chunk.usage !== null && listOf(chunk.choices).length === 0) return new Uint8Array(0);
    changes.usage = null;
  }
  if (text === undefined && Object.keys(changes).length === 0) return event.raw;
  const changed = withMembers(text ?? data, changes);
  return withData(event, changed);
}

const idFields = new Set(['/id', '/object', '/model', '/system_fingerprint', '/service_tier']);
/** Words of the format, where they stand for what the format means by them. */
const wordFields = new Set(['role', 'type', 'finish_reason']);
const words = new Set(['assistant', 'function', 'stop', 'length', 'tool_calls', 'content_filter', 'function_call']);

/** Everything is text but ids of the answer, words of the format, base64 of media, and logprobs. */
function classify(text: string, key: string | number, where: string, siblings: Json): Reading {
  if (idFields.has(where) || (wordFields.has(String(key)) && words.has(text))) return 'skip';
  if (key === 'data' && Object.hasOwn(siblings as object, 'transcript')) return 'skip';
  return /^\/choices\/\d+\/logprobs\//.test(where) ? 'skip' : 'text';
}

const plainFields = new Set(['id', 'object', 'model', 'system_fingerprint', 'service_tier']);

/** The one piece of a chunk that says nothing but some content, as most do; undefined for every other. */
function onlyContent(chunk: JsonObject): Piece | undefined {
  const choices = listOf(chunk.choices);
  if (choices.length !== 1) return undefined;
  for (const name in chunk) {
    const value = chunk[name];
    if (name === 'choices' || name === 'created' || (name === 'usage' && value === null)) continue;
    if (!plainFields.has(name) || (typeof value !== 'string' && value !== null)) return undefined;
  }
  // A number as long as that is a piece of its own.
  if (typeof chunk.created !== 'number' || Math.abs(chunk.created) >= 1e11) return undefined;
  const choice = objectOf(choices[0]);
  for (const name in choice) {
    const mark = choice[name];
    if (name !== 'index' && name !== 'delta' && !((name === 'finish_reason' || name === 'logprobs') && mark === null)) {
      return undefined;
    }
  }
  const delta = objectOf(choice.delta);
  const { content } = delta;
  if (typeof content !== 'string' || content === '' || typeof choice.index !== 'number') return undefined;
  for (const name in delta) if (name !== 'content') return undefined;
  if (!Number.isSafeInteger(choice.index) || choice.index < 0 || choice.index > 9999) return undefined;
  return { where: `/choices/${choice.index}/message/content`, text: content, reading: 'flow' };
}

/** Members that come in one piece; what goes on, goes on under any other name. */
const wholeFields = new Set(['id', 'name', 'role', 'type', 'format', 'signature', 'url', 'finish_reason']);
const choiceAt = /^\/choices\/(\d+)\/delta(?=\/|$)/;
const callAt = /^(\/choices\/\d+\/message\/tool_calls)\/(\d+)(?=\/|$)/;

/** A text with its place in the answer as a whole: deltas say by `index` which choice and which tool call is meant. */
function pieceOf(at: string, text: string, chunk: JsonObject): Piece {
  const match = choiceAt.exec(at);
  if (match === null) return { where: at, text, reading: 'whole' };
  const choice = objectOf(listOf(chunk.choices)[Number(match[1])]);
  const number = typeof choice.index === 'number' ? choice.index : Number(match[1]);
  let where = `/choices/${number}/message${at.slice(match[0].length)}`;
  const inCall = callAt.exec(where);
  if (inCall !== null) {
    const call = objectOf(listOf(objectOf(choice.delta).tool_calls)[Number(inCall[2])]);
    const index = typeof call.index === 'number' ? call.index : Number(inCall[2]);
    where = `${inCall[1]}/${index}${where.slice(inCall[0].length)}`;
  }
  const field = pointerTokens(where)?.at(-1) ?? '';
  if (wholeFields.has(field) || field.startsWith('{') || textAt(chunk, at) !== text) {
    return { where, text, reading: 'whole' };
  }
  return { where, text, reading: field === 'arguments' ? 'json' : 'flow' };
}

/** The string at a pointer into the chunk; a number or a member's name, which never flow, is none. */
function textAt(chunk: JsonObject, at: string): string {
  let value: Json | undefined = chunk;
  for (const token of pointerTokens(at) ?? []) {
    value = Array.isArray(value) ? value[Number(token)] : objectOf(value)[token];
  }
  return textOf(value);
}
