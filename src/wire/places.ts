/**
 * Where the values of a document stand, while it is changed, and what of them a pointer with stars names. What a reader
 * would get wrong: `where` is how a place was called when the document came; `key` is where it stands now.
 */
import { child, each, type PatternToken } from './pointer.ts';

/** A place in the document. Its key follows when members are renamed or elements removed. */
export interface Place {
  readonly parent: Place | null;
  key: string | number;
  readonly where: string;
  gone: boolean;
}

/** The way to a place, as the document stands now. */
export function keysOf(place: Place): (string | number)[] {
  const keys: (string | number)[] = [];
  for (let at: Place = place; at.parent !== null; at = at.parent) keys.push(at.key);
  return keys.reverse();
}

/** Whether it, or what it stood in, was taken away. */
export function isGone(place: Place): boolean {
  for (let at: Place | null = place; at !== null; at = at.parent) if (at.gone) return true;
  return false;
}

/**
 * Takes away all places that a pattern names, of `places` in document order. Gives the keys of those that go, by what they
 * stood in.
 */
export function takeEach(
  places: readonly Place[],
  pattern: readonly PatternToken[],
): ReadonlyMap<Place, ReadonlySet<number | string>> {
  // How much of the pattern leads to a place; what holds a place stands before it.
  const led = new Map<Place, number>();
  const going = new Map<Place, Set<number | string>>();
  for (const place of places) {
    const { parent } = place;
    if (parent === null) {
      led.set(place, 0);
      continue;
    }
    const before = led.get(parent) ?? pattern.length;
    const token = pattern[before];
    if (place.gone || token === undefined || !isNamed(place, token)) continue;
    if (before + 1 < pattern.length) {
      led.set(place, before + 1);
      continue;
    }
    place.gone = true;
    going.set(parent, (going.get(parent) ?? new Set()).add(place.key));
  }
  return going;
}

/** Elements stand further to the front by as many as have gone before them. */
export function moveUp(places: readonly Place[], going: ReadonlyMap<Place, unknown>): void {
  const counts = new Map<Place, number>();
  for (const place of places) {
    const { parent } = place;
    if (place.gone || typeof place.key !== 'number' || parent === null || !going.has(parent)) continue;
    place.key = counts.get(parent) ?? 0;
    counts.set(parent, place.key + 1);
  }
}

function isNamed({ key, where }: Place, token: PatternToken): boolean {
  return token === each || key === token || where.slice(where.lastIndexOf('/')) === child('', token);
}
