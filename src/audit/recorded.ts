/**
 * Reads the decisions of a whole trail with what they were made on, for who wants to decide them again, and what else
 * the trail holds of a call or a task. Reads only, also beside a gate that runs, and holds no transaction between two
 * pages: an erasure must be able to empty the write-ahead log. What a reader would get wrong: that an input is missing
 * says nothing of its decision.
 */
import { existsSync } from 'node:fs';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import type { AuditEvent, EventType } from './event.ts';
import { type EventRow, eventOfRow, storeFiles } from './sinks/sqlite-schema.ts';
import { openPayload, type PayloadKind } from './task-key.ts';

const pageEvents = 500;

/**
 * What is left of the input of a decision. `cut`: it was longer than `audit.payload_bytes`, `text` is how it began;
 * `erased`: the key of its task was destroyed; `none`: it was never kept; `unreadable`: the payload is not what was
 * written.
 */
export type RecordedInput =
  | { readonly state: 'kept' | 'cut'; readonly text: string }
  | { readonly state: 'erased' | 'none' | 'unreadable' };

export interface RecordedEvent {
  readonly event: AuditEvent;
  /** Of an outcome what its answer was decided on, of all others what the call or the task was. */
  readonly input: RecordedInput;
}

export interface RecordedQuery {
  /** Inclusive, milliseconds since 1970. */
  readonly fromMs: number;
  readonly types: readonly EventType[];
}

interface PayloadRow {
  readonly event_id: string | null;
  readonly kind: PayloadKind | null;
  readonly truncated: number | null;
  readonly sealed: Uint8Array | null;
  readonly key: Uint8Array | null;
  readonly erased_at_ms: number | null;
}
type Row = EventRow & PayloadRow;

function inputOf(row: PayloadRow): RecordedInput {
  if (row.erased_at_ms !== null) return { state: 'erased' };
  if (row.sealed === null || row.key === null || row.event_id === null || row.kind === null) return { state: 'none' };
  try {
    const text = openPayload(row.key, row.sealed, row.event_id, row.kind);
    return { state: row.truncated === 1 ? 'cut' : 'kept', text };
  } catch {
    return { state: 'unreadable' };
  }
}

const payload = 'payloads.event_id, kind, truncated, sealed, key, erased_at_ms';
const rows = `events.seq, event, hash, ${payload}`;
const keys = 'LEFT JOIN task_keys ON task_keys.task = events.task';
const decidedOn = `LEFT JOIN payloads ON payloads.seq = events.seq
  AND payloads.kind = CASE type WHEN 'outcome' THEN 'answer_input' ELSE 'policy_input' END`;
/** Of an event of a call what tells of its place in the task's history, of one of a task what it was decided on. */
const remembering = `LEFT JOIN payloads ON payloads.seq = events.seq AND payloads.kind IN ('policy_input', 'entry')`;

const questions = {
  bounds: 'SELECT (SELECT min(seq) FROM events WHERE time_ms >= ?) AS first, (SELECT max(seq) FROM events) AS last',
  page: `SELECT ${rows} FROM events ${decidedOn} ${keys}
    WHERE events.seq >= :after AND events.seq <= :last AND time_ms >= :from_ms
      AND type IN (SELECT value FROM json_each(:types)) ORDER BY events.seq LIMIT :limit`,
  ofTask: `SELECT ${rows} FROM events ${remembering} ${keys}
    WHERE events.task = :task AND events.seq >= :after AND events.seq <= :last
      AND type IN ('intent', 'outcome', 'denial', 'interrupted', 'task') ORDER BY events.seq LIMIT :limit`,
  ofIntent: `SELECT ${rows} FROM events ${decidedOn} ${keys} WHERE events.call = ? AND type = 'intent' LIMIT 1`,
  arguments: `SELECT ${payload} FROM events
    LEFT JOIN payloads ON payloads.seq = events.seq AND payloads.kind = 'arguments' ${keys} WHERE events.seq = ?`,
} as const;

/** A trail that is read. Everything is answered at once, from the disk; dispose of it when done. */
export class RecordedTrail implements Disposable {
  readonly #database: DatabaseSync;
  readonly #asked = new Map<string, StatementSync>();
  readonly #last: number;

  /** Opens the trail in `dataDir`, up to its last event. Throws Error where there is none, or SQLite cannot read it. */
  constructor(dataDir: string) {
    const { database: file } = storeFiles(dataDir);
    if (!existsSync(file)) throw new Error(`there is no audit trail in ${dataDir}`);
    this.#database = new DatabaseSync(file, { readOnly: true });
    this.#last = this.#bounds(0).last ?? 0;
  }

  /** Events of `types` since `fromMs`, oldest first, in pages of at most 500. */
  *pages({ fromMs, types }: RecordedQuery): Iterable<readonly RecordedEvent[]> {
    const { first } = this.#bounds(fromMs);
    if (first !== null) yield* this.#paged('page', first, { from_ms: fromMs, types: JSON.stringify(types) });
  }

  /** What there is of the calls of a task, and of the task itself, oldest first; of outcomes only the events. */
  *eventsOf(task: string): Iterable<RecordedEvent> {
    for (const page of this.#paged('ofTask', 0, { task })) yield* page;
  }

  /** What a call was decided on that was sent. */
  intentOf(call: string): RecordedEvent | undefined {
    const row = this.#statement('ofIntent').get(call) as unknown as Row | undefined;
    return row === undefined ? undefined : { event: eventOfRow(row), input: inputOf(row) };
  }

  /** The arguments that were recorded with an event, as its obligations had left them. */
  argumentsOf({ seq }: Pick<AuditEvent, 'seq'>): RecordedInput {
    const row = this.#statement('arguments').get(seq) as unknown as PayloadRow | undefined;
    return row === undefined ? { state: 'none' } : inputOf(row);
  }

  [Symbol.dispose](): void {
    if (this.#database.isOpen) this.#database.close();
  }

  *#paged(
    question: 'page' | 'ofTask',
    first: number,
    bindings: Readonly<Record<string, string | number>>,
  ): Iterable<readonly RecordedEvent[]> {
    for (let after = first; ; ) {
      const asked = { ...bindings, after, last: this.#last, limit: pageEvents };
      const found = this.#statement(question).all(asked) as unknown as Row[];
      if (found.length > 0) yield found.map((row) => ({ event: eventOfRow(row), input: inputOf(row) }));
      if (found.length < pageEvents) return;
      after = (found.at(-1) as Row).seq + 1;
    }
  }

  #bounds(fromMs: number): { first: number | null; last: number | null } {
    return this.#statement('bounds').get(fromMs) as { first: number | null; last: number | null };
  }

  #statement(question: keyof typeof questions): StatementSync {
    let statement = this.#asked.get(question);
    if (statement === undefined) {
      statement = this.#database.prepare(questions[question]);
      this.#asked.set(question, statement);
    }
    return statement;
  }
}
