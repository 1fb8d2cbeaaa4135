import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { freshTrace, isSampled, startTrace, traceHeaders, traceparentOf } from '../../../src/telemetry/trace.ts';
import { ManualClock } from '../../fakes/clock.ts';

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
const spanId = '00f067aa0ba902b7';
const traceparent = `00-${traceId}-${spanId}-01`;
const stateOf = (tracestate: string | readonly string[]) =>
  startTrace(new ManualClock(), { traceparent, tracestate }).state;

describe('traceparent', () => {
  it('is joined where it is valid, with a span of the gate below it', () => {
    const trace = startTrace(new ManualClock(), { traceparent, tracestate: 'vendor=a, t1@x=b' });
    assert.deepEqual(
      [trace.traceId, trace.parentSpanId, trace.sampled, trace.state],
      [traceId, spanId, true, 'vendor=a,t1@x=b'],
    );
    assert.notEqual(trace.spanId, spanId);
    assert.match(traceparentOf(trace), new RegExp(`^00-${traceId}-[0-9a-f]{16}-01$`));
  });

  // The cases of the W3C's own test suite (w3c/trace-context, test/test.py), and some more.
  const wrong: Record<string, string | readonly string[]> = {
    'is empty': '',
    'has no flags': `00-${traceId}-${spanId}`,
    'came twice': [traceparent, traceparent],
    'came as a list': `${traceparent},${traceparent}`,
    'has a dot behind it': `${traceparent}.`,
    'has more fields than version 00': `${traceparent}-what-the-future-will-be-like`,
    'is of a later version with a dot behind it': `cc-${traceId}-${spanId}-01.what-the-future-will-be-like`,
    'has version ff': `ff-${traceId}-${spanId}-01`,
    'has a version of other characters': `.0-${traceId}-${spanId}-01`,
    'has a version of other characters at its end': `0.-${traceId}-${spanId}-01`,
    'has a version of three digits': `000-${traceId}-${spanId}-01`,
    'has a version of four digits': `0000-${traceId}-${spanId}-01`,
    'has a version of one digit': `0-${traceId}-${spanId}-01`,
    'has a trace id of zeros': `00-${'0'.repeat(32)}-${spanId}-01`,
    'has a trace id of other characters': `00-.${traceId.slice(1)}-${spanId}-01`,
    'has a trace id in capitals': `00-${traceId.toUpperCase()}-${spanId}-01`,
    'has a long trace id': `00-${traceId}3-${spanId}-01`,
    'has a short trace id': `00-${traceId.slice(1)}-${spanId}-01`,
    'has a span id of zeros': `00-${traceId}-${'0'.repeat(16)}-01`,
    'has a span id of other characters': `00-${traceId}-.${spanId.slice(1)}-01`,
    'has a long span id': `00-${traceId}-${spanId}7-01`,
    'has a short span id': `00-${traceId}-${spanId.slice(1)}-01`,
    'has flags of other characters': `00-${traceId}-${spanId}-.0`,
    'has long flags': `00-${traceId}-${spanId}-001`,
    'has short flags': `00-${traceId}-${spanId}-1`,
    'has a line break': `${traceparent}\n`,
  };
  for (const [what, header] of Object.entries(wrong)) {
    it(`that ${what} begins a new trace`, () => {
      const trace = startTrace(new ManualClock(), { traceparent: header, tracestate: 'vendor=a' });
      assert.notEqual(trace.traceId, traceId);
      assert.match(trace.traceId, /^[0-9a-f]{32}$/);
      assert.deepEqual([trace.parentSpanId, trace.state], [null, null]);
    });
  }

  it('that is missing begins a new trace, and what tracestate says is dropped', () => {
    const trace = startTrace(new ManualClock(), { tracestate: 'foo=1' });
    assert.deepEqual([trace.parentSpanId, trace.state, trace.sampled], [null, null, true]);
  });

  it('of a later version is read by its first four fields', () => {
    for (const more of ['', '-what-the-future-will-be-like']) {
      const trace = startTrace(new ManualClock(), { traceparent: `cc-${traceId}-${spanId}-00${more}` });
      assert.deepEqual([trace.traceId, trace.parentSpanId, trace.sampled], [traceId, spanId, false]);
    }
  });
});

