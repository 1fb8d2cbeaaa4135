/** A server of reports that answered 503 with `Retry-After: 0` was asked again at once, without end. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { postOnce } from '../../src/policy/report/post.ts';
import { ManualClock } from '../fakes/clock.ts';

for (const retryAfter of ['0', 'Thu, 01 Jan 1970 00:00:00 GMT']) {
  test(`a report that failed waits although the server says retry-after: ${retryAfter}`, async () => {
    const sent = await postOnce(
      { post: async () => ({ status: 503, retryAfter }), clock: new ManualClock() },
      { url: 'https://logs.example/logs', timeout_seconds: 1 },
      { bytes: Buffer.from('[]'), headers: {} },
      { failures: 4, waitMsMax: 10_000, signal: new AbortController().signal },
    );
    assert.ok(sent.result === 'later' && sent.waitMs >= 4_000, JSON.stringify(sent));
  });
}
