import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { HistoryEntry, TaskRecord } from '../../../src/call.ts';
import type { CallId } from '../../../src/clock.ts';
import { deny } from '../../../src/denial.ts';
import { endState, saidFailed } from '../../../src/outcome.ts';
import { endHistory, enterHistory, factsOf, repeatsOf } from '../../../src/task/history.ts';
import { fakeOperation, fakeOutcome, fakeTask } from '../../fakes/task.ts';

const { digestKey } = fakeTask();

const refund = fakeOperation('refunds.create_refund', {
  effect: 'write',
  remember: ['body.amount_cents', 'body.none', 'body'],
});

function entered(record: TaskRecord, id: string, amount = 6000): TaskRecord {
  const entry: HistoryEntry = {
    callId: id as CallId,
    kind: 'tool',
    operation: refund.name,
    effect: 'write',
    state: 'pending',
    atMs: 1,
    costMicroUsd: 0,
    target: null,
    facts: factsOf(refund, { body: { amount_cents: amount } }, digestKey),
    digest: `digest ${amount}`,
  };
  return enterHistory(record, entry, 3);
}

function ended(record: TaskRecord, id: string, outcome = fakeOutcome()): TaskRecord {
  const facts = record.history.find(({ callId }) => callId === id)?.facts ?? { 'body.amount_cents': 6000 };
  return endHistory(record, {
    callId: id as CallId,
    operation: refund.name,
    route: 'refunds',
    facts,
    outcome,
    atMs: 9,
  });
}

const denied = fakeOutcome({ denial: deny('policy_denied', 'no'), status: 403, attempts: [] });
const answered = (status: number) =>
  fakeOutcome({ status, attempts: [{ target: 'one', status, error: null, latencyMs: 1, sent: true }] });
const brokenOff = fakeOutcome({
  denial: deny('upstream_timeout', 'late'),
  status: 504,
  attempts: [{ target: 'one', status: null, error: 'timeout', latencyMs: 1, sent: true }],
});

test('only scalar arguments that an operation names become facts', () => {
  assert.deepEqual(factsOf(refund, { body: { amount_cents: 6000 } }, digestKey), { 'body.amount_cents': 6000 });
});

test('a long text becomes a fact as its digest, equal for equal texts', () => {
  const send = fakeOperation('mail.send', { effect: 'write', remember: ['body.text'] });
  const [one, same, other] = ['a', 'a', 'b'].map(
    (letter) => factsOf(send, { body: { text: letter.repeat(100_000) } }, digestKey)['body.text'],
  );
  assert.match(String(one), /^digest:[\w-]{43}$/);
  assert.equal(one, same);
  assert.notEqual(one, other);
});

test('pending calls count, so that parallel calls see each other', () => {
  const record = entered(entered(fakeTask(), 'a'), 'b');
  assert.deepEqual(record.counts[refund.name]?.sums, { 'body.amount_cents': 12_000 });
  assert.equal(record.counts[refund.name]?.calls, 2);
});

test('the history is bounded and the totals are not', () => {
  let record = fakeTask();
  for (const id of ['a', 'b', 'c', 'd', 'e']) record = entered(record, id);
  assert.deepEqual(
    record.history.map(({ callId }) => callId),
    ['c', 'd', 'e'],
  );
  assert.equal(record.counts[refund.name]?.calls, 5);
  // 'a' fell off the end while it was pending: its denial still leaves the totals.
  assert.equal(ended(record, 'a', denied).counts[refund.name]?.sums['body.amount_cents'], 24_000);
});

test('[task.outcome-counts-once] an outcome that is told again counts once, also when its entry has fallen off the history', () => {
  const pending = entered(fakeTask(), 'a');
  const once = ended(pending, 'a', answered(422));
  assert.equal(once.counts[refund.name]?.failed, 1);
  assert.equal(ended(once, 'a', answered(422)), once, 'the very same record');

  let fallen = pending;
  for (const id of ['b', 'c', 'd']) fallen = entered(fallen, id);
  assert.deepEqual(fallen.pendingBeyond, ['a']);
  const settled = ended(fallen, 'a', answered(422));
  assert.deepEqual([settled.counts[refund.name]?.failed, settled.pendingBeyond], [1, []]);
  assert.equal(ended(settled, 'a', answered(422)), settled);
  assert.equal(ended(settled, 'never entered', answered(422)), settled);

  // One that was settled before it fell off is not waited for.
  let done = ended(entered(fakeTask(), 'a'), 'a');
  for (const id of ['b', 'c', 'd']) done = entered(done, id);
  assert.equal(done.pendingBeyond, undefined);
  assert.equal(ended(done, 'a'), done);
});

test('a denied call leaves the totals and is counted as denied', () => {
  const record = ended(entered(fakeTask(), 'a'), 'a', denied);
  assert.deepEqual(record.counts[refund.name], {
    calls: 0,
    denied: 1,
    failed: 0,
    costMicroUsd: 0,
    sums: { 'body.amount_cents': 0 },
  });
  assert.deepEqual([record.history[0]?.state, record.history[0]?.code], ['denied', 'policy_denied']);
  assert.equal(record.failuresInARow, 0);
});

test('a call the destination refused gives its sums back, one that may have had an effect keeps them', () => {
  assert.equal(ended(entered(fakeTask(), 'a'), 'a', answered(422)).counts[refund.name]?.sums['body.amount_cents'], 0);
  for (const outcome of [answered(200), answered(500), brokenOff]) {
    assert.equal(ended(entered(fakeTask(), 'a'), 'a', outcome).counts[refund.name]?.sums['body.amount_cents'], 6000);
  }
});

test('failures in a row are counted by destination, and a success ends the run', () => {
  let record = fakeTask();
  for (const id of ['a', 'b']) record = ended(entered(record, id), id, answered(404));
  assert.deepEqual([record.failuresInARow, record.failuresByRoute.refunds?.count], [2, 2]);
  record = ended(entered(record, 'c'), 'c', answered(200));
  assert.deepEqual([record.failuresInARow, record.failuresByRoute.refunds], [0, undefined]);
});

test('equal calls are repeats unless they were denied', () => {
  let record = entered(entered(fakeTask(), 'a'), 'b', 5);
  assert.equal(repeatsOf(record, 'digest 6000'), 1);
  record = ended(record, 'a', denied);
  assert.equal(repeatsOf(record, 'digest 6000'), 0);
});

test('a refusal after sending is not a denied call', () => {
  assert.equal(endState(fakeOutcome({ denial: deny('policy_denied', 'response') })), 'done');
  assert.equal(endState(brokenOff), 'failed');
  assert.equal(endState(denied), 'denied');
});

test('an answer that says that its call failed is a failure, whatever its status', () => {
  const attempts = [{ target: 'one', status: 200, error: saidFailed, latencyMs: 1, sent: true }];
  assert.equal(endState(fakeOutcome({ attempts })), 'failed');
  assert.equal(ended(entered(fakeTask(), 'a'), 'a', fakeOutcome({ attempts })).failuresInARow, 1);
});
