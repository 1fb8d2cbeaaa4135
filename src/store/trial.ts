/**
 * A store on which nothing is left behind: it reads what is there, keeps what is written for itself, and says of a
 * reservation what the real one would say. What works on it does all its work, sees its own writes, and has no effect.
 * One trial is for one call: what it holds is thrown away with it.
 */
import type { Json } from '../call.ts';
import { assertAmounts, assertScopes, exceeded } from './amounts.ts';
import type { Bucket, TakeResult } from './rates.ts';
import type {
  Amounts,
  Balance,
  CompareAndSetResult,
  Forfeit,
  IndexRange,
  ReserveResult,
  Scope,
  SettleResult,
  Store,
  Subscription,
  Versioned,
} from './store.ts';

/** What of a store a trial reads; it can do nothing else to it. */
export type Readable = Pick<Store, 'get' | 'balance' | 'indexRange'>;

export class TrialStore implements Store {
  readonly #read: Readable;
  /** Records as this trial has written them; undefined where it took them away. */
  readonly #written = new Map<string, Versioned | undefined>();
  #asked: Amounts | null = null;

  constructor(read: Readable) {
    this.#read = read;
  }

  /** What was last to be reserved, granted or not; null if nothing was. */
  get asked(): Amounts | null {
    return this.#asked;
  }

  async open(): Promise<void> {}

  async [Symbol.asyncDispose](): Promise<void> {
    this.#written.clear();
  }

  async ping(): Promise<void> {}

  async get(key: string): Promise<Versioned | undefined> {
    return this.#written.has(key) ? this.#written.get(key) : this.#read.get(key);
  }

  async compareAndSet(key: string, expectedVersion: number, value: Json): Promise<CompareAndSetResult> {
    const current = await this.get(key);
    if ((current?.version ?? 0) !== expectedVersion) return { ok: false, current };
    const version = expectedVersion + 1;
    this.#written.set(key, { value, version });
    return { ok: true, version };
  }

  async delete(key: string): Promise<void> {
    this.#written.set(key, undefined);
  }

  /** Whether there is room now. Holds nothing, so a second one finds the same room. */
  async reserve(_id: string, scopes: readonly Scope[], amounts: Amounts): Promise<ReserveResult> {
    assertAmounts(amounts);
    assertScopes(scopes);
    this.#asked = amounts;
    const balances = await this.#read.balance(scopes.map(({ key }) => key));
    for (const [index, { limits }] of scopes.entries()) {
      const balance = balances[index] ?? { spent: {}, reserved: {} };
      const dimension = exceeded(limits, amounts, (of) => (balance.spent[of] ?? 0) + (balance.reserved[of] ?? 0));
      if (dimension !== undefined) return { ok: false, reason: 'exceeded', scope: index, dimension, balance };
    }
    return { ok: true, balances };
  }

  async settle(): Promise<SettleResult> {
    return { settled: true, balances: [] };
  }

  async forfeit(): Promise<number> {
    return 0;
  }

  async forfeited(): Promise<readonly Forfeit[]> {
    return [];
  }

  balance(keys: readonly string[]): Promise<readonly Balance[]> {
    return this.#read.balance(keys);
  }

  /** A trial takes of no rate, so what would have to wait is not refused: that it would, says only the moment. */
  async take(buckets: readonly Bucket[]): Promise<TakeResult> {
    return { ok: true, states: buckets.map(({ capacity }) => ({ remaining: capacity, fullMs: 0 })) };
  }

  async correct(): Promise<void> {}

  async indexAdd(): Promise<void> {}

  async indexRemove(): Promise<void> {}

  indexRange(key: string, range: IndexRange): Promise<readonly string[]> {
    return this.#read.indexRange(key, range);
  }

  async publish(): Promise<void> {}

  async subscribe(): Promise<Subscription> {
    return { close: async () => undefined };
  }
}
