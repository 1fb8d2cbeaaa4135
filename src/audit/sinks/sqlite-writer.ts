/**
 * The one writer of a SQLite trail; runs in the worker thread, synchronously. It alone knows the end of the chain.
 * What a reader would get wrong: the head beside the database is signed after the commit, never before, so a crash
 * leaves the store ahead of its head; a store behind its head has lost events and is never signed over.
 */
import {
  closeSync,
  existsSync,
  fdatasyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  writeSync,
} from 'node:fs';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { chain, genesisHash, hashOfText, type Link } from '../chain.ts';
import { type Checkpoint, checkpointSigner, type Jwks, openCheckpoint, publicJwk } from '../checkpoint.ts';
import type { UnchainedEvent } from '../event.ts';
import { TaskSeal } from '../task-key.ts';
import type { SinkSettings } from './index.ts';
import { AuditTampered, type Draft, type OpenIntent, type Reserved, type Written } from './sink.ts';
import { columnsOf, type EventRow, eventOfRow, prepareWriter, storeFiles } from './sqlite-schema.ts';

const taskSeqsMax = 10_000;
const columns = Object.keys(columnsOf({ time: '', decision: null } as never));

interface Statements {
  readonly insertEvent: StatementSync;
  readonly eventById: StatementSync;
  readonly lastOfTask: StatementSync;
  readonly openIntent: StatementSync;
  readonly insertIntent: StatementSync;
  readonly closeIntent: StatementSync;
  readonly taskKey: StatementSync;
  readonly insertTaskKey: StatementSync;
  readonly insertPayload: StatementSync;
  readonly insertCheckpoint: StatementSync;
}

function statements(database: DatabaseSync): Statements {
  const names = [...columns, 'event', 'hash'];
  return {
    insertEvent: database.prepare(
      `INSERT INTO events (${names.join(', ')}) VALUES (${names.map((name) => `:${name}`).join(', ')})`,
    ),
    eventById: database.prepare('SELECT seq, hash FROM events WHERE id = ?'),
    lastOfTask: database.prepare('SELECT task_seq FROM events WHERE task = ? ORDER BY seq DESC LIMIT 1'),
    openIntent: database.prepare('SELECT hash FROM open_intents WHERE call = ?'),
    insertIntent: database.prepare('INSERT INTO open_intents (call, seq, hash, reserved) VALUES (?, ?, ?, ?)'),
    closeIntent: database.prepare('DELETE FROM open_intents WHERE call = ?'),
    taskKey: database.prepare('SELECT key FROM task_keys WHERE task = ?'),
    insertTaskKey: database.prepare('INSERT INTO task_keys (task, key) VALUES (?, ?)'),
    insertPayload: database.prepare(
      'INSERT INTO payloads (seq, kind, event_id, task, call, truncated, sealed) VALUES (?, ?, ?, ?, ?, ?, ?)',
    ),
    insertCheckpoint: database.prepare('INSERT INTO checkpoints (seq, jws) VALUES (?, ?)'),
  };
}

/** An event may carry text of an agent's, and JCS has no form for half a surrogate pair (nor for NaN: null here). */
function wellFormed(event: UnchainedEvent): UnchainedEvent {
  return JSON.parse(JSON.stringify(event), (_, value: unknown) =>
    typeof value === 'string' ? value.toWellFormed() : value,
  ) as UnchainedEvent;
}

function chainWhole(event: UnchainedEvent, link: Link): [UnchainedEvent, ReturnType<typeof chain>] {
  try {
    return [event, chain(event, link)];
  } catch {
    const mended = wellFormed(event);
    return [mended, chain(mended, link)];
  }
}

