/** Plans at a call: order, counts, arguments, and a model of them that looks at all that ever happened. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { HistoryEntry, Operation, PlanStep, TaskRecord } from '../../../src/call.ts';
import type { CallId } from '../../../src/clock.ts';
import { deny } from '../../../src/denial.ts';
import { nextOnPlan, offPlan } from '../../../src/policy/plan.ts';
import { endHistory, enterHistory } from '../../../src/task/history.ts';
import { ManualClock } from '../../fakes/clock.ts';
import { fakeOperation, fakeOutcome, fakeTask } from '../../fakes/task.ts';

type End = 'done' | 'failed' | 'denied';

const outcomes = {
  done: fakeOutcome(),
  failed: fakeOutcome({
    status: 500,
    attempts: [{ target: 'one', status: 500, error: null, latencyMs: 1, sent: true }],
  }),
  denied: fakeOutcome({ denial: deny('policy_denied', 'no'), status: 403, attempts: [] }),
} as const;

function entered(record: TaskRecord, { name, kind, effect }: Operation, id: string, historyMax = 50): TaskRecord {
  const entry: HistoryEntry = {
    ...{ callId: id as CallId, kind, operation: name, effect, state: 'pending', atMs: 1, costMicroUsd: 0 },
    ...{ target: null, facts: {}, digest: id },
  };
  return enterHistory(record, entry, historyMax);
}

function ended(record: TaskRecord, { name, route }: Operation, id: string, end: End): TaskRecord {
  const ending = { callId: id as CallId, operation: name, route, facts: {}, outcome: outcomes[end], atMs: 2 };
  return endHistory(record, ending);
}

const get = fakeOperation('orders.get');
const list = fakeOperation('orders.list');
const refund = fakeOperation('refunds.create', { effect: 'write' });

/** A task with `plan` in which these calls were made. */
function taskAfter(plan: readonly PlanStep[], ...calls: readonly (readonly [Operation, End | 'pending'])[]) {
  return calls.reduce((record, [operation, state], index) => {
    const begun = entered(record, operation, `call_${index}`);
    return state === 'pending' ? begun : ended(begun, operation, `call_${index}`, state);
  }, fakeTask({ plan }));
}

test('a task without a plan keeps to none, and a plan without steps lets nothing through', () => {
  assert.equal(offPlan(fakeTask(), refund, {}), undefined);
  assert.match(offPlan(fakeTask({ plan: [] }), refund, {}) ?? '', /refunds.create is not on the plan/);
  assert.deepEqual(nextOnPlan(fakeTask({ plan: [] }), null), []);
});

test('what a step comes after must have been answered well: pending, failed and denied is not enough', () => {
  const plan = [{ operation: 'orders.get' }, { operation: 'refunds.create', after: ['orders.get'] }];
  for (const state of ['pending', 'failed', 'denied'] as const) {
    const task = taskAfter(plan, [get, state]);
    assert.match(offPlan(task, refund, {}) ?? '', /refunds.create after orders.get, which has not/, state);
    assert.deepEqual(nextOnPlan(task, null), ['orders.get']);
  }
  const ready = taskAfter(plan, [get, 'failed'], [get, 'done']);
  assert.equal(offPlan(ready, refund, {}), undefined);
  assert.deepEqual(nextOnPlan(ready, null), ['orders.get', 'refunds.create']);
});

test('pending calls are counted and denied ones are not, over a whole route too', () => {
  const plan = [{ operation: 'orders.*', atMost: 2 }];
  assert.equal(offPlan(taskAfter(plan, [get, 'done'], [list, 'denied']), get, {}), undefined);
  for (const state of ['pending', 'failed', 'done'] as const) {
    const spent = taskAfter(plan, [get, 'done'], [list, state]);
    assert.match(offPlan(spent, get, {}) ?? '', /orders\.\* at most 2 times, and that is done/, state);
    assert.deepEqual(nextOnPlan(spent, null), []);
  }
});

test('what has fallen off the history still counts, and what was done then is still known', () => {
  const plan = [
    { operation: 'orders.list' },
    { operation: 'orders.get', atMost: 1 },
    { operation: 'refunds.create', after: ['orders.get'] },
  ];
  const lists = Array.from({ length: 60 }, () => [list, 'done'] as const);
  const long = taskAfter(plan, [get, 'done'], ...lists);
  assert.ok(!long.history.some(({ operation }) => operation === 'orders.get'), 'control: it fell off');
  assert.match(offPlan(long, get, {}) ?? '', /at most 1/);
  assert.equal(offPlan(long, refund, {}), undefined);
  const waiting = taskAfter(plan, [get, 'pending'], ...lists);
  assert.match(offPlan(waiting, refund, {}) ?? '', /after orders.get/, 'it may be pending still');
});

