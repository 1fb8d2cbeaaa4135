/**
 * Keeps what token services gave, until shortly before it expires. Many calls that need the same token cause one
 * request; it is renewed in the background while the old one is good, and a token service that fails is left alone for
 * a while. A call that is given up ends its own wait, never the request the others wait for.
 */
import type { Clock } from '../clock.ts';
import { CredentialError } from './credentials/credential.ts';
import { DialError } from './dialer.ts';

export interface Obtained<Value> {
  readonly value: Value;
  /** From when it was asked for. */
  readonly lifetimeMs: number;
}

export interface RenewalOptions {
  readonly clock: Clock;
  readonly closed: AbortSignal;
  /** Different tokens kept at once; beyond it the one unused longest is forgotten. */
  readonly entriesMax?: number;
}

const entriesMax = 1_024;
/** For one request to a token service with all it takes, the assertion included. */
export const obtainMs = 10_000;
/** How long before its end a token is renewed at most, and how long before it is no longer shown. */
const renewBeforeMs = 300_000;
const unusedBeforeMs = 10_000;
const lifetimeMsMax = 24 * 3_600_000;
const backOffMs = { first: 1_000, max: 30_000 };
/** A target that takes no token at all must not cause a request to the token service for each of its refusals. */
const rejectionMs = 30_000;

interface Entry<Value> {
  held: { readonly value: Value; readonly renewAtMs: number; readonly usableUntilMs: number } | undefined;
  flight: Promise<Value> | undefined;
  failures: number;
  retryAtMs: number;
  /** The code of the last failure. */
  code: string | null;
  rejectedAtMs: number;
}

/** Asks the token service; `signal` ends it after `obtainMs` or when the credentials are closed. */
export type Obtain<Value> = (signal: AbortSignal) => Promise<Obtained<Value>>;

export class Renewal<Value> {
  readonly #clock: Clock;
  readonly #closed: AbortSignal;
  readonly #entriesMax: number;
  /** In the order they were last used. */
  readonly #entries = new Map<string, Entry<Value>>();

  constructor(options: RenewalOptions) {
    this.#clock = options.clock;
    this.#closed = options.closed;
    this.#entriesMax = options.entriesMax ?? entriesMax;
  }

  /** How many tokens and failures are remembered. */
  get size(): number {
    return this.#entries.size;
  }

  /**
   * The value for `key`, which names all that it depends on. Rejects with CredentialError; `waiting` ends this wait
   * alone.
   */
  async get(key: string, obtain: Obtain<Value>, waiting: AbortSignal): Promise<Value> {
    const entry = this.#entry(key);
    const nowMs = this.#clock.monotonicMs();
    const { held } = entry;
    const mayAsk = entry.flight === undefined && nowMs >= entry.retryAtMs && !this.#closed.aborted;
    if (held !== undefined && nowMs < held.usableUntilMs) {
      if (nowMs >= held.renewAtMs && mayAsk) void this.#start(entry, obtain);
      return held.value;
    }
    if (entry.flight !== undefined) return await until(entry.flight, waiting);
    if (!mayAsk) throw new CredentialError('backing_off', entry.code);
    return await until(this.#start(entry, obtain), waiting);
  }

  /** Forgets `value` because its target did not take it; what has come in its place meanwhile stays. */
  reject(key: string, value: Value): void {
    const entry = this.#entries.get(key);
    const nowMs = this.#clock.monotonicMs();
    if (entry?.held?.value !== value || nowMs < entry.rejectedAtMs + rejectionMs) return;
    entry.rejectedAtMs = nowMs;
    entry.held = undefined;
  }

  #entry(key: string): Entry<Value> {
    const entry = this.#entries.get(key) ?? {
      held: undefined,
      flight: undefined,
      failures: 0,
      retryAtMs: Number.NEGATIVE_INFINITY,
      code: null,
      rejectedAtMs: Number.NEGATIVE_INFINITY,
    };
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= this.#entriesMax) break;
      this.#entries.delete(oldest);
    }
    return entry;
  }

  #start(entry: Entry<Value>, obtain: Obtain<Value>): Promise<Value> {
    const startMs = this.#clock.monotonicMs();
    const late = new AbortController();
    const timer = this.#clock.after(obtainMs, () => late.abort());
    const signal = AbortSignal.any([late.signal, this.#closed]);
    const asked = new Promise<Obtained<Value>>((resolve, reject) => {
      // Whatever it waits for, also where it does not look at the signal.
      signal.addEventListener('abort', () => reject(new CredentialError('unreachable', 'timeout')), { once: true });
      obtain(signal).then(resolve, reject);
    });
    const flight = asked
      .then(({ value, lifetimeMs }) => {
        if (!(lifetimeMs >= 1_000)) throw new CredentialError('answer_invalid', 'expired');
        const lifeMs = Math.min(lifetimeMs, lifetimeMsMax);
        entry.held = {
          value,
          renewAtMs: startMs + lifeMs - Math.min(lifeMs / 5, renewBeforeMs),
          usableUntilMs: startMs + lifeMs - Math.min(lifeMs / 20, unusedBeforeMs),
        };
        Object.assign(entry, { failures: 0, retryAtMs: Number.NEGATIVE_INFINITY, code: null });
        return value;
      })
      .catch((fault: unknown) => {
        const error = failureOf(fault);
        const waitMs = Math.min(backOffMs.first * 2 ** entry.failures, backOffMs.max);
        entry.failures = Math.min(entry.failures + 1, 10);
        entry.retryAtMs = this.#clock.monotonicMs() + waitMs;
        entry.code = error.code;
        throw error;
      })
      .finally(() => {
        timer.cancel();
        entry.flight = undefined;
      });
    entry.flight = flight;
    // One that renews in the background has nobody to tell; whoever comes when the old one has expired is told.
    flight.catch(() => undefined);
    return flight;
  }
}

/** What is told of a fault: never its text, which may quote what was sent. */
function failureOf(fault: unknown): CredentialError {
  if (fault instanceof CredentialError) return fault;
  if (fault instanceof DialError) return new CredentialError('unreachable', fault.kind);
  return new CredentialError('answer_invalid');
}

function until<Value>(flight: Promise<Value>, waiting: AbortSignal): Promise<Value> {
  return new Promise((resolve, reject) => {
    const giveUp = () => reject(new CredentialError('given_up'));
    if (waiting.aborted) giveUp();
    else waiting.addEventListener('abort', giveUp, { once: true });
    flight.then(resolve, reject).finally(() => waiting.removeEventListener('abort', giveUp));
  });
}
