/**
 * Verifies workload tokens: an agent's own identity, as its cloud states it. Where in the token its id, tenant and
 * cloud stand is the issuer's, by its kind and its entry in tollgate.yaml. Workload tokens are shown to the task routes
 * only, never on a call.
 */
import type { Agent, JsonObject } from '../call.ts';
import type { Denial } from '../denial.ts';
import { readClaim } from './claim-path.ts';
import { isSameIssuer } from './issuer-faults.ts';
import type { KindDefaults } from './issuer-kinds/index.ts';
import { idCharsMax, isPlainText } from './jwt.ts';
import { keySourceLimits } from './key-source.ts';
import { isRefusal, type Refusal, refuse } from './refusal.ts';
import type { IssuerConfig, IssuersConfig, SubjectIssuersConfig } from './section.ts';
import { claimSource, type Reader, TrustedIssuers, type TrustSurroundings } from './trusted.ts';
import { unauthenticated } from './unauthenticated.ts';

export interface WorkloadVerifierOptions extends TrustSurroundings {
  readonly issuers: IssuersConfig;
  /** Whose audiences no workload token may name, where they share an issuer with workloads. */
  readonly subjectIssuers?: SubjectIssuersConfig;
}

const actorsMax = 8;

export class WorkloadVerifier {
  readonly #trusted: TrustedIssuers<IssuerConfig, Agent>;

  /** `issuers` must have passed `checkIdentity`. Nothing is fetched before the first token. */
  constructor({ issuers, subjectIssuers = [], ...surroundings }: WorkloadVerifierOptions) {
    this.#trusted = new TrustedIssuers({
      ...surroundings,
      purpose: 'workload',
      entries: issuers,
      audiences: ({ audiences }) => audiences,
      foreignAudiences: ({ issuer }) =>
        subjectIssuers.filter((other) => isSameIssuer(other.issuer, issuer)).flatMap(({ audiences }) => audiences),
      reader: agentReader,
    });
  }

  /**
   * The agent that a workload token names. Denies 401 `unauthenticated` with the reason, or 503
   * `upstream_unavailable` (retryable) while the issuer's keys cannot be had at all. Never rejects.
   */
  async verify(token: string | null): Promise<Agent | Denial> {
    const agent = await this.#trusted.verify(token);
    return isRefusal(agent) ? unauthenticated(agent, keySourceLimits.retryMs) : agent;
  }
}

function agentReader(entry: IssuerConfig, defaults: KindDefaults): Reader<Agent> {
  const sources = [
    claimSource(entry.agent ?? defaults.agent),
    claimSource(entry.tenant ?? defaults.tenant),
    claimSource(entry.cloud ?? defaults.cloud),
  ] as const;
  return ({ claims, verifiedAtMs }) => {
    const [id, tenant, cloud] = sources.map((source) => readClaim(source, claims)) as [
      string | Refusal,
      string | Refusal,
      string | Refusal,
    ];
    if (isRefusal(id)) return id;
    if (isRefusal(tenant)) return tenant;
    if (isRefusal(cloud)) return cloud;
    const actors = actorsOf(claims);
    if (isRefusal(actors)) return actors;
    return { id, issuer: entry.name, tenant, cloud, claims, actors, verifiedAtMs };
  };
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
