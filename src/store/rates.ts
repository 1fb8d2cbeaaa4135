/**
 * Rates in shared state: buckets that fill again with time. A bucket is kept as one number, the moment at which it will
 * be full again (the generic cell rate algorithm): what is taken moves it away, and time comes nearer to it. So a bucket
 * that nobody has touched for long enough is full, and nothing need be kept of it.
 */
import assert from 'node:assert/strict';

/** A bucket as its limit describes it: `refill` comes back in every `perMs`, up to `capacity`. */
export interface Bucket {
  readonly key: string;
  readonly refill: number;
  readonly perMs: number;
  /** The most that can be taken at once. */
  readonly capacity: number;
  /** What to take or to give back; for `correct` also below 0. Whole. */
  readonly amount: number;
}

/** Where a bucket stands. */
export interface BucketState {
  /** What can be taken now, whole. */
  readonly remaining: number;
  /** Until it is full again. */
  readonly fullMs: number;
}

export type TakeResult =
  | { readonly ok: true; readonly states: readonly BucketState[] }
  /**
   * Nothing was taken of any. `bucket` is the index of the one that has longest to go until it holds what was asked of
   * it, in `waitMs`; that is infinite where it never will, because more was asked than it can hold.
   */
  | { readonly ok: false; readonly bucket: number; readonly waitMs: number; readonly states: readonly BucketState[] };

/** The part of a store that keeps rates. All buckets of one call are of one slot: of one tenant, or of one route. */
export interface RateStore {
  /**
   * Takes from all buckets or from none, in one atomic step, by the time of the store. Not idempotent: a take that timed
   * out may have been made, and then what it took comes back with time.
   */
  take(buckets: readonly Bucket[]): Promise<TakeResult>;
  /**
   * Puts a take right: `amount` more is taken of each bucket, or given back where it is below 0. A bucket is never more
   * than full nor less than empty.
   */
  correct(buckets: readonly Bucket[]): Promise<void>;
}

const amountMax = 2 ** 40;

/** What a caller must keep to; a violation is its bug. */
export function assertBuckets(buckets: readonly Bucket[], least: 0 | -1): void {
  assert.equal(new Set(buckets.map(({ key }) => key)).size, buckets.length, 'the buckets of a take differ');
  for (const { refill, perMs, capacity, amount } of buckets) {
    assert.ok(
      [refill, perMs, capacity].every((part) => Number.isSafeInteger(part) && part > 0),
      'a limit is above 0',
    );
    const fits = Number.isSafeInteger(amount) && Math.abs(amount) <= amountMax;
    assert.ok(fits && (least < 0 || amount >= 0), 'an amount is a whole number');
  }
}

/** How long `units` take to come back, in milliseconds. */
export function msOf({ refill, perMs }: Pick<Bucket, 'refill' | 'perMs'>, units: number): number {
  return (units * perMs) / refill;
}

/**
 * When `bucket` is full again, from what is kept of it: never later than from empty, also where the clock was set back or
 * its limit changed since.
 */
function fullAgainMs(bucket: Bucket, fullAtMs: number, nowMs: number): number {
  return Math.min(Math.max(fullAtMs, nowMs), nowMs + msOf(bucket, bucket.capacity));
}

/** The state of a bucket that is full again at `fullAtMs`. */
export function stateOf(bucket: Bucket, fullAtMs: number, nowMs: number): BucketState {
  const fullMs = fullAgainMs(bucket, fullAtMs, nowMs) - nowMs;
  const missing = (fullMs * bucket.refill) / bucket.perMs;
  // What is whole but for the rounding of a double is whole.
  return { remaining: Math.max(0, Math.floor(bucket.capacity - missing + 1e-6)), fullMs: Math.ceil(fullMs) };
}

/** How long until `bucket` holds what is asked of it; 0 where it does, infinite where it never will. */
export function waitMsOf(bucket: Bucket, fullAtMs: number, nowMs: number): number {
  if (bucket.amount === 0) return 0;
  if (bucket.amount > bucket.capacity) return Number.POSITIVE_INFINITY;
  const missingMs = fullAgainMs(bucket, fullAtMs, nowMs) - nowMs;
  const overMs = missingMs + msOf(bucket, bucket.amount) - msOf(bucket, bucket.capacity);
  // A thousandth of a millisecond is rounding, not time.
  return overMs <= 1e-3 ? 0 : overMs;
}

/** Whether all that is asked is there. */
export function mayTake(buckets: readonly Bucket[], fullAtMs: readonly number[], nowMs: number): boolean {
  return buckets.every((bucket, index) => waitMsOf(bucket, fullAtMs[index] ?? 0, nowMs) === 0);
}

/** What a take answers: `ok` as whoever keeps the buckets found it, the rest from when each was full again before it. */
export function takeResult(
  buckets: readonly Bucket[],
  fullAtMs: readonly number[],
  nowMs: number,
  ok: boolean,
): TakeResult {
  if (ok) {
    const states = buckets.map((bucket, index) => stateOf(bucket, movedMs(bucket, fullAtMs[index] ?? 0, nowMs), nowMs));
    return { ok, states };
  }
  const waits = buckets.map((bucket, index) => waitMsOf(bucket, fullAtMs[index] ?? 0, nowMs));
  const waitMs = Math.max(...waits);
  const states = buckets.map((bucket, index) => stateOf(bucket, fullAtMs[index] ?? 0, nowMs));
  return { ok, bucket: waits.indexOf(waitMs), waitMs: Math.max(1, Math.ceil(waitMs)), states };
}

/** When `bucket` is full again once its amount is taken: never before now, nor later than from empty. */
export function movedMs(bucket: Bucket, fullAtMs: number, nowMs: number): number {
  const moved = fullAgainMs(bucket, fullAtMs, nowMs) + msOf(bucket, bucket.amount);
  return fullAgainMs(bucket, moved, nowMs);
}
