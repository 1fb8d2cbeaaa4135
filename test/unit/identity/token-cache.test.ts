import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TokenCache } from '../../../src/identity/token-cache.ts';

test('a remembered token is found until its end, and another token never', () => {
  const cache = new TokenCache<string>();
  cache.set('token', 'value', 1_000);
  assert.equal(cache.get('token', 999), 'value');
  assert.equal(cache.get('Token', 999), undefined);
  assert.equal(cache.get('token', 1_000), undefined);
  assert.equal(cache.size, 0);
});

test('the cache holds no more than its bound; the oldest make room', () => {
  const cache = new TokenCache<number>(3);
  for (let index = 0; index < 10; index++) cache.set(`t${index}`, index, 1_000);
  assert.equal(cache.size, 3);
  assert.deepEqual(
    [6, 7, 8, 9].map((index) => cache.get(`t${index}`, 0)),
    [undefined, 7, 8, 9],
  );
  cache.set('t9', 99, 1_000);
  assert.equal(cache.size, 3);
  assert.equal(cache.get('t9', 0), 99);
});
