/**
 * Read, change, write: the one way a record is changed. `change` may run several times, once for every writer that
 * came first, so it must be a pure function of what it is given; side effects in it would happen more than once.
 */
import type { Json } from '../call.ts';
import { type Denial, deny, isDenial } from '../denial.ts';
import type { Store } from './store.ts';

/** Enough for that many writers of one record at the same moment, each of whom lets one of the others through. */
export const updateAttemptsMax = 64;

export interface Updated<T> {
  readonly value: T;
  readonly version: number;
}

/**
 * Replaces the record at `key` by what `change` makes of it (`undefined`: it is not there), by compare-and-set, and
 * gives the value that stands then. A denial of `change` ends it, with nothing written; so does giving back the very
 * value it was given. Denies `task_conflict` when `attempts` writers in a row came first. Rejects with
 * `StoreUnavailable` when the store does.
 *
 * `T` is JSON in shape; that is the caller's to keep. `ttlMs` runs from each write.
 */
export async function updateRecord<T>(
  store: Pick<Store, 'get' | 'compareAndSet'>,
  key: string,
  ttlMs: number | ((value: T) => number),
  change: (current: T | undefined) => T | Denial,
  attempts: number = updateAttemptsMax,
): Promise<Updated<T> | Denial> {
  let current = await store.get(key);
  for (let attempt = 1; attempt <= attempts; attempt++) {
    const before = current?.value as T | undefined;
    const value = change(before);
    if (isDenial(value)) return value;
    if (current !== undefined && value === before) return { value, version: current.version };
    const lifeMs = typeof ttlMs === 'function' ? ttlMs(value) : ttlMs;
    const written = await store.compareAndSet(key, current?.version ?? 0, value as unknown as Json, lifeMs);
    if (written.ok) return { value, version: written.version };
    current = written.current;
    await yieldTurns(attempt);
  }
  return deny('task_conflict', `The task kept changing under this call; it was tried ${attempts} times. Try again.`);
}

/** Stands back for a while that grows with each lost race, so that those who won can finish what they do next. */
async function yieldTurns(turns: number): Promise<void> {
  for (let turn = 0; turn < turns; turn++) await undefined;
}
