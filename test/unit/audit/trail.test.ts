import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { eventFields, type NewEvent } from '../../../src/audit/event.ts';
import { storeFiles } from '../../../src/audit/sinks/sqlite-schema.ts';
import { AuditTampered, AuditUnavailable, QueryInvalid } from '../../../src/audit/trail.ts';
import { verifyStore } from '../../../src/audit/verify-store.ts';
import type { TaskId } from '../../../src/clock.ts';
import { auditConfig, event, keysOf, newSigner, openTrail, temporaryFolder, trailOn } from './fixture.ts';

async function collect(lines: AsyncIterable<string>): Promise<string> {
  let text = '';
  for await (const line of lines) text += line;
  return text;
}

test('500 appends at once stand in the order they were made, in one verified chain, within seconds', async (t) => {
  const { trail, dataDir } = await openTrail(t);
  const startMs = performance.now();
  await Promise.all(
    Array.from({ length: 500 }, (_, index) => trail.append(event({ operation: `op-${index}` }), { durable: true })),
  );
  const tookMs = performance.now() - startMs;
  const { events, next_cursor } = await trail.events({}, { limit: 1000 });
  assert.deepEqual(
    events.map(({ operation }) => operation),
    Array.from({ length: 500 }, (_, index) => `op-${index}`),
  );
  assert.equal(next_cursor, null);
  assert.ok(tookMs < 5_000, `took ${tookMs} ms`);
  await trail.checkpoints();
  const verdict = await verifyStore({ dataDir });
  assert.deepEqual(
    { ...verdict, hash: '' },
    { ok: true, seq: 500, hash: '', signedSeq: 500, heldSeq: null, openIntents: 0 },
  );
});

test('an event has exactly the documented members, in their order', async (t) => {
  const { trail } = await openTrail(t);
  await trail.append(event(), { durable: true });
  const [written] = (await trail.events({})).events;
  assert.deepEqual(Object.keys(written ?? {}), [...eventFields]);
  assert.equal(written?.time, '2026-11-02T09:00:00.000Z');
  assert.equal(written?.gateway, 'gate-1');
});

test('who asks right after a relaxed append finds the event', async (t) => {
  const { trail } = await openTrail(t);
  for (let count = 1; count <= 20; count++) {
    await trail.append(event({ operation: 'relaxed' }), { durable: false });
    assert.equal((await trail.events({ operation: 'relaxed' })).events.length, count);
  }
});

test('pages follow each other by cursor, and a cursor or limit that is none is refused', async (t) => {
  const { trail } = await openTrail(t);
  for (let count = 0; count < 5; count++) await trail.append(event({ trace_id: 'f'.repeat(32) }), { durable: true });
  const seqs: number[] = [];
  let cursor: string | undefined;
  let pages = 0;
  do {
    const page = await trail.events({}, { limit: 2, ...(cursor === undefined ? {} : { cursor }) });
    seqs.push(...page.events.map(({ seq }) => seq));
    cursor = page.next_cursor ?? undefined;
    pages++;
  } while (cursor !== undefined);
  assert.deepEqual([seqs, pages], [[1, 2, 3, 4, 5], 3]);
  assert.equal((await trail.trace('f'.repeat(32))).events.length, 5);
  for (const options of [{ limit: 0 }, { limit: 1001 }, { cursor: '0' }, { cursor: "1' OR 1=1" }]) {
    await assert.rejects(trail.events({}, options), QueryInvalid);
  }
});

test('a trail that is not open takes nothing and is not healthy', async (t) => {
  const trail = trailOn(temporaryFolder(t), newSigner());
  assert.equal(trail.healthy(), false);
  await assert.rejects(trail.append(event(), { durable: true }), AuditUnavailable);
  await trail.open();
  assert.equal(trail.healthy(), true);
  await trail[Symbol.asyncDispose]();
  assert.equal(trail.healthy(), false);
});

