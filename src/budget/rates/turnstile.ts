/**
 * Where calls wait for limits: a line for each limit that has anybody waiting, and one that goes round in it, trying for
 * whoever's turn it is as soon as it can be worth while. The lines are of this gateway; gateways that share a store take
 * what there is as they come. Nobody waits beyond its time, for a client that has left, or for a task that was killed.
 */
import type { Clock, Timer } from '../../clock.ts';
import { Line, type LineBounds } from './line.ts';

/** A limit holds it back: `line` is whose, and it may be worth another try in `waitMs` (infinite: never). */
export interface Blocked {
  readonly line: string;
  readonly waitMs: number;
  /** It may be sooner or later; nobody is sent away for it. */
  readonly unsure?: true;
}

/** One try: what it was let through with, or what holds it back. Rejects where that cannot be told. */
export type Try<Passed> = (waited: boolean) => Promise<{ readonly passed: Passed } | { readonly blocked: Blocked }>;

export interface Wish<Passed> {
  readonly task: string;
  /** Turns of its task in a round. */
  readonly turns: number;
  readonly bytes: number;
  /** How long it may wait, in milliseconds from now. */
  readonly waitMs: number;
  readonly signal: AbortSignal;
  readonly attempt: Try<Passed>;
  /** Takes back what it was let through with, when it had left meanwhile. */
  readonly undo: (passed: Passed) => void;
  /** Lines in which it would overtake those who wait, if it was tried at once. */
  readonly lines: readonly string[];
}

/** `late`: its time is over, or would be. `full`: there is no room to wait. `left`: its signal was given. */
export type NotPassed = 'late' | 'full' | 'left';

export type Outcome<Passed> = { readonly waitedMs: number } & (
  | { readonly passed: Passed }
  | { readonly why: NotPassed; readonly blocked: Blocked }
);

interface Waiting {
  readonly task: string;
  readonly turns: number;
  readonly bytes: number;
  /** True once it has what it waited for, or has given up. */
  done: boolean;
  /** Tries once; gives what holds it back, or undefined when it is done. */
  readonly turn: () => Promise<Blocked | undefined>;
  readonly refuse: (why: NotPassed, blocked: Blocked) => void;
  at: Lined;
}

interface Lined {
  readonly key: string;
  readonly line: Line<Waiting>;
  /** On the monotonic clock: before, no try is worth while. */
  notBeforeMs: number;
  timer: Timer | undefined;
  trying: boolean;
}

/** A limit may give sooner than was said, since others give back what they did not use: it is tried this often at least. */
const lookEveryMs = 1000;
const soonestMs = 2;

export class Turnstile {
  readonly #clock: Clock;
  readonly #bounds: LineBounds;
  readonly #lines = new Map<string, Lined>();

  constructor(parts: { readonly clock: Clock; readonly bounds: LineBounds }) {
    this.#clock = parts.clock;
    this.#bounds = parts.bounds;
  }

