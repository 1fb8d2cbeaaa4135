/**
 * Puts back into a recorded input what was left out of it, because the bundle that decided did not refer to it, for a
 * bundle that does. What a reader would get wrong: nothing is guessed. A part that the trail does not tell exactly is
 * missing, and who asked for the input is told so.
 */
import type { Json, JsonObject } from '../../call.ts';
import { provenanceOf } from '../input.ts';
import type { InputPart, LeftOut } from '../input-parts.ts';
import { askedFor, isObject, isPart, keptInput, objectIn, type RecordedInput, rememberedIn, textsIn } from './kept.ts';
import { isRedacted } from './recorded.ts';
import { momentOf, type PastEvent, TaskPast } from './task-past.ts';

/** Calls of all tasks whose past is held at once, the task that was asked for last among them. */
const callsHeldMax = 200_000;
const tasksHeldMax = 50_000;

/** What the trail holds beside the input of a decision; `RecordedTrail` of the audit room is one. */
export interface Archive {
  eventsOf(task: string): Iterable<{ readonly event: PastEvent; readonly input: RecordedInput }>;
  intentOf(call: string): { readonly event: PastEvent; readonly input: RecordedInput } | undefined;
  argumentsOf(event: { readonly seq: number }): RecordedInput;
}

/** There is nothing beside the input of a decision. */
export const noArchive: Archive = {
  eventsOf: () => [],
  intentOf: () => undefined,
  argumentsOf: () => ({ state: 'none' }),
};

/** An input as it can be had. */
export interface Rebuilt {
  readonly document: JsonObject;
  /** Parts that were put back. */
  readonly parts: readonly string[];
  /** Parts that are asked for and cannot be put back. */
  readonly missing: readonly string[];
  readonly twofold: boolean;
}

/** What an answer was decided on, and what was decided. */
export type RebuiltAnswer =
  | (Rebuilt & { readonly decision: JsonObject })
  | { readonly state: Exclude<RecordedInput['state'], 'kept'> | 'shapeless' };

type Found = { readonly value: Json | undefined } | null;

interface Recorded {
  readonly event: Pick<PastEvent, 'seq' | 'task'>;
  readonly document: JsonObject;
  readonly remembered: JsonObject | null;
}

export class Rebuilding {
  readonly #archive: Archive;
  readonly #unused: LeftOut;
  readonly #pasts = new Map<string, TaskPast>();
  #held = 0;

  /** `unused`: what nobody asks for. */
  constructor(archive: Archive, unused: LeftOut) {
    this.#archive = archive;
    this.#unused = unused;
  }