test('payloads are cut at the bound, between characters, and marked', async (t) => {
  const { trail } = await openTrail(t, { config: { ...auditConfig, payload_bytes: 1024 } });
  const task = 'task_1';
  await trail.append(event({ task }), { durable: true, payloads: [{ kind: 'arguments', value: { a: 1 } }] });
  await trail.append(event({ task }), { durable: true, payloads: [{ kind: 'thought', value: '€'.repeat(1000) }] });
  const { payloads } = await trail.payloads({ task });
  assert.deepEqual([payloads[0]?.text, payloads[0]?.truncated], ['{"a":1}', false]);
  assert.equal(payloads[1]?.truncated, true);
  assert.equal(payloads[1]?.text, `"${'€'.repeat(341)}`);
  assert.ok(Buffer.byteLength(payloads[1]?.text ?? '') <= 1024);
});

test('no payload lies in the store as it was handed in', async (t) => {
  const { trail, dataDir } = await openTrail(t);
  const value = 'a sentence that can be searched for';
  const payloads = [{ kind: 'arguments' as const, value }];
  await trail.append(event({ task: 'task_1', proposed: JSON.stringify(value) }), { durable: true, payloads });
  await trail[Symbol.asyncDispose]();
  const database = new DatabaseSync(storeFiles(dataDir).database, { readOnly: true });
  t.after(() => database.close());
  const { sealed } = database.prepare('SELECT sealed FROM payloads').get() as { sealed: Uint8Array };
  assert.equal(Buffer.from(sealed).includes('sentence'), false);
  assert.equal(Buffer.from(database.serialize()).includes('sentence'), false);
});

test('erasing a task leaves its events and a chain that verifies', async (t) => {
  const { trail, dataDir } = await openTrail(t);
  const task = 'task_1' as TaskId;
  const payloads = [{ kind: 'arguments' as const, value: 'x' }];
  await trail.append(event({ task, proposed: '{}' }), { durable: true, payloads });
  assert.equal((await trail.payloads({ task })).payloads.length, 1);
  assert.equal(await trail.eraseTask(task), true);
  assert.deepEqual((await trail.payloads({ task })).payloads, []);
  const { events } = await trail.events({ task });
  assert.match(events[0]?.proposed_commitment ?? '', /^[0-9a-f]{64}$/);
  await trail.checkpoints();
  assert.equal((await verifyStore({ dataDir })).ok, true);
});

test('the same payload commits differently in two tasks', async (t) => {
  const { trail } = await openTrail(t);
  for (const task of ['task_1', 'task_2']) await trail.append(event({ task, proposed: '{}' }), { durable: true });
  const [one, two] = (await trail.events({})).events;
  assert.notEqual(one?.proposed_commitment, two?.proposed_commitment);
});

test('intents that a stop left open are closed as interrupted at the next start', async (t) => {
  const dataDir = temporaryFolder(t);
  const signer = newSigner();
  const call = (type: NewEvent['type'], id: string) =>
    event({ type, call: id, task: 'task_1', operation: 'orders.get' });
  const before = trailOn(dataDir, signer);
  await before.open();
  await before.append(call('intent', 'call_1'), { durable: true });
  const reserved = { id: 'rsv_2', tokens: 60, costMicroUsd: 420_000 };
  await before.append(call('intent', 'call_2'), { durable: true, reserved });
  await before.append(call('outcome', 'call_1'), { durable: true });
  await before[Symbol.asyncDispose]();

  const after = trailOn(dataDir, signer);
  await after.open();
  const { events } = await after.events({});
  const last = events.at(-1);
  assert.deepEqual([last?.type, last?.call, last?.task_seq], ['interrupted', 'call_2', 4]);
  assert.equal(last?.intent_hash, events[1]?.hash);
  assert.deepEqual([last?.status, last?.cost_usd], [null, 0.42]);
  await after.checkpoints();
  await after[Symbol.asyncDispose]();
  const verdict = await verifyStore({ dataDir });
  assert.ok(verdict.ok && verdict.openIntents === 0);

  const third = trailOn(dataDir, signer);
  await third.open();
  assert.equal((await third.events({})).events.length, 4, 'interrupted once, not at every start');
  await third[Symbol.asyncDispose]();
});

