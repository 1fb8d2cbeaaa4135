import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseClaimSource, readClaim } from '../../../src/identity/claim-path.ts';
import { isRefusal } from '../../../src/identity/refusal.ts';
import { faultsOf, fits, identityOf } from './sections.ts';

const minimal = { name: 'azure', issuer: 'https://a.test', audiences: ['gate'], tenant: 'claims.tid', cloud: 'azure' };
const people = { name: 'people', issuer: 'https://people.test', audiences: ['gate-for-people'] };
const admin = {
  issuer: 'https://staff.test',
  audience: 'gate-admin',
  role_claim: 'claims.roles',
  roles: { operator: ['ops'] },
};
const tenant = '0f8fad5b-d9cb-469f-a165-70867728950e';
const entraUrl = `https://login.microsoftonline.com/${tenant}/v2.0`;

test('what an entry leaves out is filled in, and what its kind knows is left to the kind', () => {
  const [entry] = identityOf({ issuers: [minimal] }).issuers;
  assert.deepEqual(
    [entry?.kind, entry?.binding, entry?.conditions, entry?.clock_tolerance_seconds],
    ['oidc', 'none', [], 30],
  );
  assert.deepEqual([entry?.algorithms, entry?.typ, entry?.agent], [undefined, undefined, undefined]);
  const [subject] = identityOf({ subject_issuers: [people] }).subject_issuers;
  assert.deepEqual([subject?.subject, subject?.type, subject?.kind], ['claims.sub', 'customer', 'oidc']);
  const filled = identityOf({ admin }).admin;
  assert.deepEqual(filled?.roles, { auditor: [], policy_author: [], operator: ['ops'], approver: [] });
  assert.equal(filled?.person, 'claims.sub');
});

test('the schema refuses none, HS256, empty lists, unknown keys, kinds and bindings, and a tolerance over five minutes', () => {
  for (const bad of [
    { algorithms: ['none'] },
    { algorithms: ['HS256'] },
    { algorithms: [] },
    { audiences: [] },
    { typ: [] },
    { name: 'Azure AD' },
    { clock_tolerance_seconds: 301 },
    { lifetime_seconds_max: 59 },
    { kind: 'saml' },
    { binding: 'tls' },
    { conditions: [{ equals: 'x' }] },
    { conditions: [{ claim: 'claims.x', one_of: [] }] },
    { conditions: [{ claim: 'claims.x', regex: '.*' }] },
    { secret: 'x' },
  ]) {
    assert.equal(fits.issuers([{ ...minimal, ...bad }]), false, JSON.stringify(bad));
  }
  for (const bad of [{ agent: 'claims.sub' }, { cloud: 'azure' }, { binding: 'none' }, { trust_domain: 'a.test' }]) {
    assert.equal(fits.subject_issuers([{ ...people, ...bad }]), false, JSON.stringify(bad));
  }
  for (const bad of [{ roles: { root: ['x'] } }, { role_claim: '' }, { audience: [] }, { tenant: 'x' }]) {
    assert.equal(fits.admin({ ...admin, ...bad }), false, JSON.stringify(bad));
  }
});

test('good sections have no faults: https, http on loopback, and every kind with what it needs', () => {
  const issuers = [
    minimal,
    { ...minimal, name: 'k8s', issuer: 'http://127.0.0.1:9000', jwks_uri: 'http://localhost:9000/keys' },
    { ...minimal, name: 'six', issuer: 'http://[::1]:9000', agent: 'claims."kubernetes.io".serviceaccount.name' },
    { name: 'entra', kind: 'entra', issuer: entraUrl, audiences: ['gate'] },
    { name: 'google', kind: 'google', issuer: 'https://accounts.google.com', audiences: ['gate'], tenant: 'acme' },
    { name: 'aws', kind: 'aws', issuer: 'https://one.tokens.sts.global.api.aws', audiences: ['gate'] },
    {
      ...{ name: 'eks', kind: 'kubernetes', audiences: ['gate'], tenant: 'claims."kubernetes.io".namespace' },
      issuer: 'https://oidc.eks.eu-central-1.amazonaws.com/id/ABC',
    },
    {
      ...{ name: 'spire', kind: 'spiffe', trust_domain: 'prod.test', audiences: ['gate'], tenant: 'a', cloud: 'dc' },
      jwks_uri: 'https://spire.test/bundle',
    },
    {
      ...{ name: 'spire-2', kind: 'spiffe', trust_domain: 'test.test', audiences: ['gate'], tenant: 'a', cloud: 'dc' },
      issuer: 'https://oidc.spire.test',
    },
  ];
  const employees = { name: 'staff', kind: 'entra', issuer: entraUrl, audiences: ['portal'], type: 'employee' };
  assert.deepEqual(faultsOf({ issuers, subject_issuers: [people, employees], admin }), []);
});

