/**
 * Verifies the tokens of people on the admin plane, of the one issuer that `admin` names. A role is what the
 * configuration makes of the values of the role claim; a token without any is a person without a role, who may nothing.
 */
import type { Json, Person, Role } from '../call.ts';
import type { Denial } from '../denial.ts';
import { claimAt, readClaim } from './claim-path.ts';
import { keySourceLimits } from './key-source.ts';
import { isRefusal, type Refusal, refuse } from './refusal.ts';
import type { AdminConfig } from './section.ts';
import { claimSource, type Reader, TrustedIssuers, type TrustSurroundings } from './trusted.ts';
import { unauthenticated } from './unauthenticated.ts';

export interface PeopleVerifierOptions extends TrustSurroundings {
  readonly admin: AdminConfig;
}

const roleNames: readonly Role[] = ['auditor', 'policy_author', 'operator', 'approver'];
/** A token of 16 KiB holds no more; beyond, somebody wants the comparison to take long. */
const valuesMax = 1_000;

export class PeopleVerifier {
  readonly #trusted: TrustedIssuers<AdminConfig, Person>;

  /** `admin` must have passed `checkIdentity`. Nothing is fetched before the first token. */
  constructor({ admin, ...surroundings }: PeopleVerifierOptions) {
    this.#trusted = new TrustedIssuers({
      ...surroundings,
      purpose: 'admin',
      entries: [admin],
      audiences: ({ audience }) => [audience],
      foreignAudiences: () => [],
      reader: personReader,
    });
  }

  /**
   * The person that a token names, with the roles they have; perhaps none. Denies 401 `unauthenticated` with the
   * reason, or 503 `upstream_unavailable` (retryable) while the issuer's keys cannot be had at all. Never rejects.
   */
  async verify(token: string | null): Promise<Person | Denial> {
    const person = await this.#trusted.verify(token);
    return isRefusal(person) ? unauthenticated(person, keySourceLimits.retryMs) : person;
  }
}

function personReader(entry: AdminConfig): Reader<Person> {
  const idSource = claimSource(entry.person);
  const roleSource = claimSource(entry.role_claim);
  if ('literal' in roleSource) throw new Error('role_claim is a claim path');
  return ({ claims }) => {
    // No proof of a key is asked for on the admin plane, so a token that belongs to one would be taken from anybody.
    if (claims.cnf !== undefined) return refuse('binding_missing');
    const id = readClaim(idSource, claims);
    if (isRefusal(id)) return id;
    const values = roleValues(claimAt(roleSource.path, claims));
    if (isRefusal(values)) return values;
    const roles = roleNames.filter((role) => entry.roles[role].some((value) => values.has(value)));
    return { id, issuer: entry.issuer, roles };
  };
}

/** A list, or a text in which spaces stand between the values, as in `scope` (RFC 6749 §3.3). */
function roleValues(claim: Json | undefined): ReadonlySet<string> | Refusal {
  if (claim === undefined) return new Set();
  const values: unknown = typeof claim === 'string' ? claim.split(' ', valuesMax + 1) : claim;
  if (!Array.isArray(values) || values.length > valuesMax) return refuse('claim_invalid');
  return values.every((value) => typeof value === 'string') ? new Set(values) : refuse('claim_invalid');
}
