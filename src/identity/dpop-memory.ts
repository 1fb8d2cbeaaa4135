/**
 * Remembers the proofs that were used, in the shared state, so that no gateway takes one a second time (RFC 9449
 * §11.1). A key and its `jti` make one record, written if it is not there: two gateways that get the same proof at
 * once see one another. What cannot be remembered is not accepted.
 */
import { hash } from 'node:crypto';
import type { Clock } from '../clock.ts';
import { type Store, storeKey } from '../store/store.ts';
import type { Proof } from './dpop.ts';
import { type Refusal, refuse } from './refusal.ts';

export interface ProofMemoryOptions {
  readonly store: Pick<Store, 'compareAndSet'>;
  readonly clock: Clock;
  /** The most proofs that this gateway puts into the store at once. */
  readonly proofsMax?: number;
}

/** Longer than any gateway accepts a proof, with half a minute for clocks that differ. */
export const rememberedMs = 95_000;

export class ProofMemory {
  readonly #options: ProofMemoryOptions;
  readonly #proofsMax: number;
  /** Proofs of this period and of the one before: never fewer than the store holds of ours. */
  #period = { endsMs: 0, count: 0, before: 0 };

  constructor(options: ProofMemoryOptions) {
    this.#options = options;
    this.#proofsMax = options.proofsMax ?? 100_000;
  }

  /**
   * Undefined where the proof is used for the first time. Refuses `proof_replayed`, and `memory_full` where more proofs
   * come than can be remembered. Rejects with `StoreUnavailable` if the store does.
   */
  async use({ jkt, jti }: Proof): Promise<Refusal | undefined> {
    const period = this.#periodWithRoom();
    if (period === undefined) return refuse('memory_full');
    const key = storeKey(jkt, 'dpop', hash('sha256', jti, 'base64url'));
    const written = await this.#options.store.compareAndSet(key, 0, 1, rememberedMs);
    // One that put nothing into the store takes no room: who has a used proof must not fill the memory by repeating it.
    if (!written.ok) period.count--;
    return written.ok ? undefined : refuse('proof_replayed');
  }

  /** Where a proof is counted, which it is already; undefined if there is no room for it. */
  #periodWithRoom(): { count: number } | undefined {
    const nowMs = this.#options.clock.monotonicMs();
    const { endsMs, count } = this.#period;
    if (nowMs >= endsMs) {
      const before = nowMs < endsMs + rememberedMs ? count : 0;
      this.#period = { endsMs: nowMs + rememberedMs, count: 0, before };
    }
    if (this.#period.count + this.#period.before >= this.#proofsMax) return undefined;
    this.#period.count++;
    return this.#period;
  }
}