const b = { ...minimal, name: 'b', issuer: 'https://b.test' };
const spire = { name: 'b', kind: 'spiffe', trust_domain: 'b.test', audiences: ['gate'], tenant: 'a', cloud: 'c' };
const bundle = 'https://b.test/bundle';
const workloadFaults: readonly (readonly [string, string, object])[] = [
  ['a name twice', '/name', { ...minimal, issuer: 'https://b.test' }],
  ['an issuer twice', '/issuer', { ...minimal, name: 'b' }],
  ['an issuer twice but for a slash', '/issuer', { ...b, issuer: 'https://a.test/' }],
  ['an issuer over http', '/issuer', { ...b, issuer: 'http://b.test' }],
  ['an issuer that looks like loopback', '/issuer', { ...b, issuer: 'http://127.0.0.1.evil.test' }],
  ['an issuer with a user', '/issuer', { ...b, issuer: 'https://u:p@b.test' }],
  ['an issuer with a user name only', '/issuer', { ...b, issuer: 'https://u@b.test' }],
  ['an issuer with a password only', '/issuer', { ...b, issuer: 'https://:p@b.test' }],
  ['an issuer with a fragment', '/issuer', { ...b, issuer: 'https://b.test/#x' }],
  ['an issuer over ftp on loopback', '/issuer', { ...b, issuer: 'ftp://127.0.0.1' }],
  ['an issuer that is no URL', '/issuer', { ...b, issuer: 'b' }],
  ['the gate as issuer', '/issuer', { ...b, issuer: 'https://gate.test/' }],
  ['keys over http', '/jwks_uri', { ...b, jwks_uri: 'http://b.test/k' }],
  ['keys on loopback for an issuer that is not', '/jwks_uri', { ...b, jwks_uri: 'http://127.0.0.1/k' }],
  ['Txn-Tokens as workload tokens', '/typ', { ...b, typ: ['TXNTOKEN+jwt'] }],
  ['checkpoints as workload tokens', '/typ', { ...b, typ: ['JWT', 'application/tollgate-checkpoint+jws'] }],
  ['DPoP proofs as workload tokens', '/typ', { ...b, typ: ['dpop+jwt'] }],
  ['a broken claim path', '/tenant', { ...b, tenant: 'claims.a..b' }],
  ['a literal for the agent', '/agent', { ...b, agent: 'everybody' }],
  ['no issuer', '', { name: 'b', audiences: ['gate'], tenant: 'a', cloud: 'c' }],
  ['no tenant where the kind knows none', '', { name: 'b', issuer: 'https://b.test', audiences: ['a'], cloud: 'c' }],
  ['no cloud where the kind knows none', '', { name: 'b', issuer: 'https://b.test', audiences: ['a'], tenant: 'a' }],
  ['a trust domain of another kind', '/trust_domain', { ...b, trust_domain: 'b.test' }],
  ['certificates that are none', '/ca', { ...b, ca: 'file.pem' }],
  ['a condition on a literal', '/conditions/0', { ...b, conditions: [{ claim: 'sub', equals: 'x' }] }],
  ['a condition with no test', '/conditions/0', { ...b, conditions: [{ claim: 'claims.sub' }] }],
  [
    'a condition with two tests',
    '/conditions/0',
    { ...b, conditions: [{ claim: 'claims.sub', equals: 'x', matches: '*' }] },
  ],
  [
    'an Entra issuer of every tenant',
    '/issuer',
    { name: 'b', kind: 'entra', issuer: 'https://login.microsoftonline.com/common/v2.0', audiences: ['gate'] },
  ],
  ['a SPIFFE issuer without a trust domain', '', { ...spire, trust_domain: undefined, jwks_uri: bundle }],
  ['a SPIFFE issuer without keys', '', spire],
  ['a trust domain in capitals', '/trust_domain', { ...spire, trust_domain: 'B.test', jwks_uri: bundle }],
  ['a trust domain with its scheme', '/trust_domain', { ...spire, trust_domain: 'spiffe://b', jwks_uri: bundle }],
  ['a bundle over http', '/jwks_uri', { ...spire, jwks_uri: 'http://b.test/bundle' }],
  [
    'a tenant that the workload chooses',
    '/tenant',
    {
      ...{ name: 'b', kind: 'aws', issuer: 'https://b.test', audiences: ['gate'] },
      tenant: 'claims."https://sts.amazonaws.com/".request_tags.tenant',
    },
  ],
  [
    'a condition on what the workload chooses',
    '/conditions/0/claim',
    {
      ...{ name: 'b', kind: 'aws', issuer: 'https://b.test', audiences: ['gate'] },
      conditions: [{ claim: 'claims."https://sts.amazonaws.com/".request_tags.role', equals: 'agent' }],
    },
  ],
];
for (const [name, member, entry] of workloadFaults) {
  test(`a fault of issuers is named with its place: ${name}`, () => {
    assert.deepEqual(faultsOf({ issuers: [minimal, JSON.parse(JSON.stringify(entry))] }), [`/issuers/1${member}`]);
  });
}