describe('tracestate', () => {
  it('goes on as one list, in order, without the white space between its members', () => {
    assert.equal(stateOf('foo=1 \t , \t bar=2, \t baz=3'), 'foo=1,bar=2,baz=3');
    assert.equal(stateOf(['foo=1,bar=2', 'rojo=1,congo=2', 'baz=3']), 'foo=1,bar=2,rojo=1,congo=2,baz=3');
    assert.equal(stateOf(['foo=1', '']), 'foo=1');
    assert.equal(stateOf(['', 'foo=1']), 'foo=1');
    assert.equal(stateOf(''), null);
  });

  it('may hold every character that the grammar has', () => {
    const chars = (from: number, to: number) =>
      Array.from({ length: to - from + 1 }, (_, index) => String.fromCharCode(from + index)).join('');
    const key = `${chars(0x61, 0x7a)}0123456789_-*/`;
    const value = chars(0x20, 0x2b) + chars(0x2d, 0x3c) + chars(0x3e, 0x7e);
    for (const member of [`${key}=${value}`, `${key}@a-z0-9_-*/=${value}`]) assert.equal(stateOf(member), member);
  });

  it('may hold 32 members and keys of 256 characters', () => {
    const many = Array.from({ length: 32 }, (_, index) => `bar${index}=1`).join(',');
    assert.equal(stateOf(many), many);
    for (const key of ['z'.repeat(256), `${'t'.repeat(241)}@${'v'.repeat(14)}`])
      assert.equal(stateOf(`foo=1,${key}=1`), `foo=1,${key}=1`);
  });

  it('is dropped whole where a member is not right, and the trace stays', () => {
    const wrong = [
      ...['foo =1', 'FOO=1', 'foo.bar=1', 'foo@=1,bar=2', '@foo=1,bar=2', 'foo@@bar=1,bar=2', 'foo@bar@baz=1,bar=2'],
      ...['foo=bar=baz', 'foo=,bar=3', 'foo', 'a=x,b=\u0007', 'a=é', 'foo=1,foo=1', 'foo=1,foo=2'],
      `${'z'.repeat(257)}=1`,
      `${'t'.repeat(242)}@v=1`,
      `t@${'v'.repeat(15)}=1`,
      `a=${'x'.repeat(257)}`,
      Array.from({ length: 33 }, (_, index) => `k${index}=v`).join(','),
    ];
    for (const tracestate of wrong) {
      const trace = startTrace(new ManualClock(), { traceparent, tracestate });
      assert.deepEqual([trace.traceId, trace.state], [traceId, null], tracestate);
    }
    assert.equal(stateOf(['foo=1', 'foo=2']), null);
  });

  it('beyond 512 characters loses its large members first, then those at its end', () => {
    const large = `big=${'x'.repeat(200)}`;
    const small = Array.from({ length: 10 }, (_, index) => `k${index}=${'v'.repeat(30)}`);
    assert.equal(stateOf([small.join(','), large].join(',')), small.join(','));
    const all = Array.from({ length: 20 }, (_, index) => `k${index}=${'v'.repeat(30)}`);
    const kept = stateOf(all.join(',')) ?? '';
    assert.ok(kept.length <= 512 && kept.length > 460 && all.join(',').startsWith(kept), kept);
  });
});

describe('sampling', () => {
  it('takes the share of new traces that the configuration says, by their ids alone', () => {
    const clock = new ManualClock();
    const sampled = (sample: number) =>
      Array.from({ length: 2000 }, () => startTrace(clock, {}, { sample, baggage: [] })).filter(
        (trace) => trace.sampled,
      ).length;
    assert.equal(sampled(0), 0);
    assert.equal(sampled(1), 2000);
    const quarter = sampled(0.25);
    assert.ok(quarter > 400 && quarter < 600, String(quarter));
    assert.equal(isSampled(`${'0'.repeat(18)}${'f'.repeat(14)}`, 0), false);
    assert.equal(isSampled('0'.repeat(32), 1), true);
    assert.equal(isSampled(`${'0'.repeat(18)}${'f'.repeat(14)}`, 0.000_001), true);
  });

  it('leaves the choice of a caller that brought a trace as it is', () => {
    for (const [flag, sample] of [
      ['01', 0],
      ['00', 1],
    ] as const) {
      const trace = startTrace(
        new ManualClock(),
        { traceparent: `00-${traceId}-${spanId}-${flag}` },
        { sample, baggage: [] },
      );
      assert.equal(traceparentOf(trace).slice(-2), flag);
    }
  });
});

describe('what goes on', () => {
  it('is the span of the attempt, the state, and allowed baggage', () => {
    const trace = startTrace(
      new ManualClock(),
      { traceparent, tracestate: 'a=1', baggage: ['tollgate.task_id=t1;p=1', 'email=ada@example.org'] },
      { sample: 1, baggage: ['tollgate.task_id'] },
    );
    assert.deepEqual(traceHeaders(trace, 'b'.repeat(16)), {
      traceparent: `00-${traceId}-${'b'.repeat(16)}-01`,
      tracestate: 'a=1',
      baggage: 'tollgate.task_id=t1',
    });
  });

  it('to a stranger is a trace of its own each time', () => {
    const clock = new ManualClock();
    const one = freshTrace(clock);
    assert.match(`${one.traceId} ${one.spanId}`, /^[0-9a-f]{32} [0-9a-f]{16}$/);
    assert.notDeepEqual(one, freshTrace(clock));
  });
});
