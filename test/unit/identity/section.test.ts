import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Ajv } from 'ajv';
import { parseClaimSource, readClaim } from '../../../src/identity/claim-path.ts';
import { isRefusal } from '../../../src/identity/refusal.ts';
import { checkIssuers, type IssuersConfig, issuersSection } from '../../../src/identity/section.ts';

const compile = () => new Ajv({ useDefaults: true, allErrors: true, strict: false }).compile(issuersSection);
const minimal = { name: 'azure', issuer: 'https://a.test', audiences: ['gate'], tenant: 'claims.tid', cloud: 'azure' };
const read = (...entries: object[]): IssuersConfig => {
  const value = entries.map((entry) => ({ ...minimal, ...entry }));
  const validate = compile();
  assert.ok(validate(value), JSON.stringify(validate.errors));
  return value as unknown as IssuersConfig;
};

test('what an entry leaves out is filled in, with no algorithm that shares a secret or signs nothing', () => {
  const [entry] = read({});
  assert.equal(entry?.agent, 'claims.sub');
  assert.deepEqual(entry?.typ, ['JWT', 'at+jwt', 'absent']);
  assert.equal(entry?.clock_tolerance_seconds, 30);
  assert.ok(entry?.algorithms.includes('RS256'));
  assert.ok(entry?.algorithms.every((name) => !name.startsWith('HS') && name !== ('none' as string)));
});

test('the schema refuses none, HS256, empty lists, unknown keys and a tolerance over five minutes', () => {
  for (const bad of [
    { algorithms: ['none'] },
    { algorithms: ['HS256'] },
    { algorithms: [] },
    { audiences: [] },
    { typ: [] },
    { name: 'Azure AD' },
    { clock_tolerance_seconds: 301 },
    { secret: 'x' },
  ]) {
    assert.equal(compile()([{ ...minimal, ...bad }]), false, JSON.stringify(bad));
  }
});

test('a good section has no faults: https, or http on loopback', () => {
  const config = read(
    {},
    { name: 'k8s', issuer: 'http://127.0.0.1:9000', jwks_uri: 'http://localhost:9000/keys' },
    { name: 'six', issuer: 'http://[::1]:9000', agent: 'claims."kubernetes.io".serviceaccount.name' },
  );
  assert.deepEqual(checkIssuers(config, 'https://gate.test'), []);
});

const faults: readonly (readonly [string, string, object])[] = [
  ['a name twice', '/1/name', { issuer: 'https://b.test' }],
  ['an issuer twice', '/1/issuer', { name: 'b' }],
  ['an issuer twice but for a slash', '/1/issuer', { name: 'b', issuer: 'https://a.test/' }],
  ['an issuer over http', '/1/issuer', { name: 'b', issuer: 'http://b.test' }],
  ['an issuer that looks like loopback', '/1/issuer', { name: 'b', issuer: 'http://127.0.0.1.evil.test' }],
  ['an issuer with a user', '/1/issuer', { name: 'b', issuer: 'https://u:p@b.test' }],
  ['an issuer with a user name only', '/1/issuer', { name: 'b', issuer: 'https://u@b.test' }],
  ['an issuer with a password only', '/1/issuer', { name: 'b', issuer: 'https://:p@b.test' }],
  ['an issuer with a fragment', '/1/issuer', { name: 'b', issuer: 'https://b.test/#x' }],
  ['an issuer over ftp on loopback', '/1/issuer', { name: 'b', issuer: 'ftp://127.0.0.1' }],
  ['an issuer that is no URL', '/1/issuer', { name: 'b', issuer: 'b' }],
  ['the gate as issuer', '/1/issuer', { name: 'b', issuer: 'https://gate.test/' }],
  ['keys over http', '/1/jwks_uri', { name: 'b', issuer: 'https://b.test', jwks_uri: 'http://b.test/k' }],
  [
    'keys on loopback for an issuer that is not',
    '/1/jwks_uri',
    { name: 'b', issuer: 'https://b.test', jwks_uri: 'http://127.0.0.1/k' },
  ],
  ['Txn-Tokens as workload tokens', '/1/typ', { name: 'b', issuer: 'https://b.test', typ: ['TXNTOKEN+jwt'] }],
  ['a broken claim path', '/1/tenant', { name: 'b', issuer: 'https://b.test', tenant: 'claims.a..b' }],
  ['a literal for the agent', '/1/agent', { name: 'b', issuer: 'https://b.test', agent: 'everybody' }],
];
for (const [name, pointer, entry] of faults) {
  test(`a fault of the section is named with its place: ${name}`, () => {
    const found = checkIssuers(read({}, entry), 'https://gate.test');
    assert.deepEqual(
      found.map((fault) => fault.pointer),
      [pointer],
    );
    assert.ok(found[0]?.message);
  });
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