test('a gate does not start on a trail that lost its end or its head, so that nothing is signed over', async (t) => {
  const dataDir = temporaryFolder(t);
  const signer = newSigner();
  const files = storeFiles(dataDir);
  const trail = trailOn(dataDir, signer);
  await trail.open();
  for (let count = 0; count < 3; count++) await trail.append(event(), { durable: true });
  await trail[Symbol.asyncDispose]();
  const database = new DatabaseSync(files.database);
  const last = database.prepare('SELECT * FROM events WHERE seq = 3').get() as Record<string, never>;
  database.exec('DELETE FROM events WHERE seq = 3');
  await assert.rejects(trailOn(dataDir, signer).open(), (error) => {
    assert.ok(error instanceof AuditTampered);
    assert.match(error.message, /ends at event 2, but its head signs event 3/);
    return true;
  });
  const names = Object.keys(last);
  database
    .prepare(`INSERT INTO events (${names.join(',')}) VALUES (${names.map((name) => `:${name}`).join(',')})`)
    .run(last);
  database.close();
  const whole = trailOn(dataDir, signer);
  await whole.open();
  await whole[Symbol.asyncDispose]();

  writeFileSync(files.head, 'x');
  await assert.rejects(trailOn(dataDir, signer).open(), AuditTampered);
  rmSync(files.head);
  await assert.rejects(trailOn(dataDir, signer).open(), /head of the audit trail is missing/);
});

test('a new audit key goes on with the trail, and the old signatures still count', async (t) => {
  const dataDir = temporaryFolder(t);
  const [old, young] = [newSigner('audit-1'), newSigner('audit-2')];
  for (const signer of [old, young]) {
    const trail = trailOn(dataDir, signer);
    await trail.open();
    for (let count = 0; count < 6; count++) await trail.append(event(), { durable: true });
    await trail[Symbol.asyncDispose]();
  }
  assert.equal((await verifyStore({ dataDir })).ok, true);
  assert.equal((await verifyStore({ dataDir, keys: keysOf(old, young) })).ok, true);
  assert.equal((await verifyStore({ dataDir, keys: keysOf(young) })).ok, false);
});

test('an NDJSON export without a filter ends with its signed head, a selection does not', async (t) => {
  const { trail } = await openTrail(t);
  for (let count = 0; count < 3; count++) {
    await trail.append(event({ operation: count === 0 ? 'first' : 'other' }), { durable: true });
  }
  const lines = (await collect(trail.exportNdjson())).trimEnd().split('\n');
  assert.equal(lines.length, 4);
  assert.deepEqual(Object.keys(JSON.parse(lines[0] ?? '')), [...eventFields]);
  assert.deepEqual(Object.keys(JSON.parse(lines[3] ?? '')), ['checkpoint']);
  const some = (await collect(trail.exportNdjson({ operation: 'first' }))).trimEnd().split('\n');
  assert.deepEqual(
    some.map((line) => JSON.parse(line).seq),
    [1],
  );
});

test('a CSV export quotes what it must and runs no formula', async (t) => {
  const { trail } = await openTrail(t);
  await trail.append(event({ operation: '=HYPERLINK("x")', agent: 'a,b', cost_usd: 0.0054 }), { durable: true });
  const [header, row] = (await collect(trail.exportCsv())).split('\r\n');
  assert.equal(header, eventFields.join(','));
  assert.ok(row?.includes(`"'=HYPERLINK(""x"")"`), row ?? '');
  assert.ok(row?.includes('"a,b"'));
  assert.ok(row?.includes(',0.0054,'));
});
