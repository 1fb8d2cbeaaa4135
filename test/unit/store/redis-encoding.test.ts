import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  amountsText,
  balancesOf,
  counterKey,
  recordOf,
  recordText,
  scopesText,
  tenantOf,
  wholeMs,
} from '../../../src/store/backends/redis-encoding.ts';
import { storeKey } from '../../../src/store/store.ts';

test('counters of one tenant keep its hash tag, and lie apart from records of the same name', () => {
  const keys = [storeKey('acme', 'budget', 'a'), storeKey('acme', 'budget', 'b')];
  const tenant = tenantOf(keys);
  assert.equal(tenant, 'tg:{acme}');
  assert.equal(counterKey(tenant, keys[0] as string), 'tg:{acme}@counter:budget:a');
});

test('keys of two tenants, of none, or of an empty one are a bug of the caller', () => {
  const wrong = [[storeKey('a', 'x'), storeKey('b', 'x')], ['x'], ['tg:a:x'], [storeKey('', 'x')], []];
  for (const keys of wrong) assert.throws(() => tenantOf(keys), { name: 'AssertionError' }, keys.join());
});

test('numbers are written as whole decimals, up to the largest that a double holds exactly', () => {
  const most = Number.MAX_SAFE_INTEGER;
  assert.equal(amountsText({ tokens: most, calls: 0 }), '["tokens","9007199254740991","calls","0"]');
  assert.deepEqual(balancesOf('[{"s:tokens":"9007199254740991","r:tokens":"1","h":"1","b":"5","e":"6"},{}]'), [
    { spent: { tokens: most }, reserved: { tokens: 1 } },
    { spent: {}, reserved: {} },
  ]);
  const scopes = [{ key: storeKey('acme', 'a'), limits: { tokens: most }, ttlMs: 0.5 }];
  assert.equal(scopesText('tg:{acme}', scopes), '[["tg:{acme}@counter:a","1",["tokens","9007199254740991"]]]');
});

test('a life is at least a millisecond, and whole', () => {
  assert.deepEqual([-5, 0, 0.2, 1.5, 60_000].map(wholeMs), [1, 1, 1, 2, 60_000]);
});

test('a record keeps its version and its value, whatever is in it', () => {
  const value = { text: 'line\nline\r\n\u2028"{}', list: [1, null, true], most: Number.MAX_SAFE_INTEGER };
  assert.deepEqual(recordOf(recordText(12, value)), { version: 12, value });
  assert.equal(recordOf(null), undefined);
  assert.equal(recordOf(''), undefined);
});
