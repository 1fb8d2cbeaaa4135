/**
 * The contract of shared state: counters that hold reservations, records written by compare-and-set, ordered indexes,
 * expiry, and messages between gateways. Every backend passes `test/contract/store.test.ts`. All methods reject with
 * `StoreUnavailable` when the backend cannot answer; callers fail closed.
 *
 * Keys carry the tenant as a Redis hash tag (`tg:{acme}:…`), so that everything one reservation touches lies in one
 * slot of a cluster. Values are JSON and immutable: neither side changes what it gave or got.
 */
import type { Json } from '../call.ts';
import type { RateStore } from './rates.ts';

export class StoreUnavailable extends Error {
  override readonly name = 'StoreUnavailable';
}

/** Integers by dimension, for example `{tokens: 1200, costMicroUsd: 5400, calls: 1}`. */
export type Amounts = Readonly<Record<string, number>>;

export interface Versioned {
  readonly value: Json;
  /** 1 for a record just made; one more with every write. */
  readonly version: number;
}

/** A counter that a reservation draws on. A dimension without a limit is counted and never refuses. */
export interface Scope {
  readonly key: string;
  readonly limits: Amounts;
  /**
   * Counts what a settlement says of its amounts (dimensions that begin with `@`) as well; other scopes leave it out. It may
   * have many, so that where it stands is told by `balance` alone, and is nothing in the answers to holds and settlements.
   */
  readonly splits?: true;
  /** When the counter may be forgotten, in milliseconds from now; renewed by use. */
  readonly ttlMs: number;
}

/** Where a counter stands. `spent + reserved <= limit` holds whenever every settlement stays within its reservation. */
export interface Balance {
  readonly spent: Amounts;
  readonly reserved: Amounts;
}

export type ReserveResult =
  | { readonly ok: true; readonly balances: readonly Balance[] }
  /** Nothing was held anywhere. `scope` is the index of the first scope that could not give, `dimension` what. */
  | {
      readonly ok: false;
      readonly reason: 'exceeded';
      readonly scope: number;
      readonly dimension: string;
      readonly balance: Balance;
    }
  /** The id was settled before it was reserved: the caller had given up on this reservation. */
  | { readonly ok: false; readonly reason: 'settled' };

export interface SettleResult {
  /** False if this id had been settled before; then nothing changed. */
  readonly settled: boolean;
  readonly balances: readonly Balance[];
  /** What an earlier settlement spent, where it is still known: a closed id is remembered for minutes. */
  readonly before?: Amounts;
}

/** What was charged in full because whoever held it is gone; to be corrected by a settlement. */
export interface Forfeit {
  readonly id: string;
  readonly holder: string;
  readonly amounts: Amounts;
}

export type CompareAndSetResult =
  | { readonly ok: true; readonly version: number }
  /** Another version stands; `current` is undefined where the record is not there. */
  | { readonly ok: false; readonly current: Versioned | undefined };

export interface IndexRange {
  readonly below?: string;
  /** 1 to 1,000. */
  readonly limit: number;
}

export interface Subscription {
  close(): Promise<void>;
}

export interface Store extends RateStore, AsyncDisposable {
  open(): Promise<void>;
  /** Resolves if the backend answers within its time-out. */
  ping(): Promise<void>;

  get(key: string): Promise<Versioned | undefined>;
  /** Writes if the record is at `expectedVersion` (0: it is not there). `ttlMs` runs from now. */
  compareAndSet(key: string, expectedVersion: number, value: Json, ttlMs: number): Promise<CompareAndSetResult>;
  delete(key: string): Promise<void>;

  /**
   * Holds `amounts` on all scopes or on none, in one atomic step. Idempotent by `id`: the same call again gives the
   * same answer and holds nothing twice. What is not settled within `ttlMs` is given back to the totals, and its id is
   * closed. A refusal holds nothing and is not remembered: asked again, it is judged again. A dimension that `amounts`
   * does not draw on refuses nothing. A counter is not forgotten while something is held on it. `holder` names who
   * holds it: up to 256 printable characters without a space.
   */
  reserve(
    id: string,
    scopes: readonly Scope[],
    amounts: Amounts,
    ttlMs: number,
    holder?: string,
  ): Promise<ReserveResult>;
  /**
   * Ends a reservation: what it held is released, `actual` is spent, on the scopes it was made on. Idempotent by id.
   * An id that was never reserved is closed, so that a reserve that comes late holds nothing. One whose reservation
   * expired still spends `actual`, on its scopes; of one that was forfeited `actual` is spent instead of what it held.
   */
  settle(id: string, actual: Amounts): Promise<SettleResult>;
  /**
   * Spends in full whatever `holder` holds now, because it will not say any more what it used; gives how many holds that
   * were. Each can still be settled for a day, which corrects it.
   */
  forfeit(holder: string): Promise<number>;
  /** What was forfeited and is not settled, of all holders whose name begins with `prefix`; at most 10,000. */
  forfeited(prefix: string): Promise<readonly Forfeit[]>;
  balance(keys: readonly string[]): Promise<readonly Balance[]>;

  /**
   * Puts `member` (printable ASCII) into the ordered index at `key`, or renews it there; it is gone after `ttlMs`. An
   * index is a view and holds nothing that exists only there: beyond its maximum the lowest members fall off.
   */
  indexAdd(key: string, member: string, ttlMs: number): Promise<void>;
  indexRemove(key: string, member: string): Promise<void>;
  /** Up to `limit` members, the highest first; only those before `below` in byte order where it is given. */
  indexRange(key: string, range: IndexRange): Promise<readonly string[]>;

  /** Messages reach every subscriber of this and other gateways at most once, in no promised order. */
  publish(channel: string, message: Json): Promise<void>;
  subscribe(channel: string, listener: (message: Json) => void): Promise<Subscription>;
}

/** A key of one tenant: `tg:{tenant}:part:part`. Braces in a tenant would split the slot, so they are escaped. */
export function storeKey(tenant: string, ...parts: readonly string[]): string {
  return `tg:{${encodeURIComponent(tenant)}}:${parts.join(':')}`;
}

/**
 * A key of what is no tenant's, in the slot of `slot`: `tg:{@slot}:part:part`. No tenant has such a slot, since an `@` in
 * its name is escaped.
 */
export function ownerlessKey(slot: string, ...parts: readonly string[]): string {
  return `tg:{@${encodeURIComponent(slot)}}:${parts.join(':')}`;
}
