/**
 * Settlements that the store could not take when they were made: tried again until it can. What a reader would get
 * wrong: settling is idempotent by id and the hold outlives every call, so trying again can only ever find the truth;
 * giving up is what would lose it. What is still waiting when the gate stops shows in the log, and in the trail.
 */
import type { Clock, Timer } from '../clock.ts';
import { type Amounts, type Store, StoreUnavailable } from '../store/store.ts';
import type { Log } from '../telemetry/log.ts';

const retryMs = 1_000;
/** How many may wait; what comes beyond is reported, and its hold is given back when it lapses. */
const waitingMax = 100_000;
const atOnce = 64;

export interface LateSettlementParts {
  readonly store: Pick<Store, 'settle'>;
  readonly clock: Clock;
  readonly log: Log;
}

export class LateSettlements implements AsyncDisposable {
  readonly #parts: LateSettlementParts;
  readonly #waiting = new Map<string, Amounts>();
  #timer: Timer | undefined;
  #closed = false;

  constructor(parts: LateSettlementParts) {
    this.#parts = parts;
  }

  /** How many settlements wait for the store. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Settles now if the store can, later if it is away. Rejects only if too many wait already. */
  async settle(id: string, actual: Amounts): Promise<void> {
    try {
      await this.#parts.store.settle(id, actual);
    } catch (fault) {
      if (!(fault instanceof StoreUnavailable) || this.#waiting.size >= waitingMax) throw fault;
      if (this.#waiting.size === 0) this.#parts.log('warn', 'the store is away; settlements wait for it');
      this.#waiting.set(id, actual);
      this.#arm();
    }
  }

  /** One last try; what remains is logged with what it spent. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#timer?.cancel();
    await this.#retry();
    for (const [id, actual] of this.#waiting)
      this.#parts.log('error', 'a settlement was never made', { id, ...actual });
  }

  #arm(): void {
    if (this.#timer !== undefined || this.#closed) return;
    this.#timer = this.#parts.clock.after(retryMs, () => {
      this.#timer = undefined;
      void this.#retry().finally(() => {
        if (this.#waiting.size > 0) this.#arm();
      });
    });
  }

  async #retry(): Promise<void> {
    if (this.#waiting.size === 0) return;
    while (this.#waiting.size > 0) {
      const batch = [...this.#waiting].slice(0, atOnce);
      const made = await Promise.allSettled(batch.map(([id, actual]) => this.#parts.store.settle(id, actual)));
      for (const [index, { status }] of made.entries()) {
        if (status === 'fulfilled') this.#waiting.delete((batch[index] as [string, Amounts])[0]);
      }
      if (made.some(({ status }) => status === 'rejected')) return;
    }
    this.#parts.log('info', 'all settlements that waited for the store are made');
  }
}