test('two SPIFFE issuers of one trust domain are a fault', () => {
  const issuers = [
    { ...spire, jwks_uri: bundle },
    { ...spire, name: 'c', jwks_uri: 'https://c.test/bundle' },
  ];
  assert.deepEqual(faultsOf({ issuers }), ['/issuers/1/trust_domain']);
});

const subjectFaults: readonly (readonly [string, string, object])[] = [
  ['the name of a workload issuer', '/name', { ...people, name: 'azure' }],
  ['the gate as issuer', '/issuer', { ...people, issuer: 'https://gate.test' }],
  ['an audience that workloads have of the same issuer', '/audiences', { ...people, ...shared('gate') }],
  ['a cluster as the issuer of customers', '/kind', { ...people, kind: 'kubernetes' }],
  ['AWS as the issuer of customers', '/kind', { ...people, kind: 'aws' }],
  ['a trust domain as the issuer of customers', '/kind', { ...people, kind: 'spiffe' }],
  ['a literal for the subject', '/subject', { ...people, subject: 'everybody' }],
  ['a type with a space', '/type', { ...people, type: 'good customer' }],
  ['a broken path to the tenant', '/tenant', { ...people, tenant: 'claims.' }],
  ['Txn-Tokens of subjects', '/typ', { ...people, typ: ['txntoken+jwt'] }],
];
for (const [name, member, entry] of subjectFaults) {
  test(`a fault of subject_issuers is named with its place: ${name}`, () => {
    assert.deepEqual(faultsOf({ issuers: [minimal], subject_issuers: [entry] }), [`/subject_issuers/0${member}`]);
  });
}

test('workloads and subjects may share an issuer where their audiences differ', () => {
  assert.deepEqual(faultsOf({ issuers: [minimal], subject_issuers: [{ ...people, ...shared('portal') }] }), []);
});

const adminFaults: readonly (readonly [string, string, object])[] = [
  ['an issuer of workloads', '/issuer', { ...admin, issuer: 'https://a.test/' }],
  ['an issuer of subjects', '/issuer', { ...admin, issuer: 'https://people.test' }],
  ['the gate as issuer', '/issuer', { ...admin, issuer: 'https://gate.test' }],
  ['an audience of workloads', '/audience', { ...admin, audience: 'gate' }],
  ['an audience of subjects', '/audience', { ...admin, audience: 'gate-for-people' }],
  ['a literal for the roles', '/role_claim', { ...admin, role_claim: 'operator' }],
  ['a literal for the person', '/person', { ...admin, person: 'root' }],
  ['no role for anybody', '/roles', { ...admin, roles: {} }],
  ['a cluster as the issuer of people', '/kind', { ...admin, kind: 'kubernetes' }],
];
for (const [name, member, entry] of adminFaults) {
  test(`[identity.admin-apart] a fault of admin is named with its place: ${name}`, () => {
    const found = faultsOf({ issuers: [minimal], subject_issuers: [people], admin: entry });
    assert.deepEqual(found, [`/admin${member}`]);
  });
}

function shared(audience: string): object {
  return { issuer: 'https://a.test', audiences: [audience] };
}

test('a claim path walks own members only, and gives text or a reason', () => {
  const claims = {
    tid: 'acme',
    'kubernetes.io': { namespace: 'prod' },
    kubernetes: { io: { namespace: 'evil' } },
    n: 1,
    list: ['x'],
  };
  const at = (text: string) => {
    const source = parseClaimSource(text);
    assert.ok(source, text);
    const value = readClaim(source, claims);
    return isRefusal(value) ? value.reason : value;
  };
  assert.equal(at('azure'), 'azure');
  assert.equal(at('claims.tid'), 'acme');
  assert.equal(at('claims."kubernetes.io".namespace'), 'prod');
  assert.equal(at('claims.kubernetes.io.namespace'), 'evil');
  assert.equal(at('claims.constructor'), 'claim_missing');
  assert.equal(at('claims.tid.length'), 'claim_missing');
  assert.equal(at('claims.list.0'), 'claim_missing');
  assert.equal(at('claims.n'), 'claim_invalid');
  for (const bad of ['claims.', 'claims..a', 'claims.a.', 'claims."a', 'claims.a"b"']) {
    assert.equal(parseClaimSource(bad), undefined, bad);
  }
});
