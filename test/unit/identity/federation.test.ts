import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from 'jose';
import { FederationAssertions, federationSeconds } from '../../../src/identity/federation.ts';
import { bearer, openGate, publicUrl } from './gate.ts';

const audience = 'api://AzureADTokenExchange';

test('an assertion is RS256 and says who the gate is, to whom, for five minutes, each under an id of its own', async (t) => {
  const { keys, clock } = await openGate(t);
  const federation = new FederationAssertions({ keys, publicUrl, clock });
  const [one, two] = await Promise.all([1, 2].map(() => federation.mint({ subject: 'tollgate', audience })));
  const set = createLocalJWKSet(keys.jwks() as unknown as JSONWebKeySet);
  const read = (token: string | undefined) =>
    jwtVerify(token as string, set, { issuer: publicUrl, audience, currentDate: new Date(clock.nowMs()) });
  const { payload, protectedHeader } = await read(one);
  const iat = Math.floor(clock.nowMs() / 1000);
  assert.deepEqual([protectedHeader.alg, protectedHeader.typ], ['RS256', 'JWT']);
  const { jti, ...claims } = payload;
  const expected = { iss: publicUrl, sub: 'tollgate', aud: audience, iat, nbf: iat, exp: iat + federationSeconds };
  assert.deepEqual(claims, expected);
  assert.equal(federationSeconds, 300);
  assert.notEqual(jti, (await read(two)).payload.jti);
});

test('further claims travel along and never replace the registered ones', async (t) => {
  const { keys, clock } = await openGate(t);
  const federation = new FederationAssertions({ keys, publicUrl, clock });
  const tags = { principal_tags: { task: ['task_1'] } };
  const claims = { 'https://aws.amazon.com/tags': tags, iss: 'https://evil.test', sub: 'root', exp: 9e9, jti: 'x' };
  const token = await federation.mint({ subject: 'tollgate', audience, claims });
  const payload = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString());
  assert.deepEqual(payload['https://aws.amazon.com/tags'], tags);
  assert.deepEqual([payload.iss, payload.sub], [publicUrl, 'tollgate']);
  assert.equal(payload.exp - payload.iat, federationSeconds);
  assert.notEqual(payload.jti, 'x');
});

test('where the key cannot be had nothing is minted, and the next call tries again', async (t) => {
  const { keys, clock } = await openGate(t);
  let failures = 1;
  const shaky = {
    sign: keys.sign.bind(keys),
    prepareFederation: async () => {
      if (failures-- > 0) throw new Error('the store is away');
      await keys.prepareFederation();
    },
  };
  const federation = new FederationAssertions({ keys: shaky, publicUrl, clock });
  await assert.rejects(federation.mint({ subject: 'tollgate', audience }), /the store is away/);
  assert.equal(keys.signing('federation'), undefined);
  await federation.mint({ subject: 'tollgate', audience });
});

test('[identity.token-kinds-apart] an assertion is no task token', async (t) => {
  const { keys, clock, taskTokens } = await openGate(t);
  const federation = new FederationAssertions({ keys, publicUrl, clock });
  const token = await federation.mint({ subject: 'tollgate', audience: publicUrl });
  const refused = await taskTokens.verify(bearer(token));
  assert.ok('reasons' in refused);
  assert.equal(refused.reasons[0]?.code, 'token_kind');
});
