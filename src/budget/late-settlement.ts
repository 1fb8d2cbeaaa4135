/**
 * Settlements that the store could not take when they were made: tried again until it can. What a reader would get
 * wrong: settling is idempotent by id and the hold outlives every call, so trying again can only ever find the truth;
 * giving up is what would lose it. What is still waiting when the gate stops shows in the log, and in the trail.
 */
import type { Clock } from '../clock.ts';
import { RetryQueue } from '../store/retry-queue.ts';
import { type Amounts, type SettleResult, type Store, StoreUnavailable } from '../store/store.ts';
import type { Log } from '../telemetry/log.ts';

const retryMs = 1_000;
/** How many may wait; what comes beyond is reported, and its hold is charged in full if this gateway ends before. */
const waitingMax = 100_000;
const atOnce = 64;

export interface LateSettlementParts {
  readonly store: Pick<Store, 'settle'>;
  readonly clock: Clock;
  readonly log: Log;
}

export class LateSettlements implements AsyncDisposable {
  readonly #parts: LateSettlementParts;
  readonly #waiting: RetryQueue<Amounts>;

  constructor(parts: LateSettlementParts) {
    const { store, clock, log } = parts;
    this.#parts = parts;
    this.#waiting = new RetryQueue({
      ...{ clock, atOnce, firstMs: retryMs, longestMs: retryMs },
      attempt: (actual, id) =>
        store.settle(id, actual).then(
          () => true,
          () => false,
        ),
      emptied: () => log('info', 'all settlements that waited for the store are made'),
    });
  }

  /** How many settlements wait for the store. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Settles now if the store can, later if it is away: then it gives nothing. Rejects only if too many wait already. */
  async settle(id: string, actual: Amounts): Promise<SettleResult | undefined> {
    try {
      return await this.#parts.store.settle(id, actual);
    } catch (fault) {
      if (!(fault instanceof StoreUnavailable) || this.#waiting.size >= waitingMax) throw fault;
      if (this.#waiting.size === 0) this.#parts.log('warn', 'the store is away; settlements wait for it');
      this.#waiting.add(id, actual);
      return undefined;
    }
  }

  /** One last try; what remains is logged with what it spent. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#waiting[Symbol.asyncDispose]();
    for (const [id, actual] of this.#waiting.entries())
      this.#parts.log('error', 'a settlement was never made', { id, ...actual });
  }
}
