/**
 * The keys of one issuer: discovery (OpenID Connect Discovery 1.0 §4), the JWKS behind it, and when to fetch again.
 * Its URLs come from the configuration and from the issuer's own document, never from a token. What would go wrong
 * without care: a fetch for every made-up kid, an outage when an endpoint is slow, and keys that are kept for ever.
 */
import type { Json } from '../call.ts';
import type { Clock } from '../clock.ts';
import type { AlgorithmName } from './algorithms.ts';
import { unfitUrl } from './issuer-url.ts';
import { type KeySet, type KeyUses, readKeySet, type VerificationKey } from './jwk.ts';
import { fits } from './jwt.ts';
import { type Refusal, refuse } from './refusal.ts';

export interface FetchBounds {
  readonly maxBytes: number;
  readonly timeoutMs: number;
  /** PEM certificates of an authority that only this issuer's servers are trusted by. */
  readonly ca?: string;
}

/** Fetches one JSON document with GET; rejects on any status but 200, on more bytes, on a time-out, on redirects. */
export type FetchJson = (url: string, bounds: FetchBounds) => Promise<Json>;

export const keySourceLimits = {
  /** A discovery document or a JWKS may have no more bytes. */
  documentBytesMax: 262_144,
  fetchTimeoutMs: 3_000,
  /** After this, keys are fetched anew, in the background; a bundle's own hint counts instead, within bounds. */
  freshMs: 300_000,
  freshMsMin: 60_000,
  freshMsMax: 1_800_000,
  /** After this, keys that could not be fetched anew are no longer trusted. */
  keptMs: 3_600_000,
  /** Between two fetches while there are keys: made-up kids cause no more than this. */
  coolDownMs: 30_000,
  /** Between two attempts while there are no keys at all. */
  retryMs: 2_000,
  /** Keys that are tried for one token (several may share a kid, or have none). */
  candidatesMax: 4,
  /** Places whose keys are handed on from one configuration to the next. */
  placesMax: 512,
} as const;

/** The last good keys of one place, and when they were had, on the monotonic clock. */
export interface KnownKeys {
  readonly keys: KeySet;
  readonly goodAtMs: number;
}

export interface KeySourceOptions {
  /** Discovery is tried at this URL, and must name it. */
  readonly issuer: string;
  /** Known address of the JWKS; null for discovery. */
  readonly jwksUri: string | null;
  /** Which keys of the set count; those for signatures and those without a use, if left out. */
  readonly uses?: KeyUses;
  readonly ca?: string;
  /** Is told why a fetch gave no keys; the last good ones stand. */
  readonly faulted?: (fault: unknown) => void;
  /**
   * Keys by the place they come from. Handed on from one configuration to the next, so that an issuer which is away
   * while the configuration changes is still served by its last good keys. Holds at most `placesMax` entries.
   */
  readonly known?: Map<string, KnownKeys>;
  readonly fetchJson: FetchJson;
  readonly clock: Clock;
}

export class KeySource {
  readonly #options: KeySourceOptions;
  #keys: KeySet | null = null;
  #fingerprints: ReadonlySet<string> = new Set();
  #jwksUri: string | null;
  readonly #place: string;
  #freshMs: number = keySourceLimits.freshMs;
  #goodAtMs = 0;
  #triedAtMs = Number.NEGATIVE_INFINITY;
  #loading: Promise<void> | null = null;

