/** The decisions of a whole trail with their inputs: all of them, in order, and what has become of each input. */
import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { type RecordedEvent, type RecordedQuery, RecordedTrail } from '../../../src/audit/recorded.ts';
import { storeFiles } from '../../../src/audit/sinks/sqlite-schema.ts';
import type { AuditTrail } from '../../../src/audit/trail.ts';
import type { TaskId } from '../../../src/clock.ts';
import { ManualClock } from '../../fakes/clock.ts';
import { auditConfig, event, openTrail, temporaryFolder } from './fixture.ts';

const types = ['intent', 'denial', 'task'] as const;

function* recordedPages({ dataDir, ...query }: RecordedQuery & { readonly dataDir: string }) {
  using trail = new RecordedTrail(dataDir);
  yield* trail.pages(query);
}

function read(dataDir: string, fromMs = 0): RecordedEvent[] {
  return [...recordedPages({ dataDir, fromMs, types })].flat();
}

function write(trail: AuditTrail, index: number, task: string | null = 'task_1') {
  const value = { phase: 'call', index };
  return trail.append(event({ type: 'denial', task, call: `call_${index}` }), {
    durable: true,
    payloads: [
      { kind: 'arguments', value: 'not this one' },
      { kind: 'policy_input', value },
    ],
  });
}

test('each input comes with its event, oldest first, over many pages, of the types that were asked for', async (t) => {
  const { trail, dataDir } = await openTrail(t);
  for (let first = 0; first < 1200; first += 300) {
    await Promise.all(Array.from({ length: 300 }, (_, index) => write(trail, first + index)));
  }
  await trail.append(event({ type: 'admin' }), { durable: true });
  const found = read(dataDir);
  assert.deepEqual(
    found.map(({ event: { call }, input }) => [call, input]),
    Array.from({ length: 1200 }, (_, index) => [
      `call_${index}`,
      { state: 'kept', text: JSON.stringify({ phase: 'call', index }) },
    ]),
  );
  const pages = [...recordedPages({ dataDir, fromMs: 0, types })].map(({ length }) => length);
  assert.deepEqual(pages, [500, 500, 200]);
});

test('a trail that grows while it is read ends where it ended at the first look, and the writer is not held up', async (t) => {
  const { trail, dataDir } = await openTrail(t);
  await Promise.all(Array.from({ length: 600 }, (_, index) => write(trail, index, `task_${index % 2}`)));
  const seen: RecordedEvent[] = [];
  for (const page of recordedPages({ dataDir, fromMs: 0, types })) {
    if (seen.length === 0) {
      await write(trail, 9999);
      assert.equal(await trail.eraseTask('task_0' as TaskId), true);
      // The log that still held the key is empty: nothing that is read here stands in the way.
      assert.equal(statSync(`${storeFiles(dataDir).database}-wal`).size, 0);
    }
    seen.push(...page);
  }
  assert.equal(seen.length, 600);
  const states = seen.map(({ input }) => input.state);
  assert.deepEqual(new Set(states.slice(0, 500)), new Set(['kept']));
  assert.deepEqual(states.slice(500, 502), ['erased', 'kept']);
});

test('only what happened since the given time is read', async (t) => {
  const clock = new ManualClock();
  const { trail, dataDir } = await openTrail(t, { clock });
  await write(trail, 1);
  clock.setWallBy(60_000);
  await write(trail, 2);
  const calls = (fromMs: number) => read(dataDir, fromMs).map(({ event: { call } }) => call);
  assert.deepEqual(calls(clock.nowMs()), ['call_2']);
  assert.deepEqual(calls(clock.nowMs() - 60_000), ['call_1', 'call_2']);
  assert.deepEqual(calls(clock.nowMs() + 1), []);
});

test('an input that was cut, never kept or changed is told from one that is there', async (t) => {
  const { trail, dataDir } = await openTrail(t, { config: { ...auditConfig, payload_bytes: 1024 } });
  await write(trail, 1);
  const long = { kind: 'policy_input', value: 'x'.repeat(2000) } as const;
  await trail.append(event({ type: 'denial', task: 'task_1', call: 'call_2' }), { durable: true, payloads: [long] });
  await write(trail, 3, null);
  await trail.append(event({ type: 'denial', task: 'task_1', call: 'call_4' }), { durable: true });
  await write(trail, 5);
  const database = new DatabaseSync(storeFiles(dataDir).database);
  database.exec(`UPDATE payloads SET sealed = zeroblob(64) WHERE call = 'call_5'`);
  database.close();
  assert.deepEqual(
    read(dataDir).map(({ input }) => input.state),
    ['kept', 'cut', 'none', 'none', 'unreadable'],
  );
});

test('where there is no trail, that is said', async (t) => {
  const folder = temporaryFolder(t);
  assert.throws(() => read(folder), /there is no audit trail in /);
});
