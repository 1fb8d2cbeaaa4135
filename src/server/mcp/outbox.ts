/**
 * What goes to the client of one running call, in its order: what the server tells and asks, and at the end the response.
 * Whoever holds the client's stream takes from it. What a reader would get wrong: the stream may be cut while the call
 * goes on; from then on there is only the event log, from which the client goes on reading, at any gateway.
 */
import type { JsonObject } from '../../call.ts';
import type { Clock } from '../../clock.ts';
import { type EventLog, eventBytesMax, eventsMax, type LoggedEvent, type StreamName } from '../../session/event-log.ts';

export interface OutboxParts {
  readonly clock: Clock;
  readonly log: EventLog;
  readonly stream: StreamName;
  /** Whether all of it is written down, so that a client can go on from any of it. */
  readonly kept: boolean;
  readonly faulted: (where: string, fault: unknown) => void;
}

/** A message on its way; `logged` where a client can go on from it. */
export type Outgoing = LoggedEvent & { readonly logged: boolean };

export class Outbox {
  readonly stream: StreamName;
  readonly #parts: OutboxParts;
  readonly #waiting: Outgoing[] = [];
  #kept: boolean;
  #number = 0;
  #bytes = 0;
  readonly #logged: { readonly number: number; readonly bytes: number }[] = [];
  #loggedBytes = 0;
  #turn: Promise<unknown> = Promise.resolve();
  #news: () => void = () => undefined;
  #closed = false;

  constructor(parts: OutboxParts) {
    this.#parts = parts;
    this.stream = parts.stream;
    this.#kept = parts.kept;
  }

  /** Whether a client can go on from what is in it. */
  get kept(): boolean {
    return this.#kept;
  }

  /** How many messages have come so far. */
  get count(): number {
    return this.#number;
  }

  /** From now on everything is written down, and nobody takes it here. */
  park(): void {
    this.#kept = true;
    this.#closed = true;
    this.#news();
  }

  /**
   * Puts a message in. What is no response is left out where more than `eventsMax` messages or `eventBytesMax` bytes wait,
   * or the call has told so many: false then.
   */
  put(make: (number: number) => JsonObject, last: boolean, must: boolean = last): Promise<boolean> {
    const put = this.#turn.then(() => this.#put(make, last, must));
    this.#turn = put;
    return put;
  }

  async #put(make: (number: number) => JsonObject, last: boolean, must: boolean): Promise<boolean> {
    if (!must && (this.#number >= eventsMax || this.#bytes > eventBytesMax)) return false;
    const number = this.#number + 1;
    const message = make(number);
    const bytes = Buffer.byteLength(JSON.stringify(message));
    this.#number = number;
    this.#bytes += bytes;
    const event: LoggedEvent = { number, message, last };
    const logged = this.#kept && (await this.#write(event, bytes));
    if (!this.#closed) this.#waiting.push({ ...event, logged });
    this.#news();
    return true;
  }

  /** The next message; null where none came within `forMs`, undefined once nothing comes here any more. */
  async take(forMs: number): Promise<Outgoing | null | undefined> {
    if (this.#waiting.length === 0 && !this.#closed) {
      await new Promise<void>((resolve) => {
        const timer = this.#parts.clock.after(forMs, resolve);
        this.#news = () => {
          timer.cancel();
          resolve();
        };
      });
      this.#news = () => undefined;
    }
    const event = this.#waiting.shift();
    if (event?.last === true) this.#closed = true;
    return event ?? (this.#closed ? undefined : null);
  }

  /** Of what is too large for the log, a client that goes on there is told so. */
  async #write(event: LoggedEvent, bytes: number): Promise<boolean> {
    const { log, faulted } = this.#parts;
    const fits = bytes <= eventBytesMax && log.hasRoom(this.stream, event.number, bytes);
    // A response is waited for, and what it was can be said in its place; all else is told to whoever listens now.
    if (!fits && 'method' in event.message) return false;
    try {
      await log.write(this.stream, fits ? event : { ...event, message: tooLarge(event.message) });
      this.#logged.push({ number: event.number, bytes });
      this.#loggedBytes += fits ? bytes : 0;
      while (this.#logged.length > eventsMax || (this.#loggedBytes > eventBytesMax && this.#logged.length > 1)) {
        const oldest = this.#logged.shift() as { readonly number: number; readonly bytes: number };
        this.#loggedBytes -= oldest.bytes;
        await log.forget(this.stream, oldest.number);
      }
      return true;
    } catch (fault) {
      faulted('session', fault);
      return false;
    }
  }
}

function tooLarge({ id = null }: JsonObject): JsonObject {
  const message = 'The answer is too large to be kept, and was lost with its stream';
  return { jsonrpc: '2.0', id, error: { code: -32603, message } };
}
