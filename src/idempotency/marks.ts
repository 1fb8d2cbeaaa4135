/**
 * Marks in the store, where every gateway on it finds them: taken by compare-and-set, so that of equal calls at the same
 * moment exactly one is the first. What a reader would get wrong: a mark that could not be ended waits in this process
 * until the store takes it; if the process ends before, the call stays in doubt, which is what it is.
 */
import type { Json } from '../call.ts';
import type { CallId, Clock } from '../clock.ts';
import { RetryQueue } from '../store/retry-queue.ts';
import { type Store, StoreUnavailable } from '../store/store.ts';
import type { Log } from '../telemetry/log.ts';
import { type Ended, type Mark, readMark } from './mark.ts';

/** So many may come to one key at the same moment; of any more one is told that the first still runs. */
const attemptsMax = 16;
/** A key that is free again need not be remembered; it must only be there for those who are just reading it. */
const freeMs = 1_000;
const firstRetryMs = 500;
const longestRetryMs = 30_000;
/** How many may wait; beyond that a call stays in doubt, and the log says so. */
const waitingMax = 10_000;
const atOnce = 32;

/** What of a store marks are kept in. */
export type MarkStore = Pick<Store, 'get' | 'compareAndSet'>;

interface Ending {
  /** Where the mark lies. */
  readonly key: string;
  readonly callId: CallId;
  readonly ended: Ended;
  readonly ttlMs: number;
}

export interface MarksParts {
  readonly store: MarkStore;
  readonly clock: Clock;
  readonly log: Log;
}

export class Marks implements AsyncDisposable {
  readonly #parts: MarksParts;
  readonly #waiting: RetryQueue<Ending>;

  constructor(parts: MarksParts) {
    const { clock, log } = parts;
    this.#parts = parts;
    this.#waiting = new RetryQueue({
      ...{ clock, atOnce, firstMs: firstRetryMs, longestMs: longestRetryMs },
      attempt: (ending) => this.#madeOrFaulty(ending.key, ending),
      emptied: () => log('info', 'all marks of calls that waited for the store are written'),
    });
  }

  /** How many endings wait for the store. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /**
   * Takes `key` for the call of `mark`: undefined if it is the first, else the mark that stands there. Idempotent by the id
   * of the call. Rejects with `StoreUnavailable`; then it is not known whether the key was taken, and it is given back.
   */
  async take(key: string, mark: Mark, ttlMs: number): Promise<Mark | undefined> {
    const { store } = this.#parts;
    try {
      let found = await store.get(key);
      for (let attempt = 0; attempt < attemptsMax; attempt++) {
        const standing = readMark(found?.value);
        // Who knows what was made under it: not this gate, and it shall not be made twice.
        if (found !== undefined && standing === undefined) throw new Error('a mark in the store cannot be read');
        if (standing?.callId === mark.callId) return undefined;
        if (standing !== undefined && standing.ended.state !== 'free') return standing;
        const written = await store.compareAndSet(key, found?.version ?? 0, mark as unknown as Json, ttlMs);
        if (written.ok) return undefined;
        found = written.current;
      }
      // Others keep coming first; this one is not made beside them.
      return { ...mark, ended: { state: 'running' } };
    } catch (fault) {
      if (fault instanceof StoreUnavailable) this.later({ key, callId: mark.callId, ended: { state: 'free' }, ttlMs });
      throw fault;
    }
  }

  /** Writes how the call ended under its key; later, if the store is away. Rejects for what is a fault. */
  async end(key: string, callId: CallId, ended: Ended, ttlMs: number): Promise<void> {
    const ending = { key, callId, ended, ttlMs };
    if (!(await this.#made(key, ending))) this.later(ending);
  }

  /** Writes it when the store is there again. What two calls have to say of one key is told apart. */
  later(ending: Ending): void {
    const { log } = this.#parts;
    if (this.#waiting.size >= waitingMax) {
      log('error', 'a repeat of a call will be told that its outcome is not known: too many wait', {
        call: ending.callId,
      });
      return;
    }
    if (this.#waiting.size === 0) log('warn', 'marks of calls could not be written; they wait for the store');
    this.#waiting.add(`${ending.key} ${ending.callId}`, ending);
  }

  /** One last try; what remains stays in doubt. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#waiting[Symbol.asyncDispose]();
    const left = this.#waiting.size;
    if (left > 0)
      this.#parts.log('error', 'repeats of calls will be told that their outcome is not known', { calls: left });
  }

  async #madeOrFaulty(key: string, ending: Ending): Promise<boolean> {
    try {
      return await this.#made(key, ending);
    } catch (fault) {
      this.#parts.log('error', 'a mark of a call cannot be written', { call: ending.callId, fault: `${fault}` });
      return true;
    }
  }

  /** False if it is worth trying again. A key that is another call's by now is left alone. */
  async #made(key: string, { callId, ended, ttlMs }: Ending): Promise<boolean> {
    const { store } = this.#parts;
    try {
      let found = await store.get(key);
      for (let attempt = 0; attempt < attemptsMax; attempt++) {
        const mark = readMark(found?.value);
        if (found === undefined || mark?.callId !== callId) return true;
        const next = { ...mark, ended } as unknown as Json;
        const written = await store.compareAndSet(key, found.version, next, ended.state === 'free' ? freeMs : ttlMs);
        if (written.ok) return true;
        found = written.current;
      }
      return false;
    } catch (fault) {
      if (fault instanceof StoreUnavailable) return false;
      throw fault;
    }
  }
}
