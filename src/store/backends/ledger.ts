/**
 * Counters and the reservations on them, for the memory store. A reservation is live (held), lapsed (its time ran
 * out: the hold went back, but a late settlement still spends on its scopes), forfeited (spent in full until a settlement
 * says what was used), or closed. Closed ids are remembered only as long as there is room: forgetting one costs nothing
 * worse than a late hold that lapses by itself.
 */
import assert from 'node:assert/strict';
import { assertAmounts, assertHolder, assertScopes, exceeded, forfeitsMax, withoutSplits } from '../amounts.ts';
import { ExpiryQueue } from '../expiry.ts';
import {
  type Amounts,
  type Balance,
  type Forfeit,
  type ReserveResult,
  type Scope,
  type SettleResult,
  StoreUnavailable,
} from '../store.ts';

export interface LedgerMaxima {
  /** Counters at once. */
  readonly counters: number;
  /** Reservations at once that are held, or lapsed and not yet settled. */
  readonly reservations: number;
  /** Ids remembered as closed; the oldest makes room. */
  readonly closed: number;
}

/** How long a lapsed or forfeited reservation still knows its scopes, for a settlement that comes late. */
const lapsedKeptMs = 24 * 60 * 60 * 1000;

interface Counter {
  readonly spent: Map<string, number>;
  readonly reserved: Map<string, number>;
  /** Live reservations on it: a counter that holds something is never forgotten. */
  holds: number;
  expiresAtMs: number;
}

interface Closed {
  /** The keys it had been made on; empty for those that count splits. */
  readonly keys: readonly string[];
  readonly actual: Amounts;
}

interface Reservation {
  readonly scopes: readonly Scope[];
  readonly amounts: Amounts;
  readonly answer: ReserveResult;
  readonly holder: string | undefined;
  state: 'live' | 'lapsed' | 'forfeited';
  dueMs: number;
}

export class Ledger {
  readonly #maxima: LedgerMaxima;
  readonly #counters = new Map<string, Counter>();
  readonly #countersDue = new ExpiryQueue<string>();
  readonly #reservations = new Map<string, Reservation>();
  readonly #reservationsDue = new ExpiryQueue<string>();
  /** By id, in the order of closing. */
  readonly #closed = new Map<string, Closed>();

  constructor(maxima: LedgerMaxima) {
    this.#maxima = maxima;
  }

  reserve(
    id: string,
    scopes: readonly Scope[],
    amounts: Amounts,
    { ttlMs, nowMs, holder }: { readonly ttlMs: number; readonly nowMs: number; readonly holder?: string | undefined },
  ): ReserveResult {
    assertAmounts(amounts);
    assertScopes(scopes);
    if (holder !== undefined) assertHolder(holder);
    if (this.#closed.has(id)) return { ok: false, reason: 'settled' };
    const known = this.#reservations.get(id);
    // A lapsed hold has gone back to the totals; to say `ok` again would let a call run on nothing.
    if (known !== undefined) return known.state === 'live' ? known.answer : { ok: false, reason: 'settled' };

    for (const [index, scope] of scopes.entries()) {
      const counter = this.#counters.get(scope.key);
      const dimension = exceeded(scope.limits, amounts, (of) => takenOf(counter, of));
      if (dimension !== undefined) {
        return { ok: false, reason: 'exceeded', scope: index, dimension, balance: this.balance(scope.key) };
      }
    }
    this.#makeRoom(scopes);
    for (const scope of scopes) {
      const counter = this.#use(scope, nowMs);
      counter.holds++;
      add(counter.reserved, amounts, 1);
    }
    const answer: ReserveResult = { ok: true, balances: toldOf(scopes).map((key) => this.balance(key)) };
    const dueMs = nowMs + ttlMs;
    this.#reservations.set(id, { scopes, amounts, answer, holder, state: 'live', dueMs });
    this.#reservationsDue.push(id, dueMs);
    return answer;
  }

  settle(id: string, actual: Amounts, nowMs: number): SettleResult {
    assertAmounts(actual);
    const closed = this.#closed.get(id);
    if (closed !== undefined) {
      return { settled: false, balances: closed.keys.map((key) => this.balance(key)), before: closed.actual };
    }
    const reservation = this.#reservations.get(id);
    const scopes = reservation?.scopes ?? [];
    const plain = withoutSplits(actual);
    for (const scope of scopes) {
      const counter = this.#use(scope, nowMs);
      if (reservation?.state === 'live') release(counter, reservation.amounts);
      if (reservation?.state === 'forfeited') add(counter.spent, reservation.amounts, -1);
      add(counter.spent, scope.splits ? actual : plain, 1);
    }
    this.#reservations.delete(id);
    const keys = toldOf(scopes);
    this.#close(id, { keys, actual });
    return { settled: true, balances: keys.map((key) => this.balance(key)) };
  }

  forfeit(holder: string, nowMs: number): number {
    assertHolder(holder);
    let count = 0;
    for (const [id, reservation] of this.#reservations) {
      if (reservation.state !== 'live' || reservation.holder !== holder) continue;
      for (const scope of reservation.scopes) {
        const counter = this.#use(scope, nowMs);
        release(counter, reservation.amounts);
        add(counter.spent, reservation.amounts, 1);
      }
      reservation.state = 'forfeited';
      this.#keepUntil(id, reservation, nowMs + lapsedKeptMs);
      count++;
    }
    return count;
  }

  forfeited(prefix: string): readonly Forfeit[] {
    const found: Forfeit[] = [];
    for (const [id, { state, holder, amounts }] of this.#reservations) {
      if (state !== 'forfeited' || holder === undefined || !holder.startsWith(prefix)) continue;
      found.push({ id, holder, amounts });
      if (found.length === forfeitsMax) break;
    }
    return found;
  }

  balance(key: string): Balance {
    const counter = this.#counters.get(key);
    return {
      spent: Object.fromEntries(counter?.spent ?? []),
      reserved: Object.fromEntries(counter?.reserved ?? []),
    };
  }

  /** Gives back what lapsed holds kept, and forgets counters and reservations whose time is over. */
  expire(nowMs: number): void {
    for (let id = this.#reservationsDue.popDue(nowMs); id !== undefined; id = this.#reservationsDue.popDue(nowMs)) {
      const reservation = this.#reservations.get(id);
      if (reservation === undefined || reservation.dueMs > nowMs) continue;
      if (reservation.state === 'live') this.#lapse(id, reservation);
      else this.#reservations.delete(id);
    }
    for (let key = this.#countersDue.popDue(nowMs); key !== undefined; key = this.#countersDue.popDue(nowMs)) {
      const counter = this.#counters.get(key);
      if (counter === undefined || counter.expiresAtMs > nowMs) continue;
      // Still held: look again when the counter would next be due, rather than lose what somebody holds.
      if (counter.holds > 0) this.#renew(key, counter, nowMs + 60_000);
      else this.#counters.delete(key);
    }
    if (this.#reservationsDue.size > 2 * this.#reservations.size + 1024) {
      this.#reservationsDue.compact((id, dueMs) => this.#reservations.get(id)?.dueMs === dueMs);
    }
    if (this.#countersDue.size > 2 * this.#counters.size + 1024) {
      this.#countersDue.compact((key, dueMs) => this.#counters.get(key)?.expiresAtMs === dueMs);
    }
  }

  #lapse(id: string, reservation: Reservation): void {
    for (const { key } of reservation.scopes) {
      const counter = this.#counters.get(key);
      assert.ok(counter, 'a counter that is held is never forgotten');
      release(counter, reservation.amounts);
    }
    reservation.state = 'lapsed';
    this.#keepUntil(id, reservation, reservation.dueMs + lapsedKeptMs);
  }

