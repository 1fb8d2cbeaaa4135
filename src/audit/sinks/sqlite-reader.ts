/**
 * Reads a SQLite trail over a connection that cannot write; runs in a worker thread of its own, so that an auditor's
 * long question delays neither the event loop nor the commits that calls wait for.
 */
import { DatabaseSync } from 'node:sqlite';
import type { AuditEvent } from '../event.ts';
import { openPayload, type PayloadKind } from '../task-key.ts';
import type { EventFilter, EventQuery, PayloadQuery, RecordedPayload } from './sink.ts';
import { type EventRow, eventOfRow, storeFiles } from './sqlite-schema.ts';

type Bindings = Record<string, string | number>;

const equalColumns = [
  'task',
  'agent',
  'tenant',
  'subject',
  'operation',
  'code',
  'trace_id',
  'call',
  'type',
  'id',
] as const;

function conditions(filter: EventFilter): { where: string[]; bindings: Bindings } {
  const where: string[] = [];
  const bindings: Bindings = {};
  for (const column of equalColumns) {
    const value = filter[column];
    if (value === undefined) continue;
    where.push(`${column} = :${column}`);
    bindings[column] = value;
  }
  if (filter.decision === 'allow' || filter.decision === 'deny') {
    where.push('allow = :allow');
    bindings.allow = filter.decision === 'allow' ? 1 : 0;
  } else if (filter.decision !== undefined) {
    where.push('decision = :decision');
    bindings.decision = filter.decision;
  }
  if (filter.match !== undefined) {
    where.push("json_extract(event, '$.match') = :match");
    bindings.match = filter.match;
  }
  if (filter.types !== undefined) {
    where.push('type IN (SELECT value FROM json_each(:types))');
    bindings.types = JSON.stringify(filter.types);
  }
  if (filter.kept !== undefined) {
    where.push(
      `EXISTS (SELECT 1 FROM payloads JOIN task_keys USING (task) WHERE payloads.seq = events.seq
         AND kind IN (SELECT value FROM json_each(:kept)) AND truncated = 0 AND key IS NOT NULL)`,
    );
    bindings.kept = JSON.stringify(filter.kept);
  }
  if (filter.fromMs !== undefined) {
    where.push('time_ms >= :from_ms');
    bindings.from_ms = filter.fromMs;
  }
  if (filter.toMs !== undefined) {
    where.push('time_ms < :to_ms');
    bindings.to_ms = filter.toMs;
  }
  return { where, bindings };
}

interface PayloadRow {
  readonly seq: number;
  readonly kind: PayloadKind;
  readonly event_id: string;
  readonly call: string | null;
  readonly truncated: number;
  readonly sealed: Uint8Array;
  readonly key: Uint8Array;
}

export class SqliteReader {
  readonly #dataDir: string;
  #database: DatabaseSync | undefined;

  constructor(settings: { readonly dataDir: string }) {
    this.#dataDir = settings.dataDir;
  }

  // Opened by the first question: the link to this thread asks without waiting for it to be up.
  get #db(): DatabaseSync {
    this.#database ??= new DatabaseSync(storeFiles(this.#dataDir).database, { readOnly: true });
    return this.#database;
  }

  events(query: EventQuery): AuditEvent[] {
    const { where, bindings } = conditions(query.filter);
    const newest = query.order === 'newest_first';
    if (query.afterSeq !== null) {
      where.push(newest ? 'seq < :after_seq' : 'seq > :after_seq');
      bindings.after_seq = query.afterSeq;
    }
    if (query.throughSeq !== undefined) {
      where.push('seq <= :through_seq');
      bindings.through_seq = query.throughSeq;
    }
    const rows = this.#db
      .prepare(
        `SELECT seq, event, hash FROM events ${where.length === 0 ? '' : `WHERE ${where.join(' AND ')}`}
         ORDER BY seq ${newest ? 'DESC' : 'ASC'} LIMIT :limit`,
      )
      .all({ ...bindings, limit: query.limit }) as unknown as EventRow[];
    return rows.map(eventOfRow);
  }

  payloads(query: PayloadQuery): RecordedPayload[] {
    const rows = this.#db
      .prepare(
        `WITH page AS (
           SELECT DISTINCT seq FROM payloads
           WHERE task = :task AND seq > :after_seq AND (:call IS NULL OR call = :call) AND (:kind IS NULL OR kind = :kind)
           ORDER BY seq LIMIT :limit
         )
         SELECT seq, kind, event_id, call, truncated, sealed, key FROM page
         JOIN payloads USING (seq) JOIN task_keys USING (task)
         WHERE key IS NOT NULL AND (:kind IS NULL OR kind = :kind) ORDER BY seq, kind`,
      )
      .all({
        task: query.task,
        after_seq: query.afterSeq ?? 0,
        call: query.call ?? null,
        kind: query.kind ?? null,
        limit: query.limit,
      }) as unknown as PayloadRow[];
    return rows.map(({ seq, kind, event_id, call, truncated, sealed, key }) => ({
      seq,
      kind,
      event_id,
      call,
      truncated: truncated === 1,
      text: openPayload(key, sealed, event_id, kind),
    }));
  }

  checkpoints(query: { readonly limit: number; readonly afterSeq: number | null }): string[] {
    const rows = this.#db
      .prepare('SELECT jws FROM checkpoints WHERE seq > ? ORDER BY seq LIMIT ?')
      .all(query.afterSeq ?? 0, query.limit) as unknown as { jws: string }[];
    return rows.map(({ jws }) => jws);
  }

  close(): void {
    if (this.#database?.isOpen === true) this.#database.close();
  }
}
