/**
 * The trail as a file: NDJSON for programs and for verification, CSV for people. Both read page by page up to the
 * event that was the last when they began, so that an export of a busy gate ends.
 */
import { type AuditEvent, eventFields } from './event.ts';
import type { EventFilter, Sink } from './sinks/sink.ts';

const pageEvents = 500;

/** The events that fit, oldest first, a page at a time. */
export async function* readPages(
  sink: Pick<Sink, 'events'>,
  what: { readonly filter: EventFilter; readonly throughSeq?: number },
): AsyncIterable<readonly AuditEvent[]> {
  let afterSeq: number | null = null;
  for (;;) {
    const page: readonly AuditEvent[] = await sink.events({
      ...what,
      limit: pageEvents,
      afterSeq,
      order: 'oldest_first',
    });
    if (page.length > 0) yield page;
    if (page.length < pageEvents) return;
    afterSeq = (page.at(-1) as AuditEvent).seq;
  }
}

/** Lines of NDJSON; with no filter, the head that signs the last event is the last line. */
export async function* exportNdjson(
  sink: Pick<Sink, 'events'>,
  filter: EventFilter,
  head: { readonly jws: string; readonly seq: number },
): AsyncIterable<string> {
  for await (const page of readPages(sink, { filter, throughSeq: head.seq })) {
    yield page.map((event) => `${JSON.stringify(event)}\n`).join('');
  }
  // A selection has gaps: the head would promise what the file does not hold.
  if (Object.values(filter).every((value) => value === undefined))
    yield `${JSON.stringify({ checkpoint: head.jws })}\n`;
}

function cell(value: unknown): string {
  if (value === null) return '';
  if (typeof value === 'number') return String(value);
  let text = typeof value === 'string' ? value : JSON.stringify(value);
  // Spreadsheets run what looks like a formula, and agents choose some of these texts.
  if (/^[=+\-@\t\r]/.test(text)) text = `'${text}`;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** Lines of CSV (RFC 4180, CRLF) under a header. */
export async function* exportCsv(
  sink: Pick<Sink, 'events'>,
  filter: EventFilter,
  throughSeq: number,
): AsyncIterable<string> {
  yield `${eventFields.join(',')}\r\n`;
  for await (const page of readPages(sink, { filter, throughSeq })) {
    yield page.map((event) => `${eventFields.map((field) => cell(event[field])).join(',')}\r\n`).join('');
  }
}
