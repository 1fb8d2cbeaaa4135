/**
 * Verifies the tokens of subjects: a customer or employee shows who they are by a token of their own issuer, which the
 * agent hands in with the task request. It says on whose behalf the task runs, and nothing of who the agent is; a token
 * that names the actor it was made for (RFC 8693 §4.4 `may_act`) is good in that agent's hands only.
 */
import type { Agent, JsonObject, Subject } from '../call.ts';
import { type Denial, deny } from '../denial.ts';
import { readClaim } from './claim-path.ts';
import { isSameIssuer, subjectTypeForm } from './issuer-faults.ts';
import { keySourceLimits } from './key-source.ts';
import { isRefusal, type Refusal, refuse } from './refusal.ts';
import type { IssuersConfig, SubjectIssuerConfig, SubjectIssuersConfig } from './section.ts';
import { claimSource, type Reader, TrustedIssuers, type TrustSurroundings } from './trusted.ts';
import { unauthenticated } from './unauthenticated.ts';

export interface SubjectVerifierOptions extends TrustSurroundings {
  readonly subjectIssuers: SubjectIssuersConfig;
  /** Whose audiences no subject's token may name, where they share an issuer with subjects. */
  readonly issuers: IssuersConfig;
}

interface SubjectFact {
  readonly subject: Subject;
  /** The tenant whose agents may show the token; null where it says nothing of it. */
  readonly tenant: string | null;
}

const path = '/subject/token';

export class SubjectVerifier {
  readonly #trusted: TrustedIssuers<SubjectIssuerConfig, SubjectFact> | null;

  /** Both lists must have passed `checkIdentity`. Nothing is fetched before the first token. */
  constructor({ subjectIssuers, issuers, ...surroundings }: SubjectVerifierOptions) {
    this.#trusted =
      subjectIssuers.length === 0
        ? null
        : new TrustedIssuers({
            ...surroundings,
            purpose: 'subject',
            entries: subjectIssuers,
            audiences: ({ audiences }) => audiences,
            foreignAudiences: ({ issuer }) =>
              issuers.filter((other) => isSameIssuer(other.issuer, issuer)).flatMap(({ audiences }) => audiences),
            reader: subjectReader,
          });
  }

  /**
   * The subject that a token names, shown by `agent`; assurance `verified`. Denies 401 `unauthenticated` with the
   * reason, 503 `upstream_unavailable` (retryable) while its issuer's keys cannot be had at all, and `args_invalid`
   * where no issuer of subjects is configured. Never rejects.
   */
  async verify(token: string, agent: Agent): Promise<Subject | Denial> {
    if (this.#trusted === null) {
      const message = 'no issuer of subjects is configured; name the subject by id and type';
      return deny('args_invalid', 'The task request is not valid.', { reasons: [{ code: 'invalid', message, path }] });
    }
    const fact = await this.#trusted.verify(token);
    const refusal = isRefusal(fact) ? fact : refusalFor(fact, agent);
    if (refusal !== undefined) {
      return unauthenticated(refusal, keySourceLimits.retryMs, {
        path,
        message: "The subject's token is not accepted",
      });
    }
    return (fact as SubjectFact).subject;
  }
}

function subjectReader(entry: SubjectIssuerConfig): Reader<SubjectFact> {
  const id = claimSource(entry.subject);
  const type = claimSource(entry.type);
  const tenant = entry.tenant === undefined ? null : claimSource(entry.tenant);
  return ({ claims }) => {
    // The agent that shows it is not whom it belongs to: taken from the agent it would be good in any hands.
    if (claims.cnf !== undefined) return refuse('binding_missing');
    const values = [readClaim(id, claims), readClaim(type, claims), tenant === null ? null : readClaim(tenant, claims)];
    const refusal = values.find(isRefusal);
    if (refusal !== undefined) return refusal;
    const [ofSubject, ofType, ofTenant] = values as [string, string, string | null];
    if (!subjectTypeForm.test(ofType)) return refuse('claim_invalid');
    const subject: Subject = { id: ofSubject, type: ofType, claims, issuer: entry.name, assurance: 'verified' };
    return { subject, tenant: ofTenant };
  };
}

/** Why a good token is not good in the hands of this agent. It depends on the agent, so it is asked each time. */
function refusalFor({ subject, tenant }: SubjectFact, agent: Agent): Refusal | undefined {
  if (tenant !== null && tenant !== agent.tenant) return refuse('tenant_wrong');
  const { may_act: mayAct } = subject.claims;
  if (mayAct === undefined) return undefined;
  if (typeof mayAct !== 'object' || mayAct === null || Array.isArray(mayAct)) return refuse('claim_invalid');
  const { sub, iss } = mayAct as JsonObject;
  if (sub === undefined) return refuse('claim_missing');
  const named = sub === agent.id && (iss === undefined || iss === agent.claims.iss);
  return named ? undefined : refuse('actor_wrong');
}
