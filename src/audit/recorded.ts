/**
 * Reads the decisions of a whole trail with the policy inputs they were made on, for who wants to decide them again.
 * Reads only, also beside a gate that runs, and holds no transaction between two pages: an erasure must be able to
 * empty the write-ahead log. What a reader would get wrong: that an input is missing says nothing of its decision.
 */
import { existsSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import type { AuditEvent, EventType } from './event.ts';
import { type EventRow, eventOfRow, storeFiles } from './sinks/sqlite-schema.ts';
import { openPayload } from './task-key.ts';

const pageEvents = 500;

/**
 * What is left of the input of a decision. `cut`: it was longer than `audit.payload_bytes`; `erased`: the key of its
 * task was destroyed; `none`: it was never kept; `unreadable`: the payload is not what was written.
 */
export type RecordedInput =
  | { readonly state: 'kept'; readonly text: string }
  | { readonly state: 'cut' | 'erased' | 'none' | 'unreadable' };

export interface RecordedEvent {
  readonly event: AuditEvent;
  readonly input: RecordedInput;
}

export interface RecordedQuery {
  /** `gateway.data_dir` of tollgate.yaml, or a copy of it. */
  readonly dataDir: string;
  /** Inclusive, milliseconds since 1970. */
  readonly fromMs: number;
  readonly types: readonly EventType[];
}

interface Row extends EventRow {
  readonly event_id: string | null;
  readonly truncated: number | null;
  readonly sealed: Uint8Array | null;
  readonly key: Uint8Array | null;
  readonly erased_at_ms: number | null;
}

function inputOf(row: Row): RecordedInput {
  if (row.erased_at_ms !== null) return { state: 'erased' };
  if (row.sealed === null || row.key === null || row.event_id === null) return { state: 'none' };
  if (row.truncated === 1) return { state: 'cut' };
  try {
    return { state: 'kept', text: openPayload(row.key, row.sealed, row.event_id, 'policy_input') };
  } catch {
    return { state: 'unreadable' };
  }
}

/**
 * Events of `types` since `fromMs`, oldest first, in pages of at most 500, up to the event that was the last when the
 * first page was asked for. Throws Error where there is no trail, or SQLite cannot read it.
 */
export function* recordedPages(query: RecordedQuery): Iterable<readonly RecordedEvent[]> {
  const { database: file } = storeFiles(query.dataDir);
  if (!existsSync(file)) throw new Error(`there is no audit trail in ${query.dataDir}`);
  const database = new DatabaseSync(file, { readOnly: true });
  try {
    const { first, last } = database
      .prepare(
        'SELECT (SELECT min(seq) FROM events WHERE time_ms >= :from_ms) AS first, (SELECT max(seq) FROM events) AS last',
      )
      .get({ from_ms: query.fromMs }) as { first: number | null; last: number | null };
    if (first === null || last === null) return;
    const select = database.prepare(
      `SELECT events.seq, event, hash, payloads.event_id, truncated, sealed, key, erased_at_ms FROM events
       LEFT JOIN payloads ON payloads.seq = events.seq AND payloads.kind = 'policy_input'
       LEFT JOIN task_keys ON task_keys.task = events.task
       WHERE events.seq >= :after AND events.seq <= :last AND time_ms >= :from_ms
         AND type IN (SELECT value FROM json_each(:types)) ORDER BY events.seq LIMIT :limit`,
    );
    const types = JSON.stringify(query.types);
    for (let after = first; ; ) {
      const bindings = { after, last, from_ms: query.fromMs, types, limit: pageEvents };
      const rows = select.all(bindings) as unknown as Row[];
      if (rows.length > 0) yield rows.map((row) => ({ event: eventOfRow(row), input: inputOf(row) }));
      if (rows.length < pageEvents) return;
      after = (rows.at(-1) as Row).seq + 1;
    }
  } finally {
    database.close();
  }
}
