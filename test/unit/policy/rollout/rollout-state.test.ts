import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isDenial } from '../../../../src/denial.ts';
import {
  finished,
  historyMax,
  isPercent,
  noRecord,
  parseRecord,
  type ReadRecord,
  type RolloutRecord,
  recordDocument,
  stepped,
  type Transition,
} from '../../../../src/policy/rollout/rollout-state.ts';

const one = { content: 'a'.repeat(64), revision: 'r1' };
const two = { content: 'b'.repeat(64), revision: 'r2' };
const unreadable: RolloutRecord = { kind: 'unreadable', fault: 'x' };

let times = 0;
/** The record after the transition, or the codes of why not. */
function step(record: RolloutRecord, asked: Transition, candidate: typeof one | null = one): ReadRecord | string {
  times += 1;
  const after = stepped(record, asked, { candidate, by: 'ann', atMs: times, freshId: `rol_${times}` });
  return isDenial(after) ? `${after.code} ${after.reasons[0]?.code}` : after;
}

function taken(record: RolloutRecord, ...way: readonly Transition[]): ReadRecord {
  const found = way.reduce<RolloutRecord>((before, asked) => {
    const after = step(before, asked);
    assert.ok(typeof after !== 'string', String(after));
    return after;
  }, record);
  assert.equal(found.kind, 'read');
  return found as ReadRecord;
}

test('a rollout goes from shadow by canary to full, under one id, and its history says how', () => {
  const record = taken(
    noRecord,
    { stage: 'shadow' },
    { stage: 'canary', percent: 5 },
    { stage: 'canary', percent: 30 },
    { stage: 'full' },
  );
  const { state } = record;
  assert.deepEqual([state?.content, state?.revision, state?.stage, state?.percent], [one.content, 'r1', 'full', 100]);
  assert.deepEqual(
    state?.history.map(({ stage, percent, by }) => [stage, percent, by]),
    [
      ['shadow', 0, 'ann'],
      ['canary', 5, 'ann'],
      ['canary', 30, 'ann'],
      ['full', 100, 'ann'],
    ],
  );
  const back = taken(record, { stage: 'canary', percent: 5 }, { stage: 'shadow' });
  assert.deepEqual([back.state?.id, back.state?.stage, back.state?.percent], [state?.id, 'shadow', 0]);
});

test('standing where one is asked to go changes nothing', () => {
  const record = taken(noRecord, { stage: 'canary', percent: 5 });
  assert.equal(step(record, { stage: 'canary', percent: 5 }), record);
  assert.notEqual(step(record, { stage: 'canary', percent: 6 }), record);
  const back = taken(record, { stage: 'rolled_back' });
  assert.equal(step(back, { stage: 'rolled_back' }), back);
});

test('what was rolled back goes on only from shadow, by force, as another rollout', () => {
  const back = taken(
    noRecord,
    { stage: 'canary', percent: 5 },
    { stage: 'rolled_back', reason: { code: 'c', message: 'm' } },
  );
  assert.deepEqual(back.state?.reason, { code: 'c', message: 'm' });
  for (const asked of [
    { stage: 'shadow' },
    { stage: 'canary', percent: 5 },
    { stage: 'full' },
    { stage: 'full', force: true },
  ] as const) {
    assert.equal(step(back, asked), 'precondition_failed rolled_back', asked.stage);
  }
  const again = taken(back, { stage: 'shadow', force: true });
  assert.notEqual(again.state?.id, back.state?.id);
  assert.equal(again.state?.history.length, 3);
  assert.equal(taken(again, { stage: 'full' }).state?.stage, 'full');
});

test('a candidate that was taken back stays so when another one was there in between', () => {
  const back = taken(noRecord, { stage: 'rolled_back' });
  const other = step(back, { stage: 'canary', percent: 1 }, two);
  assert.ok(typeof other !== 'string');
  assert.deepEqual([other.state?.content, other.takenBack], [two.content, [one.content]]);
  assert.equal(step(other, { stage: 'canary', percent: 1 }, one), 'precondition_failed rolled_back');
  assert.deepEqual(taken(other, { stage: 'shadow', force: true }).takenBack, []);
});

test('another candidate begins with a history and an id of its own', () => {
  const first = taken(noRecord, { stage: 'canary', percent: 50 });
  const other = step(first, { stage: 'shadow' }, two);
  assert.ok(typeof other !== 'string');
  assert.notEqual(other.state?.id, first.state?.id);
  assert.deepEqual([other.state?.content, other.state?.history.length], [two.content, 1]);
});

