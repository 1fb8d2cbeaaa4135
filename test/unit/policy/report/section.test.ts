/** Addresses of reports that are refused, and pauses that `Retry-After` asks for. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { retryAfterMs } from '../../../../src/policy/report/post.ts';
import { checkReports } from '../../../../src/policy/report/section.ts';
import { settings } from './decided.ts';

describe('the configuration of reports', () => {
  const status = { url: 'https://logs.example/status', interval_seconds: 60, timeout_seconds: 10 };

  it('takes https, and http on loopback', () => {
    assert.deepEqual(checkReports({}), []);
    for (const url of [
      'https://logs.example/logs',
      'http://127.0.0.1:9/logs',
      'http://localhost/logs',
      'http://[::1]/',
    ]) {
      assert.deepEqual(checkReports({ decision_logs: { ...settings, url }, status: { ...status, url } }), [], url);
    }
  });

  const refused: readonly (readonly [string, RegExp])[] = [
    ['http://logs.example/logs', /https/],
    ['./logs', /an https URL/],
    ['ftp://logs.example/', /an https URL/],
    ['https://user:word@logs.example/', /policy\.\w+\.token/],
    ['https://logs.example/#x', /fragment/],
  ];
  for (const [url, fault] of refused) {
    it(`refuses ${url}`, () => {
      const found = checkReports({ decision_logs: { ...settings, url }, status: { ...status, url } });
      assert.deepEqual(
        found.map(({ pointer }) => pointer),
        ['/decision_logs/url', '/status/url'],
      );
      for (const { message } of found) assert.match(message, fault);
    });
  }

  it('refuses delays the wrong way round, and a ca that is none', () => {
    const logs = { ...settings, min_delay_seconds: 9, max_delay_seconds: 8, ca: 'x' };
    assert.deepEqual(
      checkReports({ decision_logs: logs }).map(({ pointer }) => pointer),
      ['/decision_logs/ca', '/decision_logs/min_delay_seconds'],
    );
  });
});

describe('Retry-After', () => {
  const now = Date.UTC(2026, 10, 2, 9);
  const cases: readonly (readonly [string | undefined, number | undefined])[] = [
    [undefined, undefined],
    ['0', 0],
    ['7', 7_000],
    ['999999', 300_000],
    ['soon', undefined],
    ['-5', undefined],
    ['Mon, 02 Nov 2026 09:00:10 GMT', 10_000],
    ['Mon, 02 Nov 2026 08:00:00 GMT', 0],
  ];
  for (const [header, ms] of cases) {
    it(`${header} is ${ms}`, () => assert.equal(retryAfterMs(header, now), ms));
  }
});
