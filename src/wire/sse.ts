/**
 * Server-sent events (WHATWG HTML §9.2), parsed as they come in. Every event keeps its raw bytes, so that what nothing
 * changed goes out as it came; joined in order they are the stream. A chunk may end anywhere, also inside a character
 * or between CR and LF.
 */

export interface SseEvent {
  /** As received, with the blank line that ends it, and with comments before it. */
  readonly raw: Buffer;
  /** The `data` lines joined by LF; null for blocks of comments, which clients ignore. */
  readonly data: string | null;
  /** How many `data` lines there were. */
  readonly dataLines: number;
  /** The event's type; empty if it names none. */
  readonly event: string;
  /** What a reader names to go on behind this event; absent where it names nothing. Empty: there is nothing to name. */
  readonly id?: string;
  /** How long to wait before coming again once the stream has ended, in milliseconds; absent where it does not say. */
  readonly retryMs?: number;
  /** False for what was left when the stream ended without a blank line. */
  readonly complete: boolean;
}

/** Longest event kept in memory, lines of comments included. */
export const sseEventBytesMax = 4 * 1024 * 1024;

const lf = 0x0a;
const cr = 0x0d;

/** Feed it chunks with `push`, then call `end` once. After `overflowed` is true it takes nothing more. */
export class SseParser {
  readonly #eventBytesMax: number;
  #buffer: Buffer = Buffer.alloc(0);
  /** First byte not yet looked at. */
  #next = 0;
  /** First byte of the line that `#next` is on. */
  #lineStart = 0;
  /** The last byte was a CR that ended a line: an LF now belongs to that line end. */
  #afterCr = false;
  #lines: string[] = [];
  #started = false;
  overflowed = false;

  constructor(eventBytesMax: number = sseEventBytesMax) {
    this.#eventBytesMax = eventBytesMax;
  }

  /** The events that `chunk` completes. An event longer than the limit sets `overflowed`; its bytes are dropped. */
  push(chunk: Uint8Array): SseEvent[] {
    if (this.overflowed) return [];
    this.#buffer = this.#buffer.length === 0 ? Buffer.from(chunk) : Buffer.concat([this.#buffer, chunk]);
    const events: SseEvent[] = [];
    let eventStart = 0;
    for (; this.#next < this.#buffer.length; this.#next++) {
      const byte = this.#buffer[this.#next];
      if (byte === lf && this.#afterCr) {
        this.#afterCr = false;
        this.#lineStart = this.#next + 1;
        continue;
      }
      this.#afterCr = byte === cr;
      if (byte !== lf && byte !== cr) continue;
      const blank = this.#lineStart === this.#next;
      if (!blank) this.#line(this.#buffer.toString('utf8', this.#lineStart, this.#next));
      this.#lineStart = this.#next + 1;
      if (!blank) continue;
      // With CRLF the LF of the last line end may not be here yet; then it leads the next event's bytes.
      const withLf = byte === cr && this.#buffer[this.#next + 1] === lf;
      if (withLf) {
        this.#next += 1;
        this.#lineStart += 1;
        this.#afterCr = false;
      }
      events.push(this.#event(this.#buffer.subarray(eventStart, this.#next + 1), true));
      eventStart = this.#next + 1;
    }
    this.#buffer = this.#buffer.subarray(eventStart);
    this.#next -= eventStart;
    this.#lineStart -= eventStart;
    if (this.#buffer.length > this.#eventBytesMax) {
      this.overflowed = true;
      this.#buffer = Buffer.alloc(0);
    }
    return events;
  }

  /** What is left when the stream has ended; undefined if nothing is. Clients differ on whether they take it. */
  end(): SseEvent | undefined {
    if (this.#buffer.length === 0) return undefined;
    const raw = this.#buffer;
    if (this.#lineStart < raw.length) this.#line(raw.toString('utf8', this.#lineStart));
    this.#buffer = Buffer.alloc(0);
    return this.#event(raw, false);
  }

  #line(text: string): void {
    // The stream, not a line, may begin with a byte order mark (§9.2.5).
    this.#lines.push(!this.#started && text.charCodeAt(0) === 0xfeff ? text.slice(1) : text);
    this.#started = true;
  }

  #event(raw: Buffer, complete: boolean): SseEvent {
    const data: string[] = [];
    let event = '';
    let id: string | undefined;
    let retryMs: number | undefined;
    for (const text of this.#lines) {
      const at = text.indexOf(':');
      if (at === 0) continue;
      const field = at === -1 ? text : text.slice(0, at);
      const rest = at === -1 ? '' : text.slice(at + 1);
      const value = rest.startsWith(' ') ? rest.slice(1) : rest;
      if (field === 'data') data.push(value);
      else if (field === 'event') event = value;
      else if (field === 'id' && !value.includes('\0')) id = value;
      else if (field === 'retry' && /^[0-9]{1,9}$/.test(value)) retryMs = Number(value);
    }
    this.#lines = [];
    const said = { raw, data: data.length === 0 ? null : data.join('\n'), dataLines: data.length, event, complete };
    return { ...said, ...(id === undefined ? {} : { id }), ...(retryMs === undefined ? {} : { retryMs }) };
  }
}

/** One event with one `data` line a line of `data`; `event` is its type, where it has one. */
export function sseEvent(data: string, event = ''): Buffer {
  const lines = data.split('\n').map((line) => `data: ${line}\n`);
  return Buffer.from(`${event === '' ? '' : `event: ${event}\n`}${lines.join('')}\n`);
}

/** The bytes of an event that says `data` instead; all but its data stays as it came, where that stands in one line. */
export function withData(event: SseEvent, data: string): Buffer {
  const before = event.data ?? '';
  const at = event.dataLines === 1 ? event.raw.lastIndexOf(before) : -1;
  if (at === -1) return sseEvent(data, event.event);
  const after = event.raw.subarray(at + Buffer.byteLength(before));
  return Buffer.concat([event.raw.subarray(0, at), Buffer.from(data), after]);
}
