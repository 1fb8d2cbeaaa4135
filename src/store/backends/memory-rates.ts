/** The buckets of the memory store: by key, when each is full again. One that is full is forgotten. */
import { ExpiryQueue } from '../expiry.ts';
import { assertBuckets, type Bucket, mayTake, movedMs, type TakeResult, takeResult } from '../rates.ts';
import { StoreUnavailable } from '../store.ts';

export class MemoryRates {
  readonly #bucketsMax: number;
  readonly #fullAtMs = new Map<string, number>();
  readonly #due = new ExpiryQueue<string>();

  constructor(bucketsMax: number) {
    this.#bucketsMax = bucketsMax;
  }

  take(buckets: readonly Bucket[], nowMs: number): TakeResult {
    assertBuckets(buckets, 0);
    this.#forgetFull(nowMs);
    const fullAtMs = buckets.map(({ key }) => this.#fullAtMs.get(key) ?? 0);
    const ok = mayTake(buckets, fullAtMs, nowMs);
    if (ok) this.#move(buckets, nowMs);
    return takeResult(buckets, fullAtMs, nowMs, ok);
  }

  correct(buckets: readonly Bucket[], nowMs: number): void {
    assertBuckets(buckets, -1);
    this.#forgetFull(nowMs);
    this.#move(buckets, nowMs);
  }

  #move(buckets: readonly Bucket[], nowMs: number): void {
    const fresh = buckets.filter(({ key }) => !this.#fullAtMs.has(key)).length;
    if (this.#fullAtMs.size + fresh > this.#bucketsMax) {
      throw new StoreUnavailable('The memory store holds as many rates as it may');
    }
    for (const bucket of buckets) {
      const fullAtMs = movedMs(bucket, this.#fullAtMs.get(bucket.key) ?? 0, nowMs);
      this.#fullAtMs.set(bucket.key, fullAtMs);
      this.#due.push(bucket.key, fullAtMs);
    }
  }

  #forgetFull(nowMs: number): void {
    for (let key = this.#due.popDue(nowMs); key !== undefined; key = this.#due.popDue(nowMs)) {
      if ((this.#fullAtMs.get(key) ?? 0) <= nowMs) this.#fullAtMs.delete(key);
    }
    if (this.#due.size > 2 * this.#fullAtMs.size + 1024) {
      this.#due.compact((key, dueMs) => this.#fullAtMs.get(key) === dueMs);
    }
  }
}
