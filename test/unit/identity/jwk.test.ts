import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Json, JsonObject } from '../../../src/call.ts';
import { readKeySet } from '../../../src/identity/jwk.ts';
import { isFactorable } from '../../../src/identity/roca.ts';
import { ecPair, edwardsPair, publicJwk, rsaPair } from './forge.ts';

const rsa = publicJwk(rsaPair(), { kid: 'k' });
const ec = publicJwk(ecPair(), { kid: 'k' });
const p384 = publicJwk(ecPair('P-384'), { kid: 'k' });
const p521 = publicJwk(ecPair('P-521'), { kid: 'k' });
const edwards = publicJwk(edwardsPair(), { kid: 'k' });

function fate(jwk: Json): 'used' | 'weak' | 'ignored' {
  const set = readKeySet({ keys: [jwk] });
  assert.ok(set);
  if (set.keys.length === 1) return 'used';
  return set.weak.size === 1 ? 'weak' : 'ignored';
}

/** An odd modulus of 8,194 bits that no small prime divides: only its size speaks against it. */
function hugeModulus(): bigint {
  let modulus = (1n << 8193n) + 1n;
  while (isFactorable(modulus)) modulus += 2n;
  return modulus;
}

const bigint = (value: bigint): string => {
  const hex = value.toString(16);
  return Buffer.from(hex.padStart(hex.length + (hex.length % 2), '0'), 'hex').toString('base64url');
};
const modulusOf = (jwk: JsonObject): bigint => BigInt(`0x${Buffer.from(jwk.n as string, 'base64url').toString('hex')}`);

/** A modulus with the ROCA fingerprint: 65537^a modulo the product of the first primes, and a multiple of it. */
function rocaModulus(): bigint {
  let product = 2n;
  for (let candidate = 3n; candidate <= 167n; candidate += 2n) {
    let isPrime = true;
    for (let divisor = 3n; divisor * divisor <= candidate; divisor += 2n) isPrime &&= candidate % divisor !== 0n;
    if (isPrime) product *= candidate;
  }
  let residue = 1n;
  for (let power = 0; power < 1234; power++) residue = (residue * 65537n) % product;
  return ((1n << 2047n) / product + 1n) * product + residue;
}

test('good keys of every kind are used, whatever optional members agree', () => {
  for (const jwk of [rsa, ec, p384, p521, edwards]) assert.equal(fate(jwk), 'used');
  assert.equal(fate({ ...rsa, alg: 'PS384' }), 'used');
  assert.equal(fate({ ...ec, alg: 'ES256', key_ops: ['verify'] }), 'used');
  const { use: _, kid: __, ...bare } = ec;
  assert.equal(fate(bare), 'used');
});

