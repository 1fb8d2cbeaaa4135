/** Each row is a proof that is accepted but for exactly one thing. */
import assert from 'node:assert/strict';
import { createHash, createHmac } from 'node:crypto';
import { describe, test } from 'node:test';
import { keyThumbprint, readProof } from '../../../src/identity/dpop.ts';
import { ProofMemory, rememberedMs } from '../../../src/identity/dpop-memory.ts';
import { isRefusal } from '../../../src/identity/refusal.ts';
import { MemoryStore } from '../../../src/store/backends/memory.ts';
import { ManualClock } from '../../fakes/clock.ts';
import { base64url, type Draft, ecPair, edwardsPair, forge, publicJwk, rsaPair } from './forge.ts';

const publicUrl = 'https://gate.test';
const nowMs = 1_800_000_000_000;
const now = nowMs / 1000;
const asked = { method: 'POST', path: '/tools/orders/refunds' };
const pair = ecPair();
const stranger = ecPair();
const rsa = rsaPair();
const weak = rsaPair(1024);
const edwards = edwardsPair();
const bare = (jwk: object) => Object.fromEntries(Object.entries(jwk).filter(([name]) => name !== 'use')) as never;
const jwk = bare(publicJwk(pair));

function control(): Draft {
  return {
    header: { typ: 'dpop+jwt', alg: 'ES256', jwk },
    claims: { jti: 'one', htm: 'POST', htu: 'https://gate.test/tools/orders/refunds', iat: now },
    key: pair.privateKey,
  };
}

type Change = (draft: Draft) => void;
const header =
  (changes: object): Change =>
  (draft) =>
    void Object.assign(draft.header, changes);
const claims =
  (changes: object): Change =>
  (draft) =>
    void Object.assign(draft.claims, changes);
const without =
  (part: 'header' | 'claims', name: string): Change =>
  (draft) => {
    draft[part] = Object.fromEntries(Object.entries(draft[part]).filter(([member]) => member !== name));
  };
const finish =
  (change: (token: string) => string): Change =>
  (draft) => {
    draft.finish = change;
  };
const signedBy =
  (key: Draft['key'], changes: object): Change =>
  (draft) => {
    draft.key = key;
    Object.assign(draft.header, changes);
  };

