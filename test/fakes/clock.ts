/**
 * A clock that tests own: time stands still until `advance`, and its random bytes come from a seed, so that one seed
 * replays a run. Timers fire at their own time, in order, and after each one everything that waits on a promise runs
 * before the next; await `advance`, or what the timers started has not happened yet.
 */
import { setImmediate } from 'node:timers/promises';
import type { Clock, Timer } from '../../src/clock.ts';

interface Pending {
  readonly dueMs: number;
  readonly order: number;
  readonly task: () => void;
}

/** Monday, 2 November 2026, 09:00 UTC. */
const mondayMorningMs = Date.UTC(2026, 10, 2, 9);

export class ManualClock implements Clock {
  #wallMs: number;
  #monotonicMs = 0;
  #order = 0;
  #state: number;
  #pending: Pending[] = [];

  constructor(startMs = mondayMorningMs, seed = 1) {
    this.#wallMs = startMs;
    this.#state = seed >>> 0;
  }

  nowMs(): number {
    return this.#wallMs;
  }

  monotonicMs(): number {
    return this.#monotonicMs;
  }

  /** Not cryptographic, on purpose: the same seed gives the same bytes in the same order. */
  randomBytes(length: number): Buffer {
    const bytes = Buffer.alloc(length);
    for (let index = 0; index < length; index++) bytes[index] = this.#next() & 0xff;
    return bytes;
  }

  after(delayMs: number, task: () => void): Timer {
    const timer: Pending = { dueMs: this.#monotonicMs + Math.max(0, delayMs), order: this.#order++, task };
    this.#pending.push(timer);
    return {
      cancel: () => {
        this.#pending = this.#pending.filter((other) => other !== timer);
      },
    };
  }

  /** How many timers wait; 0 shows that whoever set one has taken it back. */
  get timers(): number {
    return this.#pending.length;
  }

  /** Moves time on by `ms`. Timers that are due, also those set on the way, fire at their own time. */
  async advance(ms: number): Promise<void> {
    const endMs = this.#monotonicMs + ms;
    // Whoever waits on a promise may be about to set a timer: let them, before looking for the first one due.
    await setImmediate();
    for (let due = this.#firstDueBy(endMs); due !== undefined; due = this.#firstDueBy(endMs)) {
      const timer = due;
      this.#pending = this.#pending.filter((other) => other !== timer);
      this.#moveTo(timer.dueMs);
      timer.task();
      await setImmediate();
    }
    this.#moveTo(endMs);
    await setImmediate();
  }

  /** The wall clock is set forward or (negative) back; monotonic time and timers do not notice. */
  setWallBy(ms: number): void {
    this.#wallMs += ms;
  }

  #firstDueBy(endMs: number): Pending | undefined {
    let first: Pending | undefined;
    for (const timer of this.#pending) {
      if (timer.dueMs > endMs) continue;
      if (
        first === undefined ||
        timer.dueMs < first.dueMs ||
        (timer.dueMs === first.dueMs && timer.order < first.order)
      ) {
        first = timer;
      }
    }
    return first;
  }

  #moveTo(monotonicMs: number): void {
    const step = Math.max(0, monotonicMs - this.#monotonicMs);
    this.#monotonicMs += step;
    this.#wallMs += step;
  }

  // splitmix32: short, well mixed from any seed, and its whole state is one integer.
  #next(): number {
    this.#state = (this.#state + 0x9e3779b9) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 16), 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    return (mixed ^ (mixed >>> 15)) >>> 0;
  }
}