const tooSmall = publicJwk(rsaPair(2040), { kid: 'k' });
const offCurve = Buffer.from(ec.y as string, 'base64url');
offCurve[31] = (offCurve[31] as number) ^ 1;
const weak: Readonly<Record<string, JsonObject>> = {
  'RSA of 2,040 bits': tooSmall,
  'RSA of over 8,192 bits': { ...rsa, n: bigint(hugeModulus()) },
  'RSA with an even modulus': { ...rsa, n: bigint(modulusOf(rsa) - 1n) },
  'RSA whose modulus 3 divides': { ...rsa, n: bigint(((1n << 2047n) / 6n) * 6n + 3n) },
  'RSA with the ROCA fingerprint': { ...rsa, n: bigint(rocaModulus()) },
  'RSA with e = 1': { ...rsa, e: 'AQ' },
  'RSA with e = 0': { ...rsa, e: 'AA' },
  'RSA with an even e': { ...rsa, e: 'BA' },
  'RSA with an empty e': { ...rsa, e: '' },
  'RSA with e in base64': { ...rsa, e: 'AQAB====' },
  'RSA without e': { kty: 'RSA', kid: 'k', n: rsa.n as string },
  'RSA with an e of nine bytes': { ...rsa, e: bigint((1n << 64n) + 1n) },
  'RSA with n in base64': { ...rsa, n: `${rsa.n}==` },
  'RSA without n': { kty: 'RSA', kid: 'k', e: 'AQAB' },
  'RSA with its private exponent': { ...rsa, d: 'AQAB' },
  'RSA that says it is for ES256': { ...rsa, alg: 'ES256' },
  'EC with a point off its curve': { ...ec, y: offCurve.toString('base64url') },
  'EC with the point at zero': {
    ...ec,
    x: Buffer.alloc(32).toString('base64url'),
    y: Buffer.alloc(32).toString('base64url'),
  },
  'EC with a coordinate that is too short': { ...ec, x: (ec.x as string).slice(0, -4) },
  'EC with padding on x': { ...ec, x: `${ec.x}=` },
  'EC with padding on y': { ...ec, y: `${ec.y}=` },
  'EC without y': { kty: 'EC', kid: 'k', crv: 'P-256', x: ec.x as string },
  'EC with a zero before x': {
    ...ec,
    x: Buffer.concat([Buffer.alloc(1), Buffer.from(ec.x as string, 'base64url')]).toString('base64url'),
  },
  'EC that says P-384 over P-256 coordinates': { ...ec, crv: 'P-384' },
  'EC on secp256k1': { ...ec, crv: 'secp256k1' },
  'EC that says it is for ES384': { ...ec, alg: 'ES384' },
  'EC with its private member': { ...ec, d: ec.x as string },
  'EC that says Ed25519': { ...ec, crv: 'Ed25519' },
  'EC on a curve that every object has': { ...ec, crv: 'constructor' },
  'Ed25519 of 31 bytes': { ...edwards, x: Buffer.alloc(31, 7).toString('base64url') },
  'OKP on X25519': { ...edwards, crv: 'X25519' },
};
for (const [name, jwk] of Object.entries(weak)) {
  test(`a key is left out as weak: ${name}`, () => assert.equal(fate(jwk), 'weak'));
}

const ignored: Readonly<Record<string, Json>> = {
  'a shared secret': { kty: 'oct', kid: 'k', k: 'c2VjcmV0' },
  'a key for encryption': { ...rsa, use: 'enc' },
  'a key that may only sign': { ...rsa, key_ops: ['sign'] },
  'a key with an operation twice': { ...rsa, key_ops: ['verify', 'verify'] },
  'key_ops that are a string': { ...rsa, key_ops: 'verify' },
  'a key for HS256': { ...rsa, alg: 'HS256' },
  'a key without kty': { kid: 'k' },
  'an empty kid': { ...rsa, kid: '' },
  'a kid that is a number': { ...rsa, kid: 7 },
  null: null,
  'a list': [rsa],
  'a string': 'key',
};
for (const [name, jwk] of Object.entries(ignored)) {
  test(`a member of a JWKS is ignored: ${name}`, () => assert.equal(fate(jwk), 'ignored'));
}

test('what is no JWKS, or holds over 512 keys, is refused whole', () => {
  for (const document of [
    null,
    'keys',
    7,
    [],
    {},
    { keys: null },
    { keys: { 0: rsa } },
    { keys: Array.from({ length: 513 }, () => ec) },
  ]) {
    assert.equal(readKeySet(document as Json), undefined);
  }
  assert.equal(readKeySet({ keys: Array.from({ length: 512 }, () => ec) })?.keys.length, 512);
});

test('one bad key does not take the good ones along', () => {
  const set = readKeySet({ keys: [{ ...rsa, kid: 'bad', e: 'AQ' }, ec, null] });
  assert.deepEqual(
    set?.keys.map(({ kid }) => kid),
    ['k'],
  );
  assert.deepEqual([...(set?.weak ?? [])], ['bad']);
});

test('fresh RSA moduli do not carry the fingerprint', () => {
  for (let index = 0; index < 4; index++) assert.equal(isFactorable(modulusOf(publicJwk(rsaPair()))), false);
  assert.equal(isFactorable(rocaModulus()), true);
});
