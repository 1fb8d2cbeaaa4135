/**
 * Tokens of AWS IAM outbound identity federation (STS GetWebIdentityToken): an issuer for each account, `sub` the ARN of
 * the role. What AWS knows stands under a claim named like a URL; what stands there under `request_tags` the workload
 * has asked for itself, so nothing that matters may be read from it.
 */
import { claimAt } from '../claim-path.ts';
import { refuse } from '../refusal.ts';
import type { IssuerKind } from './issuer-kind.ts';

const namespace = 'https://sts.amazonaws.com/';
// The role itself, not a session of it; a path may stand before its name. Users and the root user are no workloads.
const roleForm = /^arn:aws(?:-cn|-us-gov)?:iam::([0-9]{12}):role\/[A-Za-z0-9+=,.@_/-]+$/;

export const aws: IssuerKind = {
  purposes: ['workload'],
  defaults: () => ({
    agent: 'claims.sub',
    tenant: `claims."${namespace}".aws_account`,
    cloud: 'aws',
    algorithms: ['RS256', 'ES384'],
    typ: ['JWT', 'absent'],
    lifetimeSecondsMax: 3_600,
  }),
  faults: () => [],
  chosenByWorkload: [[namespace, 'request_tags']],
  refusal: (claims) => {
    const stated = claimAt([namespace, 'aws_account'], claims);
    if (stated === undefined) return refuse('claim_missing');
    // Of a sub that is no role there is no account, and none is stated by that name.
    const [, account] = roleForm.exec(claims.sub as string) ?? [];
    return stated === account ? undefined : refuse('claim_invalid');
  },
};
