/**
 * How much of what is remembered this gateway has in the store. The store also holds tasks and budgets, and forgets
 * nothing to make room: so what was put there is counted, and the oldest of it is taken out before more goes in.
 */
import type { Clock } from '../../clock.ts';
import type { Store } from '../../store/store.ts';

export interface RoomMax {
  readonly records: number;
  readonly bytes: number;
}

/** Over all tasks. */
const roomMax: RoomMax = { records: 20_000, bytes: 64 * 1_048_576 };
/** How many are taken out for one that goes in; what does not fit then is not kept. */
const takenOutMax = 64;

interface Held {
  readonly bytes: number;
  /** On the monotonic clock. */
  readonly dueMs: number;
}

export class Room {
  readonly #store: Pick<Store, 'delete'>;
  readonly #clock: Clock;
  readonly #max: RoomMax;
  /** The oldest first. */
  readonly #held = new Map<string, Held>();
  #bytes = 0;

  constructor(parts: { readonly store: Pick<Store, 'delete'>; readonly clock: Clock; readonly max?: RoomMax }) {
    this.#store = parts.store;
    this.#clock = parts.clock;
    this.#max = parts.max ?? roomMax;
  }

  /**
   * Makes room for what is to lie under `key` for `ttlMs`; false where that is not to be had, and then it must not lie
   * there. What it was counted with before counts no more. Rejects with `StoreUnavailable`.
   */
  async take(key: string, bytes: number, ttlMs: number): Promise<boolean> {
    this.give(key);
    // Counted before it is written: so must the next one be, and of a write that nobody answered for it is not known
    // whether it is there.
    const nowMs = this.#clock.monotonicMs();
    this.#held.set(key, { bytes, dueMs: nowMs + ttlMs });
    this.#bytes += bytes;
    if (this.#fits()) return true;
    for (const [other, { dueMs }] of this.#held) if (dueMs <= nowMs) this.give(other);
    for (const other of [...this.#held.keys()].slice(0, takenOutMax)) {
      if (this.#fits() || other === key) break;
      await this.#store.delete(other);
      this.give(other);
    }
    if (this.#fits()) return true;
    this.give(key);
    return false;
  }

  /** What lies under `key` is there no more. */
  give(key: string): void {
    const held = this.#held.get(key);
    if (held === undefined) return;
    this.#held.delete(key);
    this.#bytes -= held.bytes;
  }

  #fits(): boolean {
    return this.#bytes <= this.#max.bytes && this.#held.size <= this.#max.records;
  }
}
