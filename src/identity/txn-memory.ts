/**
 * Remembers which Txn-Tokens were used, until they have expired. When it is full of tokens that are still valid it
 * takes no more: to forget one early would be to let it be used twice.
 */

const entriesMax = 100_000;

export class TxnMemory {
  /** Expiry by `txn`, in the order of use. All tokens live equally long, so the first are the first to expire. */
  readonly #expiries = new Map<string, number>();

  /** `fresh` the first time, `used` after that; `full` if it cannot be told. */
  use(txn: string, notAfterMs: number, nowMs: number): 'fresh' | 'used' | 'full' {
    for (const [old, expiryMs] of this.#expiries) {
      if (expiryMs > nowMs) break;
      this.#expiries.delete(old);
    }
    if ((this.#expiries.get(txn) ?? 0) > nowMs) return 'used';
    if (this.#expiries.size >= entriesMax) return 'full';
    this.#expiries.delete(txn);
    this.#expiries.set(txn, notAfterMs);
    return 'fresh';
  }
}
