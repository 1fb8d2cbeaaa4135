/**
 * Verifies tokens that others have signed, for one purpose: workloads, subjects, or people of the admin plane. The
 * issuer is found by the exact `iss` among the configured ones, or by the trust domain of `sub`; each has keys,
 * audiences, algorithms and conditions of its own, and none borrows another's. What the token then means is the
 * caller's: an agent, a subject, a person.
 */
import type { JsonObject } from '../call.ts';
import type { Clock } from '../clock.ts';
import { type ClaimSource, parseClaimSource } from './claim-path.ts';
import { type Condition, type ConditionConfig, readCondition } from './conditions.ts';
import { kindsOfTheGate } from './issuer-faults.ts';
import { type IssuerKindName, issuerKinds, type KindDefaults, type Purpose } from './issuer-kinds/index.ts';
import { trustDomainOf } from './issuer-kinds/spiffe-id.ts';
import type { VerificationKey } from './jwk.ts';
import { checkClaims, isSignedBy, type Jwt, normalTyp, parseJwt, type RegisteredClaims } from './jwt.ts';
import { type FetchJson, KeySource, type KnownKeys } from './key-source.ts';
import { isRefusal, type Refusal, refuse } from './refusal.ts';
import { TokenCache } from './token-cache.ts';

/** What every entry of tollgate.yaml that names an issuer has. */
export interface TrustedEntry {
  readonly kind: IssuerKindName;
  readonly issuer?: string;
  readonly trust_domain?: string;
  readonly jwks_uri?: string;
  readonly ca?: string;
  readonly algorithms?: readonly string[];
  readonly typ?: readonly string[];
  readonly conditions: readonly ConditionConfig[];
  readonly lifetime_seconds_max?: number;
  readonly clock_tolerance_seconds: number;
}

/** A token that has passed every check. */
export interface TrustedToken {
  readonly claims: JsonObject;
  readonly registered: RegisteredClaims;
  readonly verifiedAtMs: number;
}

/** What a token of one issuer means; refuses what it cannot mean. */
export type Reader<Fact> = (token: TrustedToken) => Fact | Refusal;

/** How the keys of issuers are fetched, and who is told of it. */
export interface TrustSurroundings {
  readonly fetchJson: FetchJson;
  /** Keys that another configuration had; see `KeySourceOptions.known`. */
  readonly known?: Map<string, KnownKeys>;
  readonly clock: Clock;
  /** Is told of an issuer whose keys could not be fetched; the last good ones stand meanwhile. */
  readonly faulted?: (issuer: string, fault: unknown) => void;
}

export interface TrustedIssuersOptions<Entry, Fact> extends TrustSurroundings {
  readonly purpose: Purpose;
  readonly entries: readonly Entry[];
  readonly audiences: (entry: Entry) => readonly string[];
  /** Audiences for which the same issuer makes tokens of another purpose. */
  readonly foreignAudiences: (entry: Entry) => readonly string[];
  /** Made once for each entry. */
  readonly reader: (entry: Entry, defaults: KindDefaults) => Reader<Fact>;
}

interface Issuer<Fact> {
  readonly entry: TrustedEntry;
  readonly audiences: readonly string[];
  readonly foreignAudiences: ReadonlySet<string>;
  readonly algorithms: ReadonlySet<string>;
  /** Normalized; `absent` for a token without `typ`. */
  readonly types: ReadonlySet<string>;
  readonly conditions: readonly Condition[];
  readonly lifetimeSecondsMax: number | undefined;
  readonly keys: KeySource;
  readonly read: Reader<Fact>;
}

interface Verified<Fact> {
  readonly fact: Fact;
  readonly issuer: Issuer<Fact>;
  readonly key: VerificationKey;
}

const absent = 'absent';

export class TrustedIssuers<Entry extends TrustedEntry, Fact> {
  readonly #purpose: Purpose;
  readonly #byUrl = new Map<string, Issuer<Fact>>();
  readonly #byTrustDomain = new Map<string, Issuer<Fact>>();
  readonly #clock: Clock;
  readonly #cache = new TokenCache<Verified<Fact>>();

  /** `entries` must have passed `checkIdentity`. Nothing is fetched before the first token. */
  constructor(options: TrustedIssuersOptions<Entry, Fact>) {
    this.#purpose = options.purpose;
    this.#clock = options.clock;
    for (const entry of options.entries) {
      const issuer = ready(entry, options);
      if (entry.issuer !== undefined) this.#byUrl.set(entry.issuer, issuer);
      if (entry.trust_domain !== undefined) this.#byTrustDomain.set(entry.trust_domain, issuer);
    }
  }

  /** What a token means, or why it is not accepted. Refuses `issuer_unavailable` while there are no keys at all. */
  async verify(token: string | null): Promise<Fact | Refusal> {
    const known = token === null ? undefined : this.#cache.get(token, this.#clock.nowMs());
    // A key that its issuer has withdrawn takes the tokens along that it signed.
    if (known?.issuer.keys.trusts(known.key)) return known.fact;
    const jwt = parseJwt(token);
    if (isRefusal(jwt)) return jwt;
    const issuer = this.#issuerOf(jwt);
    if (isRefusal(issuer)) return issuer;
    const key = await signingKey(issuer, jwt);
    if (isRefusal(key)) return key;
    const verified = this.#judge(issuer, jwt);
    if (isRefusal(verified)) return verified;
    const fact = issuer.read(verified);
    if (isRefusal(fact)) return fact;
    if (token !== null) {
      const notAfterMs = (verified.registered.exp + issuer.entry.clock_tolerance_seconds) * 1000;
      this.#cache.set(token, { fact, issuer, key }, notAfterMs);
    }
    return fact;
  }

