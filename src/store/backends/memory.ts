/**
 * Shared state in this process: the backend of a single gateway, and of tests. Every method does its work in one
 * synchronous step, which is what makes it atomic: an `await` inside one would break the contract. Nothing expires
 * by a timer; each method first clears away what is due. At a maximum it refuses (`StoreUnavailable`), never forgets
 * what somebody holds.
 */
import type { Json } from '../../call.ts';
import type { Clock } from '../../clock.ts';
import { assertMember, assertRange } from '../amounts.ts';
import { ExpiryQueue } from '../expiry.ts';
import type { Bucket, TakeResult } from '../rates.ts';
import {
  type Amounts,
  type Balance,
  type CompareAndSetResult,
  type Forfeit,
  type IndexRange,
  type ReserveResult,
  type Scope,
  type SettleResult,
  type Store,
  StoreUnavailable,
  type Subscription,
  type Versioned,
} from '../store.ts';
import { Ledger, type LedgerMaxima } from './ledger.ts';
import { MemoryIndexes } from './memory-index.ts';
import { MemoryRates } from './memory-rates.ts';

export interface MemoryStoreMaxima extends LedgerMaxima {
  /** Records at once. */
  readonly records: number;
  /** Members of one index at once. */
  readonly members: number;
  /** Buckets of rates at once that are not full. */
  readonly rates: number;
  /** Subscriptions at once, over all channels. */
  readonly subscriptions: number;
}

export const memoryStoreMaxima: MemoryStoreMaxima = {
  records: 200_000,
  members: 200_000,
  rates: 200_000,
  subscriptions: 10_000,
  counters: 200_000,
  reservations: 200_000,
  closed: 200_000,
};

export interface MemoryStoreParts {
  readonly clock: Clock;
  readonly maxima?: Partial<MemoryStoreMaxima>;
  /** Told of what a subscriber threw; the other subscribers get their message all the same. */
  readonly onListenerFault?: (error: unknown) => void;
}

interface Record_ extends Versioned {
  readonly expiresAtMs: number;
}

type Listener = (message: Json) => void;

export class MemoryStore implements Store {
  readonly #clock: Clock;
  readonly #maxima: MemoryStoreMaxima;
  readonly #onListenerFault: (error: unknown) => void;
  readonly #records = new Map<string, Record_>();
  readonly #recordsDue = new ExpiryQueue<string>();
  readonly #ledger: Ledger;
  readonly #indexes: MemoryIndexes;
  readonly #rates: MemoryRates;
  readonly #channels = new Map<string, Set<{ readonly listener: Listener }>>();
  #subscriptions = 0;
  #open = false;

  constructor(parts: MemoryStoreParts) {
    this.#clock = parts.clock;
    this.#maxima = { ...memoryStoreMaxima, ...parts.maxima };
    this.#onListenerFault = parts.onListenerFault ?? (() => {});
    this.#ledger = new Ledger(this.#maxima);
    this.#indexes = new MemoryIndexes(this.#maxima.members);
    this.#rates = new MemoryRates(this.#maxima.rates);
  }

  async open(): Promise<void> {
    this.#open = true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#open = false;
    this.#channels.clear();
    this.#subscriptions = 0;
  }

  async ping(): Promise<void> {
    this.#tick();
  }

  async get(key: string): Promise<Versioned | undefined> {
    return this.#current(key, this.#tick());
  }

  async compareAndSet(key: string, expectedVersion: number, value: Json, ttlMs: number): Promise<CompareAndSetResult> {
    const nowMs = this.#tick();
    const current = this.#current(key, nowMs);
    if ((current?.version ?? 0) !== expectedVersion) return { ok: false, current };
    if (current === undefined && this.#records.size >= this.#maxima.records) {
      throw new StoreUnavailable('The memory store holds as many records as it may');
    }
    const version = expectedVersion + 1;
    const expiresAtMs = nowMs + ttlMs;
    this.#records.set(key, { value, version, expiresAtMs });
    this.#recordsDue.push(key, expiresAtMs);
    return { ok: true, version };
  }

  async delete(key: string): Promise<void> {
    this.#tick();
    this.#records.delete(key);
  }