  constructor(options: KeySourceOptions) {
    this.#options = options;
    this.#jwksUri = options.jwksUri;
    const { issuer, jwksUri, uses, ca } = options;
    this.#place = JSON.stringify([issuer, jwksUri, uses === undefined ? null : [...uses], ca ?? null]);
    const known = options.known?.get(this.#place);
    if (known !== undefined) this.#adopt(known);
  }

  /**
   * The keys that may have signed a token. Refuses `key_unknown`, `key_weak`, `alg_not_allowed` (the key is for
   * another algorithm) and `issuer_unavailable` (no keys at all). Waits for a fetch only if there is no fitting key.
   */
  async candidates(kid: string | null, alg: AlgorithmName): Promise<readonly VerificationKey[] | Refusal> {
    this.#forgetOld();
    if (this.#keys === null) await this.#load();
    else if (this.#ageMs() >= this.#freshMs) void this.#load();
    if (this.#keys === null) return refuse('issuer_unavailable');
    let found = pick(this.#keys, kid, alg);
    if (found === 'none') {
      await this.#load();
      found = pick(this.#keys, kid, alg);
    }
    return found === 'none' ? refuse('key_unknown') : found;
  }

  /** Whether a key that verified a token is still one of the issuer's; starts a fetch if that may have changed. */
  trusts(key: VerificationKey): boolean {
    this.#forgetOld();
    if (this.#keys !== null && this.#ageMs() >= this.#freshMs) void this.#load();
    return this.#keys !== null && this.#fingerprints.has(key.fingerprint);
  }

  #ageMs(): number {
    return this.#options.clock.monotonicMs() - this.#goodAtMs;
  }

  #forgetOld(): void {
    if (this.#keys !== null && this.#ageMs() >= keySourceLimits.keptMs) this.#keys = null;
  }

  /** Fetches, unless it was tried a moment ago; whoever comes meanwhile waits for the same fetch. Never rejects. */
  #load(): Promise<void> {
    if (this.#loading !== null) return this.#loading;
    const nowMs = this.#options.clock.monotonicMs();
    const pauseMs = this.#keys === null ? keySourceLimits.retryMs : keySourceLimits.coolDownMs;
    if (nowMs - this.#triedAtMs < pauseMs) return Promise.resolve();
    this.#triedAtMs = nowMs;
    this.#loading = this.#fetchKeys()
      .then((keys) => {
        const known = { keys, goodAtMs: this.#options.clock.monotonicMs() };
        this.#adopt(known);
        this.#remember(known);
      })
      .catch((fault: unknown) => {
        this.#options.faulted?.(fault);
        // The last good keys stand; the address may have moved, so the next attempt discovers it anew.
        this.#jwksUri = this.#options.jwksUri;
      })
      .finally(() => {
        this.#loading = null;
      });
    return this.#loading;
  }

  #remember(known: KnownKeys): void {
    const places = this.#options.known;
    if (places === undefined) return;
    places.delete(this.#place);
    places.set(this.#place, known);
    const [oldest] = places.keys();
    if (places.size > keySourceLimits.placesMax && oldest !== undefined) places.delete(oldest);
  }

  #adopt({ keys, goodAtMs }: KnownKeys): void {
    this.#keys = keys;
    this.#fingerprints = new Set(keys.keys.map((key) => key.fingerprint));
    this.#goodAtMs = goodAtMs;
    const { freshMs, freshMsMin, freshMsMax } = keySourceLimits;
    this.#freshMs = Math.min(Math.max(keys.refreshHintMs ?? freshMs, freshMsMin), freshMsMax);
  }

  async #fetchKeys(): Promise<KeySet> {
    // Old enough to be fetched for its age, not for a kid: then the address is discovered anew too.
    if (this.#ageMs() >= this.#freshMs) this.#jwksUri = this.#options.jwksUri;
    this.#jwksUri ??= await this.#discover();
    const keys = readKeySet(await this.#fetch(this.#jwksUri), this.#options.uses);
    if (keys === undefined) throw new Error('the JWKS is not a JWKS');
    return keys;
  }

  async #discover(): Promise<string> {
    const { issuer } = this.#options;
    const document = await this.#fetch(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`);
    if (typeof document !== 'object' || document === null || !('issuer' in document)) {
      throw new Error('the discovery document is not one');
    }
    // OpenID Connect Discovery §4.3: it must be identical, or one issuer could speak for another.
    if (document.issuer !== issuer) throw new Error('the discovery document is of another issuer');
    const { jwks_uri } = document;
    if (typeof jwks_uri !== 'string' || unfitUrl(jwks_uri, issuer) !== undefined) {
      throw new Error('the discovery document names no usable jwks_uri');
    }
    return jwks_uri;
  }

  /** The time-out is kept here too: a fetch that never settles must not hold every caller for ever. */
  #fetch(url: string): Promise<Json> {
    const { clock, fetchJson, ca } = this.#options;
    const { documentBytesMax: maxBytes, fetchTimeoutMs: timeoutMs } = keySourceLimits;
    const bounds = { maxBytes, timeoutMs, ...(ca === undefined ? {} : { ca }) };
    return new Promise((resolve, reject) => {
      const timer = clock.after(timeoutMs, () => reject(new Error('the issuer did not answer in time')));
      fetchJson(url, bounds)
        .then(resolve, reject)
        .finally(() => timer.cancel());
    });
  }
}

function pick(set: KeySet, kid: string | null, alg: AlgorithmName): readonly VerificationKey[] | Refusal | 'none' {
  const named = kid === null ? set.keys : set.keys.filter((key) => key.kid === kid);
  const fitting = named.filter((key) => fits(key, alg));
  if (fitting.length > 0) return fitting.slice(0, keySourceLimits.candidatesMax);
  if (set.weak.has(kid) || (kid === null && set.weak.size > 0)) return refuse('key_weak');
  return kid !== null && named.length > 0 ? refuse('alg_not_allowed') : 'none';
}
