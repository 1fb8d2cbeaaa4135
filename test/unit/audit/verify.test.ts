import assert from 'node:assert/strict';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, type TestContext, test } from 'node:test';
import { chain, genesisHash, hashOf } from '../../../src/audit/chain.ts';
import { type CheckpointSigner, checkpointSigner } from '../../../src/audit/checkpoint.ts';
import { type AuditEvent, eventFields } from '../../../src/audit/event.ts';
import { columnsOf, storeFiles } from '../../../src/audit/sinks/sqlite-schema.ts';
import { type Verdict, verifyTrail } from '../../../src/audit/verify.ts';
import { verifyExport, verifyStore } from '../../../src/audit/verify-store.ts';
import { event, keysOf, newSigner, temporaryFolder, trailOn } from './fixture.ts';

interface World {
  readonly dataDir: string;
  readonly signer: CheckpointSigner;
  readonly events: readonly AuditEvent[];
  /** What an auditor kept when the trail had seven events. */
  readonly kept: string;
  readonly head: string;
  readonly ndjson: string;
}

// Twelve events, with every field filled in somewhere.
async function makeWorld(): Promise<World> {
  const dataDir = mkdtempSync(join(tmpdir(), 'tollgate-audit-'));
  const signer = newSigner();
  const trail = trailOn(dataDir, signer);
  await trail.open();
  const full = {
    tenant: 'acme',
    agent: 'coordinator',
    issuer: 'azure',
    subject: { id: 'C-1', type: 'customer', assurance: 'asserted' },
    task: 'task_1',
    thought: 'tht_1',
    match: 'exact',
    trace_id: 'a'.repeat(32),
    span_id: 'b'.repeat(16),
    decision: { id: 'dec_1', allow: true, reasons: [], obligations: {}, bundle: 'tollgate', revision: 'r1' },
    operation: 'orders.get',
    effect: 'read',
    findings: [{ type: 'email', count: 1, where: '/body', confidence: 0.9 }],
    target: { route: 'orders', name: 'aws-fra', cloud: 'aws', region: 'eu-central-1' },
    attempts: [{ target: 'aws-fra', status: 200, error: null, latency_ms: 1.5, sent: true }],
    status: 200,
    usage: { input_tokens: 1, output_tokens: 2, cached_input_tokens: 0 },
    cost_usd: 0.0054,
    price_version: 'p1',
    latency_ms: 2,
    overhead_ms: 0.5,
  } as const;
  let kept = '';
  for (let call = 1; call <= 6; call++) {
    const facts = { ...full, call: `call_${call}` };
    await trail.append(event({ type: 'intent', proposed: '{"a":1}', sent: '{}', ...facts }), { durable: true });
    if (call === 4) kept = (await trail.checkpoints()).head.jws;
    await trail.append(event({ type: 'outcome', proposed: '{"a":1}', sent: '{}', ...facts }), { durable: true });
  }
  const { events } = await trail.events({});
  const { head } = await trail.checkpoints();
  let ndjson = '';
  for await (const line of trail.exportNdjson()) ndjson += line;
  await trail[Symbol.asyncDispose]();
  assert.equal(events.length, 12);
  return { dataDir, signer, events, kept, head: head.jws, ndjson };
}

let world: World;
before(async () => {
  world = await makeWorld();
});
after(() => rmSync(world.dataDir, { recursive: true, force: true }));

function check(events: readonly AuditEvent[], more: { heldCheckpoint?: string; head?: string } = {}): Promise<Verdict> {
  return verifyTrail({ events, keys: keysOf(world.signer), head: world.head, ...more });
}

function assertBroken(verdict: Verdict, seq: number | null, reason: RegExp): void {
  assert.ok(!verdict.ok, 'the trail was found good');
  assert.equal(verdict.seq, seq, verdict.reason);
  assert.match(verdict.reason, reason);
}

test('a whole trail is good, and says how far signatures and the held checkpoint reach', async () => {
  const verdict = await check(world.events, { heldCheckpoint: world.kept });
  const hash = world.events.at(-1)?.hash;
  assert.deepEqual(verdict, { ok: true, seq: 12, hash, signedSeq: 12, heldSeq: 7, openIntents: 0 });
});