  /** The input of a task or a call out of the text that was kept with `event`; null for what is no document. */
  input(event: Recorded['event'], text: string): Rebuilt | null {
    const kept = keptInput(text);
    if (kept === null) return null;
    const parts: string[] = [];
    const missing: string[] = [];
    let { document } = kept;
    for (const name of askedFor(kept.leftOut, this.#unused)) {
      if (isPart(name) && !hasPlaceFor(document, name)) return null;
      const found = isPart(name) ? this.#part(name, { ...kept, event, document }) : null;
      (found === null ? missing : parts).push(name);
      if (found?.value !== undefined) document = withMember(document, name, found.value);
    }
    return { document, parts, missing, twofold: kept.twofold };
  }

  /** The input of the answer to a call, out of what its outcome kept and what the call was decided on. */
  answer({ call }: Pick<PastEvent, 'call'>, text: string): RebuiltAnswer {
    const kept = objectIn(text);
    const intent = call === null ? undefined : this.#archive.intentOf(call);
    if (kept === null || !isObject(kept.response) || !isObject(kept.decision)) return { state: 'shapeless' };
    if (intent === undefined) return { state: 'none' };
    if (intent.input.state !== 'kept') return { state: intent.input.state };
    const whole = this.input(intent.event, intent.input.text);
    if (whole === null) return { state: 'shapeless' };
    if (askedFor(textsIn(kept.cut), this.#unused).length > 0) return { state: 'cut' };
    const { response, decision } = kept;
    // Decided on the call as it was sent, which is not what is kept of it.
    const other = kept.anew === true ? ['call.arguments', 'call.provenance'] : [];
    const leftOut = [...textsIn(kept.left_out), ...other];
    return {
      ...whole,
      document: { ...whole.document, phase: 'response', response },
      missing: [...new Set([...whole.missing, ...askedFor(leftOut, this.#unused)])],
      decision,
      twofold: decision.also_by !== undefined,
    };
  }

  /** Null where it cannot be told; `undefined` as the value where it was not there. */
  #part(part: InputPart, recorded: Recorded): Found {
    const { document, remembered } = recorded;
    const moment = momentOf(remembered);
    switch (part) {
      case 'call.arguments':
        return found(this.#arguments(recorded));
      case 'call.provenance':
        return found(this.#provenance(recorded));
      case 'call.tools':
        if ((document.call as JsonObject).kind !== 'model') return { value: [] };
        return remembered === null ? null : { value: remembered.tools ?? [] };
      case 'task.history':
        return moment === null ? null : found(this.#past(recorded)?.history(moment));
      case 'task.counts':
        return moment === null ? null : found(this.#past(recorded)?.counts(moment));
      case 'task.labels':
        return found(this.#granted(recorded)?.labels);
      case 'task.plan': {
        const granted = this.#granted(recorded);
        return granted === null ? null : { value: granted.plan };
      }
      case 'agent.claims':
        return found(this.#claims(recorded, 'agent', 'verified_at_ms'));
      case 'subject.claims':
        return document.subject === null ? { value: undefined } : found(this.#claims(recorded, 'subject', 'id'));
      case 'response.headers':
      case 'response.body':
        return null;
    }
  }

  /** As they were decided on: what obligations changed afterwards is remembered. */
  #arguments({ event, document, remembered }: Recorded): JsonObject | null {
    const inPlace = (document.call as JsonObject).arguments ?? remembered?.arguments;
    if (isObject(inPlace)) return inPlace;
    const kept = this.#archive.argumentsOf(event);
    return kept.state === 'kept' ? objectIn(kept.text) : null;
  }

  /** Of what was redacted, the places that held the subject's id are remembered. */
  #provenance(recorded: Recorded): JsonObject | null {
    const args = this.#arguments(recorded);
    if (args === null || recorded.remembered === null) return null;
    const { subject, thought } = recorded.document as { subject: { id: string } | null; thought: Thought };
    const known = !isObject(subject) || isRedacted(subject.id) ? null : subject;
    const origins: Record<string, Json> = { ...provenanceOf(args, known, thought) };
    for (const place of textsIn(recorded.remembered.own)) if (Object.hasOwn(origins, place)) origins[place] = 'subject';
    return origins;
  }

  #granted(recorded: Recorded): JsonObject | null {
    const past = this.#past(recorded);
    return past === null ? null : rememberedIn(past.opened);
  }

  /** Claims of who is the same, by `member`, as when the task was opened. */
  #claims(recorded: Recorded, who: 'agent' | 'subject', member: string): Json | undefined {
    const opened = this.#past(recorded)?.opened;
    const then = opened?.state === 'kept' ? objectIn(opened.text)?.[who] : undefined;
    const now = recorded.document[who];
    return isObject(then) && isObject(now) && then[member] === now[member] ? then.claims : undefined;
  }

  #past({ event: { task } }: Recorded): TaskPast | null {
    if (task === null) return null;
    let past = this.#pasts.get(task);
    if (past === undefined) {
      past = new TaskPast(this.#archive.eventsOf(task));
      this.#held += past.size;
    }
    this.#pasts.delete(task);
    this.#pasts.set(task, past);
    for (const [oldest, { size }] of this.#pasts) {
      if (oldest === task || (this.#held <= callsHeldMax && this.#pasts.size <= tasksHeldMax)) break;
      this.#pasts.delete(oldest);
      this.#held -= size;
    }
    return past;
  }
}

type Thought = { match: 'exact' | 'changed' | 'name' | 'none'; source: 'observed' | 'reported' } | null;

function found(value: Json | undefined): Found {
  return value === undefined || value === null ? null : { value };
}

/** What was left out was left out of something; only a subject there need not be. */
function hasPlaceFor(document: JsonObject, part: InputPart): boolean {
  const parent = part.split('.', 1)[0] as string;
  return isObject(document[parent]) || (parent === 'subject' && document.subject === null);
}

function withMember(document: JsonObject, part: InputPart | string, value: Json): JsonObject {
  const [parent, member] = part.split('.') as [string, string];
  return { ...document, [parent]: { ...(document[parent] as JsonObject), [member]: value } };
}
