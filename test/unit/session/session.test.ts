/** What clients of MCP have in the store: bounds, whose it is, and when it is over. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isDenial } from '../../../src/denial.ts';
import { KeySeal } from '../../../src/identity/key-seal.ts';
import { type ClientSession, ClientSessions, sessionsMax } from '../../../src/session/client-sessions.ts';
import { EventLog } from '../../../src/session/event-log.ts';
import type { Owner } from '../../../src/session/owner.ts';
import { answerMs, Questions } from '../../../src/session/questions.ts';
import { RequestStates, stateMs } from '../../../src/session/request-states.ts';
import { Wakes } from '../../../src/session/wakes.ts';
import { MemoryStore } from '../../../src/store/backends/memory.ts';
import { ManualClock } from '../../fakes/clock.ts';

async function rooms() {
  const clock = new ManualClock();
  const store = new MemoryStore({ clock });
  await store.open();
  const faults: unknown[] = [];
  const wakes = new Wakes({ store, clock, faulted: (_where, fault) => faults.push(fault) });
  await wakes.open();
  const sealOf = (taskId: string) => new KeySeal('a secret of all gateways', clock, taskId);
  const owner: Owner = { tenant: 'acme', taskId: 'task_1', expiresAtMs: clock.nowMs() + 3_600_000 };
  const other: Owner = { ...owner, taskId: 'task_2' };
  return { clock, store, wakes, owner, other, sealOf, faults };
}

const said = { route: null, version: '2025-11-25', capabilities: {} };

test('a task has so many sessions, and one more ends the oldest', async () => {
  const { store, clock, owner, other } = await rooms();
  const sessions = new ClientSessions({ store, clock });
  const begun: ClientSession[] = [];
  for (let index = 0; index <= sessionsMax; index++) {
    const session = await sessions.begin(owner, said);
    if (isDenial(session)) assert.fail(session.message);
    begun.push(session);
  }
  const [oldest, second] = begun as [ClientSession, ClientSession];
  assert.equal(await sessions.find(owner, null, oldest.id), undefined);
  assert.deepEqual(await sessions.find(owner, null, second.id), { v: 1, ...second });
  assert.equal(await sessions.find(other, null, second.id), undefined);
  assert.equal(await sessions.find(owner, 'orders', second.id), undefined);
  assert.equal(await sessions.find(owner, null, '../../task_2'), undefined);
  await sessions.wantLog(owner, second, 'error');
  assert.equal((await sessions.find(owner, null, second.id))?.logLevel, 'error');
  await clock.advance(3_600_001);
  assert.equal(await sessions.find(owner, null, second.id), undefined);
});

test('a question is answered once, by its own task, in its own session', async () => {
  const { store, clock, wakes, owner, other, sealOf } = await rooms();
  const questions = new Questions({ store, clock, wakes, sealOf });
  const asked = { session: 's', method: 'roots/list', route: 'crm', target: 'one' };
  const question = await questions.open(owner, asked);
  const waiting = questions.wait(owner, question, answerMs, new AbortController().signal);
  assert.equal(await questions.find(other, 's', question.id), undefined);
  assert.equal(await questions.find(owner, 't', question.id), undefined);
  assert.deepEqual(await questions.find(owner, 's', question.id), { v: 1, ...question });
  const reply = { result: { roots: [] } };
  assert.equal(await questions.answer(owner, question, reply), true);
  assert.equal(await questions.answer(owner, question, { result: { roots: [{ uri: 'file:///else' }] } }), false);
  assert.deepEqual(await waiting, reply);
  assert.equal(await questions.find(owner, 's', question.id), undefined);

  const never = await questions.open(owner, asked);
  const late = questions.wait(owner, never, answerMs, new AbortController().signal);
  await clock.advance(answerMs + 1);
  assert.equal(await late, undefined);
  assert.equal(await questions.answer(owner, never, reply), false);
});

test('a stream is gone on with where it was left, by its own task, and ends where nobody writes it any more', async () => {
  const { store, clock, wakes, owner, other, sealOf } = await rooms();
  const log = new EventLog({ store, clock, wakes, sealOf, hasRoom: () => true });
  const stream = { owner, session: 's', id: log.newId() };
  const { signal } = new AbortController();
  for (const number of [1, 2]) await log.write(stream, { number, message: { number }, last: false });
  const read: number[] = [];
  const following = (async () => {
    for await (const event of log.follow(stream, 1, 60_000, signal)) read.push(event.number);
  })();
  await clock.advance(10);
  await log.write(stream, { number: 3, message: { number: 3 }, last: true });
  await following;
  assert.deepEqual(read, [2, 3]);
  assert.deepEqual(
    [await log.standing(stream, 0), await log.standing(stream, 2), await log.standing(stream, 3)],
    ['open', 'open', 'ended'],
  );
  assert.equal(await log.standing({ ...stream, owner: other }, 2), 'gone');
  assert.equal(await log.standing({ ...stream, session: 't' }, 2), 'gone');
  const stored = await store.get(`tg:{acme}:mcp:task_1:event:s:${stream.id}:2`);
  assert.doesNotMatch(JSON.stringify(stored), /"number"/, 'what was said lies sealed');
  const dead = { ...stream, id: log.newId() };
  const waiting = Array.fromAsync(log.follow(dead, 0, 60_000, signal));
  await clock.advance(62_000);
  assert.deepEqual(await waiting, []);
});

test('[session.state-bound-to-request] a state opens for its task and request, and for a time', async () => {
  const { clock, owner, other, sealOf } = await rooms();
  const states = new RequestStates(sealOf, clock);
  const state = { asked: { name: { method: 'elicitation/create' } }, route: 'crm', target: 'one', given: 'theirs' };
  const text = states.close(owner, 'this request', state);
  assert.deepEqual(states.open(owner, 'this request', text), state);
  assert.equal(states.open(owner, 'another request', text), undefined);
  assert.equal(states.open(other, 'this request', text), undefined);
  assert.equal(states.open(owner, 'this request', `${text.slice(0, -4)}AAAA`), undefined);
  assert.equal(states.open(owner, 'this request', { state: text }), undefined);
  await clock.advance(stateMs + 1);
  assert.equal(states.open(owner, 'this request', text), undefined);
});
