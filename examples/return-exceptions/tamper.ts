/**
 * What somebody with the files of the audit trail could do to it: three attacks, from clumsy to thorough, each on a
 * copy. The third owns everything in `data_dir`, the signing key included; only what an auditor kept elsewhere tells.
 */
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { backup, DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { genesisHash, hashedText, hashOfText } from '../../src/audit/chain.ts';
import { type Checkpoint, checkpointSigner } from '../../src/audit/checkpoint.ts';
import { type EventRow, eventOfRow, storeFiles } from '../../src/audit/sinks/sqlite-schema.ts';
import type { StoredKey } from '../../src/identity/key-file.ts';

const copyAttempts = 40;
const copyPauseMs = 50;

/** What a signed head says, unchecked: whether it is genuine is for the verifier. */
function saidBy(jws: string): Checkpoint {
  return JSON.parse(Buffer.from(jws.split('.')[1] ?? '', 'base64url').toString('utf8')) as Checkpoint;
}

function open(dataDir: string): DatabaseSync {
  return new DatabaseSync(storeFiles(dataDir).database);
}

function lastSeq(dataDir: string): number {
  using database = open(dataDir);
  const row = database.prepare('SELECT max(seq) AS seq FROM events').get() as { seq: number | null };
  return row.seq ?? 0;
}

/**
 * Copies the trail of a running gate, with its keys, into `to`. The head is signed a moment after its events are
 * committed; a copy is taken where both agree, so that what an attack breaks was whole before.
 */
export async function copyTrail(dataDir: string, to: string): Promise<void> {
  const [source, copy] = [storeFiles(dataDir), storeFiles(to)];
  await mkdir(to, { recursive: true, mode: 0o700 });
  await cp(join(dataDir, 'keys'), join(to, 'keys'), { recursive: true });
  await cp(source.keys, copy.keys);
  for (let attempt = 1; attempt <= copyAttempts; attempt++) {
    await cp(source.head, copy.head);
    using database = new DatabaseSync(source.database, { readOnly: true });
    await backup(database, copy.database);
    if (saidBy(await readFile(copy.head, 'utf8')).seq === lastSeq(to)) return;
    await sleep(copyPauseMs);
  }
  throw new Error('the trail did not come to rest');
}

/** Makes a denied refund look like a paid one, by one byte. Gives the `seq` of the event. */
export function changeOneByte(dataDir: string): number {
  using database = open(dataDir);
  const row = database
    .prepare("SELECT seq, event, hash FROM events WHERE type = 'denial' AND operation = 'refunds.create_refund'")
    .get() as EventRow | undefined;
  if (row === undefined || !row.event.includes('"status":403')) throw new Error('there is no denied refund to change');
  const changed = row.event.replace('"status":403', '"status":203');
  database.prepare('UPDATE events SET event = ? WHERE seq = ?').run(changed, row.seq);
  return row.seq;
}

/** Takes the newest event away. Gives its `seq`. */
export function deleteLastRow(dataDir: string): number {
  const seq = lastSeq(dataDir);
  using database = open(dataDir);
  database.prepare('DELETE FROM events WHERE seq = ?').run(seq);
  database.prepare('DELETE FROM payloads WHERE seq = ?').run(seq);
  return seq;
}

/**
 * Gives the denied refunds to another agent, hashes everything behind them anew, and signs every checkpoint and the
 * head with the gate's own key. What is left is a trail without a fault.
 */
export async function rebuildAndSign(dataDir: string): Promise<void> {
  const files = storeFiles(dataDir);
  const stored = JSON.parse(await readFile(join(dataDir, 'keys', 'audit.json'), 'utf8')) as StoredKey;
  const sign = checkpointSigner({ kid: stored.kid, privateJwk: stored.private_jwk });
  using database = open(dataDir);
  const rows = database.prepare('SELECT seq, event, hash FROM events ORDER BY seq').all() as unknown as EventRow[];
  const update = database.prepare('UPDATE events SET event = ?, hash = ?, agent = ? WHERE seq = ?');
  const newHashes = new Map<string, string>();
  let previous = genesisHash;
  for (const row of rows) {
    const event = eventOfRow(row);
    const scapegoat = event.type === 'denial' && event.operation === 'refunds.create_refund';
    const agent = scapegoat ? 'somebody-else' : event.agent;
    const intentHash = event.intent_hash === null ? null : (newHashes.get(event.intent_hash) ?? event.intent_hash);
    const text = hashedText({ ...event, agent, intent_hash: intentHash, prev_hash: previous });
    previous = hashOfText(text);
    newHashes.set(row.hash, previous);
    update.run(text, previous, agent, row.seq);
  }
  if (newHashes.get(rows.at(-1)?.hash ?? '') === rows.at(-1)?.hash) throw new Error('there was nothing to forge');

  const hashes = database.prepare('SELECT hash FROM events WHERE seq = ?');
  const signAnew = (jws: string) => {
    const checkpoint = saidBy(jws);
    const { hash } = (hashes.get(checkpoint.seq) ?? { hash: checkpoint.hash }) as { hash: string };
    return sign({ ...checkpoint, hash });
  };
  const kept = database.prepare('SELECT seq, jws FROM checkpoints').all() as unknown as { seq: number; jws: string }[];
  for (const { seq, jws } of kept) {
    database.prepare('UPDATE checkpoints SET jws = ? WHERE seq = ?').run(signAnew(jws), seq);
  }
  const intents = database.prepare('SELECT call, hash FROM open_intents').all() as { call: string; hash: string }[];
  for (const { call, hash } of intents) {
    database.prepare('UPDATE open_intents SET hash = ? WHERE call = ?').run(newHashes.get(hash) ?? hash, call);
  }
  await writeFile(files.head, `${signAnew(await readFile(files.head, 'utf8'))}\n`);
}
