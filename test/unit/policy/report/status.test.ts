/** What the status says, when it is sent, and what a server that is away changes. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import type { ReportRequest } from '../../../../src/policy/report/post.ts';
import { type BundleStatus, StatusReport, statusDocument } from '../../../../src/policy/report/status.ts';
import { ManualClock } from '../../../fakes/clock.ts';
import { labels } from './decided.ts';

const at = Date.UTC(2026, 10, 2, 9);
const good: BundleStatus = {
  name: 'team',
  activeRevision: 'r1',
  decides: true,
  lastRequestMs: at,
  lastSuccessfulRequestMs: at,
  lastSuccessfulDownloadMs: at,
  lastSuccessfulActivationMs: at,
  sizeBytes: 1_234,
  fault: null,
};

function reportOn(t: TestContext, answer: () => number | Error, bundles: () => readonly BundleStatus[] = () => [good]) {
  const clock = new ManualClock();
  const asked: ReportRequest[] = [];
  const logged: string[] = [];
  const report = new StatusReport({
    settings: { url: 'https://logs.example/status', interval_seconds: 60, timeout_seconds: 10, token: 'secret' },
    ...{ labels, clock, bundles },
    log: (_level, message) => logged.push(message),
    post: async (request) => {
      asked.push(request);
      const given = answer();
      if (typeof given !== 'number') throw given;
      return { status: given, retryAfter: undefined };
    },
  });
  t.after(() => report[Symbol.asyncDispose]());
  return { report, clock, asked, logged };
}

describe('the status', () => {
  it("is a document of OPA's status API", () => {
    const time = '2026-11-02T09:00:00.000Z';
    assert.deepEqual(statusDocument(labels, [good], null), {
      labels,
      bundles: {
        team: {
          name: 'team',
          active_revision: 'r1',
          last_successful_activation: time,
          type: 'snapshot',
          size: 1_234,
          last_successful_download: time,
          last_successful_request: time,
          last_request: time,
        },
      },
      decision_logs: {},
      plugins: { bundle: { state: 'OK' }, decision_logs: { state: 'OK' }, status: { state: 'OK' } },
    });
  });

  it('says why a bundle or an upload is refused, bounded', () => {
    const fault = { message: 'x'.repeat(9_000), errors: Array.from({ length: 99 }, () => 'rego_parse_error') };
    const { bundles, decision_logs } = statusDocument(labels, [{ ...good, fault }], {
      message: 'the server answers 500',
      httpCode: 500,
    }) as unknown as { bundles: Record<string, Record<string, unknown>>; decision_logs: unknown };
    const { code, message, errors } = bundles.team as { code: string; message: string; errors: unknown[] };
    assert.equal(code, 'bundle_error');
    assert.equal(message.length, 4_000);
    assert.equal(errors.length, 20);
    assert.deepEqual(decision_logs, {
      code: 'decision_log_error',
      message: 'the server answers 500',
      http_code: 500,
    });
  });

  it('tells a gate that decides from one that does not yet, or no longer', () => {
    const stateWith = (bundle: Partial<BundleStatus>) => {
      const { plugins } = statusDocument(labels, [good, { ...good, ...bundle }], undefined);
      return (plugins as { bundle: { state: string } }).bundle.state;
    };
    assert.equal(stateWith({ fault: { message: 'refused' } }), 'OK', 'the last good one decides');
    assert.equal(stateWith({ decides: false, activeRevision: null }), 'NOT_READY');
    assert.equal(stateWith({ decides: false, fault: { message: 'expired' } }), 'ERROR');
  });

  it('writes a time that never was as OPA does', () => {
    const { bundles } = statusDocument(labels, [{ ...good, lastRequestMs: null }], undefined);
    assert.equal((bundles as Record<string, { last_request: string }>).team?.last_request, '0001-01-01T00:00:00Z');
  });

  it('goes at once, on a change, and at an interval; changes that come together go as one', async (t) => {
    const { report, clock, asked } = reportOn(t, () => 200);
    report.open();
    await clock.advance(300);
    assert.equal(asked.length, 1);
    assert.equal(asked[0]?.headers.authorization, 'Bearer secret');
    for (let index = 0; index < 1_000; index++) report.changed();
    await clock.advance(300);
    assert.equal(asked.length, 2);
    await clock.advance(59_000);
    assert.equal(asked.length, 2);
    await clock.advance(1_100);
    assert.equal(asked.length, 3);
    assert.deepEqual(report.counts(), { sent: 3, failed: 0 });
  });

  it('is tried again with growing pauses, whatever changes meanwhile, and says once that it fails', async (t) => {
    let away = true;
    const { report, clock, asked, logged } = reportOn(t, () => (away ? new Error('away') : 200));
    report.open();
    for (let second = 0; second < 60; second++) {
      report.changed();
      await clock.advance(1_000);
    }
    assert.ok(asked.length >= 5 && asked.length <= 10, `${asked.length} tries in a minute`);
    assert.deepEqual(logged, ['the status cannot be reported']);
    away = false;
    await clock.advance(60_000);
    assert.deepEqual(logged, ['the status cannot be reported', 'the status is reported again']);
    assert.equal(report.counts().failed, asked.length - report.counts().sent);
  });

  it('says that nothing is known where nobody can say how things stand', async (t) => {
    const { report, clock, asked } = reportOn(
      t,
      () => 200,
      () => {
        throw new Error('no policy is loaded');
      },
    );
    report.open();
    await clock.advance(300);
    assert.deepEqual(JSON.parse(asked[0]?.body.toString() ?? ''), { labels, plugins: { bundle: { state: 'ERROR' } } });
  });

  it('ends without a timer, and sends nothing after', async (t) => {
    const { report, clock, asked } = reportOn(t, () => 200);
    report.open();
    await clock.advance(300);
    await report[Symbol.asyncDispose]();
    report.changed();
    await clock.advance(120_000);
    assert.equal(asked.length, 1);
    assert.equal(clock.timers, 0);
  });
});
