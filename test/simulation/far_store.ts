/**
 * A store behind a network, for simulations of several gateways: every command and every answer takes its time, some
 * answers are lost, some commands run after their caller has given up, and what a gateway had sent before it died still
 * runs. What a reader would get wrong: balances only change when a command runs here, so looking at them after each one
 * is looking at every step.
 */
import assert from 'node:assert/strict';
import type { Json } from '../../src/call.ts';
import type { Clock, Timer } from '../../src/clock.ts';
import type { MemoryStore } from '../../src/store/backends/memory.ts';
import type { Bucket } from '../../src/store/rates.ts';
import { type Amounts, type IndexRange, type Scope, type Store, StoreUnavailable } from '../../src/store/store.ts';
import type { ManualClock } from '../fakes/clock.ts';

/** A whole number below `below`, from the seed. */
export type Draw = (below: number) => number;

/** The time of one gateway: it stands still for ever once the gateway is dead, whatever was to happen. */
export class Life implements Clock {
  readonly #clock: ManualClock;
  alive = true;

  constructor(clock: ManualClock) {
    this.#clock = clock;
  }

  nowMs(): number {
    return this.#clock.nowMs();
  }

  monotonicMs(): number {
    return this.#clock.monotonicMs();
  }

  randomBytes(length: number): Buffer {
    return this.#clock.randomBytes(length);
  }

  after(delayMs: number, task: () => void): Timer {
    return this.#clock.after(delayMs, () => {
      if (this.alive) task();
    });
  }
}

/** A reservation that the store has made. */
export interface Hold {
  readonly scopes: readonly Scope[];
  readonly amounts: Amounts;
  readonly holder: string | undefined;
}

/** What ran in the store, as nobody of the gateways sees it. */
export class StoreBooks {
  readonly #store: MemoryStore;
  readonly #limitsOf: (key: string) => Amounts;
  /** By id of the reservation. */
  readonly holds = new Map<string, Hold>();
  /** The settlement that counted, and who made it. */
  readonly settled = new Map<string, { readonly actual: Amounts; readonly by: string }>();
  /** Every counter that was drawn on. */
  readonly keys = new Set<string>();
  steps = 0;

  constructor(store: MemoryStore, limitsOf: (key: string) => Amounts) {
    this.#store = store;
    this.#limitsOf = limitsOf;
  }

  /** Throws where a level is overspent, or below nothing. */
  look(): void {
    this.steps++;
    for (const key of this.keys) {
      const { spent, reserved } = this.#store.balanceOf(key);
      for (const [dimension, limit] of Object.entries(this.#limitsOf(key))) {
        const [used, held] = [spent[dimension] ?? 0, reserved[dimension] ?? 0];
        assert.ok(used + held <= limit, `${key}: ${dimension} ${used} spent, ${held} held, of ${limit}`);
        assert.ok(used >= 0 && held >= 0, `${key}: ${dimension} ${used} spent, ${held} held`);
      }
    }
  }
}

export interface FarStoreParts {
  readonly store: MemoryStore;
  readonly books: StoreBooks;
  readonly clock: ManualClock;
  readonly life: Life;
  /** Who sends these commands. */
  readonly holder: string;
  readonly draw: Draw;
  /** Of a thousand commands, how many are not answered in time. */
  readonly lostPerMille: () => number;
  /** Told of what must never happen. */
  readonly failed: (fault: unknown) => void;
}

const timeoutMs = 40;
/** How long after it was given up a command may still run; much shorter than a lease. */
const lateMsMax = 250;

export class FarStore implements Store {
  readonly #parts: FarStoreParts;

  constructor(parts: FarStoreParts) {
    this.#parts = parts;
  }

  async open(): Promise<void> {}
  async [Symbol.asyncDispose](): Promise<void> {}

  ping = () => this.#send((store) => store.ping());
  get = (key: string) => this.#send((store) => store.get(key));
  compareAndSet = (key: string, version: number, value: Json, ttlMs: number) =>
    this.#send((store) => store.compareAndSet(key, version, value, ttlMs));
  delete = (key: string) => this.#send((store) => store.delete(key));
  forfeit = (holder: string) => this.#send((store) => store.forfeit(holder));
  forfeited = (prefix: string) => this.#send((store) => store.forfeited(prefix));
  balance = (keys: readonly string[]) => this.#send((store) => store.balance(keys));
  take = (buckets: readonly Bucket[]) => this.#send((store) => store.take(buckets));
  correct = (buckets: readonly Bucket[]) => this.#send((store) => store.correct(buckets));
  indexAdd = (key: string, member: string, ttlMs: number) => this.#send((store) => store.indexAdd(key, member, ttlMs));
  indexRemove = (key: string, member: string) => this.#send((store) => store.indexRemove(key, member));
  indexRange = (key: string, range: IndexRange) => this.#send((store) => store.indexRange(key, range));
  publish = (channel: string, message: Json) => this.#send((store) => store.publish(channel, message));
  subscribe = (channel: string, listener: (message: Json) => void) =>
    this.#parts.store.subscribe(channel, (message) => {
      if (this.#parts.life.alive) listener(message);
    });

  reserve = (id: string, scopes: readonly Scope[], amounts: Amounts, ttlMs: number, holder?: string) =>
    this.#send(async (store) => {
      const { books } = this.#parts;
      for (const { key } of scopes) books.keys.add(key);
      const answer = await store.reserve(id, scopes, amounts, ttlMs, holder);
      if (answer.ok && !books.holds.has(id)) books.holds.set(id, { scopes, amounts, holder });
      return answer;
    });

  settle = (id: string, actual: Amounts) =>
    this.#send(async (store) => {
      const { books, holder } = this.#parts;
      const answer = await store.settle(id, actual);
      if (answer.settled) {
        assert.ok(!books.settled.has(id), `${id} is settled once`);
        books.settled.set(id, { actual, by: holder });
      }
      return answer;
    });

  #send<Answer>(command: (store: MemoryStore) => Promise<Answer>): Promise<Answer> {
    const { store, books, clock, life, draw, lostPerMille, failed } = this.#parts;
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    const run = async (): Promise<Answer | undefined> => {
      const answer = await command(store);
      try {
        books.look();
      } catch (fault) {
        failed(fault);
      }
      return answer;
    };
    const answered = () =>
      void run().then(
        (answer) => life.after(1 + draw(4), () => resolve(answer as Answer)),
        (fault: unknown) => life.after(1 + draw(4), () => reject(fault)),
      );
    if (draw(1000) >= lostPerMille()) {
      clock.after(1 + draw(4), answered);
      return promise;
    }
    life.after(timeoutMs, () => reject(new StoreUnavailable('no answer in time')));
    // Never; in time, with its answer lost; or after its caller has given up.
    const how = draw(3);
    if (how > 0) clock.after(how === 1 ? 1 + draw(4) : timeoutMs + draw(lateMsMax), () => void run().catch(failed));
    return promise;
  }
}
