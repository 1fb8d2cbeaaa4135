import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TaskRecord } from '../../../src/call.ts';
import { isDenial } from '../../../src/denial.ts';
import { MemoryStore } from '../../../src/store/backends/memory.ts';
import { RunningCalls } from '../../../src/task/running.ts';
import { SuspensionList } from '../../../src/task/suspended.ts';
import { denyUnlessActive, stateOf, Tasks } from '../../../src/task/tasks.ts';
import { ManualClock } from '../../fakes/clock.ts';
import { fakeTask, fakeWish } from '../../fakes/task.ts';

async function made(): Promise<{ clock: ManualClock; store: MemoryStore; tasks: Tasks; record: TaskRecord }> {
  const clock = new ManualClock();
  const store = new MemoryStore({ clock });
  await store.open();
  const tasks = new Tasks({ store, clock });
  return { clock, store, tasks, record: await tasks.create(fakeWish) };
}

test('a task is found in its own tenant, by operators by its id alone, and nowhere else', async () => {
  const { tasks, record } = await made();
  assert.equal((await tasks.load('acme', record.id))?.id, record.id);
  assert.equal((await tasks.find(record.id))?.id, record.id);
  assert.equal(await tasks.load('other', record.id), undefined);
  assert.equal(await tasks.find('task_none'), undefined);
});

test('an active task past its expiry has expired, whoever looks', async () => {
  const { clock, record } = await made();
  assert.equal(stateOf(record, clock.nowMs()), 'active');
  await clock.advance(60_000);
  assert.equal(stateOf(record, clock.nowMs()), 'expired');
  assert.equal(denyUnlessActive(record, clock.nowMs())?.code, 'task_expired');
});

test('[task.kill-ends-running-calls] a kill aborts the running calls of that task and of no other', async () => {
  const { store, tasks, record, clock } = await made();
  const suspensions = { look: async () => new SuspensionList(0, []), onChange: () => undefined };
  const running = new RunningCalls({ store, tasks, suspensions, clock, lostMs: 5000 });
  await running.open();
  const mine = new AbortController();
  const other = new AbortController();
  const leave = running.enter(record, 'orders', 'token-1', mine);
  running.enter(fakeTask(), 'orders', 'token-2', other);
  assert.equal(running.count, 2);
  const ended = await tasks.end(record, 'killed');
  assert.ok(!isDenial(ended));
  assert.equal(ended.state, 'killed');
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(mine.signal.reason.code, 'task_killed');
  assert.equal(other.signal.aborted, false);
  leave();
  assert.equal(running.count, 1);
  await running[Symbol.asyncDispose]();
});

test('ending a task that has ended changes nothing', async () => {
  const { tasks, record } = await made();
  await tasks.end(record, 'completed');
  const killed = await tasks.end(record, 'killed');
  assert.ok(!isDenial(killed));
  assert.equal(killed.state, 'completed');
});

test('a sub-task lies in the tree of its parent and never outlives it', async () => {
  const { tasks, record } = await made();
  const child = await tasks.create({ ...fakeWish, parent: record, ttlMs: 9_000_000 });
  assert.deepEqual(child.ancestors, [
    {
      ...{ id: record.id, agent: 'coordinator', issuer: 'azure', purpose: 'p' },
      ...{ budget: record.budget, expiresAtMs: record.expiresAtMs },
    },
  ]);
  assert.equal(child.expiresAtMs, record.expiresAtMs);
});

test('fifty writers of one record all get through, one after the other', async () => {
  const { tasks, record } = await made();
  await Promise.all(
    Array.from({ length: 50 }, () =>
      tasks.update('acme', record.id, (current) => ({
        ...(current as TaskRecord),
        failuresInARow: (current as TaskRecord).failuresInARow + 1,
      })),
    ),
  );
  assert.equal((await tasks.load('acme', record.id))?.failuresInARow, 50);
});

const shortage = (record: TaskRecord) => ({
  ...{ tenant: record.tenant, id: record.id, limit: { tokens: record.budget.tokens }, dimension: 'tokens' },
  ...{ remaining: { tokens: 0 }, wrapUpTokens: null, onSpent: 'pause' as const },
});

test('a task that waits past its life goes on once that is raised, too, and is found for as long as it lives', async () => {
  const { tasks, record, clock } = await made();
  assert.equal((await tasks.spend(shortage(record), 'shortage')).fate, 'paused');
  await clock.advance(record.expiresAtMs - clock.nowMs() + 1);
  const more = { to: {}, by: { tokens: 5 }, ttlMs: null };
  const denial = await tasks.raise(record, more);
  assert.ok(isDenial(denial) && denial.code === 'task_expired');
  const dayMs = 24 * 3_600_000;
  const raised = await tasks.raise(record, { ...more, ttlMs: 3 * dayMs });
  assert.ok(!isDenial(raised));
  assert.deepEqual([raised.after.state, raised.after.spent], ['active', undefined]);
  assert.equal(raised.after.budget.tokens, record.budget.tokens + 5);
  await clock.advance(2 * dayMs);
  assert.equal((await tasks.find(record.id))?.state, 'active');
});

test('a shortage that was found before a raise ends nothing, and a part is not raised beyond the life of the whole', async () => {
  const { tasks, record } = await made();
  const child = await tasks.create({ ...fakeWish, parent: record, ttlMs: 10_000 });
  const raised = await tasks.raise(child, { to: {}, by: { tokens: 1 }, ttlMs: 9_000_000 });
  assert.ok(!isDenial(raised));
  assert.equal(raised.after.expiresAtMs, record.expiresAtMs);
  assert.equal((await tasks.spend(shortage(child), 'shortage')).fate, 'unchanged');
  await tasks.raise(record, { to: {}, by: { calls: 1 }, ttlMs: null });
  const inherited = await tasks.inherit(raised.after);
  assert.ok(!isDenial(inherited));
  assert.equal(inherited.ancestors[0]?.budget.calls, record.budget.calls + 1);
  const nothing = await tasks.raise(record, { to: {}, by: {}, ttlMs: null });
  assert.ok(isDenial(nothing) && nothing.code === 'args_invalid');
});