test('a step is refused without a candidate, and for another one than is meant', () => {
  const record = taken(noRecord, { stage: 'canary', percent: 5 });
  assert.equal(step(noRecord, { stage: 'full' }, null), 'precondition_failed candidate_missing');
  assert.equal(step(noRecord, { stage: 'rolled_back' }, null), 'precondition_failed candidate_missing');
  for (const guard of [{ revision: 'r2' }, { content: two.content }, { id: 'rol_of_another' }]) {
    assert.equal(step(record, { stage: 'full', ...guard }), 'precondition_failed candidate_other');
  }
  const right = { revision: 'r1', content: one.content, id: record.state?.id as string };
  assert.equal(typeof step(record, { stage: 'full', ...right }), 'object');
});

test('going back is about what stands, also at a gateway that has another candidate or none', () => {
  const record = taken(noRecord, { stage: 'full' });
  for (const candidate of [two, null]) {
    const back = step(record, { stage: 'rolled_back' }, candidate);
    assert.ok(typeof back !== 'string');
    assert.deepEqual([back.state?.content, back.state?.stage], [one.content, 'rolled_back']);
  }
});

test('a percent is 0 to 100 with two decimals, and of a canary alone', () => {
  for (const good of [0, 0.01, 0.29, 30, 33.33, 99.99, 100]) assert.ok(isPercent(good), String(good));
  for (const bad of [-1, 100.01, 0.001, 33.333, Number.NaN, Number.POSITIVE_INFINITY])
    assert.ok(!isPercent(bad), String(bad));
  const refused = 'args_invalid percent_invalid';
  assert.equal(step(noRecord, { stage: 'canary' }), refused);
  assert.equal(step(noRecord, { stage: 'canary', percent: 101 }), refused);
  assert.equal(step(noRecord, { stage: 'full', percent: 100 }), refused);
});

test('the history keeps the last 20 steps', () => {
  let record: RolloutRecord = noRecord;
  for (let percent = 0; percent < 50; percent++) record = taken(record, { stage: 'canary', percent });
  const { history } = (record as ReadRecord).state as NonNullable<ReadRecord['state']>;
  assert.deepEqual([history.length, history[0]?.percent, history.at(-1)?.percent], [historyMax, 30, 49]);
});

test('a record comes back from the store as it was written', () => {
  const record = taken(
    noRecord,
    { stage: 'canary', percent: 0.29 },
    { stage: 'rolled_back', reason: { code: 'c', message: 'm' } },
  );
  assert.deepEqual(parseRecord(JSON.parse(JSON.stringify(recordDocument(record)))), record);
  assert.deepEqual(parseRecord(recordDocument(noRecord)), noRecord);
});

test('whatever is not exactly a record is unreadable, and lets nothing go on but a new beginning', () => {
  const good = recordDocument(taken(noRecord, { stage: 'canary', percent: 5 }));
  const state = good.state as Record<string, never>;
  const garbled: unknown[] = [
    ...[null, 7, 'x', [], {}, { ...good, v: 2 }, { ...good, more: 1 }, { ...good, at_ms: -1 }, { ...good, state: 1 }],
    ...[
      { ...good, taken_back: ['x'] },
      { ...good, taken_back: null },
    ],
    ...[
      { content: 'A'.repeat(64) },
      { stage: 'ful' },
      { percent: 101 },
      { percent: '5' },
      { stage: 'full', percent: 5 },
      { id: '' },
      { by: 1 },
      { at_ms: 1.5 },
      { history: [] },
      { history: [{}] },
      { more: 1 },
      { reason: 'x' },
      { reason: { code: 'c' } },
    ].map((change) => ({ ...good, state: { ...state, ...change } })),
  ];
  for (const value of garbled) assert.equal(parseRecord(value as never).kind, 'unreadable', JSON.stringify(value));
  for (const asked of [{ stage: 'shadow' }, { stage: 'canary', percent: 1 }, { stage: 'full' }] as const) {
    assert.equal(step(unreadable, asked), 'precondition_failed rolled_back', asked.stage);
  }
  assert.equal((step(unreadable, { stage: 'shadow', force: true }) as ReadRecord).state?.stage, 'shadow');
  assert.equal((step(unreadable, { stage: 'rolled_back' }) as ReadRecord).state?.stage, 'rolled_back');
});

test('a rollout is finished for its own content alone', () => {
  const record = taken(noRecord, { stage: 'full' });
  assert.equal(finished(record, two.content, 9), record);
  assert.equal(finished(unreadable, one.content, 9), unreadable);
  assert.deepEqual(finished(record, one.content, 9), { kind: 'read', state: null, takenBack: [], atMs: 9 });
});