  #issuerOf({ typ, claims }: Jwt): Issuer<Fact> | Refusal {
    if (typ !== null && kindsOfTheGate.includes(typ)) return refuse('token_kind');
    const { iss, sub } = claims;
    const named = typeof iss === 'string' ? this.#byUrl.get(iss) : undefined;
    if (named !== undefined) return named;
    const domain = typeof sub === 'string' ? trustDomainOf(sub) : undefined;
    const ofDomain = domain === undefined ? undefined : this.#byTrustDomain.get(domain);
    if (ofDomain === undefined) return this.#strangerOf(iss, sub, domain);
    // With an issuer configured, `iss` may be left out, and may name no other.
    return iss === undefined || ofDomain.entry.issuer === undefined ? ofDomain : refuse('issuer_unknown');
  }

  /** Why nobody here vouches for a token: it is told apart who is unknown, and who has not said it properly. */
  #strangerOf(iss: unknown, sub: unknown, domain: string | undefined): Refusal {
    if (iss !== undefined || domain !== undefined) return refuse('issuer_unknown');
    const meant = this.#byTrustDomain.size > 0 && typeof sub === 'string' && sub.startsWith('spiffe:');
    return meant ? refuse('claim_invalid') : refuse('claim_missing');
  }

  /** What comes after the signature: the registered claims, then what the kind and the configuration ask for. */
  #judge(issuer: Issuer<Fact>, { claims }: Jwt): TrustedToken | Refusal {
    const { entry, audiences, foreignAudiences, lifetimeSecondsMax, conditions } = issuer;
    const tolerance = entry.clock_tolerance_seconds;
    const nowMs = this.#clock.nowMs();
    const byDomain = entry.issuer === undefined || (claims.iss === undefined && entry.trust_domain !== undefined);
    const registered = checkClaims(claims, {
      issuer: byDomain ? null : (entry.issuer ?? null),
      audiences,
      nowMs,
      expiredToleranceSeconds: tolerance,
      futureToleranceSeconds: tolerance,
      ...(lifetimeSecondsMax === undefined ? {} : { lifetimeSecondsMax }),
    });
    if (isRefusal(registered)) return registered;
    // Good for both purposes is good for none: who made it for the one could be shown the other.
    if (registered.aud.some((audience) => foreignAudiences.has(audience))) return refuse('token_kind');
    const ofAnotherKind = issuerKinds[entry.kind].refusal(claims, entry, this.#purpose);
    if (ofAnotherKind !== undefined) return ofAnotherKind;
    if (!conditions.every((holds) => holds(claims))) return refuse('condition_failed');
    return { claims, registered, verifiedAtMs: nowMs };
  }
}

/** The key of the issuer's that has signed the token. */
async function signingKey<Fact>(issuer: Issuer<Fact>, jwt: Jwt): Promise<VerificationKey | Refusal> {
  if (!issuer.types.has(jwt.typ ?? absent) || jwt.typ === absent) return refuse('typ_not_allowed');
  if (!issuer.algorithms.has(jwt.alg)) return refuse('alg_not_allowed');
  const candidates = await issuer.keys.candidates(jwt.kid, jwt.alg);
  if (isRefusal(candidates)) return candidates;
  const key = candidates.find((candidate) => isSignedBy(jwt, candidate));
  if (key === undefined) return refuse('signature_invalid');
  return key;
}

function ready<Entry extends TrustedEntry, Fact>(
  entry: Entry,
  options: TrustedIssuersOptions<Entry, Fact>,
): Issuer<Fact> {
  const defaults = issuerKinds[entry.kind].defaults(entry);
  const { fetchJson, clock, faulted, known } = options;
  const label = entry.issuer ?? `spiffe://${entry.trust_domain}`;
  return {
    entry,
    audiences: options.audiences(entry),
    foreignAudiences: new Set(options.foreignAudiences(entry)),
    algorithms: new Set(entry.algorithms ?? defaults.algorithms),
    types: new Set((entry.typ ?? defaults.typ).map(normalTyp)),
    conditions: entry.conditions.map(readCondition),
    lifetimeSecondsMax: entry.lifetime_seconds_max ?? defaults.lifetimeSecondsMax,
    keys: new KeySource({
      issuer: label,
      jwksUri: entry.jwks_uri ?? defaults.jwksUri ?? null,
      fetchJson,
      clock,
      ...(defaults.keyUses === undefined ? {} : { uses: defaults.keyUses }),
      ...(entry.ca === undefined ? {} : { ca: entry.ca }),
      ...(known === undefined ? {} : { known }),
      ...(faulted === undefined ? {} : { faulted: (fault) => faulted(label, fault) }),
    }),
    read: options.reader(entry, defaults),
  };
}

/** A configured value as a source. Throws on what `checkIdentity` calls a fault. */
export function claimSource(text: string | undefined): ClaimSource {
  const source = text === undefined ? undefined : parseClaimSource(text);
  if (source === undefined) throw new Error(`${text} is neither a literal nor a claim path`);
  return source;
}

/** Every URL that keys of these issuers may be fetched from, each with the certificates its servers are trusted by. */
export function keyUrls(entries: readonly TrustedEntry[]): { readonly url: string; readonly ca: string | undefined }[] {
  return entries.flatMap((entry) => {
    const { issuer, ca } = entry;
    const jwksUri = entry.jwks_uri ?? issuerKinds[entry.kind].defaults(entry).jwksUri;
    return [issuer, jwksUri].flatMap((url) => (url === undefined ? [] : [{ url, ca }]));
  });
}
