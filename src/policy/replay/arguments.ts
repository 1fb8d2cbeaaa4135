/**
 * What the arguments of an operation were, over many calls: which always were the subject's id, and which numbers they
 * carried. What a reader would get wrong: values may be redacted in the record, so that equal to the subject is what
 * `call.provenance` says, which was told from the real values.
 */
import type { Json, JsonObject } from '../../call.ts';

/** Arguments and sets of places that are told apart for one operation. */
const placesMax = 512;
const depthMax = 16;

/** How often a place, or a name at any depth, was there, and how often it held the subject's id. */
export interface Presence {
  seen: number;
  subject: number;
}

/** A number of the calls: `each` is the largest, `taskSum` the largest sum over a task. */
export interface Amount {
  seen: number;
  each: number;
  taskSum: number;
}

type Visit = (name: string, value: Json, place: string | null, pointer: string) => void;

/** Every member of every object; `place` is its dotted path, null where a dotted path cannot lead there. */
function walk(value: Json, visit: Visit, place: string | null = '', pointer = '', depth = 0): void {
  if (value === null || typeof value !== 'object' || depth === depthMax) return;
  const inArray = Array.isArray(value);
  for (const [name, member] of Object.entries(value)) {
    const below = `${pointer}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`;
    const dotted = inArray || place === null || name.includes('.') ? null : place === '' ? name : `${place}.${name}`;
    if (!inArray) visit(name, member, dotted, below);
    walk(member, visit, dotted, below, depth + 1);
  }
}

/** The presence under `name`, made if there is room; what is beyond the bound is left out. */
function at<Value>(of: Map<string, Value>, name: string, fresh: () => Value): Value | undefined {
  const known = of.get(name);
  if (known !== undefined || of.size >= placesMax) return known;
  const made = fresh();
  of.set(name, made);
  return made;
}

export class ArgumentUse {
  readonly places = new Map<string, Presence>();
  readonly amounts = new Map<string, Amount>();
  /** Sets of places that held the subject's id in one call, each with how many calls. */
  readonly subjectSets = new Map<string, number>();

  /**
   * Takes the arguments of one call. `names` collects presence by name at any depth, over all operations. `before` gives
   * the sum of an argument over the task up to this call; `spent` is told the sum with it.
   */
  add(
    call: { readonly arguments: JsonObject; readonly provenance: JsonObject },
    names: Map<string, Presence>,
    sum: { readonly before: (place: string) => number; readonly spent: (place: string, sum: number) => void },
  ): void {
    const held: string[] = [];
    walk(call.arguments, (name, value, place, pointer) => {
      const own = call.provenance[pointer] === 'subject';
      for (const presence of [
        at(names, name, () => ({ seen: 0, subject: 0 })),
        place === null ? undefined : at(this.places, place, () => ({ seen: 0, subject: 0 })),
      ]) {
        if (presence === undefined) continue;
        presence.seen += 1;
        presence.subject += Number(own);
      }
      if (own && place !== null) held.push(place);
      if (place !== null && typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) {
        const amount = at(this.amounts, place, () => ({ seen: 0, each: 0, taskSum: 0 }));
        if (amount === undefined) return;
        const total = sum.before(place) + value;
        sum.spent(place, total);
        amount.seen += 1;
        amount.each = Math.max(amount.each, value);
        amount.taskSum = Math.max(amount.taskSum, total);
      }
    });
    const key = JSON.stringify(held.sort());
    if (this.subjectSets.has(key) || this.subjectSets.size < placesMax) {
      this.subjectSets.set(key, (this.subjectSets.get(key) ?? 0) + 1);
    } else this.subjectSets.set('[]', (this.subjectSets.get('[]') ?? 0) + 1);
  }

  /**
   * Places of which each call held the subject's id in at least one, and that never held anything else; empty where
   * there are no such places. A place that every call had is enough by itself.
   */
  subjectAt(calls: number): string[] {
    const always = [...this.places].filter(([, { seen, subject }]) => subject > 0 && subject === seen);
    const everywhere = always.filter(([, { seen }]) => seen === calls).map(([place]) => place);
    if (everywhere.length > 0) return everywhere.sort().slice(0, 1);
    const places = new Set(always.map(([place]) => place));
    const covered = [...this.subjectSets.keys()].every((set) =>
      (JSON.parse(set) as string[]).some((place) => places.has(place)),
    );
    return covered ? [...places].sort() : [];
  }
}
