/** The plan a task gets: never more than was declared, granted, and left by the task above. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { OperationCount, OperationRegistry, PlanStep } from '../../../src/call.ts';
import { offPlan } from '../../../src/policy/plan.ts';
import { denyUnknownSteps, narrowPlan, planForParts } from '../../../src/task/plan.ts';
import { ManualClock } from '../../fakes/clock.ts';
import { fakeOperation, fakeTask } from '../../fakes/task.ts';

const operations = ['orders.get', 'orders.list', 'refunds.create'].map((name) => fakeOperation(name));
const registry: OperationRegistry = {
  get: (name) => operations.find((one) => one.name === name),
  ofRoute: (route) => operations.filter((one) => one.route === route),
  all: () => operations,
  route: (name) => (operations.some(({ route }) => route === name) ? { name, kind: 'http', targets: [] } : undefined),
};

const narrow = (one: readonly PlanStep[] | null, other: readonly PlanStep[] | null) => narrowPlan(one, other, registry);

test('without one of two plans the other stands, and two narrow to what both let through', () => {
  const plan = [{ operation: 'orders.get' }];
  assert.equal(narrow(null, null), null);
  assert.deepEqual(narrow(plan, null), plan);
  assert.deepEqual(narrow(null, plan), plan);
  assert.deepEqual(narrow([{ operation: 'orders.*' }], plan), plan);
  assert.deepEqual(narrow(plan, [{ operation: 'orders.*' }]), plan);
  assert.deepEqual(narrow(plan, [{ operation: 'refunds.create' }]), []);
});

test('a step stays if it counts no higher, comes after no less, and says no less of its arguments', () => {
  const asked = [{ operation: 'orders.get', atMost: 3, after: ['orders.list'], where: { 'body.a': 1 } }];
  const tighter = { operation: 'orders.get', atMost: 2, after: ['orders.list'], where: { 'body.a': 1, 'body.b': 2 } };
  assert.deepEqual(narrow(asked, [tighter]), [tighter]);
  for (const { operation, atMost, after, where } of [tighter]) {
    for (const wider of [
      { operation, after, where },
      { operation, atMost: 4, after, where },
      { operation, atMost, where },
      { operation, atMost, after },
      { operation, atMost, after, where: { 'body.a': 2 } },
    ] as PlanStep[]) {
      assert.deepEqual(
        (narrow(asked, [wider]) ?? []).filter((step) => step === wider),
        [],
        JSON.stringify(wider),
      );
    }
  }
});

test('what counts a whole route is not split into operations, which together would let more through', () => {
  assert.deepEqual(
    narrow(
      [{ operation: 'orders.*', atMost: 3 }],
      [
        { operation: 'orders.get', atMost: 3 },
        { operation: 'orders.list', atMost: 3 },
      ],
    ),
    [],
  );
});

test('a part gets the steps of its parent that count nothing', () => {
  const plan = [{ operation: 'orders.*' }, { operation: 'refunds.create', atMost: 1 }];
  assert.deepEqual(planForParts(fakeTask({ plan })), [{ operation: 'orders.*' }]);
  assert.deepEqual(planForParts(fakeTask({ plan: [plan[1] as PlanStep] })), []);
  assert.equal(planForParts(fakeTask()), null);
  assert.equal(planForParts(null), null);
});

test('operations that are not there are refused at their places, and their names not repeated where they may be data', () => {
  assert.equal(denyUnknownSteps(null, registry), undefined);
  assert.equal(denyUnknownSteps([{ operation: 'orders.*', after: ['orders.get'] }], registry), undefined);
  const denial = denyUnknownSteps(
    [{ operation: 'orders.get' }, { operation: 'orders.4111111111111111', after: ['orders.get', 'orders.*', 'x.y'] }],
    registry,
  );
  assert.equal(denial?.code, 'args_invalid');
  assert.deepEqual(
    denial?.reasons.map(({ path }) => path),
    ['/plan/1/operation', '/plan/1/after/1', '/plan/1/after/2'],
  );
  assert.ok(!JSON.stringify(denial?.reasons).includes('4111'));
  assert.deepEqual(denial?.details.allowed, ['orders.get', 'orders.list', 'refunds.create']);
});

test('[task.plan-only-narrows] whatever was called before, two plans together let nothing through that one would not', () => {
  const clock = new ManualClock(0, 6_022);
  const below = (limit: number) => clock.randomBytes(4).readUInt32LE() % limit;
  const any = <Item>(list: readonly Item[]) => list[below(list.length)] as Item;
  const items = ['orders.get', 'orders.list', 'refunds.create', 'orders.*', 'refunds.*'];
  const planOf = () =>
    Array.from(
      { length: 1 + below(3) },
      (): PlanStep => ({
        operation: any(items),
        ...(below(2) === 0 ? {} : { atMost: 1 + below(4) }),
        ...(below(3) > 0 ? {} : { after: [any(operations).name] }),
        ...(below(3) > 0 ? {} : { where: { a: below(2) } }),
      }),
    );
  let through = 0;
  for (let round = 0; round < 4_000; round++) {
    const [one, other] = [planOf(), planOf()];
    const both = narrow(one, other) as readonly PlanStep[];
    const counts: Record<string, OperationCount> = {};
    for (const { name } of operations) {
      const calls = below(5);
      counts[name] = { calls, denied: 0, failed: below(calls + 1), costMicroUsd: 0, sums: {} };
    }
    const operation = any(operations);
    const lets = (plan: readonly PlanStep[]) => offPlan(fakeTask({ plan, counts }), operation, { a: 0 }) === undefined;
    if (!lets(both)) continue;
    through++;
    assert.ok(lets(one) && lets(other), JSON.stringify({ one, other, both, counts, operation: operation.name }));
  }
  assert.ok(through > 200, String(through));
});