  #keepUntil(id: string, reservation: Reservation, dueMs: number): void {
    reservation.dueMs = dueMs;
    this.#reservationsDue.push(id, dueMs);
  }

  /** The counter of `scope`, made if it is new, its life renewed. */
  #use(scope: Scope, nowMs: number): Counter {
    const found = this.#counters.get(scope.key);
    const counter = found ?? { spent: new Map(), reserved: new Map(), holds: 0, expiresAtMs: 0 };
    if (found === undefined) this.#counters.set(scope.key, counter);
    this.#renew(scope.key, counter, nowMs + scope.ttlMs);
    return counter;
  }

  #renew(key: string, counter: Counter, expiresAtMs: number): void {
    if (counter.expiresAtMs === expiresAtMs) return;
    counter.expiresAtMs = expiresAtMs;
    this.#countersDue.push(key, expiresAtMs);
  }

  #makeRoom(scopes: readonly Scope[]): void {
    if (this.#reservations.size >= this.#maxima.reservations) {
      throw new StoreUnavailable('The memory store holds as many reservations as it may');
    }
    const fresh = scopes.filter(({ key }) => !this.#counters.has(key)).length;
    if (this.#counters.size + fresh > this.#maxima.counters) {
      throw new StoreUnavailable('The memory store holds as many counters as it may');
    }
  }

  #close(id: string, closed: Closed): void {
    if (this.#closed.size >= this.#maxima.closed) {
      const oldest = this.#closed.keys().next();
      if (!oldest.done) this.#closed.delete(oldest.value);
    }
    this.#closed.set(id, closed);
  }
}

/** The keys whose balances are told; empty, and so nothing, for those that count splits. */
function toldOf(scopes: readonly Scope[]): readonly string[] {
  return scopes.map(({ key, splits }) => (splits ? '' : key));
}

/** What of a counter is spent or held. */
function takenOf(counter: Counter | undefined, dimension: string): number {
  return (counter?.spent.get(dimension) ?? 0) + (counter?.reserved.get(dimension) ?? 0);
}

function release(counter: Counter, amounts: Amounts): void {
  counter.holds--;
  add(counter.reserved, amounts, -1);
}

function add(totals: Map<string, number>, amounts: Amounts, sign: 1 | -1): void {
  for (const [dimension, amount] of Object.entries(amounts)) {
    totals.set(dimension, (totals.get(dimension) ?? 0) + sign * amount);
  }
}
