/**
 * The only source of time, randomness, timers and ids. Everything below `main.ts` is handed a Clock, so that a
 * simulation can own all four and replay a run from one seed. Reading `Date.now()` elsewhere is a house fault.
 */
import { randomBytes } from 'node:crypto';

/** Something scheduled; `cancel` may be called any number of times, also after it fired. */
export interface Timer {
  cancel(): void;
}

export interface Clock {
  /** Wall time in milliseconds since 1970, UTC. May jump; use it for what is written down. */
  nowMs(): number;
  /** Milliseconds that only go forward, with fractions; use it for durations and deadlines. */
  monotonicMs(): number;
  /** `length` bytes from a cryptographic source (seeded in simulations). */
  randomBytes(length: number): Buffer;
  /** Runs `task` once after `delayMs`. A pending timer never keeps the process alive. */
  after(delayMs: number, task: () => void): Timer;
}

const poolBytes = 4096;

/** The clock of a running gate: the operating system's time and randomness. */
export function systemClock(): Clock {
  // A call of the operating system's source costs tens of microseconds, whatever it gives: it is drawn from by the page.
  let pool = Buffer.alloc(0);
  const draw = (length: number): Buffer => {
    if (length > poolBytes / 4) return randomBytes(length);
    if (pool.length < length) pool = randomBytes(poolBytes);
    const drawn = Buffer.from(pool.subarray(0, length));
    // What was given out is not kept: memory that is read later tells no key.
    pool.fill(0, 0, length);
    pool = pool.subarray(length);
    return drawn;
  };
  return {
    nowMs: () => Date.now(),
    monotonicMs: () => performance.now(),
    randomBytes: draw,
    after: (delayMs, task) => {
      const handle = setTimeout(task, delayMs);
      handle.unref();
      return { cancel: () => clearTimeout(handle) };
    },
  };
}

/** A promise that settles after `delayMs` of `clock`. */
export function sleep(clock: Clock, delayMs: number): Promise<void> {
  return new Promise((resolve) => {
    clock.after(delayMs, resolve);
  });
}

declare const brand: unique symbol;
/** A string that only `newId`, or a parser at the edge, makes: a task id is never taken for a call id. */
export type Id<Kind extends string> = string & { readonly [brand]: Kind };
export type TaskId = Id<'task'>;
export type CallId = Id<'call'>;
export type DecisionId = Id<'decision'>;
export type ThoughtId = Id<'thought'>;
export type ReservationId = Id<'reservation'>;
export type EventId = Id<'event'>;

const prefixes = {
  task: 'task',
  call: 'call',
  decision: 'dec',
  thought: 'tht',
  reservation: 'rsv',
  event: 'evt',
} as const;

// Crockford's alphabet in lower case: no i, l, o, u, so that an id survives being read aloud.
const alphabet = '0123456789abcdefghjkmnpqrstvwxyz';

/**
 * A fresh id: a prefix that names its kind, 48 bits of wall time (so ids sort by creation) and 80 random bits.
 * @example newId(clock, 'task') // 'task_01jd8m3k6v9q2w4x5y7z8a1b3c'
 */
export function newId<Kind extends keyof typeof prefixes>(clock: Clock, kind: Kind): Id<Kind> {
  let time = clock.nowMs();
  let head = '';
  for (let index = 0; index < 10; index++) {
    head = (alphabet[time % 32] as string) + head;
    time = Math.floor(time / 32);
  }
  let tail = '';
  const random = clock.randomBytes(16);
  for (let index = 0; index < 16; index++) tail += alphabet[(random[index] as number) & 31] as string;
  return `${prefixes[kind]}_${head}${tail}` as Id<Kind>;
}

/** The id of what is reserved for a call: one is found by the other, also by another process in another life. */
export function reservationOf(call: CallId): ReservationId {
  return `${prefixes.reservation}_${call.slice(call.indexOf('_') + 1)}` as ReservationId;
}

/** The call that `reservationOf` made a reservation's id of. */
export function callOf(reservation: string): CallId {
  return `${prefixes.call}_${reservation.slice(reservation.indexOf('_') + 1)}` as CallId;
}
