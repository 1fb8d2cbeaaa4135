import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isDenial } from '../../../src/denial.ts';
import { keySourceLimits } from '../../../src/identity/key-source.ts';
import { agent, keysDocument, openForeign, stranger } from './foreign.ts';

const people = 'https://people.test';
const staff = 'https://staff.test';
const control = { iss: people, aud: 'gate-for-people', sub: 'customer-c', email: 'c@example.test' };
const employee = {
  iss: staff,
  aud: 'portal',
  sub: 'customer-c',
  oid: 'e-7',
  kind: 'employee',
  org: 'acme',
  dept: 'sales-eu',
};

const sections = {
  subject_issuers: [
    { name: 'people', issuer: people, jwks_uri: `${people}/k`, audiences: ['gate-for-people'] },
    {
      ...{ name: 'staff', issuer: staff, jwks_uri: `${staff}/k`, audiences: ['portal'] },
      ...{ subject: 'claims.oid', type: 'claims.kind', tenant: 'claims.org' },
      conditions: [{ claim: 'claims.dept', matches: 'sales-*' }],
    },
  ],
};
const open = () => openForeign(sections, { [`${people}/k`]: keysDocument, [`${staff}/k`]: keysDocument });

test('[identity.subject-verified] a token of the subject’s own makes a verified subject with the name of its issuer', async () => {
  const { subjects, token } = open();
  const subject = await subjects.verify(token({ claims: control }), agent);
  assert.ok(!isDenial(subject), JSON.stringify(subject));
  assert.deepEqual(
    [subject.id, subject.type, subject.issuer, subject.assurance, subject.claims.email],
    ['customer-c', 'customer', 'people', 'verified', 'c@example.test'],
  );
  const other = await subjects.verify(token({ claims: employee }), agent);
  assert.ok(!isDenial(other));
  assert.deepEqual([other.id, other.type, other.issuer], ['e-7', 'employee', 'staff']);
});

const rows: readonly (readonly [name: string, reason: string, claims: object])[] = [
  ['an unknown issuer', 'issuer_unknown', { ...control, iss: 'https://evil.test' }],
  ['another audience', 'audience_wrong', { ...control, aud: 'gate' }],
  ['the audience of the other issuer', 'audience_wrong', { ...control, aud: 'portal' }],
  ['an end in the past', 'token_expired', { ...control, iat: 0, exp: 1 }],
  ['no subject', 'claim_missing', { ...employee, oid: undefined }],
  ['a subject that is an object', 'claim_invalid', { ...employee, oid: {} }],
  ['a type that is no word', 'claim_invalid', { ...employee, kind: 'an employee' }],
  ['a condition that does not hold', 'condition_failed', { ...employee, dept: 'legal' }],
  ['a key that it belongs to', 'binding_missing', { ...control, cnf: { jkt: 'x'.repeat(43) } }],
  ['another tenant', 'tenant_wrong', { ...employee, org: 'globex' }],
  ['no tenant where one is asked for', 'claim_missing', { ...employee, org: undefined }],
  ['a may_act that is text', 'claim_invalid', { ...control, may_act: 'coordinator' }],
  ['a may_act that is null', 'claim_invalid', { ...control, may_act: null }],
  ['a may_act that is a list', 'claim_invalid', { ...control, may_act: [{ sub: 'coordinator' }] }],
  ['a may_act that names nobody', 'claim_missing', { ...control, may_act: { iss: 'https://azure.test' } }],
  ['a may_act that names another agent', 'actor_wrong', { ...control, may_act: { sub: 'planner' } }],
  ['a may_act that names the subject', 'actor_wrong', { ...control, may_act: { sub: 'customer-c' } }],
  [
    'a may_act that names an equal agent of another issuer',
    'actor_wrong',
    { ...control, may_act: { sub: 'coordinator', iss: 'https://google.test' } },
  ],
  [
    'a may_act that names the issuer as tollgate.yaml does',
    'actor_wrong',
    { ...control, may_act: { sub: 'coordinator', iss: 'azure' } },
  ],
];
for (const [name, reason, claims] of rows) {
  test(`the token of a subject is refused as ${reason}: ${name}`, async () => {
    const { subject } = open();
    assert.equal(await subject({ claims: control }), 'accepted');
    assert.equal(await subject({ claims: employee }), 'accepted');
    assert.equal(await subject({ claims: claims as never }), reason);
  });
}

test('a token with may_act is good in the hands of the agent that it names, each time it is shown', async () => {
  const { subjects, token } = open();
  for (const may_act of [{ sub: 'coordinator' }, { sub: 'coordinator', iss: 'https://azure.test' }]) {
    const made = token({ claims: { ...control, may_act } });
    assert.ok(!isDenial(await subjects.verify(made, agent)));
    // The signature is known by now; who shows it is asked all the same.
    const stolen = await subjects.verify(made, { ...agent, id: 'thief' });
    assert.ok(isDenial(stolen));
    assert.equal(stolen.reasons[0]?.code, 'actor_wrong');
    assert.ok(!isDenial(await subjects.verify(made, agent)));
  }
});

test('the tenant of a token is asked each time too', async () => {
  const { subjects, token } = open();
  const made = token({ claims: employee });
  assert.ok(!isDenial(await subjects.verify(made, agent)));
  const answer = await subjects.verify(made, { ...agent, tenant: 'globex' });
  assert.ok(isDenial(answer));
  assert.equal(answer.reasons[0]?.code, 'tenant_wrong');
});

test('a denial names the place of the token and never a part of it', async () => {
  const { subjects, token } = open();
  const made = token({ claims: control, pair: stranger });
  const denial = await subjects.verify(made, agent);
  assert.ok(isDenial(denial));
  assert.deepEqual([denial.code, denial.status], ['unauthenticated', 401]);
  assert.equal(denial.message, "The subject's token is not accepted");
  assert.deepEqual([denial.reasons[0]?.code, denial.reasons[0]?.path], ['signature_invalid', '/subject/token']);
  for (const part of [...made.split('.'), 'customer-c']) assert.ok(!JSON.stringify(denial).includes(part));
});

test('an issuer of subjects that is away is 503 and retryable, at the same place', async () => {
  const { subjects, token } = openForeign(sections, {});
  const denial = await subjects.verify(token({ claims: control }), agent);
  assert.ok(isDenial(denial));
  assert.deepEqual([denial.code, denial.retryable], ['upstream_unavailable', true]);
  assert.equal(denial.details.retryAfterMs, keySourceLimits.retryMs);
  assert.equal(denial.reasons[0]?.path, '/subject/token');
});

test('without an issuer of subjects the request is not valid, and no token of an agent makes a subject', async () => {
  const { subjects, token } = openForeign({}, {});
  const denial = await subjects.verify(token({ claims: control }), agent);
  assert.ok(isDenial(denial));
  assert.deepEqual([denial.code, denial.reasons[0]?.path], ['args_invalid', '/subject/token']);
});
