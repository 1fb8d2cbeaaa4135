/**
 * Any issuer with OIDC discovery or a JWKS, of which the gate knows nothing more: tenant and cloud must be configured,
 * and whatever tells its workloads from its people belongs into `conditions`.
 */
import type { IssuerKind } from './issuer-kind.ts';

export const oidc: IssuerKind = {
  purposes: ['workload', 'subject', 'admin'],
  defaults: () => ({
    agent: 'claims.sub',
    algorithms: ['RS256', 'PS256', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'],
    typ: ['JWT', 'at+jwt', 'absent'],
  }),
  faults: () => [],
  chosenByWorkload: [],
  refusal: () => undefined,
};
