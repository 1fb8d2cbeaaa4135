/**
 * A store that goes on for a while when the shared one is gone: with records as they were last seen, and a share of what
 * was last seen to be left of each budget. What a reader would get wrong: nothing is written here. A compare-and-set is
 * refused, so that what must be seen by all gateways waits for the store; what was spent is paid to it when it is back.
 */
import type { Json } from '../call.ts';
import type { Clock, Timer } from '../clock.ts';
import { withoutSplits } from './amounts.ts';
import { MemoryStore } from './backends/memory.ts';
import type { StoreLog } from './log.ts';
import type { Bucket, TakeResult } from './rates.ts';
import { RecentMap } from './recent-map.ts';
import { RetryQueue } from './retry-queue.ts';
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
} from './store.ts';

export interface LocalShareParts {
  readonly inner: Store;
  readonly clock: Clock;
  readonly log: StoreLog;
  /** Of what is left of a budget, from 0 to 1. */
  readonly share: number;
  /** How long it goes on at a time, in milliseconds: as long as calls may run that nobody can kill. */
  readonly forMs: number;
  /** In so long a window it goes on once. */
  readonly windowMs: number;
  /** How old what was last seen of a record may be. */
  readonly seenMs: number;
}

const probeMs = 250;
const recordsMax = 2_000;
const balancesMax = 50_000;
/** Local holds and unpaid spending together; beyond it nothing more is held. */
const unpaidMax = 50_000;
const payTtlMs = 60_000;
const nobody: Balance = { spent: {}, reserved: {} };

interface Debt {
  readonly scopes: readonly Scope[];
  readonly actual: Amounts;
}

export class LocalShareStore implements Store {
  readonly #parts: LocalShareParts;
  readonly #inner: Store;
  readonly #records: RecentMap<{ readonly found: Versioned | undefined; readonly atMs: number }>;
  readonly #balances = new RecentMap<Balance>(balancesMax);
  readonly #holds = new Map<string, readonly Scope[]>();
  readonly #debts: RetryQueue<Debt>;
  #local: MemoryStore;
  /** On the monotonic clock: until when it goes on; undefined while the shared store answers. */
  #untilMs: number | undefined;
  #nextMs = Number.NEGATIVE_INFINITY;
  #probing: Promise<boolean> | undefined;
  #timer: Timer | undefined;
  #closed = false;

