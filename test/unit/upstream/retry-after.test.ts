import assert from 'node:assert/strict';
import { test } from 'node:test';
import { retryAfterOf } from '../../../src/upstream/retry-after.ts';

const nowMs = Date.UTC(2026, 10, 2, 9);

test('seconds and dates are read, of a 429 and a 503 alone, and never more than a day', () => {
  assert.equal(retryAfterOf(429, '3', nowMs), 3_000);
  assert.equal(retryAfterOf(503, ' 0 ', nowMs), 0);
  assert.equal(retryAfterOf(429, 'Mon, 02 Nov 2026 09:00:20 GMT', nowMs), 20_000);
  assert.equal(retryAfterOf(429, 'Mon, 02 Nov 2026 08:00:00 GMT', nowMs), 0);
  assert.equal(retryAfterOf(429, '999999999', nowMs), 86_400_000);
  assert.equal(retryAfterOf(201, '3', nowMs), undefined);
  assert.equal(retryAfterOf(429, undefined, nowMs), undefined);
  for (const odd of ['', 'soon', '-3', 'apples 3', '1e400', 'Mon, 99 Foo 2026 09:00:20 GMT', '2026-11-02'])
    assert.equal(retryAfterOf(429, odd, nowMs), undefined, odd);
});
