import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { HistoryEntry, TaskRecord } from '../../../src/call.ts';
import type { CallId, ThoughtId } from '../../../src/clock.ts';
import { deny } from '../../../src/denial.ts';
import { MemoryStore } from '../../../src/store/backends/memory.ts';
import { StoreUnavailable } from '../../../src/store/store.ts';
import { enterHistory } from '../../../src/task/history.ts';
import { type CallEnding, LateEndings } from '../../../src/task/late-endings.ts';
import { Tasks } from '../../../src/task/tasks.ts';
import { ManualClock } from '../../fakes/clock.ts';
import { fakeAgent, fakeOutcome } from '../../fakes/task.ts';

const operation = 'refunds.create_refund';

async function world() {
  const clock = new ManualClock();
  const store = new MemoryStore({ clock });
  await store.open();
  const tasks = new Tasks({ store, clock });
  const record = await tasks.create({
    ...{ agent: fakeAgent, subject: null, purpose: 'p', tools: null, labels: {}, parent: null, ttlMs: 600_000 },
    ...{ budget: { tokens: 1, costMicroUsd: 1, calls: 1, seconds: 60 }, taint: [] },
  });
  const logs: string[] = [];
  const state = { away: false, tries: 0 };
  const update: Tasks['update'] = async (tenant, id, change) => {
    state.tries++;
    if (state.away) throw new StoreUnavailable('away');
    return tasks.update(tenant, id, change);
  };
  const endings = new LateEndings({
    tasks: { update },
    clock,
    log: (level, message) => logs.push(`${level} ${message}`),
  });
  const entered = async (id: string): Promise<CallEnding> => {
    const facts = { 'body.amount_cents': 6000 };
    const entry: HistoryEntry = {
      ...{ callId: id as CallId, kind: 'tool', operation, effect: 'write', state: 'pending', atMs: 1, costMicroUsd: 0 },
      ...{ target: null, facts, digest: id },
    };
    await tasks.update(record.tenant, record.id, (current) => enterHistory(current as TaskRecord, entry, 50));
    return {
      ...{
        tenant: record.tenant,
        taskId: record.id,
        callId: entry.callId,
        operation,
        route: 'refunds',
        facts,
        atMs: 2,
      },
      ...{ outcome: fakeOutcome({ costMicroUsd: 7 }), proposedBy: null, said: null, given: [] },
    };
  };
  const now = async () => (await tasks.load(record.tenant, record.id)) as TaskRecord;
  return { clock, tasks, record, logs, state, endings, entered, now };
}

test('[task.ending-outlives-the-store] an ending that the store could not take is written once it is back', async () => {
  const { clock, logs, state, endings, entered, now } = await world();
  const [at, late] = [await entered('a'), await entered('b')];
  await endings.settle(at);
  assert.deepEqual(
    (await now()).history.map(({ state: is }) => is),
    ['done', 'pending'],
  );
  state.away = true;
  await endings.settle(late);
  assert.equal(endings.waiting, 1);
  await clock.advance(20_000);
  assert.equal((await now()).history[1]?.state, 'pending');
  state.away = false;
  await clock.advance(30_000);
  const { history, counts } = await now();
  assert.deepEqual([history[1]?.state, history[1]?.costMicroUsd, endings.waiting], ['done', 7, 0]);
  assert.equal(counts[operation]?.costMicroUsd, 14);
  assert.equal(clock.timers, 0);
  assert.deepEqual(logs, [
    'warn endings of calls could not be written; they wait for the store',
    'info all endings that waited for the store are made',
  ]);
});

test('a write that was given up on and was made all the same counts once', async () => {
  const { clock, tasks, record, endings: _, entered, now } = await world();
  const ending = await entered('a');
  let lost = true;
  const logs: string[] = [];
  const endings = new LateEndings({
    tasks: {
      update: async (tenant, id, change) => {
        const made = await tasks.update(tenant, id, change);
        if (!lost) return made;
        lost = false;
        throw new StoreUnavailable('no answer in time');
      },
    },
    clock,
    log: (_level, message) => logs.push(message),
  });
  await endings.settle(ending);
  assert.equal(endings.waiting, 1);
  await clock.advance(1_000);
  assert.equal(endings.waiting, 0);
  assert.deepEqual((await now()).counts[operation], {
    ...{ calls: 1, denied: 0, failed: 0, costMicroUsd: 7, sums: { 'body.amount_cents': 6000 } },
  });
  assert.equal((await tasks.load(record.tenant, record.id))?.history.length, 1);
});