  constructor(parts: LocalShareParts) {
    const { inner, clock, log } = parts;
    this.#parts = parts;
    this.#inner = inner;
    this.#records = new RecentMap(recordsMax);
    this.#local = new MemoryStore({ clock });
    this.#debts = new RetryQueue({
      ...{ clock, atOnce: 32, firstMs: 500, longestMs: 5_000 },
      attempt: (debt, id) => this.#pay(id, debt),
      emptied: () => log('info', 'what was spent while the shared state was away is paid'),
    });
  }

  /** Whether it goes on without the shared store now. */
  get active(): boolean {
    return this.#untilMs !== undefined && this.#parts.clock.monotonicMs() < this.#untilMs;
  }

  /** What was spent here and the shared store does not know of yet, in calls. */
  get unpaid(): number {
    return this.#debts.size;
  }

  open(): Promise<void> {
    return this.#inner.open();
  }

  /** Pays what it can. The shared store is closed by whoever opened it. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#timer?.cancel();
    await this.#debts[Symbol.asyncDispose]();
    for (const [id, { actual }] of this.#debts.entries()) {
      this.#parts.log('error', 'what a call spent was never told to the shared state', { id, ...actual });
    }
  }

  ping(): Promise<void> {
    return this.#inner.ping();
  }

  async get(key: string): Promise<Versioned | undefined> {
    const ask = async () => {
      const found = await this.#inner.get(key);
      this.#see(key, found);
      return found;
    };
    return this.#through(ask, async () => {
      const { clock, seenMs } = this.#parts;
      const seen = this.#records.get(key);
      if (seen !== undefined && clock.monotonicMs() - seen.atMs < seenMs) return seen.found;
      throw new StoreUnavailable('The shared state is away, and the record was not seen lately');
    });
  }

  async compareAndSet(key: string, expectedVersion: number, value: Json, ttlMs: number): Promise<CompareAndSetResult> {
    const written = await this.#inner.compareAndSet(key, expectedVersion, value, ttlMs);
    this.#see(key, written.ok ? { value, version: written.version } : written.current);
    return written;
  }

  async delete(key: string): Promise<void> {
    this.#records.delete(key);
    await this.#inner.delete(key);
  }

  reserve(
    id: string,
    scopes: readonly Scope[],
    amounts: Amounts,
    ttlMs: number,
    holder?: string,
  ): Promise<ReserveResult> {
    const ask = async () => {
      const answer = await this.#inner.reserve(id, scopes, amounts, ttlMs, holder);
      if (answer.ok) this.#seeBalances(scopes, answer.balances);
      return answer;
    };
    return this.#through(ask, () => this.#reserveHere(id, scopes, amounts, ttlMs));
  }

  /** What is held here is spent here, and paid to the shared store as soon as that can be. */
  async settle(id: string, actual: Amounts): Promise<SettleResult> {
    const scopes = this.#holds.get(id);
    if (scopes === undefined) return this.#inner.settle(id, actual);
    this.#holds.delete(id);
    await this.#local.settle(id, actual);
    const debt = { scopes, actual };
    if (this.#untilMs !== undefined || !(await this.#pay(id, debt))) this.#debts.add(id, debt);
    return { settled: true, balances: [] };
  }

  forfeit(holder: string): Promise<number> {
    return this.#inner.forfeit(holder);
  }

  forfeited(prefix: string): Promise<readonly Forfeit[]> {
    return this.#inner.forfeited(prefix);
  }

  balance(keys: readonly string[]): Promise<readonly Balance[]> {
    const ask = async () => {
      const balances = await this.#inner.balance(keys);
      for (const [index, key] of keys.entries()) this.#balances.set(key, balances[index] ?? nobody);
      return balances;
    };
    return this.#through(ask, async () => this.#sums(keys));
  }

  /** Without the shared store each gateway grants the whole rate. */
  take(buckets: readonly Bucket[]): Promise<TakeResult> {
    return this.#through(
      () => this.#inner.take(buckets),
      () => this.#local.take(buckets),
    );
  }

  correct(buckets: readonly Bucket[]): Promise<void> {
    return this.#through(
      () => this.#inner.correct(buckets),
      () => this.#local.correct(buckets),
    );
  }

  indexAdd(key: string, member: string, ttlMs: number): Promise<void> {
    return this.#inner.indexAdd(key, member, ttlMs);
  }

  indexRemove(key: string, member: string): Promise<void> {
    return this.#inner.indexRemove(key, member);
  }

  indexRange(key: string, range: IndexRange): Promise<readonly string[]> {
    return this.#inner.indexRange(key, range);
  }

  publish(channel: string, message: Json): Promise<void> {
    return this.#inner.publish(channel, message);
  }

  subscribe(channel: string, listener: (message: Json) => void): Promise<Subscription> {
    return this.#inner.subscribe(channel, listener);
  }

  /** Asks the shared store; where that is gone, and it may go on without, answers by `here`. */
  async #through<T>(ask: () => Promise<T>, here: () => Promise<T>): Promise<T> {
    if (this.active) return here();
    try {
      return await ask();
    } catch (fault) {
      if (fault instanceof StoreUnavailable && (await this.#gone())) return here();
      throw fault;
    }
  }

  /** One command may be late; the store is gone if it does not answer to its name either. */
  async #gone(): Promise<boolean> {
    if (this.active) return true;
    if (this.#closed || this.#untilMs !== undefined || this.#parts.clock.monotonicMs() < this.#nextMs) return false;
    this.#probing ??= this.#answers().finally(() => {
      this.#probing = undefined;
    });
    if (await this.#probing) return false;
    if (this.#untilMs === undefined) await this.#begin();
    return this.active;
  }

  #answers(): Promise<boolean> {
    return this.#inner.ping().then(
      () => true,
      () => false,
    );
  }

  async #begin(): Promise<void> {
    const { clock, log, share, forMs, windowMs } = this.#parts;
    const nowMs = clock.monotonicMs();
    this.#untilMs = nowMs + forMs;
    this.#nextMs = nowMs + windowMs;
    this.#local = new MemoryStore({ clock });
    await this.#local.open();
    log('warn', 'the shared state is gone; reads and model calls go on with a share of their budgets', {
      share,
      forMs,
    });
    this.#probe();
  }

  #probe(): void {
    this.#timer = this.#parts.clock.after(probeMs, () => {
      void this.#answers().then((isBack) => {
        if (this.#closed) return;
        if (!isBack) return this.#probe();
        this.#untilMs = undefined;
        this.#parts.log('info', 'the shared state is back', { unpaid: this.#debts.size });
      });
    });
  }

  async #reserveHere(id: string, scopes: readonly Scope[], amounts: Amounts, ttlMs: number): Promise<ReserveResult> {
    if (this.#holds.size + this.#debts.size >= unpaidMax) throw new StoreUnavailable('Too much waits to be paid');
    const shares = scopes.map((scope) => ({ ...scope, limits: this.#shareOf(scope) }));
    const answer = await this.#local.reserve(id, shares, amounts, ttlMs);
    if (answer.ok) {
      this.#holds.set(id, scopes);
      return { ok: true, balances: this.#sums(scopes.map(({ key }) => key)) };
    }
    if (answer.reason === 'settled') return answer;
    const { scope, dimension } = answer;
    const [balance = nobody] = this.#sums([scopes[scope]?.key ?? '']);
    const taken = (balance.spent[dimension] ?? 0) + (balance.reserved[dimension] ?? 0);
    if (taken + (amounts[dimension] ?? 0) > (scopes[scope]?.limits[dimension] ?? 0)) return { ...answer, balance };
    // There is something left, which others may have: it is not for this gateway to say that the budget is spent.
    throw new StoreUnavailable('The shared state is away, and the share of this gateway is spent');
  }

  #shareOf({ key, limits }: Scope): Amounts {
    const { spent, reserved } = this.#balances.get(key) ?? nobody;
    const shares = Object.entries(limits).map(([dimension, limit]) => {
      const left = Math.max(0, limit - (spent[dimension] ?? 0) - (reserved[dimension] ?? 0));
      return [dimension, Math.floor(left * this.#parts.share)];
    });
    return Object.fromEntries(shares);
  }

  /** What was last seen, and what was done here since. */
  #sums(keys: readonly string[]): readonly Balance[] {
    return keys.map((key) => {
      const [seen, here] = [this.#balances.get(key) ?? nobody, this.#local.balanceOf(key)];
      return { spent: sum(seen.spent, here.spent), reserved: sum(seen.reserved, here.reserved) };
    });
  }

  /** False if it is worth trying again. What was paid is paid once: both steps are idempotent by id. */
  async #pay(id: string, { scopes, actual }: Debt): Promise<boolean> {
    const unlimited = scopes.map((scope) => ({ ...scope, limits: {} }));
    try {
      await this.#inner.reserve(id, unlimited, withoutSplits(actual), payTtlMs);
      await this.#inner.settle(id, actual);
      return true;
    } catch (fault) {
      if (fault instanceof StoreUnavailable) return false;
      this.#parts.log('error', 'what a call spent could not be told to the shared state', { id, fault });
      return true;
    }
  }

  #see(key: string, found: Versioned | undefined): void {
    this.#records.set(key, { found, atMs: this.#parts.clock.monotonicMs() });
  }

  #seeBalances(scopes: readonly Scope[], balances: readonly Balance[]): void {
    for (const [index, { key }] of scopes.entries()) this.#balances.set(key, balances[index] ?? nobody);
  }
}

function sum(left: Amounts, right: Amounts): Amounts {
  const sums: Record<string, number> = { ...left };
  for (const [dimension, amount] of Object.entries(right)) sums[dimension] = (sums[dimension] ?? 0) + amount;
  return sums;
}
