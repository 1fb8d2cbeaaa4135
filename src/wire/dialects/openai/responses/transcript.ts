/**
 * A streamed response as its agent has got it so far, kept for one purpose: to end it properly where the gate cuts it.
 * What a reader would get wrong: what is kept of an event changes after it came, when inspection changes its frame, so
 * each event leaves a slot that is read at the end.
 */
import type { Json, JsonObject } from '../../../../call.ts';
import { objectOf, textOf } from '../../../json-value.ts';
import { callMember } from './item.ts';
import { indexAt } from './place.ts';

/** What of one event is kept, as its frame went out. */
export interface Slot {
  said: JsonObject;
}

/** How many items one answer may have: what is not told apart could not be inspected as what it is. */
export const itemsMax = 1024;

interface Part {
  readonly member: 'content' | 'summary';
  readonly index: number;
  begun: Slot | null;
  deltas: Slot[];
  done: boolean;
}

interface Item {
  begun: Slot;
  done: Slot | null;
  readonly parts: Map<string, Part>;
}

/** An event without its number. */
export type Ending = Readonly<Record<string, unknown>> & { readonly type: string };

export class Transcript {
  readonly #items = new Map<number, Item>();
  #response: Slot | null = null;

  /** Takes the next event down; `type` is that of the event. */
  add(type: string, slot: Slot): void {
    const { said } = slot;
    if (said.response !== undefined) this.#response = slot;
    const at = indexAt(said, 'output_index');
    if (at === null) return;
    const item = this.#items.get(at);
    if (type === 'response.output_item.added') this.#items.set(at, { begun: slot, done: null, parts: new Map() });
    else if (item === undefined) return;
    else if (type === 'response.output_item.done') item.done = slot;
    else partEvent(item, type, slot);
  }

  /** The answer's own members, as the last event that had them said them. */
  get response(): JsonObject {
    return objectOf(this.#response?.said.response);
  }

  /**
   * The events that end what is open, and the items of the answer. A call that was not all there is left out: nobody
   * should make it.
   */
  ended(): { readonly events: readonly Ending[]; readonly output: readonly JsonObject[] } {
    const events: Ending[] = [];
    const output: JsonObject[] = [];
    for (const [output_index, item] of [...this.#items].sort(([one], [other]) => one - other)) {
      const begun = objectOf(item.begun.said.item);
      if (item.done !== null) {
        output.push(objectOf(item.done.said.item));
        continue;
      }
      if (callMember(begun) !== undefined) continue;
      const whole: Record<string, Json> = { ...begun, status: 'incomplete' };
      for (const name of ['content', 'summary'] as const) {
        const parts = [...item.parts.values()].filter(({ member }) => member === name);
        if (parts.length > 0) whole[name] = parts.map(wholePart);
        for (const part of parts)
          if (!part.done) events.push(...endOf(part, { item_id: textOf(begun.id), output_index }));
      }
      events.push({ type: 'response.output_item.done', output_index, item: whole });
      output.push(whole);
    }
    return { events, output };
  }
}

function partEvent(item: Item, type: string, slot: Slot): void {
  const { said } = slot;
  const member = indexAt(said, 'summary_index') === null ? 'content' : 'summary';
  const index = indexAt(said, `${member}_index`);
  if (index === null) return;
  const key = `${member}/${index}`;
  const part = item.parts.get(key) ?? { member, index, begun: null, deltas: [], done: false };
  item.parts.set(key, part);
  if (type.endsWith('_part.added')) part.begun = slot;
  else if (type.endsWith('_part.done')) {
    part.begun = slot;
    part.deltas = [];
    part.done = true;
  } else if (typeof said.delta === 'string') part.deltas.push(slot);
}

function wholePart(part: Part): JsonObject {
  const begun = objectOf(part.begun?.said.part);
  const member = begun.type === 'refusal' ? 'refusal' : 'text';
  const type = textOf(begun.type) || (part.member === 'summary' ? 'summary_text' : 'output_text');
  const text = textOf(begun[member]) + part.deltas.map(({ said }) => textOf(said.delta)).join('');
  return { ...(type === 'output_text' ? { annotations: [] } : {}), ...begun, type, [member]: text };
}

function endOf(part: Part, item: { readonly item_id: string; readonly output_index: number }): Ending[] {
  const whole = wholePart(part);
  if (part.member === 'summary') {
    const at = { ...item, summary_index: part.index };
    return [
      { type: 'response.reasoning_summary_text.done', ...at, text: whole.text },
      { type: 'response.reasoning_summary_part.done', ...at, part: whole },
    ];
  }
  const at = { ...item, content_index: part.index };
  const text: Ending =
    whole.type === 'refusal'
      ? { type: 'response.refusal.done', ...at, refusal: whole.refusal }
      : whole.type === 'reasoning_text'
        ? { type: 'response.reasoning_text.done', ...at, text: whole.text }
        : { type: 'response.output_text.done', ...at, text: whole.text, logprobs: [] };
  return [text, { type: 'response.content_part.done', ...at, part: whole }];
}
