/**
 * Remembers which Txn-Tokens were used, for as long as any copy of a service could still take them. When it is full of
 * tokens that are still valid it takes no more: to forget one early would be to let it be used twice.
 */

/** Where several copies of a service remember together: one for all of them, outside their processes. */
export interface TxnMemory {
  /**
   * `fresh` the first time that any copy asks about `txn`, `used` each time after that until `notAfterMs` (Unix time in
   * milliseconds); it must be one atomic step. To reject, or not to answer within a second, refuses the token.
   */
  use(txn: string, notAfterMs: number): Promise<'fresh' | 'used'>;
}

export class ProcessMemory {
  /** Expiry by `txn`, in the order of use. All tokens live about equally long, so the first are the first to expire. */
  readonly #expiries = new Map<string, number>();
  readonly #entriesMax: number;

  constructor(entriesMax = 100_000) {
    this.#entriesMax = entriesMax;
  }

  /** `fresh` the first time, `used` after that; `full` if it cannot be told. */
  use(txn: string, notAfterMs: number, nowMs: number): 'fresh' | 'used' | 'full' {
    for (const [old, expiryMs] of this.#expiries) {
      if (expiryMs > nowMs) break;
      this.#expiries.delete(old);
    }
    if ((this.#expiries.get(txn) ?? 0) > nowMs) return 'used';
    if (this.#expiries.size >= this.#entriesMax) return 'full';
    this.#expiries.delete(txn);
    this.#expiries.set(txn, notAfterMs);
    return 'fresh';
  }
}
