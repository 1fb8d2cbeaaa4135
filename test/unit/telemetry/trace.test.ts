import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startTrace, traceparentOf } from '../../../src/telemetry/trace.ts';
import { ManualClock } from '../../fakes/clock.ts';

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
const spanId = '00f067aa0ba902b7';

test('a valid traceparent is joined, with a span of the gate below it', () => {
  const trace = startTrace(new ManualClock(), `00-${traceId}-${spanId}-01`, 'vendor=a, t1@x=b');
  assert.deepEqual(
    [trace.traceId, trace.parentSpanId, trace.sampled, trace.state],
    [traceId, spanId, true, 'vendor=a,t1@x=b'],
  );
  assert.notEqual(trace.spanId, spanId);
  assert.match(traceparentOf(trace), new RegExp(`^00-${traceId}-[0-9a-f]{16}-01$`));
});

test('a header that is not exactly right begins a new trace', () => {
  const wrong = [
    null,
    '',
    `00-${traceId}-${spanId}`,
    `00-${traceId}-${spanId}-01-extra`,
    `ff-${traceId}-${spanId}-01`,
    `00-${'0'.repeat(32)}-${spanId}-01`,
    `00-${traceId}-${'0'.repeat(16)}-01`,
    `00-${traceId.toUpperCase()}-${spanId}-01`,
    ` 00-${traceId}-${spanId}-01`,
  ];
  for (const header of wrong) {
    const trace = startTrace(new ManualClock(), header, 'vendor=a');
    assert.notEqual(trace.traceId, traceId, String(header));
    assert.deepEqual([trace.parentSpanId, trace.state], [null, null]);
  }
});

test('a later version is read by its first four fields', () => {
  assert.equal(startTrace(new ManualClock(), `01-${traceId}-${spanId}-00-more`, null).traceId, traceId);
});

test('a tracestate out of its bounds is dropped, the trace stays', () => {
  const many = Array.from({ length: 33 }, (_, index) => `k${index}=v`).join(',');
  for (const state of ['', 'NoUpper=1', 'a=1,a=2', 'a=b=c', 'a', many, `a=${'x'.repeat(600)}`, 'a=x,b=\u0007']) {
    const trace = startTrace(new ManualClock(), `00-${traceId}-${spanId}-00`, state);
    assert.deepEqual([trace.traceId, trace.state, trace.sampled], [traceId, null, false], state);
  }
});
