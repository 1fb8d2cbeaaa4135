import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Json, JsonObject, Outcome, Underway } from '../../../src/call.ts';
import type { CallId, TaskId } from '../../../src/clock.ts';
import { KeySeal } from '../../../src/identity/key-seal.ts';
import { MemoryStore } from '../../../src/store/backends/memory.ts';
import { StoreUnavailable, storeKey } from '../../../src/store/store.ts';
import { RememberedAnswers } from '../../../src/task/remembered/answers.ts';
import { Room } from '../../../src/task/remembered/room.ts';
import { chainOf, continued, type Row, rememberedMax, withRow } from '../../../src/task/remembered/rows.ts';
import { type RecallParts, recallStage, rememberAnswer } from '../../../src/task/remembered/stage.ts';
import { ManualClock } from '../../fakes/clock.ts';
import { fakeTask } from '../../fakes/task.ts';

const secret = 'a secret of all gateways, 32 bytes';
const said = (text: string): JsonObject => ({ role: 'user', content: text });
const item = (id: string, text = id): JsonObject => ({ id, type: 'message', text });
const reference = (id: string): JsonObject => ({ type: 'item_reference', id });
const told = (turn: number, ...more: readonly JsonObject[]) => ({
  id: `resp_${turn}`,
  items: [item(`msg_${turn}`), ...more],
});
const callId = (turn: number) => `call_${turn}` as CallId;
const nothing = { conversation: null, items: new Map() };

async function opened(max?: { readonly records: number; readonly bytes: number }) {
  const clock = new ManualClock();
  const store = new MemoryStore({ clock });
  await store.open();
  let writes = 0;
  let reads = 0;
  const counted = {
    get: (key: string) => {
      reads += 1;
      return store.get(key);
    },
    compareAndSet: (...args: Parameters<MemoryStore['compareAndSet']>) => {
      writes += 1;
      return store.compareAndSet(...args);
    },
    delete: (key: string) => store.delete(key),
  };
  const at = (room = new Room({ store: counted, clock, ...(max === undefined ? {} : { max }) })) =>
    new RememberedAnswers({ store: counted, clock, room, sealOf: (id) => new KeySeal(secret, clock, `of ${id}`) });
  const task = fakeTask({ expiresAtMs: clock.nowMs() + 60_000 });
  const asked = () => {
    const seen = { reads, writes };
    [reads, writes] = [0, 0];
    return seen;
  };
  return { clock, store, task, answers: at(), at, asked };
}

test('a conversation comes back whole, each turn in a record that holds what was new in it', async () => {
  const { answers, task, asked } = await opened();
  const conversation: Json[] = [];
  for (let turn = 1; turn <= 20; turn++) {
    conversation.push(said(`question ${turn}`));
    await answers.keep(task, callId(turn), told(turn), conversation);
    assert.deepEqual(asked(), { reads: 1, writes: 2 }, 'the index, and what is new');
    conversation.push(reference(`msg_${turn}`));
  }
  const found = await answers.find(task, { answer: 'resp_20', items: ['msg_3'] });
  assert.deepEqual(asked(), { reads: 21, writes: 0 });
  const whole = Array.from({ length: 20 }, (_, index) => [said(`question ${index + 1}`), item(`msg_${index + 1}`)]);
  assert.deepEqual(found.conversation, whole.flat());
  assert.deepEqual(found.items.get('msg_3'), item('msg_3'));
  assert.deepEqual(await answers.find(task, { answer: 'resp_99', items: ['msg_99'] }), nothing);
});

test('[wire.responses-remembered-alone] it is sealed for its task, and goes when the time of that is over', async () => {
  const { answers, at, clock, store, task } = await opened();
  await answers.keep(task, callId(1), told(1), [said('a word of the user')]);
  const key = storeKey(task.tenant, 'remembered', task.id, callId(1));
  const stored = await store.get(key);
  assert.ok(stored !== undefined && !JSON.stringify(stored.value).includes('word'));
  const wanted = { answer: 'resp_1', items: ['msg_1'] };
  assert.equal((await at().find(task, wanted)).conversation?.length, 2, 'another gateway opens it');
  const other = fakeTask({ ...task, id: 'task_00000000000000000000000002' as TaskId });
  assert.deepEqual(await answers.find(other, wanted), nothing);
  // Neither the record nor the index of one task is good under another, and what was changed is not there.
  for (const name of [[], [callId(1)]]) {
    const value = (await store.get(storeKey(task.tenant, 'remembered', task.id, ...name)))?.value as Json;
    await store.compareAndSet(storeKey(task.tenant, 'remembered', other.id, ...name), 0, value, 60_000);
  }
  assert.deepEqual(await answers.find(other, wanted), nothing);
  await store.compareAndSet(key, stored.version, { v: 1, sealed: 'AAAA' }, 60_000);
  assert.deepEqual(await answers.find(task, wanted), nothing);
  await answers.keep(task, callId(2), told(2), null);
  await clock.advance(60_000);
  assert.equal(await store.get(storeKey(task.tenant, 'remembered', task.id)), undefined);
  await answers.keep(task, callId(3), told(3), null);
  assert.deepEqual(await answers.find(task, { answer: null, items: ['msg_3'] }), nothing);
});

