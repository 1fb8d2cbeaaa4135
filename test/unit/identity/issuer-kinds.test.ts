/** What each kind of issuer adds: its defaults, and its checks. A row is the accepted control with one change. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '../../../src/call.ts';
import { isDenial } from '../../../src/denial.ts';
import { keysDocument, openForeign } from './foreign.ts';

type Claims = Record<string, unknown>;
type Row = readonly [name: string, reason: string, claims: Claims];

interface Kind {
  readonly entry: object;
  readonly keysAt: string;
  readonly control: Claims;
  readonly agent: readonly [id: string, tenant: string, cloud: string];
  readonly refused: readonly Row[];
  readonly accepted: readonly (readonly [name: string, claims: Claims])[];
}

const tid = '0f8fad5b-d9cb-469f-a165-70867728950e';
const app = '7c9e6679-7425-40de-944b-e07fc1f90ae7';
const oid = '16fd2706-8baf-433b-82eb-8c7fada847da';
const eks = 'https://oidc.eks.eu-central-1.amazonaws.com/id/ABC';
const entra2 = `https://login.microsoftonline.com/${tid}/v2.0`;
const entra1 = `https://sts.windows.net/${tid}/`;
const google = 'https://accounts.google.com';
const awsUrl = 'https://abc123.tokens.sts.global.api.aws';
const sts = 'https://sts.amazonaws.com/';
const role = 'arn:aws:iam::123456789012:role/agents/Coordinator';

const accountClaims: JsonObject = {
  namespace: 'agents',
  pod: { name: 'coordinator-0', uid: oid },
  serviceaccount: { name: 'coordinator', uid: app },
  warnafter: 1,
};
const application = { iss: entra2, aud: 'gate', sub: oid, oid, tid, azp: app, ver: '2.0', idtyp: 'app' };

const kinds: Readonly<Record<string, Kind>> = {
  kubernetes: {
    entry: { kind: 'kubernetes', issuer: eks, tenant: 'claims."kubernetes.io".namespace' },
    keysAt: `${eks}/keys`,
    control: {
      iss: eks,
      aud: ['gate'],
      sub: 'system:serviceaccount:agents:coordinator',
      'kubernetes.io': accountClaims,
    },
    agent: ['system:serviceaccount:agents:coordinator', 'agents', 'aws'],
    refused: [
      ['a sub that is no service account', 'claim_invalid', { sub: 'coordinator' }],
      ['a sub of a node', 'claim_invalid', { sub: 'system:node:one' }],
      ['a sub with a fourth part', 'claim_invalid', { sub: 'system:serviceaccount:agents:coordinator:x' }],
      ['a namespace in capitals', 'claim_invalid', { sub: 'system:serviceaccount:Agents:coordinator' }],
      ['another namespace in sub', 'claim_invalid', { sub: 'system:serviceaccount:kube-system:coordinator' }],
      ['another account in sub', 'claim_invalid', { sub: 'system:serviceaccount:agents:admin' }],
      ['no kubernetes.io', 'claim_missing', { 'kubernetes.io': undefined }],
      ['kubernetes.io as text', 'claim_invalid', { 'kubernetes.io': 'agents' }],
      ['kubernetes.io without an account', 'claim_invalid', { 'kubernetes.io': { namespace: 'agents' } }],
      [
        'kubernetes.io of another namespace',
        'claim_invalid',
        { 'kubernetes.io': { ...accountClaims, namespace: 'kube-system' } },
      ],
      ['a token from a secret, that never ends', 'claim_missing', { exp: undefined }],
      ['a token for the cluster itself', 'audience_wrong', { aud: ['https://kubernetes.default.svc'] }],
    ],
    accepted: [
      [
        'an account with dots and dashes',
        {
          sub: 'system:serviceaccount:agents:a.b-c',
          'kubernetes.io': { ...accountClaims, serviceaccount: { name: 'a.b-c' } },
        },
      ],
    ],
  },
  entra: {
    entry: { kind: 'entra', issuer: entra2 },
    keysAt: `https://login.microsoftonline.com/${tid}/discovery/v2.0/keys`,
    control: application,
    agent: [app, tid, 'azure'],
    refused: [
      ['no tid', 'claim_missing', { tid: undefined }],
      ['the tid of another tenant', 'claim_invalid', { tid: app }],
      ['the version of another endpoint', 'claim_invalid', { ver: '1.0' }],
      ['a token of a user', 'token_kind', { idtyp: 'user', scp: 'tasks', sub: 'pairwise' }],
      ['a token with delegated scopes', 'token_kind', { idtyp: undefined, scp: 'tasks' }],
      ['an application with delegated scopes', 'token_kind', { scp: 'tasks' }],
      ['an ID token of a user, without idtyp and scp', 'token_kind', { idtyp: undefined, sub: 'pairwise' }],
      ['a token that does not say whose it is', 'token_kind', { idtyp: undefined, oid: undefined }],
      ['a holder of another kind', 'token_kind', { idtyp: 'device' }],
      ['no application', 'claim_missing', { azp: undefined }],
    ],
    accepted: [
      ['an application without idtyp', { idtyp: undefined }],
      ['no ver', { ver: undefined }],
    ],
  },
  'entra, version 1': {
    entry: { kind: 'entra', issuer: entra1 },
    keysAt: `https://login.microsoftonline.com/${tid}/discovery/keys`,
    control: { ...application, iss: entra1, ver: '1.0', azp: undefined, appid: app },
    agent: [app, tid, 'azure'],
    refused: [
      ['the version of another endpoint', 'claim_invalid', { ver: '2.0' }],
      ['the issuer of version 2', 'issuer_unknown', { iss: entra2 }],
      ['no appid', 'claim_missing', { appid: undefined }],
    ],
    accepted: [],
  },
  google: {
    entry: { kind: 'google', issuer: google, tenant: 'acme' },
    keysAt: 'https://www.googleapis.com/oauth2/v3/certs',
    control: {
      ...{ iss: google, aud: 'gate', sub: '104128394012839401', azp: '104128394012839401' },
      ...{ email: 'coordinator@acme.iam.gserviceaccount.com', email_verified: true },
    },
    agent: ['104128394012839401', 'acme', 'gcp'],
    refused: [
      ['a sub that is no number', 'claim_invalid', { sub: 'coordinator' }],
      ['an address that is not verified', 'claim_invalid', { email_verified: false }],
      ['an address of which it is not said', 'claim_invalid', { email_verified: undefined }],
      ['an address that is verified as text', 'claim_invalid', { email_verified: 'true' }],
      ['an address that is a list', 'claim_invalid', { email: ['a@b.iam.gserviceaccount.com'] }],
      ['a person', 'token_kind', { email: 'person@acme.test' }],
      ['a person whose address looks so', 'token_kind', { email: 'x.gserviceaccount.com@evil.test' }],
      ['a person of a Workspace', 'token_kind', { hd: 'acme.test' }],
      [
        'a client of a person, without an address',
        'token_kind',
        { email: undefined, email_verified: undefined, azp: '1-x.apps.googleusercontent.com' },
      ],
      ['a life of over an hour', 'token_lifetime', { iat: 0 }],
    ],
    accepted: [['an account without its address', { email: undefined, email_verified: undefined }]],
  },
  aws: {
    entry: { kind: 'aws', issuer: awsUrl },
    keysAt: `${awsUrl}/.well-known/jwks.json`,
    control: {
      ...{ iss: awsUrl, aud: 'gate', sub: role, jti: 'one' },
      [sts]: { aws_account: '123456789012', source_region: 'eu-central-1', request_tags: { aws_account: '1' } },
    },
    agent: [role, '123456789012', 'aws'],
    refused: [
      ['a user', 'claim_invalid', { sub: 'arn:aws:iam::123456789012:user/bob' }],
      ['the root of the account', 'claim_invalid', { sub: 'arn:aws:iam::123456789012:root' }],
      ['a session', 'claim_invalid', { sub: 'arn:aws:sts::123456789012:assumed-role/Coordinator/i-1' }],
      ['a sub that is no ARN', 'claim_invalid', { sub: 'Coordinator' }],
      ['a role of another account', 'claim_invalid', { sub: 'arn:aws:iam::210987654321:role/Coordinator' }],
      ['nothing of what AWS knows', 'claim_missing', { [sts]: undefined }],
      ['what AWS knows as text', 'claim_missing', { [sts]: 'x' }],
      ['an account that is a number', 'claim_invalid', { [sts]: { aws_account: 123_456_789_012 } }],
      ['a life of over an hour', 'token_lifetime', { iat: 0 }],
    ],
    accepted: [['a role in another partition', { sub: 'arn:aws-cn:iam::123456789012:role/Coordinator' }]],
  },
};

for (const [name, kind] of Object.entries(kinds)) {
  const { entry, keysAt, control, refused, accepted } = kind;
  const { issuer } = entry as { issuer: string };
  const open = () =>
    openForeign(
      { issuers: [{ name: 'i', audiences: ['gate'], ...entry }] },
      {
        [`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`]: { issuer, jwks_uri: keysAt },
        [keysAt]: keysDocument,
      },
    );

  test(`${name}: the agent, its tenant and its cloud are found without being configured`, async () => {
    const { workloads, token } = open();
    const agent = await workloads.verify(token({ claims: control }));
    assert.ok(!isDenial(agent), JSON.stringify(agent));
    assert.deepEqual([agent.id, agent.tenant, agent.cloud], kind.agent);
    assert.equal(agent.issuer, 'i');
  });

  for (const [what, reason, change] of refused) {
    test(`${name}: refused as ${reason}: ${what}`, async () => {
      const { workload } = open();
      assert.equal(await workload({ claims: control }), 'accepted');
      assert.equal(await workload({ claims: { ...control, ...change } }), reason);
    });
  }
  for (const [what, change] of accepted) {
    test(`${name}: accepted: ${what}`, async () => {
      assert.equal(await open().workload({ claims: { ...control, ...change } }), 'accepted');
    });
  }

  test(`${name}: algorithms and types that its cloud does not use are refused`, async () => {
    const { workload } = open();
    assert.equal(await workload({ claims: control, header: { alg: 'PS256' } }), 'alg_not_allowed');
    assert.equal(await workload({ claims: control, header: { typ: 'dpop+jwt' } }), 'token_kind');
    assert.equal(await workload({ claims: control, header: { typ: 'logout+jwt' } }), 'typ_not_allowed');
  });
}

test('what is configured wins over what a kind knows, but for its checks', async () => {
  const explicit = { agent: 'claims.oid', tenant: 'acme', cloud: 'onprem', algorithms: ['PS256'], typ: ['JWT'] };
  const keysAt = 'https://elsewhere.test/keys';
  const { workloads, workload, token } = openForeign(
    {
      issuers: [
        { ...{ name: 'i', kind: 'entra', issuer: entra2, audiences: ['gate'] }, ...explicit, jwks_uri: keysAt },
      ],
    },
    { [keysAt]: keysDocument },
  );
  const agent = await workloads.verify(token({ claims: application, header: { alg: 'PS256' } }));
  assert.ok(!isDenial(agent));
  assert.deepEqual([agent.id, agent.tenant, agent.cloud], [oid, 'acme', 'onprem']);
  assert.equal(await workload({ claims: application }), 'alg_not_allowed');
  assert.equal(await workload({ claims: { ...application, tid: app }, header: { alg: 'PS256' } }), 'claim_invalid');
});

const clouds = [
  ['https://oidc.eks.us-gov-west-1.amazonaws.com/id/A', 'aws'],
  ['https://oidc-eks.eu-west-1.api.aws/id/A', 'aws'],
  [`https://westeurope.oic.prod-aks.azure.com/${tid}/${oid}/`, 'azure'],
  ['https://container.googleapis.com/v1/projects/p/locations/europe-west4/clusters/c', 'gcp'],
] as const;
for (const [issuer, cloud] of clouds) {
  test(`kubernetes: a cluster of ${new URL(issuer).hostname} runs at ${cloud}`, async () => {
    const { workloads, token } = openForeign(
      {
        issuers: [
          { name: 'i', kind: 'kubernetes', issuer, jwks_uri: `${issuer}/jwks`, audiences: ['gate'], tenant: 'acme' },
        ],
      },
      { [`${issuer}/jwks`]: keysDocument },
    );
    const agent = await workloads.verify(token({ claims: { ...kinds.kubernetes?.control, iss: issuer } }));
    assert.ok(!isDenial(agent));
    assert.equal(agent.cloud, cloud);
  });
}