const refused: Readonly<Record<string, readonly (readonly [string, Change])[]>> = {
  proof_invalid: [
    ['it is empty', finish(() => '')],
    ['it is two proofs in one header', finish((token) => `${token}, ${token}`)],
    ['it is longer than any proof need be', claims({ more: 'x'.repeat(8192) })],
    ['it has a fourth part', finish((token) => `${token}.x`)],
    ['it has padding', finish((token) => `${token}=`)],
    ['it has no typ', without('header', 'typ')],
    ['its typ is that of a JWT', header({ typ: 'JWT' })],
    ['its typ is that of a task token', header({ typ: 'at+jwt' })],
    ['it has no key', without('header', 'jwk')],
    ['its key is null', header({ jwk: null })],
    ['its key is text', header({ jwk: 'key' })],
    ['its key is a list', header({ jwk: [jwk] })],
    ['its key is private', header({ jwk: pair.privateKey.export({ format: 'jwk' }) })],
    ['its key is private by a member that is none of its kind', header({ jwk: { ...(jwk as object), k: 'AAAA' } })],
    ['its key is for encryption', header({ jwk: { ...(jwk as object), use: 'enc' } })],
    ['its key is not on the curve', header({ jwk: { ...(jwk as object), y: (jwk as { x: string }).x } })],
    ['its key is of another algorithm', header({ jwk: { ...(jwk as object), alg: 'ES384' } })],
    ['its RSA key is weak', signedBy(weak.privateKey, { alg: 'RS256', jwk: bare(publicJwk(weak)) })],
    [
      'its key is symmetric',
      (draft) => {
        Object.assign(draft.header, { alg: 'HS256', jwk: { kty: 'oct', k: 'AAAA' } });
        draft.signature = (input) => createHmac('sha256', Buffer.from('AAAA', 'base64url')).update(input).digest();
      },
    ],
    [
      'it is signed with the public key as a secret',
      (draft) => {
        draft.header.alg = 'HS256';
        draft.signature = (input) => createHmac('sha256', JSON.stringify(jwk)).update(input).digest();
      },
    ],
    [
      'it is not signed',
      (draft) => {
        draft.header.alg = 'none';
        draft.signature = () => Buffer.alloc(0);
      },
    ],
    ['it is signed by another key than it holds', signedBy(stranger.privateKey, {})],
    ['its algorithm is not that of its key', header({ alg: 'RS256' })],
    ['its claims were changed', finish((token) => token.replace(/\.(.*)\./, `.${base64url('{"jti":"two"}')}.`))],
    ['it has a header that must be understood', header({ crit: ['b64'], b64: false })],
    [
      'a claim stands twice',
      (draft) => {
        draft.claimsText = JSON.stringify(draft.claims).replace('"jti":"one"', '"jti":"one","jti":"two"');
      },
    ],
    ['it has no jti', without('claims', 'jti')],
    ['its jti is empty', claims({ jti: '' })],
    ['its jti is a number', claims({ jti: 1 })],
    ['its jti is too long', claims({ jti: 'x'.repeat(256) })],
    ['it has no iat', without('claims', 'iat')],
    ['its iat is text', claims({ iat: String(now) })],
    ['its iat has a fraction', claims({ iat: now + 0.5 })],
    ['it has no htm', without('claims', 'htm')],
    ['it has no htu', without('claims', 'htu')],
    ['its ath is a list', claims({ ath: ['x'] })],
  ],
  proof_wrong: [
    ['it is for another method', claims({ htm: 'GET' })],
    ['its method is in lower case', claims({ htm: 'post' })],
    ['it is for another path', claims({ htu: 'https://gate.test/tools/orders/orders/1' })],
    ['it is for the path in capitals', claims({ htu: 'https://gate.test/TOOLS/orders/refunds' })],
    ['it is for another host', claims({ htu: 'https://gate.test.evil.test/tools/orders/refunds' })],
    ['it is for another port', claims({ htu: 'https://gate.test:8443/tools/orders/refunds' })],
    ['it is for plain HTTP', claims({ htu: 'http://gate.test/tools/orders/refunds' })],
    ['its URL names a user', claims({ htu: 'https://u:p@gate.test/tools/orders/refunds' })],
    ['its URL has backslashes', claims({ htu: 'https:\\\\gate.test\\tools\\orders\\refunds' })],
    ['its URL has a line break that parsers leave out', claims({ htu: 'https://gate.test/tools/orders/re\nfunds' })],
    ['its URL is only a path', claims({ htu: '/tools/orders/refunds' })],
    ['it escapes a slash', claims({ htu: 'https://gate.test/tools/orders%2Frefunds' })],
  ],
  proof_expired: [
    ['it was made over a minute ago', claims({ iat: now - 61 })],
    ['it lies over five seconds ahead', claims({ iat: now + 6 })],
    ['its time is beyond any', claims({ iat: Number.MAX_SAFE_INTEGER })],
  ],
};

