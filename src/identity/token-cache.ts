/**
 * Remembers verified tokens by their SHA-256, so that a busy agent pays for one signature check and not for each
 * call. Only successes are kept, never past their expiry; the token itself is not held in memory.
 */
import { hash } from 'node:crypto';

interface Entry<Value> {
  readonly value: Value;
  readonly notAfterMs: number;
}

export class TokenCache<Value> {
  readonly #entries = new Map<string, Entry<Value>>();
  readonly #entriesMax: number;

  constructor(entriesMax = 10_000) {
    this.#entriesMax = entriesMax;
  }

  /** What was remembered for exactly this token, unless it has ended by `nowMs`. */
  get(token: string, nowMs: number): Value | undefined {
    const digest = hash('sha256', token, 'base64url');
    const entry = this.#entries.get(digest);
    if (entry === undefined) return undefined;
    if (nowMs < entry.notAfterMs) return entry.value;
    this.#entries.delete(digest);
    return undefined;
  }

  /** Remembers until `notAfterMs` of the wall clock; the oldest entry makes room. */
  set(token: string, value: Value, notAfterMs: number): void {
    const digest = hash('sha256', token, 'base64url');
    this.#entries.delete(digest);
    if (this.#entries.size >= this.#entriesMax) {
      for (const oldest of this.#entries.keys()) {
        this.#entries.delete(oldest);
        break;
      }
    }
    this.#entries.set(digest, { value, notAfterMs });
  }

  get size(): number {
    return this.#entries.size;
  }
}
