/**
 * Which gateways of a store are alive, so that what a dead one held is charged within a minute. Each renews its place in
 * an index; one that is known and not alive is dead, and whoever sees it first has what it held forfeited. What a reader
 * would get wrong: being taken for dead while one lives costs nothing, because a settlement corrects what was forfeited;
 * and whoever was away itself has missed the signs of the others, so it judges nobody for the life of a lease.
 */
import type { Clock, Timer } from '../clock.ts';
import type { StoreLog } from './log.ts';
import { ownerlessKey, type Store } from './store.ts';

const aliveKey = ownerlessKey('gateways', 'alive');
const knownKey = ownerlessKey('gateways', 'known');
/** A gateway that nobody has judged by then has held nothing for long: its holds have lapsed. */
const knownMs = 7 * 24 * 3600_000;
/** Until what is known of earlier lives is settled, it is tried so often. */
const recoverMs = 1_000;
const pageMax = 1_000;
const pagesMax = 10;

export interface PresenceParts {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: StoreLog;
  /** The data folder of this gateway, as all its lives name it: the prefix of `holder`. */
  readonly place: string;
  /** This life of this gateway. */
  readonly holder: string;
  /** How long after its last sign a gateway is dead, in milliseconds; a sign is given three times as often. */
  readonly leaseMs: number;
  /** Once, after the earlier lives of this gateway are forfeited: settles what is known of them. Tried until it resolves. */
  readonly recover: () => Promise<void>;
}

export class Presence implements AsyncDisposable {
  readonly #parts: PresenceParts;
  #timer: Timer | undefined;
  #running: Promise<void> = Promise.resolve();
  #recovered = false;
  #starting = true;
  #failing = false;
  #closed = false;
  /** On the monotonic clock: the last sign, and the first of those without a gap before it. */
  #lastMs = Number.NEGATIVE_INFINITY;
  #sinceMs = 0;
  #forfeits = 0;
  #alive = 0;

  constructor(parts: PresenceParts) {
    this.#parts = parts;
  }

  /** Holds of dead gateways that this one has charged, since its start. */
  get forfeits(): number {
    return this.#forfeits;
  }

  /** Gateways that were alive when it was last looked, this one included. */
  get alive(): number {
    return this.#alive;
  }

  /** Whether `holder` has given a sign within its lease. Rejects with `StoreUnavailable`. */
  async isAlive(holder: string): Promise<boolean> {
    // Nothing stands between a name and the same with the lowest character behind it.
    const [found] = await this.#parts.store.indexRange(aliveKey, { below: `${holder}!`, limit: 1 });
    return found === holder;
  }

  /** Gives the first sign; if the store is away just then, the next ones follow. Never rejects. */
  async open(): Promise<void> {
    await this.#turn();
    this.#starting = false;
  }

  /** It is alive no more; what it still holds is for the others. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#timer?.cancel();
    await this.#running;
    const { store, holder } = this.#parts;
    await store.indexRemove(aliveKey, holder).catch(() => undefined);
  }

  #turn(): Promise<void> {
    const { clock, log, leaseMs } = this.#parts;
    this.#running = this.#look()
      .then(() => {
        this.#failing = false;
      })
      .catch((fault: unknown) => {
        if (!this.#failing)
          log('warn', 'this gateway could not show that it is alive, or look after the others', { fault });
        this.#failing = true;
      })
      .finally(() => {
        const delayMs = this.#recovered ? leaseMs / 3 : Math.min(leaseMs / 3, recoverMs);
        if (!this.#closed) this.#timer = clock.after(delayMs, () => void this.#turn());
      });
    return this.#running;
  }

  async #look(): Promise<void> {
    const { store, clock, place, holder, leaseMs, recover } = this.#parts;
    const startMs = clock.monotonicMs();
    await store.indexAdd(aliveKey, holder, leaseMs);
    await store.indexAdd(knownKey, holder, knownMs);
    if (startMs - this.#lastMs >= leaseMs) this.#sinceMs = startMs;
    this.#lastMs = startMs;
    // In this order: whoever came between the two is alive.
    const known = await this.#members(knownKey);
    const alive = new Set(await this.#members(aliveKey));
    this.#alive = alive.size;
    const mayJudge = startMs - this.#sinceMs >= leaseMs;
    for (const other of known) {
      if (other === holder) continue;
      // The folder is locked by this life, so the earlier ones have ended, whatever their lease says.
      if (other.startsWith(place) || (mayJudge && !alive.has(other))) await this.#forfeit(other);
    }
    // Not while the gateway starts: it may take a while.
    if (this.#recovered || this.#starting) return;
    await recover();
    this.#recovered = true;
  }

  async #forfeit(gone: string): Promise<void> {
    const { store, log } = this.#parts;
    const holds = await store.forfeit(gone);
    this.#forfeits += holds;
    if (holds > 0) log('warn', 'a gateway died; what it held is charged in full', { gateway: gone, holds });
    await store.indexRemove(knownKey, gone);
    await store.indexRemove(aliveKey, gone);
  }

  async #members(key: string): Promise<string[]> {
    const found: string[] = [];
    for (let page = 0; page < pagesMax; page++) {
      const below = found.at(-1);
      const range = { limit: pageMax, ...(below === undefined ? {} : { below }) };
      const members = await this.#parts.store.indexRange(key, range);
      found.push(...members);
      if (members.length < pageMax) break;
    }
    return found;
  }
}