  async reserve(
    id: string,
    scopes: readonly Scope[],
    amounts: Amounts,
    ttlMs: number,
    holder?: string,
  ): Promise<ReserveResult> {
    return this.#ledger.reserve(id, scopes, amounts, { ttlMs, nowMs: this.#tick(), holder });
  }

  async settle(id: string, actual: Amounts): Promise<SettleResult> {
    return this.#ledger.settle(id, actual, this.#tick());
  }

  async forfeit(holder: string): Promise<number> {
    return this.#ledger.forfeit(holder, this.#tick());
  }

  async forfeited(prefix: string): Promise<readonly Forfeit[]> {
    this.#tick();
    return this.#ledger.forfeited(prefix);
  }

  async balance(keys: readonly string[]): Promise<readonly Balance[]> {
    this.#tick();
    return keys.map((key) => this.#ledger.balance(key));
  }

  async take(buckets: readonly Bucket[]): Promise<TakeResult> {
    return this.#rates.take(buckets, this.#tick());
  }

  async correct(buckets: readonly Bucket[]): Promise<void> {
    this.#rates.correct(buckets, this.#tick());
  }

  /** The balance at `key` as it stands, without the wait. */
  balanceOf(key: string): Balance {
    return this.#ledger.balance(key);
  }

  async indexAdd(key: string, member: string, ttlMs: number): Promise<void> {
    assertMember(member);
    const nowMs = this.#tick();
    this.#indexes.add(key, member, nowMs + ttlMs, nowMs);
  }

  async indexRemove(key: string, member: string): Promise<void> {
    assertMember(member);
    this.#indexes.remove(key, member, this.#tick());
  }

  async indexRange(key: string, range: IndexRange): Promise<readonly string[]> {
    assertRange(range);
    return this.#indexes.range(key, range, this.#tick());
  }

  async publish(channel: string, message: Json): Promise<void> {
    this.#tick();
    for (const subscription of this.#channels.get(channel) ?? []) {
      // Later, as over a network: whoever publishes must not find its message handled when the call comes back.
      queueMicrotask(() => this.#deliver(channel, subscription, message));
    }
  }

  async subscribe(channel: string, listener: Listener): Promise<Subscription> {
    this.#tick();
    if (this.#subscriptions >= this.#maxima.subscriptions) {
      throw new StoreUnavailable('The memory store has as many subscriptions as it may');
    }
    const subscription = { listener };
    const subscriptions = this.#channels.get(channel) ?? new Set();
    subscriptions.add(subscription);
    this.#channels.set(channel, subscriptions);
    this.#subscriptions++;
    return { close: async () => this.#unsubscribe(channel, subscription) };
  }

  #deliver(channel: string, subscription: { readonly listener: Listener }, message: Json): void {
    if (!this.#channels.get(channel)?.has(subscription)) return;
    try {
      subscription.listener(message);
    } catch (error) {
      this.#onListenerFault(error);
    }
  }

  #unsubscribe(channel: string, subscription: { readonly listener: Listener }): void {
    const subscriptions = this.#channels.get(channel);
    if (!subscriptions?.delete(subscription)) return;
    this.#subscriptions--;
    if (subscriptions.size === 0) this.#channels.delete(channel);
  }

  /** The record at `key`, if it lives: what is due but not yet cleared away is not there. */
  #current(key: string, nowMs: number): Versioned | undefined {
    const found = this.#records.get(key);
    return found === undefined || found.expiresAtMs <= nowMs
      ? undefined
      : { value: found.value, version: found.version };
  }

  /** Monotonic time now, with everything that is due by then cleared away. Rejects unless the store is open. */
  #tick(): number {
    if (!this.#open) throw new StoreUnavailable('The memory store is not open');
    const nowMs = this.#clock.monotonicMs();
    for (let key = this.#recordsDue.popDue(nowMs); key !== undefined; key = this.#recordsDue.popDue(nowMs)) {
      const record = this.#records.get(key);
      if (record !== undefined && record.expiresAtMs <= nowMs) this.#records.delete(key);
    }
    // A record that is written often leaves one stale entry a write; twice what lives is where they are swept.
    if (this.#recordsDue.size > 2 * this.#records.size + 1024) {
      this.#recordsDue.compact((key, dueMs) => this.#records.get(key)?.expiresAtMs === dueMs);
    }
    this.#ledger.expire(nowMs);
    return nowMs;
  }
}
