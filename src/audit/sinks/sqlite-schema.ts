/**
 * The SQLite form of the trail. `events.event` holds the very text that was hashed, so that a verifier can hash the
 * stored bytes; the other columns repeat parts of it for queries, and the verifier compares them.
 */
import { join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { type AuditEvent, denialCodeOf, inOrder } from '../event.ts';

/** What lies in `data_dir`: the store, its signed head, the public keys that signed it, and the lock of its writer. */
export function storeFiles(dataDir: string): {
  readonly database: string;
  readonly head: string;
  readonly keys: string;
  readonly lock: string;
} {
  return {
    database: join(dataDir, 'audit.db'),
    head: join(dataDir, 'audit.head'),
    keys: join(dataDir, 'audit-keys.json'),
    lock: join(dataDir, 'audit.lock'),
  };
}

const schema = `
CREATE TABLE IF NOT EXISTS events (
  seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, time_ms INTEGER NOT NULL, type TEXT NOT NULL, tenant TEXT,
  agent TEXT, subject TEXT, task TEXT, task_seq INTEGER, call TEXT, trace_id TEXT, operation TEXT, decision TEXT,
  allow INTEGER, code TEXT, event TEXT NOT NULL, hash TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS events_by_time ON events (time_ms);
CREATE INDEX IF NOT EXISTS events_by_task ON events (task) WHERE task IS NOT NULL;
CREATE INDEX IF NOT EXISTS events_by_trace ON events (trace_id) WHERE trace_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS events_by_call ON events (call) WHERE call IS NOT NULL;
CREATE INDEX IF NOT EXISTS events_by_agent ON events (agent) WHERE agent IS NOT NULL;
CREATE INDEX IF NOT EXISTS events_by_subject ON events (subject) WHERE subject IS NOT NULL;
CREATE INDEX IF NOT EXISTS events_by_operation ON events (operation) WHERE operation IS NOT NULL;
CREATE INDEX IF NOT EXISTS events_by_decision ON events (decision) WHERE decision IS NOT NULL;
CREATE INDEX IF NOT EXISTS events_by_code ON events (code) WHERE code IS NOT NULL;
CREATE TABLE IF NOT EXISTS open_intents (
  call TEXT PRIMARY KEY, seq INTEGER NOT NULL, hash TEXT NOT NULL, reserved TEXT
) STRICT;
CREATE TABLE IF NOT EXISTS payloads (
  seq INTEGER NOT NULL, kind TEXT NOT NULL, event_id TEXT NOT NULL, task TEXT NOT NULL, call TEXT,
  truncated INTEGER NOT NULL, sealed BLOB NOT NULL, PRIMARY KEY (seq, kind)
) STRICT;
CREATE INDEX IF NOT EXISTS payloads_by_task ON payloads (task);
CREATE TABLE IF NOT EXISTS task_keys (task TEXT PRIMARY KEY, key BLOB, erased_at_ms INTEGER) STRICT;
CREATE TABLE IF NOT EXISTS checkpoints (seq INTEGER PRIMARY KEY, jws TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS probe (id INTEGER PRIMARY KEY, count INTEGER NOT NULL) STRICT;
`;

/** Prepares a connection that writes: durable at commit, deleted bytes overwritten, tables there. */
export function prepareWriter(database: DatabaseSync): void {
  database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON;');
  database.exec(schema);
  // A trail that was begun without it.
  const columns = database.prepare('PRAGMA table_info(open_intents)').all() as unknown as { readonly name: string }[];
  if (columns.every(({ name }) => name !== 'reserved')) {
    database.exec('ALTER TABLE open_intents ADD COLUMN reserved TEXT');
  }
}

/** The columns that repeat parts of an event, in the order of the table. */
export function columnsOf(event: Omit<AuditEvent, 'hash'>): Readonly<Record<string, string | number | null>> {
  return {
    seq: event.seq,
    id: event.id,
    time_ms: Date.parse(event.time),
    type: event.type,
    tenant: event.tenant,
    agent: event.agent,
    subject: event.subject?.id ?? null,
    task: event.task,
    task_seq: event.task_seq,
    call: event.call,
    trace_id: event.trace_id,
    operation: event.operation,
    decision: event.decision?.id ?? null,
    allow: event.decision === null ? null : Number(event.decision.allow),
    code: denialCodeOf(event),
  };
}

export interface EventRow {
  readonly seq: number;
  readonly event: string;
  readonly hash: string;
}

/** The event of a row. @throws SyntaxError if the stored text is no JSON, which only tampering brings about. */
export function eventOfRow(row: Pick<EventRow, 'event' | 'hash'>): AuditEvent {
  return inOrder({ ...(JSON.parse(row.event) as AuditEvent), hash: row.hash });
}
