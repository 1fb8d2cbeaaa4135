import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isDenial } from '../../../src/denial.ts';
import { ec, type Made, openForeign, rsa, stranger } from './foreign.ts';
import { publicJwk } from './forge.ts';

const prod = 'https://spire.prod.test/bundle';
const partner = 'https://spire.partner.test/bundle';
const provider = 'https://oidc.spire.test';
const svid = (pair: typeof rsa, members: object = {}) => publicJwk(pair, { kid: 'k', use: 'jwt-svid', ...members });
const entry = (name: string, rest: object) => ({
  ...{ name, kind: 'spiffe', audiences: ['gate'], tenant: name, cloud: 'dc' },
  ...rest,
});
const agentId = 'spiffe://prod.test/ns/agents/sa/coordinator';
const control: Made = { claims: { sub: agentId, aud: ['gate'] } };
const changed = (claims: object, header: object = {}): Made => ({
  claims: { ...control.claims, ...claims },
  header: { ...header },
});

/** Two trust domains whose keys share a kid, and one that is found by discovery. */
const open = (bundle: object = { keys: [svid(rsa)] }) =>
  openForeign(
    {
      issuers: [
        entry('prod', { trust_domain: 'prod.test', jwks_uri: prod }),
        entry('partner', { trust_domain: 'partner.test', jwks_uri: partner }),
        entry('found', { trust_domain: 'found.test', issuer: provider }),
      ],
    },
    {
      [prod]: bundle as never,
      [partner]: { keys: [svid(stranger)], spiffe_sequence: 7 },
      [`${provider}/.well-known/openid-configuration`]: { issuer: provider, jwks_uri: `${provider}/keys` },
      [`${provider}/keys`]: { keys: [publicJwk(ec, { kid: 'k', use: undefined as never })] },
    },
  );

test('[identity.spiffe-by-trust-domain] a JWT-SVID without iss is verified by the bundle of its trust domain', async () => {
  const { workloads, token, fake } = open();
  const agent = await workloads.verify(token(control));
  assert.ok(!isDenial(agent), JSON.stringify(agent));
  assert.deepEqual([agent.id, agent.issuer, agent.tenant, agent.cloud], [agentId, 'prod', 'prod', 'dc']);
  assert.deepEqual(fake.asked, [prod]);
});

const ids: readonly (readonly [name: string, reason: string, sub: string])[] = [
  ['another trust domain', 'issuer_unknown', 'spiffe://evil.test/coordinator'],
  ['a trust domain that only ends so', 'issuer_unknown', 'spiffe://xprod.test/coordinator'],
  ['a trust domain that only begins so', 'issuer_unknown', 'spiffe://prod.test.evil/coordinator'],
  ['a trust domain in capitals', 'claim_invalid', 'spiffe://PROD.test/coordinator'],
  ['a port', 'claim_invalid', 'spiffe://prod.test:443/coordinator'],
  ['a user', 'claim_invalid', 'spiffe://root@prod.test/coordinator'],
  ['the trust domain itself', 'claim_invalid', 'spiffe://prod.test'],
  ['a slash at the end', 'claim_invalid', `${agentId}/`],
  ['an empty segment', 'claim_invalid', 'spiffe://prod.test/ns//coordinator'],
  ['a segment of one dot', 'claim_invalid', 'spiffe://prod.test/./coordinator'],
  ['a segment of two dots', 'claim_invalid', 'spiffe://prod.test/ns/../coordinator'],
  ['an escape', 'claim_invalid', 'spiffe://prod.test/%63oordinator'],
  ['a query', 'claim_invalid', `${agentId}?x`],
  ['a fragment', 'claim_invalid', `${agentId}#x`],
  ['a letter outside ASCII', 'claim_invalid', 'spiffe://prod.test/coördinator'],
  ['the scheme in capitals', 'claim_missing', 'SPIFFE://prod.test/coordinator'],
  ['another scheme', 'claim_missing', 'https://prod.test/coordinator'],
];
for (const [name, reason, sub] of ids) {
  test(`a SPIFFE ID is refused as ${reason}: ${name}`, async () => {
    const { workload } = open();
    assert.equal(await workload(control), 'accepted');
    assert.equal(await workload(changed({ sub })), reason);
  });
}

