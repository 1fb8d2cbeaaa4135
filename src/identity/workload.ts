/**
 * Verifies workload tokens: an agent's own identity, as its cloud states it. The issuer is found by the exact `iss`
 * among the configured ones; each has keys, audiences, algorithms and claim paths of its own, and none borrows
 * another's. Workload tokens are shown to the task routes only, never on a call.
 */
import type { Agent, JsonObject } from '../call.ts';
import type { Clock } from '../clock.ts';
import type { Denial } from '../denial.ts';
import { type ClaimSource, parseClaimSource, readClaim } from './claim-path.ts';
import type { VerificationKey } from './jwk.ts';
import { checkClaims, idCharsMax, isPlainText, isSignedBy, type Jwt, normalTyp, parseJwt } from './jwt.ts';
import { type FetchJson, KeySource, keySourceLimits } from './key-source.ts';
import { isRefusal, type Refusal, refuse } from './refusal.ts';
import type { IssuerConfig, IssuersConfig } from './section.ts';
import { TokenCache } from './token-cache.ts';
import { unauthenticated } from './unauthenticated.ts';

export interface WorkloadVerifierOptions {
  readonly issuers: IssuersConfig;
  readonly fetchJson: FetchJson;
  readonly clock: Clock;
}

interface Issuer {
  readonly config: IssuerConfig;
  /** Normalized; `absent` for a token without `typ`. */
  readonly types: ReadonlySet<string>;
  readonly agent: ClaimSource;
  readonly tenant: ClaimSource;
  readonly cloud: ClaimSource;
  readonly keys: KeySource;
}

interface Verified {
  readonly agent: Agent;
  readonly issuer: Issuer;
  readonly key: VerificationKey;
}

const absent = 'absent';
const actorsMax = 8;

export class WorkloadVerifier {
  readonly #issuers: ReadonlyMap<string, Issuer>;
  readonly #clock: Clock;
  readonly #cache = new TokenCache<Verified>();

  /** `issuers` must have passed `checkIssuers`. Nothing is fetched before the first token. */
  constructor({ issuers, fetchJson, clock }: WorkloadVerifierOptions) {
    this.#clock = clock;
    this.#issuers = new Map(issuers.map((config) => [config.issuer, ready(config, fetchJson, clock)]));
  }

  /**
   * The agent that a workload token names. Denies 401 `unauthenticated` with the reason, or 503
   * `upstream_unavailable` (retryable) while the issuer's keys cannot be had at all. Never rejects.
   */
  async verify(token: string | null): Promise<Agent | Denial> {
    const known = token === null ? undefined : this.#cache.get(token, this.#clock.nowMs());
    // A key that its issuer has withdrawn takes the tokens along that it signed.
    if (known?.issuer.keys.trusts(known.key)) return known.agent;
    const verified = await this.#verifyAnew(token);
    return isRefusal(verified) ? unauthenticated(verified, keySourceLimits.retryMs) : verified;
  }

  async #verifyAnew(token: string | null): Promise<Agent | Refusal> {
    const jwt = parseJwt(token);
    if (isRefusal(jwt)) return jwt;
    if (jwt.typ === 'txntoken+jwt') return refuse('token_kind');
    const { iss } = jwt.claims;
    if (iss === undefined) return refuse('claim_missing');
    const issuer = typeof iss === 'string' ? this.#issuers.get(iss) : undefined;
    if (issuer === undefined) return refuse('issuer_unknown');
    if (!issuer.types.has(jwt.typ ?? absent) || jwt.typ === absent) return refuse('typ_not_allowed');
    if (!issuer.config.algorithms.includes(jwt.alg)) return refuse('alg_not_allowed');

    const candidates = await issuer.keys.candidates(jwt.kid, jwt.alg);
    if (isRefusal(candidates)) return candidates;
    const key = candidates.find((candidate) => isSignedBy(jwt, candidate));
    if (key === undefined) return refuse('signature_invalid');

    const { clock_tolerance_seconds: tolerance, audiences } = issuer.config;
    const nowMs = this.#clock.nowMs();
    const registered = checkClaims(jwt.claims, {
      issuer: issuer.config.issuer,
      audiences,
      nowMs,
      expiredToleranceSeconds: tolerance,
      futureToleranceSeconds: tolerance,
    });
    if (isRefusal(registered)) return registered;
    const agent = agentOf(issuer, jwt, nowMs);
    if (isRefusal(agent)) return agent;
    if (token !== null) {
      this.#cache.set(token, { agent, issuer, key }, (registered.exp + tolerance) * 1000);
    }
    return agent;
  }
}

function ready(config: IssuerConfig, fetchJson: FetchJson, clock: Clock): Issuer {
  const source = (text: string): ClaimSource => {
    const parsed = parseClaimSource(text);
    if (parsed === undefined) throw new Error(`issuer ${config.name}: "${text}" is not a claim path`);
    return parsed;
  };
  return {
    config,
    types: new Set(config.typ.map(normalTyp)),
    agent: source(config.agent),
    tenant: source(config.tenant),
    cloud: source(config.cloud),
    keys: new KeySource({ issuer: config.issuer, jwksUri: config.jwks_uri ?? null, fetchJson, clock }),
  };
}

function agentOf(issuer: Issuer, jwt: Jwt, verifiedAtMs: number): Agent | Refusal {
  const id = readClaim(issuer.agent, jwt.claims);
  if (isRefusal(id)) return id;
  const tenant = readClaim(issuer.tenant, jwt.claims);
  if (isRefusal(tenant)) return tenant;
  const cloud = readClaim(issuer.cloud, jwt.claims);
  if (isRefusal(cloud)) return cloud;
  const actors = actorsOf(jwt.claims);
  if (isRefusal(actors)) return actors;
  return { id, issuer: issuer.config.name, tenant, cloud, claims: jwt.claims, actors, verifiedAtMs };
}

/** The chain of `act` (RFC 8693 §4.1), nearest first. */
function actorsOf(claims: JsonObject): readonly string[] | Refusal {
  const actors: string[] = [];
  let act = claims.act;
  while (act !== undefined) {
    if (typeof act !== 'object' || act === null || Array.isArray(act)) return refuse('claim_invalid');
    const { sub, act: next } = act as JsonObject;
    if (!isPlainText(sub, idCharsMax) || actors.length === actorsMax) return refuse('claim_invalid');
    actors.push(sub);
    act = next;
  }
  return actors;
}
