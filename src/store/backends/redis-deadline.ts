/**
 * One time-out for everything that waits on Redis, with a single timer and in the order it was sent. ioredis's own takes
 * a timer for each command, and calls an answer late that lies unread in the socket because this process was busy.
 */
import type { Clock, Timer } from '../../clock.ts';
import { StoreUnavailable } from '../store.ts';
import { StoreTimeout } from './backend-parts.ts';

interface Waiting {
  readonly dueMs: number;
  /** Undefined once it has its answer. */
  reject: ((error: StoreUnavailable) => void) | undefined;
}

export class Deadline {
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #waitingMax: number;
  #queue: Waiting[] = [];
  #waiting = 0;
  #timer: Timer | undefined;

  constructor(clock: Clock, timeoutMs: number, waitingMax: number) {
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
    this.#waitingMax = waitingMax;
  }

  /** The answer of `send`, or `StoreUnavailable` after the time-out or if it fails. What it sent may still take effect. */
  run<T>(send: () => Promise<T>): Promise<T> {
    if (this.#waiting >= this.#waitingMax) return Promise.reject(new StoreUnavailable('Too many wait for Redis'));
    return new Promise<T>((resolve, reject) => {
      const waiting: Waiting = { dueMs: this.#clock.monotonicMs() + this.#timeoutMs, reject };
      this.#queue.push(waiting);
      this.#waiting++;
      send().then(
        (answer) => {
          this.#take(waiting);
          resolve(answer);
        },
        (error) => this.#take(waiting)?.(unavailable(error)),
      );
      this.#timer ??= this.#arm(this.#timeoutMs);
    });
  }

  #take(waiting: Waiting): Waiting['reject'] {
    const { reject } = waiting;
    if (reject !== undefined) this.#waiting--;
    waiting.reject = undefined;
    return reject;
  }

  #arm(delayMs: number): Timer {
    // After a pause of this process the answers lie in the socket, unread: let them be read before saying it was slow.
    return this.#clock.after(delayMs, () => setImmediate(() => this.#expire()));
  }

  #expire(): void {
    const nowMs = this.#clock.monotonicMs();
    const first = this.#queue.findIndex(({ reject, dueMs }) => reject !== undefined && dueMs > nowMs);
    const due = first === -1 ? this.#queue : this.#queue.slice(0, first);
    this.#queue = first === -1 ? [] : this.#queue.slice(first);
    const next = this.#queue[0];
    this.#timer = next === undefined ? undefined : this.#arm(next.dueMs - nowMs);
    for (const late of due) {
      this.#take(late)?.(new StoreTimeout(`Redis did not answer within ${this.#timeoutMs} ms`));
    }
  }
}

/** A failure as callers may see it. Errors of ioredis carry the arguments of the command, so none is passed on. */
export function unavailable(error: unknown): StoreUnavailable {
  if (error instanceof StoreUnavailable) return error;
  const { name, message, code } = (error ?? {}) as { name?: unknown; message?: unknown; code?: unknown };
  // The first word of a refusal is Redis's code for it: NOAUTH, NOPERM, OOM, READONLY.
  if (name === 'ReplyError') return new StoreUnavailable(`Redis refused: ${String(message).split(' ', 1)[0]}`);
  if (typeof code === 'string') return new StoreUnavailable(`Redis cannot be reached: ${code}`);
  return new StoreUnavailable('The connection to Redis was lost');
}