const rows: readonly (readonly [name: string, reason: string, made: Made])[] = [
  ['no aud', 'claim_missing', changed({ aud: undefined })],
  ['another aud', 'audience_wrong', changed({ aud: ['spiffe://prod.test/other'] })],
  ['no exp', 'claim_missing', changed({ exp: undefined })],
  ['no sub', 'claim_missing', changed({ sub: undefined })],
  ['a sub in a list', 'claim_missing', changed({ sub: [agentId] })],
  ['an iss that is a number', 'claim_invalid', changed({ iss: 7 })],
  ['typ at+jwt', 'typ_not_allowed', changed({}, { typ: 'at+jwt' })],
  ['an algorithm outside RFC 7518', 'alg_not_allowed', changed({}, { alg: 'EdDSA' })],
  ['the key of another trust domain with the same kid', 'signature_invalid', { ...control, pair: stranger }],
  ['a SPIFFE ID of the other trust domain', 'signature_invalid', changed({ sub: 'spiffe://partner.test/coordinator' })],
];
for (const [name, reason, made] of rows) {
  test(`a JWT-SVID is refused as ${reason}: ${name}`, async () => {
    const { workload } = open();
    assert.equal(await workload(control), 'accepted');
    const draft = made.header?.alg === 'EdDSA' ? { ...made, pair: rsa } : made;
    assert.equal(await workload(draft), reason);
  });
}

for (const typ of ['JWT', 'JOSE', undefined]) {
  test(`a JWT-SVID may have typ ${typ}`, async () => {
    assert.equal(await open().workload(changed({}, { typ })), 'accepted');
  });
}

test('an iss that nobody is configured for says nothing; one of another issuer is that issuer', async () => {
  const { workload } = open();
  assert.equal(await workload(changed({ iss: 'https://anything.test' })), 'accepted');
  // That issuer has a key of another kind under the same kid.
  assert.equal(await workload(changed({ iss: provider })), 'alg_not_allowed');
});

test('with an issuer configured, iss may be left out and may name no other, and sub must be of its trust domain', async () => {
  const { workload, fake } = open();
  const found: Made = {
    ...{ header: { alg: 'ES256' }, pair: ec },
    claims: { sub: 'spiffe://found.test/a', aud: 'gate', iss: provider },
  };
  assert.equal(await workload(found), 'accepted');
  assert.equal(await workload({ ...found, claims: { ...found.claims, iss: undefined } }), 'accepted');
  assert.equal(await workload({ ...found, claims: { ...found.claims, iss: `${provider}/` } }), 'issuer_unknown');
  assert.equal(await workload({ ...found, claims: { ...found.claims, sub: agentId } }), 'claim_invalid');
  assert.deepEqual(fake.asked, [`${provider}/.well-known/openid-configuration`, `${provider}/keys`]);
});

test('equal paths in two trust domains are two agents', async () => {
  const { workloads, token } = open();
  const one = await workloads.verify(token(changed({ sub: 'spiffe://prod.test/coordinator' })));
  const made = { ...changed({ sub: 'spiffe://partner.test/coordinator' }), pair: stranger };
  const other = await workloads.verify(token(made));
  assert.ok(!isDenial(one) && !isDenial(other));
  assert.notEqual(one.id, other.id);
  assert.deepEqual([one.issuer, other.issuer], ['prod', 'partner']);
});

const uses: readonly (readonly [string | undefined, string])[] = [
  ['jwt-svid', 'accepted'],
  [undefined, 'accepted'],
  ['x509-svid', 'key_unknown'],
  ['sig', 'key_unknown'],
  ['JWT-SVID', 'key_unknown'],
];
for (const [use, reason] of uses) {
  test(`a key of a bundle with use ${use}: ${reason}`, async () => {
    assert.equal(await open({ keys: [svid(rsa, { use })] }).workload(control), reason);
  });
}

const hints: readonly (readonly [hint: unknown, minutes: number])[] = [
  [600, 10],
  [undefined, 5],
  [1, 1],
  [86_400, 30],
  [-5, 5],
  [0.5, 5],
  ['60', 5],
];
for (const [hint, minutes] of hints) {
  test(`a bundle with spiffe_refresh_hint ${JSON.stringify(hint)} is fetched anew after ${minutes} minutes`, async () => {
    const { clock, workload, fake } = open({ keys: [svid(rsa)], spiffe_refresh_hint: hint });
    assert.equal(await workload(control), 'accepted');
    await clock.advance(minutes * 60_000 - 1);
    assert.equal(await workload(control), 'accepted');
    assert.deepEqual(fake.asked, [prod]);
    await clock.advance(1);
    await workload(control);
    assert.deepEqual(fake.asked, [prod, prod]);
  });
}

test('a withdrawn key of a bundle ends its tokens, also those that were verified before', async () => {
  const { clock, workloads, token, fake } = open({ keys: [svid(rsa)], spiffe_refresh_hint: 60 });
  const made = token({ claims: { ...control.claims, exp: Math.floor(clock.nowMs() / 1000) + 3_600 } });
  assert.ok(!isDenial(await workloads.verify(made)));
  fake.documents.set(prod, { keys: [svid(stranger)] });
  await clock.advance(60_000);
  await workloads.verify(made);
  await clock.advance(0);
  const denial = await workloads.verify(made);
  assert.ok(isDenial(denial));
  assert.equal(denial.reasons[0]?.code, 'signature_invalid');
});
