/** Reports over real connections: what is sent of a response, what happens on a fault, and how engines stand. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { bundlesOf, openPolicyReport, type PolicyReport, readingsOf } from '../../../src/assembly/policy-report.ts';
import type { Json, JsonObject } from '../../../src/call.ts';
import { systemClock } from '../../../src/clock.ts';
import type { ReportsConfig } from '../../../src/policy/report/section.ts';
import { type Document, LogSink } from '../../fakes/log-sink.ts';
import { part } from '../../parts.ts';
import { engineFor, engineOn, responseDocument, temporaryFolder } from '../policy/bundles.ts';
import { decidedOn, settings } from '../policy/report/decided.ts';

function reportOn(t: TestContext, config: ReportsConfig): PolicyReport {
  const report = openPolicyReport({
    ...{ config, clock: systemClock(), log: () => undefined, logPolicy: () => null, bundles: () => [] },
    policyChanged: new Set(),
    place: { id: 'gate-1', region: 'westeurope', cloud: 'azure' },
    redact: (value) => JSON.parse(JSON.stringify(value).replaceAll('anna@example.com', '[email]')) as Json,
  });
  t.after(() => report[Symbol.asyncDispose]());
  return report;
}

const quick = { ...settings, min_delay_seconds: 1, max_delay_seconds: 1 };

test('an answer in a decision is reported without personal data, and so are its reasons', async (t) => {
  await using sink = await LogSink.open();
  const report = reportOn(t, { decision_logs: { ...quick, url: sink.logs } });
  const document = responseDocument({ arguments: { to: 'anna@example.com' } });
  const input = {
    ...document,
    response: { ...document.response, body: { mail: 'anna@example.com' } },
  } as unknown as JsonObject;
  const reasons = [{ code: 'no', message: 'Not to anna@example.com.' }];
  report.record({ ...decidedOn({}, { input, reasons }), phase: 'response' });
  await sink.until(() => sink.events.length === 1, 'it is reported');
  const event = sink.events[0] as Document;
  assert.equal(event.path, 'tollgate/response/decision');
  assert.equal(JSON.stringify(event).includes('anna@'), false);
  const { response } = event.input as { response: { body: unknown } };
  assert.deepEqual(response.body, { mail: '[email]' });
});

test('a server that answers 503, breaks off, or answers at length loses nothing', async (t) => {
  await using sink = await LogSink.open();
  let faults = 0;
  sink.answer = (request, response) => {
    faults += 1;
    if (faults === 1) response.writeHead(503).end();
    else request.socket.destroy();
    if (faults === 2) sink.answer = null;
  };
  const report = reportOn(t, { decision_logs: { ...quick, url: sink.logs } });
  report.record(decidedOn());
  await sink.until(() => sink.events.length === 1, 'it is reported in the end');
  assert.equal(report.counts().decisions?.uploadsFailed, 2);

  let long = 0;
  sink.answer = (_request, response) => {
    long += 1;
    response.writeHead(200).end(Buffer.alloc(4_000_000));
  };
  report.record(decidedOn());
  await sink.until(() => report.counts().decisions?.sent === 2, 'a long answer is an answer');
  assert.equal(long, 1);
  assert.deepEqual(readingsOf(report.counts()).failed, [[['decision_logs'], 2]]);
});

test('an upload that begins to fail is told to the status at once', async (t) => {
  await using sink = await LogSink.open();
  await using away = await LogSink.open();
  away.answer = (_request, response) => void response.writeHead(500).end();
  const report = reportOn(t, {
    decision_logs: { ...quick, url: away.logs },
    status: { url: sink.status, interval_seconds: 3_600, timeout_seconds: 5 },
  });
  await sink.until(() => sink.statuses.length === 1, 'the first status');
  assert.deepEqual(sink.statuses[0]?.decision_logs, {});
  report.record(decidedOn());
  await sink.until(() => sink.statuses.length === 2, 'the status after the fault');
  assert.deepEqual(sink.statuses[1]?.decision_logs, {
    code: 'decision_log_error',
    message: 'the server answers 500',
    http_code: 500,
  });
});

test('without configuration nothing is recorded and nothing is counted', async (t) => {
  const report = reportOn(t, {});
  assert.equal(report.records, false);
  report.record(decidedOn());
  assert.deepEqual(report.counts(), { decisions: null, status: null });
  assert.deepEqual(readingsOf(report.counts()), { decisions: [], incomplete: [], failed: [] });
});

test('an engine says how its bundle stands, and a candidate of the same name has another', part('opa'), async (t) => {
  const { engine: stable } = await engineFor(t, 'decision := {"allow": true, "reasons": []}');
  const { engine: unopened } = await engineOn(t, await temporaryFolder(t));
  const [one, other] = bundlesOf({ stable, candidate: unopened });
  assert.equal(one?.decides, true);
  assert.equal(one?.activeRevision, stable.active.revision);
  assert.equal(one?.fault, null);
  assert.equal(typeof one?.lastSuccessfulActivationMs, 'number');
  assert.deepEqual([other?.decides, other?.activeRevision, other?.lastSuccessfulActivationMs], [false, null, null]);
  const [, same] = bundlesOf({ stable, candidate: stable });
  assert.equal(same?.name, `${stable.bundle}-candidate`);
});