// Changes one character somewhere within a value, keeping its type where it can.
function flipped(value: unknown): unknown {
  if (typeof value === 'string') return (value[0] === 'a' ? 'b' : 'a') + value.slice(1);
  if (typeof value === 'number') return value + 1;
  if (typeof value === 'boolean') return !value;
  if (value === null) return 'a';
  if (Array.isArray(value)) return value.length === 0 ? ['a'] : [flipped(value[0]), ...value.slice(1)];
  const members = Object.entries(value as object);
  const [name, first] = members[0] as [string, unknown];
  return { ...(value as object), [name]: flipped(first) };
}

test('[audit.changed-byte-is-seen] one changed byte in any field of any event is found, and the event is named', async () => {
  for (const field of eventFields) {
    for (const index of [0, 5, 11]) {
      const events = world.events.map((original, at) =>
        at === index ? ({ ...original, [field]: flipped(original[field]) } as AuditEvent) : original,
      );
      assert.notDeepEqual(events, world.events, field);
      assertBroken(await check(events), index + 1, /changed|version/);
    }
  }
});

test('a field taken away or added is found', async () => {
  for (const field of eventFields) {
    const { [field]: _, ...rest } = world.events[3] as AuditEvent;
    const events = world.events.with(3, rest as AuditEvent);
    assertBroken(await check(events), 4, /does not have the members/);
  }
  for (const rare of [{ tool_call: 'call_1' }, { proposals: [{ id: 'call_1', name: 'pay' }] }]) {
    const added = { ...world.events[3], ...rare } as AuditEvent;
    assertBroken(await check(world.events.with(3, added)), 4, /changed/);
  }
  const more = { ...world.events[3], note: 'x' } as unknown as AuditEvent;
  assertBroken(await check(world.events.with(3, more)), 4, /does not have the members/);
  assertBroken(await check(world.events.with(3, null as never)), 4, /does not have the members/);
});

test('a deleted, an inserted and a moved event are found', async () => {
  assertBroken(await check(world.events.toSpliced(0, 1)), 1, /event 1 is missing/);
  assertBroken(await check(world.events.toSpliced(4, 1)), 5, /event 5 is missing/);
  assertBroken(await check(world.events.toSpliced(4, 0, world.events[3] as AuditEvent)), 5, /out of order/);
  const [four, five] = [world.events[3] as AuditEvent, world.events[4] as AuditEvent];
  assertBroken(await check(world.events.toSpliced(3, 2, five, four)), 4, /is missing: event 5 stands/);
});

test('an inserted event with a hash and number of its own is found by its neighbour', async () => {
  const stranger = { ...(world.events[4] as AuditEvent), operation: 'other' };
  const forged = { ...stranger, hash: hashOf(stranger) };
  assertBroken(await check(world.events.with(4, forged)), 6, /does not follow/);
});

test('[audit.tail-cut-is-seen] a deleted last event is found: the head is ahead', async () => {
  assertBroken(await check(world.events.slice(0, 11)), 12, /event 12 is missing: the signed head signs event 12/);
  assertBroken(await check([]), 1, /event 1 is missing/);
});

/** Chains events anew, as somebody would who changed one and owns the store. */
function rebuilt(events: readonly AuditEvent[]): AuditEvent[] {
  let previous = genesisHash;
  const intents = new Map<string, string>();
  return events.map((original, index) => {
    const { hash: _, ...rest } = original;
    const call = original.call ?? '';
    const link = {
      seq: index + 1,
      task_seq: original.task_seq,
      proposed_commitment: original.proposed_commitment,
      sent_commitment: original.sent_commitment,
      intent_hash: original.type === 'outcome' ? (intents.get(call) ?? null) : null,
      prev_hash: previous,
    };
    previous = chain(rest, link).hash;
    if (original.type === 'intent') intents.set(call, previous);
    return { ...rest, ...link, hash: previous };
  });
}

test('an outcome whose intent is not there is found', async () => {
  const events = rebuilt(world.events.toSpliced(2, 1));
  const verdict = await verifyTrail({ events, keys: keysOf(world.signer) });
  assertBroken(verdict, 3, /outcome of an intent that is not there/);
  const twice = rebuilt(world.events.toSpliced(2, 0, world.events[1] as AuditEvent));
  assertBroken(await verifyTrail({ events: twice, keys: keysOf(world.signer) }), 3, /not there/);
});

