import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Compared, Comparison, outcomeOf, type Verdictlike } from '../../../../src/policy/rollout/comparison.ts';

const config = { new_denies_percent: 5, errors_percent: 1, decisions_min: 50, window_seconds: 300 };
const startMs = Date.UTC(2026, 10, 2, 9);
const allow: Verdictlike = { allow: true, reasons: [], obligations: {}, failed: false };
const no: Verdictlike = { ...allow, allow: false, reasons: [{ code: 'too_much' }] };
const failed: Verdictlike = { ...allow, allow: false, reasons: [{ code: 'policy_error' }], failed: true };

function pair(over: Partial<Compared> = {}): Compared {
  return {
    ...{
      acting: 'candidate',
      stable: allow,
      candidate: allow,
      operation: 'orders.create_refund',
      agent: 'coordinator',
    },
    ...{ callId: 'call_1', phase: 'call', atMs: startMs },
    ...over,
  };
}

function filled(rows: readonly (readonly [number, Partial<Compared>])[], over = {}): Comparison {
  const comparison = new Comparison({ ...config, ...over });
  for (const [count, change] of rows) for (let done = 0; done < count; done++) comparison.add(pair(change));
  return comparison;
}

test('each pair has exactly one outcome', () => {
  const masked = { ...allow, obligations: { mask: ['a'], log: { level: 'x' } } };
  const rows: readonly [Verdictlike, Verdictlike, string][] = [
    [allow, allow, 'agree'],
    [no, { ...no, reasons: [{ code: 'other' }] }, 'agree'],
    [no, { ...no, obligations: { mask: ['a'] } }, 'agree'],
    [allow, no, 'new_deny'],
    [no, allow, 'new_allow'],
    [allow, masked, 'other_obligations'],
    [masked, { ...masked, obligations: { log: { level: 'x' }, mask: ['a'] } }, 'agree'],
    [allow, failed, 'error'],
    [no, failed, 'error'],
    [failed, failed, 'agree'],
    [failed, no, 'agree'],
    [failed, allow, 'new_allow'],
  ];
  for (const [stable, candidate, outcome] of rows) assert.equal(outcomeOf({ stable, candidate }), outcome);
});

test('what the candidate decided is counted apart from what it shadowed', () => {
  const comparison = filled([
    [3, {}],
    [2, { candidate: no }],
    [4, { acting: 'stable', stable: no }],
  ]);
  const { acted, shadowed } = comparison.counts(startMs);
  assert.deepEqual(acted, { decisions: 5, agree: 3, new_deny: 2, new_allow: 0, other_obligations: 0, error: 0 });
  assert.deepEqual(shadowed, { decisions: 4, agree: 0, new_deny: 0, new_allow: 4, other_obligations: 0, error: 0 });
});

test('[policy.rolls-back-by-itself] a share beyond its bound is a breach, at the bound it is none, and few decisions are none', () => {
  const codes = (comparison: Comparison) => comparison.breach(startMs)?.map(({ code }) => code) ?? [];
  assert.deepEqual(
    codes(
      filled([
        [95, {}],
        [5, { candidate: no }],
      ]),
    ),
    [],
  );
  assert.deepEqual(
    codes(
      filled([
        [94, {}],
        [6, { candidate: no }],
      ]),
    ),
    ['new_denies_exceeded'],
  );
  assert.deepEqual(
    codes(
      filled([
        [99, {}],
        [1, { candidate: failed }],
      ]),
    ),
    [],
  );
  assert.deepEqual(
    codes(
      filled([
        [98, {}],
        [2, { candidate: failed }],
      ]),
    ),
    ['errors_exceeded'],
  );
  assert.deepEqual(codes(filled([[49, { candidate: no }]])), []);
  assert.deepEqual(
    codes(
      filled([
        [25, { candidate: no }],
        [25, { candidate: failed }],
      ]),
    ),
    ['new_denies_exceeded', 'errors_exceeded'],
  );
  assert.deepEqual(codes(filled([[100, { stable: no }]])), [], 'new allows are for people to judge');
  assert.deepEqual(
    codes(
      filled(
        [
          [1, {}],
          [1, { candidate: no }],
        ],
        { decisions_min: 2, new_denies_percent: 0 },
      ),
    ),
    ['new_denies_exceeded'],
  );
});

test('what was only shadowed breaks no bound, but can be seen to', () => {
  const comparison = filled([[60, { acting: 'stable', candidate: no }]]);
  assert.equal(comparison.breach(startMs), null);
  assert.deepEqual(
    comparison.breach(startMs, 'shadowed')?.map(({ code }) => code),
    ['new_denies_exceeded'],
  );
  assert.match(
    comparison.breach(startMs, 'shadowed')?.[0].message ?? '',
    /60 of 60 decisions \(100\.00 %; the bound is 5 %\)/,
  );
});

test('the window slides: what is older counts no more', () => {
  const comparison = filled([[10, { candidate: no }]]);
  for (let second = 10; second <= 290; second += 10) comparison.add(pair({ atMs: startMs + second * 1000 }));
  assert.equal(comparison.counts(startMs + 290_000).acted.decisions, 39);
  const later = comparison.counts(startMs + 301_000).acted;
  assert.deepEqual([later.decisions, later.new_deny], [29, 0]);
  assert.equal(comparison.counts(startMs + 3_600_000).acted.decisions, 0);
});

test('a clock that is set back neither breaks the window nor keeps it', () => {
  const comparison = filled([[10, {}]]);
  comparison.add(pair({ atMs: startMs - 20_000 }));
  assert.equal(comparison.counts(startMs).acted.decisions, 11);
  comparison.add(pair({ atMs: startMs - 3_600_000 }));
  assert.equal(comparison.counts(startMs - 3_600_000).acted.decisions, 1);
});

test('the last 100 differences are kept, the latest first, with codes and nothing of the input', () => {
  const comparison = filled([
    [50, { candidate: no, callId: 'call_old' }],
    [20, {}],
    [100, { candidate: failed, callId: 'call_new' }],
  ]);
  const samples = comparison.samples();
  assert.equal(samples.length, 100);
  assert.deepEqual(samples[0], {
    ...{ at: '2026-11-02T09:00:00.000Z', phase: 'call', call: 'call_new', operation: 'orders.create_refund' },
    ...{ agent: 'coordinator', outcome: 'error', acting: 'candidate' },
    stable: { allow: true, failed: false, codes: [] },
    candidate: { allow: false, failed: true, codes: ['policy_error'] },
  });
  assert.ok(samples.every(({ call }) => call === 'call_new'));
  comparison.clear();
  assert.deepEqual([comparison.samples(), comparison.counts(startMs).acted.decisions], [[], 0]);
});
