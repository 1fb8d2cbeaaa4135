/**
 * Bounds what strangers can write into the trail: of refusals of unknown callers only so many a second are recorded,
 * the others are counted, and the count goes into the next one that is recorded. Nothing is silently left out.
 */
import type { Clock } from '../clock.ts';

const windowMs = 1_000;

export class Sampler {
  readonly #clock: Clock;
  readonly #perSecond: number;
  #windowEndsMs = 0;
  #recorded = 0;
  #skipped = 0;

  /** `perSecond` is how many may be recorded within one second. */
  constructor(clock: Clock, perSecond: number) {
    this.#clock = clock;
    this.#perSecond = perSecond;
  }

  /** Whether to record this one; then `skipped` is how many were not, since the last that was. */
  take(): { readonly record: true; readonly skipped: number } | { readonly record: false } {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs >= this.#windowEndsMs) {
      this.#windowEndsMs = nowMs + windowMs;
      this.#recorded = 0;
    }
    if (this.#recorded >= this.#perSecond) {
      this.#skipped++;
      return { record: false };
    }
    this.#recorded++;
    return { record: true, skipped: this.drain() };
  }

  /** How many were not recorded and are in no event yet; afterwards none. For the last event before a stop. */
  drain(): number {
    const skipped = this.#skipped;
    this.#skipped = 0;
    return skipped;
  }
}
