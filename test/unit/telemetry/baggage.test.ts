import assert from 'node:assert/strict';
import { test } from 'node:test';
import { allowedBaggage } from '../../../src/telemetry/baggage.ts';

test('only members that are allowed go on, without their properties', () => {
  const header = 'region = eu ;secret=1, email=ada@example.org ,tier=gold;x,region=us';
  assert.equal(allowedBaggage(header, ['region', 'tier']), 'region=eu,tier=gold');
  assert.equal(allowedBaggage(['a=1', 'b=2'], ['b', 'a']), 'a=1,b=2');
});

test('nothing goes on where nothing is allowed, or nothing that is allowed was sent', () => {
  assert.equal(allowedBaggage('a=1', []), null);
  assert.equal(allowedBaggage(undefined, ['a']), null);
  assert.equal(allowedBaggage('b=1', ['a']), null);
});

test('a malformed member is dropped by itself', () => {
  assert.equal(allowedBaggage('a=1 2,=3,b,c="x",d=4,a b=5,\u0007=6', ['a', 'b', 'c', 'd', 'a b']), 'd=4');
});

test('a list beyond the limits of the specification is dropped whole', () => {
  const many = Array.from({ length: 65 }, (_, index) => `k${index}=v`).join(',');
  assert.equal(allowedBaggage(many, ['k1']), null);
  assert.equal(allowedBaggage(`k1=v,x=${'y'.repeat(8192)}`, ['k1']), null);
});
