/** Tokens of others are for one purpose each: an agent's, a subject's, a person's. None passes for another. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ec, keysDocument, type Made, openForeign, rsa, stranger } from './foreign.ts';
import { publicJwk } from './forge.ts';

const tid = '0f8fad5b-d9cb-469f-a165-70867728950e';
const entra = `https://login.microsoftonline.com/${tid}/v2.0`;
const google = 'https://accounts.google.com';
const staff = 'https://staff.test';
const keys = (url: string) => ({ issuer: url, jwks_uri: `${url}/k` });
const ofEntra = { kind: 'entra', issuer: entra, jwks_uri: `${entra}/k` };

const sections = {
  issuers: [
    { name: 'agents', ...ofEntra, audiences: ['api://gate', 'api://gate-2'] },
    { name: 'robots', kind: 'google', ...keys(google), audiences: ['https://gate.test'], tenant: 'acme' },
  ],
  subject_issuers: [
    { name: 'employees', ...ofEntra, audiences: ['portal', 'portal-2'] },
    { name: 'buyers', kind: 'google', ...keys(google), audiences: ['shop'] },
  ],
  admin: { ...keys(staff), audience: 'gate-admin', role_claim: 'claims.roles', roles: { operator: ['ops'] } },
};
const documents = { [`${entra}/k`]: keysDocument, [`${google}/k`]: keysDocument, [`${staff}/k`]: keysDocument };

const ofApp = { iss: entra, aud: 'api://gate', sub: 'o-1', oid: 'o-1', azp: 'a-1', tid, idtyp: 'app' };
const ofUser = { iss: entra, aud: 'portal', sub: 's-1', oid: 'o-2', azp: 'a-1', tid, scp: 'tasks' };
const account = { email: 'a@acme.iam.gserviceaccount.com', email_verified: true };
const ofAccount = { iss: google, aud: 'https://gate.test', sub: '7', azp: '7', ...account };
const ofBuyer = { iss: google, aud: 'shop', sub: '8', azp: 'shop', email: 'c@example.test', email_verified: true };
const ofPerson = { iss: staff, aud: 'gate-admin', sub: 'p-1', roles: ['ops'] };

const places: Readonly<Record<string, readonly [workload: string, subject: string, person: string]>> = {
  application: ['accepted', 'audience_wrong', 'issuer_unknown'],
  user: ['audience_wrong', 'accepted', 'issuer_unknown'],
  account: ['accepted', 'audience_wrong', 'issuer_unknown'],
  buyer: ['audience_wrong', 'accepted', 'issuer_unknown'],
  person: ['issuer_unknown', 'issuer_unknown', 'accepted'],
};
const tokens: Readonly<Record<string, Record<string, unknown>>> = {
  application: ofApp,
  user: ofUser,
  account: ofAccount,
  buyer: ofBuyer,
  person: ofPerson,
};
for (const [name, expected] of Object.entries(places)) {
  test(`[identity.purposes-apart] the token of the ${name} passes in its own place and in no other`, async () => {
    const { workload, subject, person } = openForeign(sections, documents);
    const made: Made = { claims: tokens[name] ?? {} };
    assert.deepEqual([await workload(made), await subject(made), await person(made)], expected);
  });
}

const both: readonly (readonly [name: string, claims: Record<string, unknown>, workload: string, subject: string])[] = [
  ['of an application', { ...ofApp, aud: ['api://gate', 'portal'] }, 'token_kind', 'token_kind'],
  ['of an application, second audiences', { ...ofApp, aud: ['portal-2', 'api://gate-2'] }, 'token_kind', 'token_kind'],
  ['of a user', { ...ofUser, aud: ['portal', 'api://gate'] }, 'token_kind', 'token_kind'],
  ['of a service account', { ...ofAccount, aud: ['https://gate.test', 'shop'] }, 'token_kind', 'token_kind'],
];
for (const [name, claims, workload, subject] of both) {
  test(`[identity.purposes-apart] a token for the audiences of both is good for neither: ${name}`, async () => {
    const world = openForeign(sections, documents);
    assert.deepEqual([await world.workload({ claims }), await world.subject({ claims })], [workload, subject]);
  });
}

test('with the right audience, a user is no agent, and an application or a service account no subject', async () => {
  const { workload, subject } = openForeign(sections, documents);
  assert.equal(await workload({ claims: { ...ofUser, aud: 'api://gate' } }), 'token_kind');
  assert.equal(await subject({ claims: { ...ofApp, aud: 'portal' } }), 'token_kind');
  assert.equal(await workload({ claims: { ...ofBuyer, aud: 'https://gate.test' } }), 'token_kind');
  assert.equal(await subject({ claims: { ...ofAccount, aud: 'shop' } }), 'token_kind');
});

test('audiences of another issuer count for nothing: only one issuer can speak for both', async () => {
  const { workload } = openForeign(sections, documents);
  assert.equal(await workload({ claims: { ...ofApp, aud: ['api://gate', 'shop'] } }), 'accepted');
});

test('two issuers with the same kid and the same sub never mix, whichever keys the token was signed with', async () => {
  const [one, other] = ['https://one.test', 'https://other.test'];
  const entry = { audiences: ['gate'], tenant: 't', cloud: 'c' };
  const { workloads, workload, token } = openForeign(
    {
      issuers: [
        { name: 'one', ...keys(one), ...entry },
        { name: 'other', ...keys(other), ...entry },
      ],
    },
    {
      [`${one}/k`]: { keys: [publicJwk(rsa, { kid: 'same' })] },
      [`${other}/k`]: { keys: [publicJwk(stranger, { kid: 'same' })] },
    },
  );
  const made = (iss: string, pair: typeof rsa): Made => ({
    ...{ claims: { iss, aud: 'gate', sub: 'agent' }, header: { kid: 'same' } },
    pair,
  });
  const agents = [await workloads.verify(token(made(one, rsa))), await workloads.verify(token(made(other, stranger)))];
  assert.deepEqual(
    agents.map((found) => 'issuer' in found && [found.id, found.issuer]),
    [
      ['agent', 'one'],
      ['agent', 'other'],
    ],
  );
  assert.equal(await workload(made(one, stranger)), 'signature_invalid');
  assert.equal(await workload(made(other, rsa)), 'signature_invalid');
  assert.equal(await workload(made(one, ec)), 'signature_invalid');
});