describe('a DPoP proof', () => {
  for (const [reason, rows] of Object.entries(refused)) {
    for (const [name, change] of rows) {
      test(`is ${reason} where ${name}`, () => {
        assert.ok(!isRefusal(readProof(forge(control()), asked, publicUrl, nowMs)), 'the control');
        const draft = control();
        change(draft);
        const answer = readProof(forge(draft), asked, publicUrl, nowMs);
        assert.ok(isRefusal(answer), 'it was accepted');
        assert.equal(answer.reason, reason);
      });
    }
  }

  const accepted: readonly (readonly [string, Change, Partial<typeof asked>?])[] = [
    ['is a minute old', claims({ iat: now - 60 })],
    ['is five seconds ahead', claims({ iat: now + 5 })],
    ['names its type as a media type, in capitals', header({ typ: 'application/DPoP+JWT' })],
    ['has query and fragment in its URL', claims({ htu: 'https://gate.test/tools/orders/refunds?a=1#b' })],
    ['spells scheme and host in capitals', claims({ htu: 'HTTPS://GATE.test/tools/orders/refunds' })],
    ['names the default port', claims({ htu: 'https://gate.test:443/tools/orders/refunds' })],
    ['escapes what need not be', claims({ htu: 'https://gate.test/tools/%6frders/refunds' })],
    ['has dot segments', claims({ htu: 'https://gate.test/tools/x/../orders/./refunds' })],
    [
      'escapes in another case',
      claims({ htu: 'https://gate.test/tools/orders/orders/%c3%a9' }),
      { path: '/tools/orders/orders/%C3%A9' },
    ],
    ['is for the root', claims({ htu: 'https://gate.test' }), { path: '/' }],
    ['has an RSA key', signedBy(rsa.privateKey, { alg: 'PS256', jwk: bare(publicJwk(rsa)) })],
    ['has an Edwards key', signedBy(edwards.privateKey, { alg: 'EdDSA', jwk: bare(publicJwk(edwards)) })],
    ['has claims nobody knows', claims({ nonce: 'x', more: {} })],
  ];
  for (const [name, change, other] of accepted) {
    test(`is accepted where it ${name}`, () => {
      const draft = control();
      change(draft);
      const answer = readProof(forge(draft), { ...asked, ...other }, publicUrl, nowMs);
      assert.ok(!isRefusal(answer), isRefusal(answer) ? answer.reason : '');
    });
  }

  test('gives the thumbprint of its key as RFC 7638 makes it, and says whose token it is for', () => {
    const draft = control();
    draft.claims.ath = 'x';
    const { crv, x, y } = jwk as { crv: string; x: string; y: string };
    const text = `{"crv":"${crv}","kty":"EC","x":"${x}","y":"${y}"}`;
    const jkt = createHash('sha256').update(text).digest('base64url');
    assert.deepEqual(readProof(forge(draft), asked, publicUrl, nowMs), { jkt, jti: 'one', ath: 'x' });
  });

  test('has the thumbprint of RFC 7638 §3.1 for the key that stands there', () => {
    const n =
      '0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw';
    const key = { kty: 'RSA', n, e: 'AQAB', alg: 'RS256', kid: '2011-04-29' };
    assert.equal(keyThumbprint(key), 'NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs');
  });
});

describe('the memory of proofs', () => {
  const proof = (jti: string, jkt = 'k'.repeat(43)) => ({ jti, jkt, ath: null });

  test('takes a proof once, at whichever gateway, for as long as it could be shown', async () => {
    const clock = new ManualClock();
    const store = new MemoryStore({ clock });
    await store.open();
    const [one, two] = [new ProofMemory({ store, clock }), new ProofMemory({ store, clock })];
    assert.equal(await one.use(proof('a')), undefined);
    assert.equal((await one.use(proof('a')))?.reason, 'proof_replayed');
    assert.equal((await two.use(proof('a')))?.reason, 'proof_replayed');
    assert.equal(await two.use(proof('a', 'l'.repeat(43))), undefined, 'the same jti of another key');
    assert.equal(await two.use(proof('b')), undefined);
    await clock.advance(66_000);
    assert.equal((await two.use(proof('a')))?.reason, 'proof_replayed');
  });

  test('of twenty uses at once one passes', async () => {
    const clock = new ManualClock();
    const store = new MemoryStore({ clock });
    await store.open();
    const memory = new ProofMemory({ store, clock });
    const answers = await Promise.all(Array.from({ length: 20 }, () => memory.use(proof('a'))));
    assert.equal(answers.filter((answer) => answer === undefined).length, 1);
  });

  test('is bounded: it refuses what it cannot remember, and has room again when the old ones are gone', async () => {
    const clock = new ManualClock();
    const store = new MemoryStore({ clock });
    await store.open();
    const memory = new ProofMemory({ store, clock, proofsMax: 2 });
    assert.equal(await memory.use(proof('a')), undefined);
    await clock.advance(rememberedMs - 1);
    assert.equal(await memory.use(proof('b')), undefined);
    assert.equal((await memory.use(proof('c')))?.reason, 'memory_full');
    await clock.advance(1);
    assert.equal((await memory.use(proof('c')))?.reason, 'memory_full', 'the second is still remembered');
    await clock.advance(rememberedMs);
    assert.equal(await memory.use(proof('c')), undefined);
  });
});