test('the wait between tries grows to half a minute', async () => {
  const { clock, state, endings, entered } = await world();
  const ending = await entered('a');
  state.away = true;
  await endings.settle(ending);
  const times: number[] = [];
  let [tries, atMs] = [state.tries, 0];
  for (; times.length < 7; atMs += 100) {
    await clock.advance(100);
    if (state.tries > tries) times.push(atMs + 100);
    tries = state.tries;
  }
  assert.deepEqual(
    times.map((time, index) => time - (times[index - 1] ?? 0)),
    [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000],
  );
});

test('conflicts that do not end are tried again, a record that is gone and a fault are not', async () => {
  const { clock, tasks, entered, now } = await world();
  const ending = await entered('a');
  const logs: string[] = [];
  let answer: () => Promise<never> | ReturnType<Tasks['update']> = async () => deny('task_conflict', 'busy');
  const endings = new LateEndings({
    tasks: { update: (...change) => (answer === real ? tasks.update(...change) : answer()) },
    clock,
    log: (level, message) => logs.push(`${level} ${message}`),
  });
  const real = () => Promise.reject(new Error('not asked'));
  await endings.settle(ending);
  answer = real;
  await clock.advance(1_000);
  assert.deepEqual([(await now()).history[0]?.state, endings.waiting], ['done', 0]);

  answer = async () => deny('task_unknown', 'gone');
  await endings.settle(ending);
  assert.equal(endings.waiting, 0);
  answer = () => Promise.reject(new TypeError('a bug'));
  await assert.rejects(endings.settle(ending), TypeError);
  answer = async () => deny('task_conflict', 'busy');
  await endings.settle(ending);
  answer = () => Promise.reject(new TypeError('a bug'));
  await clock.advance(2_000);
  assert.equal(endings.waiting, 0);
  assert.ok(logs.includes('error a call stays pending in its task'), logs.join());
});

test('what still waits when the gate stops is tried once more, then logged', async () => {
  const { logs, state, endings, entered, now } = await world();
  const [one, other] = [await entered('a'), await entered('b')];
  state.away = true;
  await endings.settle(one);
  state.away = false;
  await endings[Symbol.asyncDispose]();
  assert.equal((await now()).history[0]?.state, 'done');
  state.away = true;
  await endings.settle(other);
  await endings[Symbol.asyncDispose]();
  assert.ok(logs.includes('error a call stays pending in its task'));
});

test('a thought that was said is remembered once, and one that was carried out in vain is given back', async () => {
  const { tasks, record, endings, entered, now } = await world();
  const proposed = { id: 'tht_1' as ThoughtId, callId: null, source: 'observed' as const, atMs: 1 };
  const proposals = [{ id: 'call_1', name: operation, digest: 'd', usedBy: 'b' as CallId }];
  await tasks.update(record.tenant, record.id, (current) => ({
    ...(current as TaskRecord),
    thoughts: [{ ...proposed, proposals }],
  }));
  const said = { ...proposed, id: 'tht_2' as ThoughtId, callId: 'a' as CallId, proposals: [] };
  const ending = { ...(await entered('a')), said };
  await endings.settle(ending);
  await endings.settle(ending);
  assert.deepEqual(
    (await now()).thoughts.map(({ id }) => id),
    ['tht_1', 'tht_2'],
  );
  const outcome = fakeOutcome({ denial: deny('policy_denied', 'no'), attempts: [] });
  const proposedBy = { id: proposed.id, source: 'observed' as const, match: 'exact' as const, toolCallId: 'call_1' };
  await endings.settle({ ...(await entered('b')), outcome, proposedBy });
  assert.equal((await now()).thoughts[0]?.proposals[0]?.usedBy, undefined);
});