test('[audit.rebuilt-chain-is-seen] a chain rebuilt and signed with the stolen key deceives its own head, not the checkpoint that was kept', async () => {
  const tampered = rebuilt(world.events.with(1, { ...(world.events[1] as AuditEvent), cost_usd: 0 }));
  const last = tampered.at(-1) as AuditEvent;
  const head = checkpointSigner(world.signer)({ origin: 'gate-1', seq: 12, hash: last.hash, time: last.time });
  assert.equal((await check(tampered, { head })).ok, true, 'the forgery is not even consistent');
  assertBroken(
    await check(tampered, { head, heldCheckpoint: world.kept }),
    7,
    /held checkpoint signs: the trail was rebuilt/,
  );
  // Cut back to before the checkpoint, and signed again.
  const cut = world.events.slice(0, 6);
  const cutHead = checkpointSigner(world.signer)({ origin: 'gate-1', seq: 6, hash: cut[5]?.hash ?? '', time: '' });
  assert.equal((await check(cut, { head: cutHead })).ok, true);
  assertBroken(
    await check(cut, { head: cutHead, heldCheckpoint: world.kept }),
    7,
    /event 7 is missing: the held checkpoint/,
  );
});

test('papers that nobody we know signed, and those of another gateway, prove nothing', async () => {
  const foreign = { origin: 'gate-2', seq: 12, hash: world.events[11]?.hash ?? '', time: '' };
  assertBroken(await check(world.events, { head: checkpointSigner(newSigner())(foreign) }), null, /does not fit/);
  assertBroken(await check(world.events, { head: checkpointSigner(world.signer)(foreign) }), 12, /of gateway gate-2/);
  assertBroken(await check(world.events, { heldCheckpoint: 'x' }), null, /the held checkpoint is not a compact JWS/);
});

// ── The store ───────────────────────────────────────────────────────────────────────────────────────────────────
function copyOfStore(t: TestContext): {
  dataDir: string;
  files: ReturnType<typeof storeFiles>;
  database: DatabaseSync;
} {
  const dataDir = temporaryFolder(t);
  const files = storeFiles(dataDir);
  const from = storeFiles(world.dataDir);
  for (const file of ['database', 'head', 'keys'] as const) copyFileSync(from[file], files[file]);
  const database = new DatabaseSync(files.database);
  t.after(() => database.close());
  return { dataDir, files, database };
}

test('the store is good by its own keys, by the auditor’s, and with the kept checkpoint', async (t) => {
  const { dataDir } = copyOfStore(t);
  assert.equal((await verifyStore({ dataDir })).ok, true);
  assert.equal((await verifyStore({ dataDir, keys: keysOf(world.signer), checkpoint: world.kept })).ok, true);
  assertBroken(await verifyStore({ dataDir, keys: keysOf(newSigner('other')) }), null, /not among the given/);
});

test('every changed byte of a stored event is found', async (t) => {
  const { dataDir, database } = copyOfStore(t);
  const { event: text } = database.prepare('SELECT event FROM events WHERE seq = 6').get() as { event: string };
  const change = database.prepare('UPDATE events SET event = ? WHERE seq = 6');
  for (let index = 0; index < text.length; index += 7) {
    const other = text[index] === ' ' ? '!' : ' ';
    change.run(`${text.slice(0, index)}${other}${text.slice(index + 1)}`);
    assertBroken(await verifyStore({ dataDir }), 6, /was changed|missing|out of order|does not|not there/);
  }
  change.run(`${text} `);
  assertBroken(await verifyStore({ dataDir }), 6, /not canonical/);
  change.run(text);
  assert.equal((await verifyStore({ dataDir })).ok, true);
});

