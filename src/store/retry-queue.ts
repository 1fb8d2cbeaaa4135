/**
 * Writes that wait until the store takes them. What a reader would get wrong: an attempt may be made more than once,
 * because one that was given up on may have been made all the same; what waits here must be idempotent.
 */
import type { Clock, Timer } from '../clock.ts';

export interface RetryQueueOptions<Item> {
  readonly clock: Clock;
  /** How many are attempted side by side. */
  readonly atOnce: number;
  /** The first wait between two rounds; it doubles with every round that fails, up to the longest. */
  readonly firstMs: number;
  readonly longestMs: number;
  /** False if it is worth trying again. Must not reject. */
  readonly attempt: (item: Item, key: string) => Promise<boolean>;
  /** Told when nothing waits any more. */
  readonly emptied: () => void;
}

export class RetryQueue<Item> implements AsyncDisposable {
  readonly #options: RetryQueueOptions<Item>;
  readonly #waiting = new Map<string, Item>();
  #timer: Timer | undefined;
  #waitMs: number;
  #closed = false;

  constructor(options: RetryQueueOptions<Item>) {
    this.#options = options;
    this.#waitMs = options.firstMs;
  }

  get size(): number {
    return this.#waiting.size;
  }

  /** What waits, by its key, in the order it came. */
  entries(): IterableIterator<[string, Item]> {
    return this.#waiting.entries();
  }

  /** Takes a write in; the bound on how many may wait is the caller's. */
  add(key: string, item: Item): void {
    this.#waiting.set(key, item);
    this.#arm();
  }

  /** One last round; what remains is for the caller to report. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#timer?.cancel();
    await this.#round();
  }

  #arm(): void {
    if (this.#timer !== undefined || this.#closed) return;
    this.#timer = this.#options.clock.after(this.#waitMs, () => {
      this.#timer = undefined;
      void this.#round().finally(() => {
        if (this.#waiting.size > 0) this.#arm();
      });
    });
  }

  async #round(): Promise<void> {
    const { atOnce, attempt, firstMs, longestMs, emptied } = this.#options;
    if (this.#waiting.size === 0) return;
    while (this.#waiting.size > 0) {
      const batch = [...this.#waiting].slice(0, atOnce);
      const made = await Promise.all(batch.map(([key, item]) => attempt(item, key)));
      for (const [index, [key]] of batch.entries()) if (made[index]) this.#waiting.delete(key);
      if (made.includes(false)) {
        this.#waitMs = Math.min(2 * this.#waitMs, longestMs);
        return;
      }
    }
    this.#waitMs = firstMs;
    emptied();
  }
}