test('arguments must be what the plan says, by dotted path or pointer, in value and type', () => {
  const plan = [{ operation: 'refunds.create', where: { 'body.order_id': 'O-1', '/body/a~1b/0': 7 } }];
  const task = fakeTask({ plan });
  assert.equal(offPlan(task, refund, { body: { order_id: 'O-1', 'a/b': [7] } }), undefined);
  for (const body of [
    {},
    { order_id: 'O-2', 'a/b': [7] },
    { order_id: ['O-1'], 'a/b': [7] },
    { order_id: 'O-1', 'a/b': ['7'] },
    { order_id: 'O-1', 'a/b': [8, 7] },
  ]) {
    assert.match(
      offPlan(task, refund, { body }) ?? '',
      /has refunds.create with another value of/,
      JSON.stringify(body),
    );
  }
  const named = fakeTask({ plan: [{ operation: 'refunds.create', where: { 'body.4111111111111111': 'x' } }] });
  assert.equal(
    offPlan(named, refund, {}),
    'The plan of this task has refunds.create with another value of an argument.',
  );
});

test('a step is for its own route, and for the tools that the task has', () => {
  const chat = fakeOperation('gpt-4.1.chat', { route: 'gpt-4.1', kind: 'model' });
  assert.match(offPlan(fakeTask({ plan: [{ operation: 'gpt-4.*' }] }), chat, {}) ?? '', /not on the plan/);
  assert.equal(offPlan(fakeTask({ plan: [{ operation: 'gpt-4.1.*' }] }), chat, {}), undefined);
  const task = fakeTask({ plan: [{ operation: 'orders.*' }, { operation: 'refunds.create' }] });
  assert.deepEqual(nextOnPlan(task, ['orders.get']), ['orders.get']);
  assert.deepEqual(nextOnPlan(task, ['orders.*', 'refunds.*']), ['orders.*', 'refunds.create']);
});

const operations = [get, list, refund, fakeOperation('refunds.repay')];
const items = [...operations.map(({ name }) => name), 'orders.*', 'refunds.*'];
const orders = ['O-1', 'O-2'];

interface Happened {
  readonly id: string;
  readonly operation: Operation;
  state: End | 'pending';
}

/** What the plan means, said once more over everything that ever happened. */
function modelAllows(
  plan: readonly PlanStep[],
  log: readonly Happened[],
  operation: Operation,
  order: string,
): boolean {
  const holds = (item: string, { name, route }: Operation) => item === name || item === `${route}.*`;
  return plan.some(
    ({ operation: item, atMost, after = [], where }) =>
      holds(item, operation) &&
      (where === undefined || where['body.order'] === order) &&
      after.every((name) =>
        log.some(({ state, operation: { name: called } }) => state === 'done' && called === name),
      ) &&
      log.filter((one) => one.state !== 'denied' && holds(item, one.operation)).length < (atMost ?? Infinity),
  );
}

test('[task.plan-is-kept] no random plan lets through what its model forbids, however short the history', () => {
  const clock = new ManualClock(0, 6_021);
  const below = (limit: number) => clock.randomBytes(4).readUInt32LE() % limit;
  const any = <Item>(list: readonly Item[]) => list[below(list.length)] as Item;
  const seen = { allowed: 0, refused: 0, stricter: 0 };
  for (let round = 0; round < 300; round++) {
    const plan = Array.from(
      { length: 1 + below(4) },
      (): PlanStep => ({
        operation: any(items),
        ...(below(2) === 0 ? {} : { atMost: 1 + below(4) }),
        ...(below(2) === 0 ? {} : { after: [any(operations).name] }),
        ...(below(3) === 0 ? { where: { 'body.order': any(orders) } } : {}),
      }),
    );
    // With a history this short calls fall off it while they are pending.
    const historyMax = any([2, 5, 50]);
    let record = fakeTask({ plan });
    const log: Happened[] = [];
    for (let turn = 0; turn < 25; turn++) {
      const running = log.filter(({ state }) => state === 'pending');
      if (running.length > 0 && below(2) === 0) {
        const call = any(running);
        call.state = any(['done', 'done', 'failed', 'denied'] as const);
        record = ended(record, call.operation, call.id, call.state);
        continue;
      }
      const operation = any(operations);
      const order = any(orders);
      const expected = modelAllows(plan, log, operation, order);
      const refused = offPlan(record, operation, { body: { order } }) !== undefined;
      const why = `round ${round}, turn ${turn}: ${JSON.stringify(plan)}`;
      assert.ok(expected || refused, why);
      if ((record.pendingBeyond ?? []).length === 0) assert.equal(refused, !expected, why);
      if (refused && expected) seen.stricter++;
      const call: Happened = { id: `call_${turn}`, operation, state: 'pending' };
      record = entered(record, operation, call.id, historyMax);
      if (refused) {
        call.state = 'denied';
        record = ended(record, operation, call.id, 'denied');
      }
      log.push(call);
      seen[refused ? 'refused' : 'allowed']++;
    }
  }
  assert.ok(seen.allowed > 500 && seen.refused > 500, JSON.stringify(seen));
});