test('answers that end at once are all remembered, and what is too long loses first what was before it', async () => {
  const { answers, task } = await opened();
  await Promise.all([1, 2, 3].map((turn) => answers.keep(task, callId(turn), told(turn), [said(`${turn}`)])));
  for (const turn of [1, 2, 3]) {
    const { conversation } = await answers.find(task, { answer: `resp_${turn}`, items: [] });
    assert.deepEqual(conversation, [said(`${turn}`), item(`msg_${turn}`)]);
  }
  const long = 'x'.repeat(rememberedMax.answerBytes);
  await answers.keep(task, callId(4), told(4), [said(long)]);
  const four = await answers.find(task, { answer: 'resp_4', items: ['msg_4'] });
  assert.deepEqual([four.conversation, four.items.get('msg_4')], [null, item('msg_4')]);
  await answers.keep(task, callId(5), told(5, item('msg_long', long)), []);
  assert.deepEqual(await answers.find(task, { answer: 'resp_5', items: ['msg_5'] }), nothing);
  // What it goes on from is known by what was said, and not by an id.
  await answers.keep(task, callId(6), told(6), [said('1'), reference('msg_gone'), said('more')]);
  const six = await answers.find(task, { answer: 'resp_6', items: [] });
  assert.deepEqual(six.conversation, [said('1'), reference('msg_gone'), said('more'), item('msg_6')]);
});

test('[wire.responses-remembered-bounded] of a task the oldest fall off, and over all tasks a gateway has a bound of its own', async () => {
  const row = (turn: number, bytes: number, base: string | null = null): Row => ({
    ...{ at: callId(turn), answer: `resp_${turn}`, items: [`msg_${turn}`], bytes },
    before: { count: 1, digest: '', base },
  });
  let rows: readonly Row[] = [];
  for (let turn = 1; turn <= rememberedMax.answers + 2; turn++) rows = withRow(rows, row(turn, 1)).rows;
  assert.deepEqual([rows.length, rows[0]?.at], [rememberedMax.answers, 'call_3']);
  const { rows: fewer, gone } = withRow([row(1, 3_000_000), row(2, 1_000_000)], row(3, 500_000));
  assert.deepEqual([fewer.map(({ at }) => at), gone.map(({ at }) => at)], [['call_2', 'call_3'], ['call_1']]);
  const many = { ...row(2, 1), items: Array.from({ length: rememberedMax.itemIds }, (_, index) => `${index}`) };
  assert.deepEqual(withRow([row(1, 1)], many).gone.length, 1);
  // A conversation whose beginning has gone is not half a one.
  assert.equal(chainOf([row(2, 1, 'call_1')], row(2, 1, 'call_1')), null);
  assert.deepEqual(continued([], []), { before: { count: 0, digest: '', base: null }, rest: [] });

  const { answers, store, task, clock } = await opened({ records: 4, bytes: 1_000_000 });
  const others = [1, 2, 3].map((n) => fakeTask({ ...task, id: `task_0000000000000000000000000${n}` as TaskId }));
  for (const other of others) await answers.keep(other, callId(1), told(1), [said('hi')]);
  const held = await Promise.all(
    others.map(async (other) => (await answers.find(other, { answer: 'resp_1', items: [] })).conversation !== null),
  );
  assert.deepEqual(held, [false, true, true]);
  const room = new Room({ store, clock, max: { records: 2, bytes: 100 } });
  assert.deepEqual(
    [await room.take('a', 101, 10), await room.take('b', 60, 10), await room.take('c', 60, 10)],
    [false, true, true],
  );
  await clock.advance(10);
  assert.equal(await room.take('d', 100, 10), true, 'what is over is no longer counted');
});

test('the rung asks for nothing where nothing is named, and says why nothing is remembered', async () => {
  const { answers } = await opened();
  const task = fakeTask({});
  const parts: RecallParts = { answers, region: 'local', bytesMax: 10, faulted: () => assert.fail() };
  const callOf = (wanted: object | null, record: object = task, recall: object = {}) =>
    ({
      task: { record },
      resolved: { payload: { recall: { wanted: () => wanted, ...recall } } },
    }) as unknown as Underway & Parameters<ReturnType<typeof recallStage>['admit']>[0];
  const names = { answer: 'resp_1', items: [] };
  const rung = recallStage(parts);
  assert.deepEqual(rung.admit(callOf(null)), { recalled: { items: 0 } });
  assert.deepEqual(rung.admit({ ...callOf(null), resolved: { payload: {} } } as never), { recalled: { items: 0 } });
  const fill = { fill: (found: object) => (assert.deepEqual(found, nothing) === undefined ? 3 : 0) };
  assert.deepEqual(await rung.admit(callOf(names, task, fill)), { recalled: { items: 3 } });
  for (const [given, record, why] of [
    [{ ...parts, answers: null }, task, /needs keys\.secret/],
    [parts, { ...task, regions: [['westeurope']] }, /may not lie in local/],
  ] as const) {
    const fact = await recallStage(given).admit(callOf(names, record));
    assert.match(JSON.stringify(fact), why);
  }
  // A store that is away refuses what names something, and remembers nothing of what has ended.
  const away = async () => Promise.reject(new StoreUnavailable('away'));
  const gone = { ...parts, answers: { find: away, keep: away } };
  await assert.rejects(async () => recallStage(gone).admit(callOf(names)), StoreUnavailable);
  const ended = {
    ...callOf(null, task, { remembers: true, conversation: () => [] }),
    entry: { task: { record: task } },
  };
  const call = { ...ended, decision: { obligations: {} } } as never;
  await rememberAnswer(gone, call, { told: told(1), status: 200 } as unknown as Outcome);
});
