import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isDenial } from '../../../src/denial.ts';
import { keysDocument, openForeign, stranger } from './foreign.ts';

const issuer = 'https://staff.test';
const admin = {
  ...{ issuer, jwks_uri: `${issuer}/k`, audience: 'gate-admin', role_claim: 'claims.realm.roles' },
  roles: { auditor: ['audit', 'all'], policy_author: ['policy'], operator: ['ops', 'all'], approver: ['approve'] },
};
const control = { iss: issuer, aud: 'gate-admin', sub: 'p-1', realm: { roles: ['ops'] } };
const open = (rest: object = {}) => openForeign({ admin: { ...admin, ...rest } }, { [`${issuer}/k`]: keysDocument });

const given: readonly (readonly [name: string, roles: unknown, have: readonly string[]])[] = [
  ['one in a list', ['ops'], ['operator']],
  ['several in a list', ['policy', 'audit', 'other'], ['auditor', 'policy_author']],
  ['a value that stands for two roles', ['all'], ['auditor', 'operator']],
  ['a text', 'approve', ['approver']],
  ['a text with spaces', 'audit  approve', ['auditor', 'approver']],
  ['values that stand for nothing', ['root', 'operator'], []],
  ['a value in other letters', ['OPS'], []],
  ['a value that only begins so', ['ops-readonly'], []],
  ['an empty list', [], []],
  ['an empty text', '', []],
  ['no claim at all', undefined, []],
];
for (const [name, roles, have] of given) {
  test(`[identity.people-by-role] a person has the roles that their token names: ${name}`, async () => {
    const { people, token } = open();
    const person = await people?.verify(token({ claims: { ...control, realm: { roles } } }));
    assert.deepEqual(person, { id: 'p-1', issuer, roles: have });
  });
}

const rows: readonly (readonly [name: string, reason: string, claims: object])[] = [
  ['roles as an object', 'claim_invalid', { ...control, realm: { roles: { ops: true } } }],
  ['roles as true', 'claim_invalid', { ...control, realm: { roles: true } }],
  ['a number among the roles', 'claim_invalid', { ...control, realm: { roles: ['ops', 7] } }],
  [
    'over a thousand roles',
    'claim_invalid',
    { ...control, realm: { roles: Array.from({ length: 1_001 }, () => 'a') } },
  ],
  ['over a thousand spaces', 'claim_invalid', { ...control, realm: { roles: ' '.repeat(1_001) } }],
  ['a key that it belongs to', 'binding_missing', { ...control, cnf: { jkt: 'x'.repeat(43) } }],
  ['another audience', 'audience_wrong', { ...control, aud: 'gate' }],
  ['another issuer', 'issuer_unknown', { ...control, iss: `${issuer}/` }],
  ['no sub', 'claim_missing', { ...control, sub: undefined }],
  ['an end in the past', 'token_expired', { ...control, iat: 0, exp: 1 }],
];
for (const [name, reason, claims] of rows) {
  test(`the token of a person is refused as ${reason}: ${name}`, async () => {
    const { person } = open();
    assert.equal(await person({ claims: control }), 'accepted');
    assert.equal(await person({ claims: claims as never }), reason);
  });
}

test('conditions, algorithms and the claim of the person are as configured', async () => {
  const { people, person, token } = open({
    person: 'claims.email',
    algorithms: ['RS256'],
    conditions: [{ claim: 'claims.amr', equals: 'mfa' }],
  });
  const claims = { ...control, email: 'ops@acme.test', amr: ['pwd', 'mfa'] };
  const found = await people?.verify(token({ claims }));
  assert.ok(found !== undefined && !isDenial(found));
  assert.equal(found.id, 'ops@acme.test');
  assert.equal(await person({ claims: { ...claims, amr: ['pwd'] } }), 'condition_failed');
  assert.equal(await person({ claims, header: { alg: 'PS256' } }), 'alg_not_allowed');
  assert.equal(await person({ claims, pair: stranger }), 'signature_invalid');
});

test('a missing token and an issuer that is away are told apart', async () => {
  const { people } = open();
  const missing = await people?.verify(null);
  assert.ok(isDenial(missing));
  assert.deepEqual([missing.code, missing.reasons[0]?.code], ['unauthenticated', 'token_missing']);
  const away = openForeign({ admin }, {});
  const denial = await away.people?.verify(away.token({ claims: control }));
  assert.ok(isDenial(denial));
  assert.deepEqual([denial.code, denial.retryable], ['upstream_unavailable', true]);
});
