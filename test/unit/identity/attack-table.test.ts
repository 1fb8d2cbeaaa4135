/**
 * Each row is the accepted control with exactly one change. The control is checked again before each row, so that a
 * row cannot pass because everything is refused.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isDenial } from '../../../src/denial.ts';
import { claimRows } from './attack-claims.ts';
import { formRows } from './attack-form.ts';
import {
  claim,
  clock,
  control,
  documents,
  ec,
  ec384,
  edwards,
  google,
  header,
  nestedAct,
  now,
  rsaOfGoogle,
  stranger,
  verifier,
  without,
} from './attack-world.ts';
import { type Draft, forge } from './forge.ts';

const rows = [...formRows, ...claimRows];

async function reasonOf(token: string): Promise<string> {
  const answer = await verifier.verify(token);
  if (!isDenial(answer)) return 'accepted';
  assert.equal(answer.code, 'unauthenticated');
  assert.equal(answer.reasons.length, 1);
  return answer.reasons[0]?.code ?? 'no reason';
}

test('the attack table has at least sixty different rows', () => {
  assert.ok(new Set(rows.map(([name]) => name)).size >= 60);
  assert.equal(new Set(rows.map(([name]) => name)).size, rows.length);
});

for (const [name, reason, change] of rows) {
  test(`refused as ${reason}: ${name}`, async () => {
    const draft = control();
    // A jti of its own makes the control a token that no earlier row has put into the cache.
    assert.equal(await reasonOf(forge({ ...control(), claims: { ...control().claims, jti: name } })), 'accepted');
    change(draft);
    assert.equal(await reasonOf(forge(draft)), reason);
  });
}

test('the tolerance ends after its last second', async () => {
  const reasonsOf = (claims: Record<string, unknown>) => {
    const draft = control();
    claim(claims)(draft);
    return reasonOf(forge(draft));
  };
  assert.equal(await reasonsOf({ exp: now - 30, iat: now - 100, nbf: now - 100 }), 'token_expired');
  assert.equal(await reasonsOf({ nbf: now + 31 }), 'token_not_yet_valid');
  assert.equal(await reasonsOf({ iat: now + 31 }), 'token_not_yet_valid');
});

test('no URL that a token names was fetched', () => {
  const known = [...documents.documents.keys()];
  assert.deepEqual(
    documents.asked.filter((url) => !known.includes(url)),
    [],
  );
});

const accepted: readonly (readonly [string, (draft: Draft) => void])[] = [
  ['PS256', header({ alg: 'PS256' })],
  [
    'ES256',
    (draft) => {
      draft.header = { alg: 'ES256', kid: 'k2' };
      draft.key = ec.privateKey;
    },
  ],
  [
    'ES384',
    (draft) => {
      draft.header = { alg: 'ES384', kid: 'k4' };
      draft.key = ec384.privateKey;
    },
  ],
  [
    'EdDSA',
    (draft) => {
      draft.header = { alg: 'EdDSA', kid: 'k3' };
      draft.key = edwards.privateKey;
    },
  ],
  [
    'Ed25519',
    (draft) => {
      draft.header = { alg: 'Ed25519', kid: 'k3' };
      draft.key = edwards.privateKey;
    },
  ],
  ['no typ', without('header', 'typ')],
  ['typ at+jwt', header({ typ: 'at+jwt' })],
  ['typ application/at+jwt', header({ typ: 'application/at+jwt' })],
  ['no kid where one key fits', without('header', 'kid')],
  ['one right audience of several', claim({ aud: ['api://elsewhere', 'https://gate.test'] })],
  ['exp 29 seconds ago, within the tolerance', claim({ exp: now - 29, iat: now - 100, nbf: now - 100 })],
  ['iat and nbf 29 seconds ahead, within the tolerance', claim({ iat: now + 29, nbf: now + 29 })],
  [
    'no iat, nbf and jti',
    (draft) => {
      delete draft.claims.iat;
      delete draft.claims.nbf;
      delete draft.claims.jti;
    },
  ],
  ['a sub of 255 characters', claim({ sub: 's'.repeat(255) })],
  ['a sub outside ASCII', claim({ sub: 'агент-7 😀' })],
  ['act nested eight deep', claim({ act: nestedAct(8) })],
  ['equal names in different objects', claim({ a: { x: 1, y: { x: 2 } }, b: [{ x: 1 }, { x: 1 }] })],
  ['quotes and braces inside strings', claim({ a: '{"sub":"x","sub":"y"}\\' })],
];
for (const [name, change] of accepted) {
  test(`accepted: ${name}`, async () => {
    const draft = control();
    change(draft);
    assert.equal(await reasonOf(forge(draft)), 'accepted');
  });
}

test('the issuers allow-lists of typ and alg, and their tolerance, are their own', async () => {
  const ofGoogle = () => {
    const draft = control();
    draft.key = rsaOfGoogle.privateKey;
    Object.assign(draft.claims, { iss: google, aud: 'https://gate.test' });
    return draft;
  };
  assert.equal(await reasonOf(forge(ofGoogle())), 'accepted');
  const untyped = ofGoogle();
  delete untyped.header.typ;
  assert.equal(await reasonOf(forge(untyped)), 'typ_not_allowed');
  const pss = ofGoogle();
  pss.header.alg = 'PS256';
  assert.equal(await reasonOf(forge(pss)), 'alg_not_allowed');
  const late = ofGoogle();
  Object.assign(late.claims, { exp: now, iat: now - 60, nbf: now - 60 });
  assert.equal(await reasonOf(forge(late)), 'token_expired');
});

test('an agent carries the name of its issuer, so that equal subjects of two issuers stay apart', async () => {
  const draft = control();
  const one = await verifier.verify(forge(draft));
  draft.key = rsaOfGoogle.privateKey;
  Object.assign(draft.claims, { iss: google, aud: 'https://gate.test' });
  const other = await verifier.verify(forge(draft));
  assert.ok(!isDenial(one) && !isDenial(other));
  assert.deepEqual([one.id, one.issuer, one.tenant, one.cloud], ['coordinator', 'azure', 'acme', 'azure']);
  assert.deepEqual([other.id, other.issuer, other.tenant], ['coordinator', 'google', 'acme']);
  assert.equal(one.verifiedAtMs, clock.nowMs());
});

test('a token that was verified is not verified again', async () => {
  const token = forge(control());
  assert.equal(await verifier.verify(token), await verifier.verify(token));
});

test('the chain of actors is read nearest first', async () => {
  const draft = control();
  draft.claims.act = { sub: 'near', act: { sub: 'far' } };
  const agent = await verifier.verify(forge(draft));
  assert.ok(!isDenial(agent));
  assert.deepEqual(agent.actors, ['near', 'far']);
});

test('an absent token is refused as missing, and a denial never quotes a token', async () => {
  const denial = await verifier.verify(null);
  assert.ok(isDenial(denial));
  assert.equal(denial.reasons[0]?.code, 'token_missing');
  const token = forge({
    ...control(),
    key: stranger.privateKey,
  });
  const refused = await verifier.verify(token);
  assert.ok(isDenial(refused));
  for (const part of token.split('.')) assert.ok(!JSON.stringify(refused).includes(part));
});
