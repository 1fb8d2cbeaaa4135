import assert from 'node:assert/strict';
import { createPrivateKey, sign } from 'node:crypto';
import { test } from 'node:test';
import { type Checkpoint, checkpointSigner, openCheckpoint, publicJwk } from '../../../src/audit/checkpoint.ts';
import { keysOf, newSigner } from './fixture.ts';

const checkpoint: Checkpoint = { origin: 'gate-1', seq: 7, hash: 'c'.repeat(64), time: '2026-11-02T09:00:00.000Z' };

function faultOf(opened: ReturnType<typeof openCheckpoint>): string {
  assert.ok('fault' in opened, 'the checkpoint was accepted');
  return opened.fault;
}

test('a checkpoint opens under the key that signed it, and under no other', () => {
  const signer = newSigner();
  const jws = checkpointSigner(signer)(checkpoint);
  assert.deepEqual(openCheckpoint(`${jws}\n`, keysOf(newSigner('other'), signer)), checkpoint);
  assert.match(faultOf(openCheckpoint(jws, keysOf(newSigner('other')))), /not among the given/);
  assert.match(faultOf(openCheckpoint(jws, keysOf(newSigner(signer.kid)))), /does not fit/);
});

test('every changed character of a checkpoint is noticed', () => {
  const signer = newSigner();
  const jws = checkpointSigner(signer)(checkpoint);
  const keys = keysOf(signer);
  for (let index = 0; index < jws.length; index++) {
    const other = jws[index] === 'A' ? 'B' : 'A';
    faultOf(openCheckpoint(`${jws.slice(0, index)}${other}${jws.slice(index + 1)}`, keys));
  }
});

test('a token of another kind, signed by the same key, is no checkpoint', () => {
  const signer = newSigner();
  const key = createPrivateKey({ key: signer.privateJwk, format: 'jwk' });
  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const jwsOf = (header: object, body: object) => {
    const input = `${encode(header)}.${encode(body)}`;
    return `${input}.${sign(null, Buffer.from(input), key).toString('base64url')}`;
  };
  const header = { alg: 'Ed25519', kid: signer.kid, typ: 'tollgate-checkpoint+jws' };
  assert.deepEqual(openCheckpoint(jwsOf(header, checkpoint), keysOf(signer)), checkpoint);
  for (const change of [{ typ: 'at+jwt' }, { alg: 'none' }, { alg: 'HS256' }, { crit: ['b64'] }]) {
    assert.match(faultOf(openCheckpoint(jwsOf({ ...header, ...change }, checkpoint), keysOf(signer))), /not of type/);
  }
  for (const change of [{ seq: -1 }, { seq: 1.5 }, { hash: 'x' }, { origin: 1 }]) {
    assert.match(faultOf(openCheckpoint(jwsOf(header, { ...checkpoint, ...change }), keysOf(signer))), /does not hold/);
  }
});

test('the published key holds no private part', () => {
  const jwk = publicJwk(newSigner());
  assert.equal(jwk.d, undefined);
  assert.deepEqual(Object.keys(jwk).sort(), ['alg', 'crv', 'kid', 'kty', 'use', 'x']);
});
