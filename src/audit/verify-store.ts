/**
 * Verifies a trail where it lies: the SQLite store with its head, or an exported file. Reads only, also while a gate
 * writes. What a reader would get wrong: the store's own key file proves nothing against somebody who owns the disk;
 * an auditor brings keys and a checkpoint of their own.
 */
import { createReadStream, existsSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { DatabaseSync } from 'node:sqlite';
import { hashedText } from './chain.ts';
import type { Jwks } from './checkpoint.ts';
import type { AuditEvent } from './event.ts';
import { columnsOf, type EventRow, eventOfRow, storeFiles } from './sinks/sqlite-schema.ts';
import { brokenAt, type Verdict, verifyTrail } from './verify.ts';

/** A verdict for what makes every further look pointless. */
function broken(reason: string): Verdict {
  return { ok: false, seq: null, reason };
}

/** The events of the store. What was hashed is the stored text, so each byte of it counts, and so do the columns. */
function* storedEvents(database: DatabaseSync): Iterable<AuditEvent> {
  let position = 0;
  for (const row of database.prepare('SELECT * FROM events ORDER BY seq').iterate() as unknown as Iterable<
    EventRow & Record<string, unknown>
  >) {
    position++;
    let event: AuditEvent;
    try {
      event = eventOfRow(row);
    } catch {
      throw brokenAt(position, `event ${position} was changed: it is no JSON`);
    }
    let text: string;
    let columns: Readonly<Record<string, unknown>>;
    try {
      text = hashedText(event);
      columns = columnsOf(event);
    } catch {
      throw brokenAt(position, `event ${position} was changed: it is no event`);
    }
    if (text !== row.event) throw brokenAt(position, `event ${position} was changed: its text is not canonical`);
    yield event;
    // After the chain has judged the event: what still differs can only be a column.
    const changed = Object.keys(columns).find((column) => row[column] !== columns[column]);
    if (changed !== undefined) {
      throw brokenAt(position, `event ${position} was changed: its column ${changed} is not what the event says`);
    }
  }
}

export interface VerifyStoreInput {
  /** `gateway.data_dir` of tollgate.yaml, or a copy of it. */
  readonly dataDir: string;
  /** The keys the auditor trusts; those beside the store if left out. */
  readonly keys?: Jwks;
  /** A checkpoint the auditor kept. */
  readonly checkpoint?: string;
}

/** Verifies the store in `dataDir` against its head, its checkpoints and, if given, the auditor's. */
export async function verifyStore(input: VerifyStoreInput): Promise<Verdict> {
  const files = storeFiles(input.dataDir);
  if (!existsSync(files.database)) return broken(`there is no audit trail in ${input.dataDir}`);
  if (!existsSync(files.head)) return broken('the signed head of the trail is missing');
  let keys = input.keys;
  if (keys === undefined) {
    try {
      keys = JSON.parse(readFileSync(files.keys, 'utf8')) as Jwks;
    } catch {
      return broken('the keys beside the trail are missing or unreadable');
    }
  }
  // The head first: a gate that runs meanwhile only makes the store longer.
  const head = readFileSync(files.head, 'utf8');
  const database = new DatabaseSync(files.database, { readOnly: true });
  try {
    database.exec('BEGIN');
    const checkpoints = (
      database.prepare('SELECT jws FROM checkpoints ORDER BY seq').all() as unknown as { jws: string }[]
    ).map(({ jws }) => jws);
    return await verifyTrail({
      events: storedEvents(database),
      head,
      checkpoints,
      keys,
      ...(input.checkpoint === undefined ? {} : { heldCheckpoint: input.checkpoint }),
    });
  } catch (error) {
    // SQLite's own complaint: pages that are no pages any more.
    if ((error as { code?: unknown }).code === 'ERR_SQLITE_ERROR')
      return broken(`the store cannot be read: ${(error as Error).message}`);
    throw error;
  } finally {
    database.close();
  }
}

export interface VerifyExportInput {
  /** An NDJSON export of the whole trail. */
  readonly file: string;
  readonly keys: Jwks;
  readonly checkpoint?: string;
}

async function* linesOf(file: string): AsyncIterable<string> {
  const input = createReadStream(file, 'utf8');
  try {
    for await (const line of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY }))
      if (line !== '') yield line;
  } finally {
    input.destroy();
  }
}

function documentOf(line: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

/** The signed head of an export: its last line. */
function headOf(lastLine: string): string | undefined {
  const checkpoint = documentOf(lastLine)?.checkpoint;
  return typeof checkpoint === 'string' ? checkpoint : undefined;
}

async function* exportedEvents(file: string, hasHead: boolean): AsyncIterable<AuditEvent> {
  let position = 0;
  let ended = false;
  for await (const line of linesOf(file)) {
    position++;
    if (ended) throw brokenAt(position, `line ${position} stands behind the signed head`);
    if (hasHead && headOf(line) !== undefined) {
      ended = true;
      continue;
    }
    const event = documentOf(line);
    if (event === undefined)
      throw brokenAt(position, `event ${position} was changed: line ${position} is no JSON document`);
    yield event as unknown as AuditEvent;
  }
}

/** Verifies an export. Without its last line (the signed head) it needs a checkpoint, or nothing would vouch for it. */
export async function verifyExport(input: VerifyExportInput): Promise<Verdict> {
  let lastLine = '';
  for await (const line of linesOf(input.file)) lastLine = line;
  const head = headOf(lastLine);
  if (head === undefined && input.checkpoint === undefined) {
    return broken('the export does not end with its signed head, and no checkpoint was given');
  }
  return verifyTrail({
    events: exportedEvents(input.file, head !== undefined),
    keys: input.keys,
    ...(head === undefined ? {} : { head }),
    ...(input.checkpoint === undefined ? {} : { heldCheckpoint: input.checkpoint }),
  });
}
