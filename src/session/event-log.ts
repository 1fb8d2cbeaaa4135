/**
 * What was sent to a client on a stream, kept for a while, so that it can go on reading where it was cut off, at whichever
 * gateway. Each message is a record of its own, sealed, numbered from 1. What a reader would get wrong: nobody can tell
 * from the log that whoever writes it has died; who follows it waits for a bounded time, and then gives up.
 */
import type { JsonObject } from '../call.ts';
import type { Clock } from '../clock.ts';
import type { Store } from '../store/store.ts';
import { canonical } from '../wire/canonical.ts';
import { parseAnswerText } from '../wire/json.ts';
import { objectIn } from '../wire/mcp/message.ts';
import { keyOf, lifeMs, type Owner, type SealOf } from './owner.ts';
import type { Wakes } from './wakes.ts';

/** Of one stream, how many messages are kept, and of how many bytes together; before them the oldest go. */
export const eventsMax = 512;
export const eventBytesMax = 4 * 1_048_576;
/** How long a message is kept, in milliseconds. */
const eventKeptMs = 10 * 60_000;
/** Whoever follows looks so often though nobody has woken him. */
const lookEveryMs = 1_000;

/** A stream of a task: of one session, or of none. */
export interface StreamName {
  readonly owner: Owner;
  /** The session's id; null for a stateless client. */
  readonly session: string | null;
  readonly id: string;
}

export interface LoggedEvent {
  readonly number: number;
  readonly message: JsonObject;
  /** Nothing comes after it. */
  readonly last: boolean;
}

interface Stored {
  readonly v: 1;
  readonly last: boolean;
  readonly sealed: string;
}

export interface EventLogParts {
  readonly store: Pick<Store, 'get' | 'compareAndSet' | 'delete'>;
  readonly clock: Clock;
  readonly wakes: Wakes;
  readonly sealOf: SealOf;
  /** Counts what is to lie under `key` for `ttlMs`; false, and nothing counted, where its task or all of them have too much. */
  readonly hasRoom: (key: string, row: { taskId: string; bytes: number; ttlMs: number }) => boolean;
}

export class EventLog {
  readonly #parts: EventLogParts;

  constructor(parts: EventLogParts) {
    this.#parts = parts;
  }

  /** A name that no other stream has. */
  newId(): string {
    return this.#parts.clock.randomBytes(15).toString('base64url');
  }

  /** Whether there is room for `bytes` of a message of a stream; then they are counted. */
  hasRoom(stream: StreamName, number: number, bytes: number): boolean {
    const { hasRoom, clock } = this.#parts;
    const ttlMs = lifeMs(stream.owner, clock.nowMs(), eventKeptMs);
    return hasRoom(recordKey(stream, number), { taskId: stream.owner.taskId, bytes, ttlMs });
  }

  /** Writes down a message of a stream that only its caller writes. Rejects with `StoreUnavailable`. */
  async write(stream: StreamName, { number, message, last }: LoggedEvent): Promise<void> {
    const { store, clock, wakes, sealOf } = this.#parts;
    const sealed = sealOf(stream.owner.taskId).close(labelOf(stream, number, last), JSON.stringify(message));
    const stored: Stored = { v: 1, last, sealed };
    const forMs = lifeMs(stream.owner, clock.nowMs(), eventKeptMs);
    await store.compareAndSet(recordKey(stream, number), 0, { ...stored }, forMs);
    await wakes.wake(wakeOf(stream));
  }

  /** Forgets a message. */
  async forget(stream: StreamName, number: number): Promise<void> {
    await this.#parts.store.delete(recordKey(stream, number));
  }

  /**
   * Where a client is that has read up to `number`: `ended` after the last message, `gone` where it cannot go on because
   * that message is kept no more. At the beginning it can always go on.
   */
  async standing(stream: StreamName, number: number): Promise<'open' | 'ended' | 'gone'> {
    if (number === 0) return 'open';
    const event = await this.#read(stream, number);
    return event === undefined ? 'gone' : event.last ? 'ended' : 'open';
  }

  /**
   * The messages after `number`, as they come, until the last; ends early where `signal` aborts, or nothing has come for
   * `patienceMs`. Rejects with `StoreUnavailable`.
   */
  async *follow(
    stream: StreamName,
    after: number,
    patienceMs: number,
    signal: AbortSignal,
  ): AsyncIterable<LoggedEvent> {
    const { clock, wakes } = this.#parts;
    let number = after + 1;
    let heardMs = clock.monotonicMs();
    while (!signal.aborted) {
      // Asked for before it is looked for, so that nothing is missed between.
      const news = wakes.next(wakeOf(stream), lookEveryMs, signal);
      const event = await this.#read(stream, number);
      if (event !== undefined) {
        yield event;
        if (event.last) return;
        number++;
        heardMs = clock.monotonicMs();
        continue;
      }
      if (clock.monotonicMs() - heardMs >= patienceMs) return;
      await news;
    }
  }

  async #read(stream: StreamName, number: number): Promise<LoggedEvent | undefined> {
    const found = await this.#parts.store.get(recordKey(stream, number));
    const stored = found?.value as unknown as Partial<Stored> | undefined;
    if (stored?.v !== 1 || typeof stored.sealed !== 'string' || typeof stored.last !== 'boolean') return undefined;
    const seal = this.#parts.sealOf(stream.owner.taskId);
    const text = seal.open(labelOf(stream, number, stored.last), stored.sealed);
    // Numbers stay as they were written.
    const message = typeof text === 'string' ? objectIn(parseAnswerText(text)?.exact) : undefined;
    return message === undefined ? undefined : { number, message, last: stored.last };
  }
}

function recordKey({ owner, session, id }: StreamName, number: number): string {
  return keyOf(owner, 'event', session ?? '@', id, String(number));
}

function wakeOf({ owner, id }: StreamName): string {
  return `stream ${owner.taskId} ${id}`;
}

/** All that the seal covers besides the message. */
function labelOf({ owner, session, id }: StreamName, number: number, last: boolean): string {
  return canonical(['mcp event', owner.tenant, owner.taskId, session, id, number, last]);
}