  /** How many wait, over all lines. */
  get waiting(): number {
    return [...this.#lines.values()].reduce((sum, { line }) => sum + line.length, 0);
  }

  /** Whether anybody waits in the line. */
  hasLine(key: string): boolean {
    return this.#lines.has(key);
  }

  /** There may be something to have in the line again: whoever's turn it is need not wait for its time. */
  wake(key: string): void {
    const lined = this.#lines.get(key);
    if (lined === undefined) return;
    lined.notBeforeMs = 0;
    this.#arm(lined);
  }

  /** Lets go of the timers; for when nobody is served any more. */
  [Symbol.dispose](): void {
    for (const { timer } of this.#lines.values()) timer?.cancel();
    this.#lines.clear();
  }

  /** Lets through as soon as its turn has come. Rejects with what `attempt` rejects with. */
  async pass<Passed>(wish: Wish<Passed>): Promise<Outcome<Passed>> {
    const startMs = this.#clock.monotonicMs();
    const waitedMs = () => this.#clock.monotonicMs() - startMs;
    const ahead = wish.lines.find((key) => this.hasLine(key));
    let blocked: Blocked;
    if (ahead === undefined) {
      const tried = await wish.attempt(false);
      if ('passed' in tried) return { passed: tried.passed, waitedMs: 0 };
      ({ blocked } = tried);
    } else {
      blocked = { line: ahead, waitMs: this.#restMs(ahead), unsure: true };
    }
    if (wish.signal.aborted) return { why: 'left', blocked, waitedMs: waitedMs() };
    const tooLate = blocked.waitMs > wish.waitMs && blocked.unsure !== true;
    if (tooLate || wish.waitMs <= 0) return { why: 'late', blocked, waitedMs: waitedMs() };
    return this.#wait(wish, blocked, waitedMs);
  }

  #wait<Passed>(wish: Wish<Passed>, first: Blocked, waitedMs: () => number): Promise<Outcome<Passed>> {
    const { promise, resolve, reject } = Promise.withResolvers<Outcome<Passed>>();
    let latest: Blocked & { readonly atMs: number } = { ...first, atMs: this.#clock.monotonicMs() };
    const end = (): boolean => {
      if (waiting.done) return false;
      waiting.done = true;
      timer.cancel();
      wish.signal.removeEventListener('abort', left);
      return true;
    };
    const refuse = (why: NotPassed, blocked: Blocked): void => {
      if (end()) resolve({ why, blocked, waitedMs: waitedMs() });
    };
    const stillMs = () => Math.max(0, latest.waitMs - (this.#clock.monotonicMs() - latest.atMs));
    const goAway = (why: NotPassed): void => {
      // Who was never first has heard nothing of its own.
      const restMs = Math.max(stillMs(), this.#restMs(waiting.at.key));
      this.#leave(waiting);
      refuse(why, { line: latest.line, waitMs: restMs });
    };
    const left = () => goAway('left');
    const turn = async (): Promise<Blocked | undefined> => {
      try {
        const tried = await wish.attempt(true);
        if ('passed' in tried) {
          if (end()) resolve({ passed: tried.passed, waitedMs: waitedMs() });
          else wish.undo(tried.passed);
          return undefined;
        }
        latest = { ...tried.blocked, atMs: this.#clock.monotonicMs() };
        // What it wants will not be there in its time: the next may want less.
        const { blocked } = tried;
        if (blocked.waitMs > wish.waitMs - waitedMs() && blocked.unsure !== true) goAway('late');
        return waiting.done ? undefined : blocked;
      } catch (fault) {
        if (end()) reject(fault);
        return undefined;
      }
    };
    const { task, turns, bytes } = wish;
    const waiting: Waiting = { task, turns, bytes, done: false, turn, refuse, at: this.#lineOf(first.line) };
    const timer = this.#clock.after(wish.waitMs, () => goAway('late'));
    wish.signal.addEventListener('abort', left, { once: true });
    this.#enter(waiting, first);
    return promise;
  }

  /** Until it may be worth while to try for the first of the line; 0 where nobody waits. */
  #restMs(key: string): number {
    return Math.max(0, (this.#lines.get(key)?.notBeforeMs ?? 0) - this.#clock.monotonicMs());
  }

  #lineOf(key: string): Lined {
    const known = this.#lines.get(key);
    if (known !== undefined) return known;
    const line = new Line<Waiting>(this.#bounds);
    return { key, line, notBeforeMs: 0, timer: undefined, trying: false };
  }

  #enter(waiting: Waiting, blocked: Blocked): void {
    const lined = this.#lineOf(blocked.line);
    const gone = lined.line.enter(waiting);
    if (gone === undefined) {
      waiting.refuse('full', blocked);
      return;
    }
    waiting.at = lined;
    for (const other of gone) other.refuse('full', blocked);
    if (!this.#lines.has(lined.key)) {
      this.#lines.set(lined.key, lined);
      lined.notBeforeMs = this.#clock.monotonicMs() + blocked.waitMs;
    }
    this.#arm(lined);
  }

  #leave(waiting: Waiting): void {
    waiting.at.line.leave(waiting);
    this.#dropIfEmpty(waiting.at);
  }

  #dropIfEmpty(lined: Lined): void {
    if (lined.line.length > 0 || lined.trying) return;
    lined.timer?.cancel();
    this.#lines.delete(lined.key);
  }

  #arm(lined: Lined): void {
    if (lined.trying) return;
    lined.timer?.cancel();
    const restMs = lined.notBeforeMs - this.#clock.monotonicMs();
    const delayMs = Math.min(lookEveryMs, Math.max(soonestMs, Math.ceil(restMs)));
    lined.timer = this.#clock.after(delayMs, () => void this.#goRound(lined));
  }

  /** Tries for one after the other, until one is held back or nobody waits. Never rejects. */
  async #goRound(lined: Lined): Promise<void> {
    lined.trying = true;
    for (let first = lined.line.first(); first !== undefined; first = lined.line.first()) {
      const blocked = await first.turn();
      if (blocked === undefined) {
        lined.line.served(first);
        continue;
      }
      if (blocked.line === lined.key) {
        lined.notBeforeMs = this.#clock.monotonicMs() + blocked.waitMs;
        break;
      }
      lined.line.leave(first);
      this.#enter(first, blocked);
    }
    lined.trying = false;
    if (lined.line.length === 0) this.#dropIfEmpty(lined);
    else this.#arm(lined);
  }
}
