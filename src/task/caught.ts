/**
 * What a task has caught of the calls it made: labels of what it has read, and the regions that decisions have kept its
 * data to. Both only grow. What a reader would get wrong: several lists of regions are not one list; data of all of them
 * is together in the task, so it may only be where each of the lists allows it.
 */
import type { TaskRecord } from '../call.ts';
import { matches } from '../pattern.ts';

/** A task's record is one. */
export type Caught = Pick<TaskRecord, 'taint' | 'regions'>;

/** Different lists of regions that are kept apart; beyond them nothing is allowed any more. */
const regionListsMax = 16;
const nowhere: readonly string[] = [];

/** `known` with `more` added; the very same value where there is nothing new. */
export function withCaught<T extends Caught>(known: T, more: Caught): T {
  const taint = more.taint.filter((label) => !known.taint.includes(label));
  const had = known.regions ?? [];
  const texts = new Set(had.map((list) => JSON.stringify(list)));
  const lists = (more.regions ?? []).filter((list) => !texts.has(JSON.stringify(list)));
  if (taint.length === 0 && (lists.length === 0 || had.length > regionListsMax)) return known;
  const regions = [...had, ...new Map(lists.map((list) => [JSON.stringify(list), list])).values()];
  const bounded = regions.length > regionListsMax ? [...regions.slice(0, regionListsMax), nowhere] : regions;
  return {
    ...known,
    taint: [...known.taint, ...new Set(taint)],
    ...(bounded.length === 0 ? {} : { regions: bounded }),
  };
}

/** Whether data that was kept to these regions may be in `region`: where nothing was said, it may be anywhere. */
export function mayBeIn({ regions = [] }: Pick<Caught, 'regions'>, region: string): boolean {
  return regions.every((list) => list.some((pattern) => matches(pattern, region)));
}

export function isClean({ taint, regions = [] }: Caught): boolean {
  return taint.length === 0 && regions.length === 0;
}
