import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deny } from '../../../src/denial.ts';
import { GateMetrics } from '../../../src/telemetry/gate-metrics.ts';
import { MetricRegistry, seriesMax } from '../../../src/telemetry/metrics.ts';
import { scrape } from '../../fakes/prometheus.ts';

test('what is counted can be read as Prometheus reads it, whatever stands in a label', () => {
  const registry = new MetricRegistry();
  const counter = registry.counter('calls_total', 'Calls, with a \\ and a\nline.', ['route']);
  const odd = 'a"b\\c\nd{},=';
  counter.add([odd], 2);
  counter.add([odd]);
  const histogram = registry.histogram('wait_seconds', 'Waits.', ['stage'], [0.1, 1]);
  for (const seconds of [0.1, 0.05, 0.5, 7]) histogram.observe(['x'], seconds);
  registry.reader('open', 'Open.', [], () => [[[], Number.NaN]]);
  registry.reader('broken', 'Cannot be read.', [], () => {
    throw new Error('not now');
  });
  const { value, types } = scrape(registry.exposition());
  assert.equal(value('calls_total', { route: odd }), 3);
  assert.deepEqual(
    ['0.1', '1', '+Inf'].map((le) => value('wait_seconds_bucket', { stage: 'x', le })),
    [2, 3, 4],
  );
  assert.equal(value('wait_seconds_sum'), 7.65);
  assert.equal(value('wait_seconds_count'), 4);
  assert.ok(types.has('open') && types.has('broken'));
});

test('a metric never has more than its bound of series; what comes beyond is counted as other', () => {
  const registry = new MetricRegistry();
  const counter = registry.counter('calls_total', 'Calls.', ['route', 'code']);
  for (let index = 0; index < seriesMax + 500; index++) counter.add([`r${index}`, 'none']);
  const { samples, value } = scrape(registry.exposition());
  assert.equal(samples.length, seriesMax + 1);
  assert.equal(value('calls_total', { route: 'other', code: 'other' }), 500);
});

test('two metrics of one name are a fault', () => {
  const registry = new MetricRegistry();
  registry.counter('a_total', 'A.');
  assert.throws(() => registry.counter('a_total', 'A.'));
});

test('a gate has its process to tell of before the first call, and counts refusals by code and reason', () => {
  const metrics = new GateMetrics();
  metrics.denied(deny('unauthenticated', 'no', { reasons: [{ code: 'token_expired', message: 'expired' }] }));
  metrics.denied(deny('rate_limited', 'slow'));
  const { value, types } = scrape(metrics.exposition());
  assert.equal(value('tollgate_denials_total', { code: 'rate_limited' }), 1);
  assert.equal(value('tollgate_unauthenticated_total', { reason: 'token_expired' }), 1);
  assert.ok(value('process_resident_memory_bytes') > 1e6 && value('process_cpu_seconds_total') > 0);
  assert.equal(types.get('process_cpu_seconds_total'), 'counter');
});
