/**
 * Who vouches for whom: four issuers of workloads that the gate trusts, each of another cloud with keys, an audience
 * and claims of its own; one for customers; and one it was never told of. Two of them know a workload called `coordinator`, and so does the stranger:
 * a name says nothing without its issuer.
 */
import { Issuer, tokenSeconds } from './issuer.ts';
import { SpiffeDomain } from './spiffe.ts';

export const tenant = 'acme';

/** A workload whose tokens are always about to expire. Whole seconds are cut off: they are good for one to two. */
export const brief = { clientId: 'coordinator-brief', seconds: 2 } as const;

export function azureIssuer(preferredPort: number): Issuer {
  return new Issuer({
    audience: 'api://tollgate',
    // As Entra does: who the tenant is stands in `tid`.
    claims: { tid: tenant },
    clients: { coordinator: tokenSeconds, [brief.clientId]: brief.seconds },
    preferredPort,
  });
}

export function awsIssuer(preferredPort: number): Issuer {
  return new Issuer({
    audience: 'https://tollgate.example.internal',
    claims: { tenant },
    clients: { 'inventory-sync': tokenSeconds, coordinator: tokenSeconds },
    preferredPort,
  });
}

export function onpremIssuer(preferredPort: number): Issuer {
  return new Issuer({
    audience: 'urn:example:tollgate',
    claims: { org: { id: tenant, unit: 'legal' } },
    clients: { 'legal-risk': tokenSeconds },
    preferredPort,
  });
}

/** The agents at the edge have no cloud: SPIFFE gives them their names. */
export const selfServiceId = 'spiffe://edge.example.internal/agents/self-service';

export function edgeDomain(preferredPort: number): SpiffeDomain {
  return new SpiffeDomain({ trustDomain: 'edge.example.internal', preferredPort });
}

/** The shop's sign-in: it vouches for customers and knows no agents. Its tokens name the gate by another audience. */
export const shopApp = 'shop-app';

export function shopIssuer(preferredPort: number): Issuer {
  return new Issuer({
    audience: 'urn:example:tollgate:customers',
    claims: {},
    clients: { [shopApp]: tokenSeconds },
    preferredPort,
  });
}

/** Honest, and with everything that Azure's tokens have; only nobody told the gate to trust it. */
export function strangeIssuer(preferredPort: number): Issuer {
  return new Issuer({
    audience: 'api://tollgate',
    claims: { tid: tenant },
    clients: { coordinator: tokenSeconds },
    preferredPort,
  });
}