test('a changed column, by which a query would miss the event, is found', async (t) => {
  const { dataDir, database } = copyOfStore(t);
  for (const column of Object.keys(columnsOf(world.events[0] as AuditEvent))) {
    if (column === 'seq') continue;
    const { was } = database.prepare(`SELECT ${column} AS was FROM events WHERE seq = 6`).get() as { was: never };
    const set = database.prepare(`UPDATE events SET ${column} = ? WHERE seq = 6`);
    set.run(column === 'allow' ? 0 : 77);
    assertBroken(await verifyStore({ dataDir }), 6, new RegExp(`column ${column} `));
    set.run(was);
  }
  database.exec("UPDATE events SET hash = 'x' WHERE seq = 6");
  assertBroken(await verifyStore({ dataDir }), 6, /hash does not fit/);
});

test('deleted, inserted and exchanged rows, and a deleted last row, are found in the store', async (t) => {
  for (const [statement, seq, reason] of [
    ['DELETE FROM events WHERE seq = 12', 12, /event 12 is missing/],
    ['DELETE FROM events WHERE seq >= 8', 8, /event 8 is missing/],
    ['DELETE FROM events WHERE seq = 3', 3, /event 3 is missing/],
    ['DELETE FROM events', 1, /event 1 is missing/],
    [
      'UPDATE events SET seq = CASE seq WHEN 3 THEN -4 ELSE -3 END WHERE seq IN (3, 4); UPDATE events SET seq = -seq WHERE seq < 0',
      3,
      /stands in its place/,
    ],
    [
      "INSERT INTO events SELECT 13, 'evt_x', time_ms, type, tenant, agent, subject, task, task_seq, call, trace_id, operation, decision, allow, code, event, hash FROM events WHERE seq = 12",
      13,
      /out of order/,
    ],
  ] as const) {
    const { dataDir, database } = copyOfStore(t);
    database.exec(statement);
    assertBroken(await verifyStore({ dataDir }), seq, reason);
  }
});

test('a head that is gone, or older than what the auditor kept, is found', async (t) => {
  const { dataDir, files, database } = copyOfStore(t);
  rmSync(files.head);
  assertBroken(await verifyStore({ dataDir }), null, /head of the trail is missing/);
  // An older head of the same gate, put back to hide that the end was cut: only the auditor can tell.
  writeFileSync(files.head, world.kept);
  database.exec('DELETE FROM events WHERE seq > 7; DELETE FROM checkpoints WHERE seq > 7');
  assert.equal((await verifyStore({ dataDir })).ok, true);
  assertBroken(await verifyStore({ dataDir, checkpoint: world.head }), 8, /event 8 is missing: the held checkpoint/);
});

test('a file that is no trail is said to be none', async (t) => {
  assertBroken(await verifyStore({ dataDir: temporaryFolder(t) }), null, /no audit trail/);
  const { dataDir, files } = copyOfStore(t);
  const bytes = readFileSync(files.database);
  writeFileSync(files.database, bytes.fill(0x41, 0, 4096));
  assertBroken(await verifyStore({ dataDir }), null, /cannot be read/);
});

// ── An export ───────────────────────────────────────────────────────────────────────────────────────────────────
test('an export verifies by itself, and a cut, changed or headless one does not', async (t) => {
  const file = join(temporaryFolder(t), 'trail.ndjson');
  const keys = keysOf(world.signer);
  const verify = async (text: string, checkpoint?: string) => {
    writeFileSync(file, text);
    return verifyExport({ file, keys, ...(checkpoint === undefined ? {} : { checkpoint }) });
  };
  assert.equal((await verify(world.ndjson)).ok, true);
  assert.equal((await verify(world.ndjson, world.kept)).ok, true);
  const lines = world.ndjson.trimEnd().split('\n');
  assert.equal(lines.length, 13);
  assertBroken(await verify(lines.toSpliced(11, 1).join('\n')), 12, /event 12 is missing/);
  assertBroken(await verify(lines.with(4, (lines[4] as string).replace('C-1', 'C-2')).join('\n')), 5, /changed/);
  assertBroken(await verify(lines.with(4, '{').join('\n')), 5, /no JSON/);
  assertBroken(await verify(lines.slice(0, 12).join('\n')), null, /does not end with its signed head/);
  assertBroken(await verify(lines.toSpliced(3, 0, lines[12] as string).join('\n')), 5, /behind the signed head/);
  assert.equal((await verify(lines.slice(0, 12).join('\n'), world.head)).ok, true);
  assertBroken(await verify(''), null, /does not end/);
});
