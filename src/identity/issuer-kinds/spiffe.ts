/**
 * SPIFFE JWT-SVIDs. The issuer is found by the trust domain of `sub`, because `iss` is optional there and says nothing;
 * keys come from the bundle endpoint (`jwks_uri`), or by discovery where a SPIRE discovery provider is the `issuer`. A
 * bundle holds keys for X.509-SVIDs beside those for JWT-SVIDs: they never verify a token.
 */
import { refuse } from '../refusal.ts';
import { type IssuerKind, rfc7518Algorithms } from './issuer-kind.ts';
import { isTrustDomain, trustDomainOf } from './spiffe-id.ts';

const ofBundle = new Set(['jwt-svid', null]);
/** A discovery provider publishes for OIDC clients, which know no `jwt-svid`. */
const ofDiscovery = new Set(['jwt-svid', 'sig', null]);

export const spiffe: IssuerKind = {
  purposes: ['workload'],
  defaults: ({ jwks_uri }) => ({
    agent: 'claims.sub',
    algorithms: rfc7518Algorithms, // JWT-SVID §2.1
    typ: ['JWT', 'JOSE', 'absent'], // JWT-SVID §2.3
    keyUses: jwks_uri === undefined ? ofDiscovery : ofBundle,
  }),
  faults: ({ trust_domain, issuer, jwks_uri }) => {
    if (trust_domain === undefined) return [{ member: '', message: 'trust_domain is missing' }];
    if (!isTrustDomain(trust_domain)) {
      const message = 'expected the name of a trust domain: lower-case letters, digits, dots, dashes and underscores';
      return [{ member: 'trust_domain', message }];
    }
    if (issuer === undefined && jwks_uri === undefined) {
      return [{ member: '', message: 'jwks_uri (the bundle endpoint) is missing, or issuer for discovery' }];
    }
    return [];
  },
  chosenByWorkload: [],
  refusal: ({ sub }, { trust_domain }) => {
    const domain = trustDomainOf(sub as string);
    return domain !== undefined && domain === trust_domain ? undefined : refuse('claim_invalid');
  },
};
