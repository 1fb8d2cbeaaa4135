/**
 * Projected service account tokens of a cluster (TokenRequest API): EKS, AKS, GKE, or any other. The account stands
 * twice in such a token, in `sub` and under `kubernetes.io`, and both must agree. Tokens of the old kind, from secrets,
 * have no audience and no expiry, and are refused for that.
 */
import { claimAt } from '../claim-path.ts';
import { refuse } from '../refusal.ts';
import type { IssuerKind, KindEntry } from './issuer-kind.ts';

// Namespaces are DNS labels, names of service accounts DNS subdomains (RFC 1123).
const subjectForm = /^system:serviceaccount:([a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?):([a-z0-9](?:[-a-z0-9.]*[a-z0-9])?)$/;

const clouds: readonly (readonly [host: RegExp, cloud: string])[] = [
  [/^oidc(?:-eks)?\.(?:eks\.)?[a-z0-9-]+\.(?:amazonaws\.com|amazonaws\.com\.cn|api\.aws)$/, 'aws'],
  [/\.oic\.prod-aks\.azure\.(?:com|cn|us)$/, 'azure'],
  [/^container\.googleapis\.com$/, 'gcp'],
];

export const kubernetes: IssuerKind = {
  purposes: ['workload'],
  defaults: (entry) => {
    const cloud = cloudOf(entry);
    return {
      agent: 'claims.sub',
      ...(cloud === undefined ? {} : { cloud }),
      algorithms: ['RS256', 'ES256', 'ES384', 'ES512'],
      typ: ['JWT', 'absent'],
    };
  },
  faults: () => [],
  chosenByWorkload: [],
  refusal: (claims) => {
    const account = subjectForm.exec(claims.sub as string);
    if (account === null) return refuse('claim_invalid');
    const [, namespace, name] = account;
    if (claims['kubernetes.io'] === undefined) return refuse('claim_missing');
    if (claimAt(['kubernetes.io', 'namespace'], claims) !== namespace) return refuse('claim_invalid');
    if (claimAt(['kubernetes.io', 'serviceaccount', 'name'], claims) !== name) return refuse('claim_invalid');
    return undefined;
  },
};

/** Where a managed cluster runs, by the host of its issuer. */
function cloudOf({ issuer }: KindEntry): string | undefined {
  if (issuer === undefined || !URL.canParse(issuer)) return undefined;
  const { hostname } = new URL(issuer);
  return clouds.find(([host]) => host.test(hostname))?.[1];
}
