/**
 * How much of the kept answers this gateway has put into the store: in all, and for each task, so that one task cannot
 * take the room of all others. What is over by its time is not counted any more.
 */
import type { Clock } from '../clock.ts';

interface Row {
  readonly taskId: string;
  readonly bytes: number;
  /** On the monotonic clock. */
  readonly dueMs: number;
}

/** How many rows are looked at for one that goes in. */
const lookedAtMax = 64;
/** However short the answers are. */
const rowsMax = 50_000;

export class HeldBytes {
  readonly #clock: Clock;
  readonly #rows = new Map<string, Row>();
  readonly #ofTask = new Map<string, number>();
  #bytes = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Of all tasks, as far as it has looked. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Counts `bytes` at `key` if there is room for them; false, and nothing counted, if there is none. */
  take(
    key: string,
    row: { readonly taskId: string; readonly bytes: number; readonly ttlMs: number },
    bounds: Bounds,
  ): boolean {
    this.#forgetOver();
    const { taskId, bytes, ttlMs } = row;
    const ofTask = this.#ofTask.get(taskId) ?? 0;
    const fits = this.#bytes + bytes <= bounds.totalBytes && ofTask + bytes <= bounds.taskBytes;
    if (!fits || this.#rows.size >= rowsMax) return false;
    this.#rows.set(key, { taskId, bytes, dueMs: this.#clock.monotonicMs() + ttlMs });
    this.#bytes += bytes;
    this.#ofTask.set(taskId, ofTask + bytes);
    return true;
  }

  /** The oldest come first, and most live as long as each other. */
  #forgetOver(): void {
    const nowMs = this.#clock.monotonicMs();
    let looked = 0;
    for (const [key, { taskId, bytes, dueMs }] of this.#rows) {
      if (++looked > lookedAtMax) return;
      if (dueMs > nowMs) continue;
      this.#rows.delete(key);
      this.#bytes -= bytes;
      const left = (this.#ofTask.get(taskId) ?? 0) - bytes;
      if (left > 0) this.#ofTask.set(taskId, left);
      else this.#ofTask.delete(taskId);
    }
  }
}

export interface Bounds {
  readonly taskBytes: number;
  readonly totalBytes: number;
}