function replaceFile(path: string, text: string): void {
  const file = openSync(`${path}.tmp`, 'w', 0o600);
  try {
    writeSync(file, text);
    fdatasyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(`${path}.tmp`, path);
}

function openIntentOf({ reserved, ...row }: EventRow & { readonly reserved: string | null }): OpenIntent {
  const event = eventOfRow(row);
  return reserved === null ? { event } : { event, reserved: JSON.parse(reserved) as Reserved };
}

export class SqliteWriter {
  readonly #settings: SinkSettings;
  readonly #files: ReturnType<typeof storeFiles>;
  readonly #sign: (checkpoint: Checkpoint) => string;
  #lock: DatabaseSync | undefined;
  #database: DatabaseSync | undefined;
  #statements: Statements | undefined;
  #tail: Checkpoint;
  #head = '';
  #signedSeq = -1;
  #headFailed = false;
  #truncateDue = false;
  readonly #taskSeqs = new Map<string, number>();

  constructor(settings: SinkSettings) {
    this.#settings = settings;
    this.#files = storeFiles(settings.dataDir);
    this.#sign = checkpointSigner(settings.signer);
    this.#tail = { origin: settings.origin, seq: 0, hash: genesisHash, time: new Date(0).toISOString() };
  }

  /** See Sink.open. */
  open(): { openIntents: OpenIntent[] } {
    mkdirSync(this.#settings.dataDir, { recursive: true, mode: 0o700 });
    // Made before SQLite would make them: its journal files take over the mode.
    for (const file of [this.#files.lock, this.#files.database]) closeSync(openSync(file, 'a', 0o600));
    this.#takeLock();
    this.#database = new DatabaseSync(this.#files.database);
    prepareWriter(this.#database);
    this.#statements = statements(this.#database);
    this.#readTail();
    const keys = this.#keepKey();
    this.#checkHead(keys);
    this.signHead();
    const rows = this.#database
      .prepare('SELECT events.event, events.hash, reserved FROM open_intents JOIN events USING (seq) ORDER BY seq')
      .all() as unknown as (EventRow & { readonly reserved: string | null })[];
    return { openIntents: rows.map(openIntentOf) };
  }

  #takeLock(): void {
    this.#lock = new DatabaseSync(this.#files.lock);
    try {
      // The operating system lets go of it when the process ends, however it ends.
      this.#lock.exec('BEGIN EXCLUSIVE');
    } catch {
      throw new Error(`the audit trail in ${this.#settings.dataDir} is held open by another gateway`);
    }
  }

  #readTail(): void {
    const row = this.#db.prepare('SELECT seq, event, hash FROM events ORDER BY seq DESC LIMIT 1').get() as
      | EventRow
      | undefined;
    this.#taskSeqs.clear();
    const { origin } = this.#settings;
    if (row === undefined) {
      this.#tail = { origin, seq: 0, hash: genesisHash, time: new Date(0).toISOString() };
      return;
    }
    if (hashOfText(row.event) !== row.hash) throw new AuditTampered(`event ${row.seq}, the last, was changed`);
    this.#tail = { origin, seq: row.seq, hash: row.hash, time: eventOfRow(row).time };
  }

  /** Puts the public key beside the store, after those of former keys, so that the trail can be verified by itself. */
  #keepKey(): Jwks {
    const own = publicJwk(this.#settings.signer);
    let keys: Jwks['keys'] = [];
    if (existsSync(this.#files.keys)) keys = (JSON.parse(readFileSync(this.#files.keys, 'utf8')) as Jwks).keys;
    if (!keys.some((key) => key.kid === own.kid)) {
      keys = [...keys, own];
      replaceFile(this.#files.keys, `${JSON.stringify({ keys }, null, 2)}\n`);
    }
    return { keys };
  }

  #checkHead(keys: Jwks): void {
    const tampered = (why: string): AuditTampered =>
      new AuditTampered(`${why}; keep ${this.#settings.dataDir} as evidence and start with another data_dir`);
    if (!existsSync(this.#files.head)) {
      // The head of an empty trail is signed before its first event: without it, somebody took it away.
      if (this.#tail.seq > 0) throw tampered('the signed head of the audit trail is missing');
      return;
    }
    const head = openCheckpoint(readFileSync(this.#files.head, 'utf8'), keys);
    if ('fault' in head) throw tampered(`the signed head of the audit trail ${head.fault}`);
    if (head.seq > this.#tail.seq) {
      throw tampered(`the audit trail ends at event ${this.#tail.seq}, but its head signs event ${head.seq}`);
    }
    const row = this.#db.prepare('SELECT hash FROM events WHERE seq = ?').get(head.seq) as { hash: string } | undefined;
    if ((row?.hash ?? genesisHash) !== head.hash)
      throw tampered(`event ${head.seq} is not the one that the head signs`);
  }

  get #db(): DatabaseSync {
    if (this.#database === undefined) throw new Error('the audit store is not open');
    return this.#database;
  }

  get #stmt(): Statements {
    if (this.#statements === undefined) throw new Error('the audit store is not open');
    return this.#statements;
  }

  /** See Sink.write; the head is signed by `signHead`, which the caller runs once the commit is acknowledged. */
  write(batch: readonly Draft[]): Written[] {
    // A head that could not be written last time comes first: the store may run ahead of it, but not without end.
    if (this.#headFailed) this.signHead();
    this.#db.exec('BEGIN IMMEDIATE');
    try {
      const written = batch.map((draft) => this.#append(draft));
      this.#db.exec('COMMIT');
      return written;
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
      this.#readTail();
      throw error;
    }
  }

  /** Signs the end of the chain and puts it beside the store, if that has not been done for this end. */
  signHead(): void {
    if (this.#truncateDue) this.#truncateLog();
    if (this.#signedSeq === this.#tail.seq) return;
    this.#headFailed = true;
    const head = this.#sign(this.#tail);
    replaceFile(this.#files.head, `${head}\n`);
    this.#headFailed = false;
    this.#head = head;
    this.#signedSeq = this.#tail.seq;
  }

  head(): string {
    this.signHead();
    return this.#head;
  }

  #append(draft: Draft): Written {
    const { event, payloads } = draft;
    const known = this.#stmt.eventById.get(event.id) as { seq: number; hash: string } | undefined;
    if (known !== undefined) return { id: event.id, seq: known.seq, hash: known.hash };

    let intentHash: string | null = null;
    const resolves = event.type === 'outcome' || event.type === 'interrupted';
    if (resolves || event.type === 'intent') {
      if (event.call === null) return { id: event.id, refused: 'it names no call' };
      const intent = this.#stmt.openIntent.get(event.call) as { hash: string } | undefined;
      if (resolves && intent === undefined) return { id: event.id, refused: 'its call has no open intent' };
      if (!resolves && intent !== undefined) return { id: event.id, refused: 'its call has an open intent already' };
      intentHash = intent?.hash ?? null;
    }

    const key = this.#keyFor(draft);
    const seal = key === null ? null : new TaskSeal(key.bytes);
    const taskSeq = event.task === null ? null : this.#lastTaskSeq(event.task) + 1;
    const link = {
      seq: this.#tail.seq + 1,
      task_seq: taskSeq,
      proposed_commitment: draft.proposed === null || seal === null ? null : seal.commitment(draft.proposed),
      sent_commitment: draft.sent === null || seal === null ? null : seal.commitment(draft.sent),
      intent_hash: intentHash,
      prev_hash: this.#tail.hash,
    };
    const [whole, chained] = chainWhole(event, link);
    this.#stmt.insertEvent.run({ ...columnsOf({ ...whole, ...link }), event: chained.text, hash: chained.hash });
    if (event.type === 'intent') {
      const reserved = draft.reserved === undefined ? null : JSON.stringify(draft.reserved);
      this.#stmt.insertIntent.run(event.call, link.seq, chained.hash, reserved);
    }
    if (resolves) this.#stmt.closeIntent.run(event.call);
    if (key?.kept === true && seal !== null) {
      for (const payload of payloads) {
        const sealed = seal.payload(payload.nonce, event.id, payload);
        const truncated = Number(payload.truncated);
        this.#stmt.insertPayload.run(link.seq, payload.kind, event.id, event.task, event.call, truncated, sealed);
      }
    }
    this.#tail = { origin: this.#settings.origin, seq: link.seq, hash: chained.hash, time: event.time };
    if (event.task !== null && taskSeq !== null) this.#rememberTaskSeq(event.task, taskSeq);
    if (link.seq % this.#settings.signEvery === 0) this.#stmt.insertCheckpoint.run(link.seq, this.#sign(this.#tail));
    return { id: event.id, seq: link.seq, hash: chained.hash };
  }

  /** The key of the draft's task, made at its first use. After an erasure a key that serves once and is not kept. */
  #keyFor(draft: Draft): { bytes: Uint8Array; kept: boolean } | null {
    const { task } = draft.event;
    if (task === null || draft.freshTaskKey === null) return null;
    if (draft.proposed === null && draft.sent === null && draft.payloads.length === 0) return null;
    const row = this.#stmt.taskKey.get(task) as { key: Uint8Array | null } | undefined;
    if (row === undefined) this.#stmt.insertTaskKey.run(task, draft.freshTaskKey);
    return { bytes: row?.key ?? draft.freshTaskKey, kept: row?.key !== null };
  }

  #lastTaskSeq(task: string): number {
    const known = this.#taskSeqs.get(task);
    if (known !== undefined) return known;
    const row = this.#stmt.lastOfTask.get(task) as { task_seq: number } | undefined;
    return row?.task_seq ?? 0;
  }

  #rememberTaskSeq(task: string, taskSeq: number): void {
    this.#taskSeqs.delete(task);
    this.#taskSeqs.set(task, taskSeq);
    if (this.#taskSeqs.size > taskSeqsMax) {
      const [oldest] = this.#taskSeqs.keys();
      this.#taskSeqs.delete(oldest as string);
    }
  }

  /** See Sink.probe: what a write needs, without writing an event. */
  probe(): void {
    this.signHead();
    this.#db.exec('INSERT INTO probe (id, count) VALUES (1, 1) ON CONFLICT (id) DO UPDATE SET count = count + 1');
  }

  /** See Sink.erase. */
  erase(task: string, atMs: number): boolean {
    this.#db.exec('BEGIN IMMEDIATE');
    try {
      const row = this.#stmt.taskKey.get(task) as { key: Uint8Array | null } | undefined;
      this.#db
        .prepare(
          'INSERT INTO task_keys (task, key, erased_at_ms) VALUES (?, NULL, ?) ON CONFLICT (task) DO UPDATE SET key = NULL, erased_at_ms = excluded.erased_at_ms WHERE key IS NOT NULL',
        )
        .run(task, atMs);
      this.#db.prepare('DELETE FROM payloads WHERE task = ?').run(task);
      this.#db.exec('COMMIT');
      this.#truncateLog();
      return row?.key != null;
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
      throw error;
    }
  }

  /** The write-ahead log still holds the page with the key; a reader may be in the way, then it is tried again. */
  #truncateLog(): void {
    const result = this.#db.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get() as { busy: number };
    this.#truncateDue = result.busy !== 0;
  }

  close(): void {
    if (this.#database?.isOpen === true) {
      this.signHead();
      this.#database.close();
    }
    if (this.#lock?.isOpen === true) this.#lock.close();
  }
}
