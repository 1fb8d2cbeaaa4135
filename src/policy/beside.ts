/**
 * Decisions that are made beside those that count: what another revision would have said of the same input. They are
 * made after the call has gone on, in small turns, and thrown away when too many wait: a comparison must never hold up
 * a call, and is none of its business.
 */
import type { JsonObject } from '../call.ts';
import type { Clock, Timer } from '../clock.ts';
import type { LeftOut } from './input-parts.ts';
import type { Phase } from './instance.ts';
import type { Deciding, Verdict, Verdicts } from './verdict.ts';

const waitingMax = 1_000;
const waitingBytesMax = 64 * 1_048_576;
const pauseMs = 2;
const turnMs = 4;

/** One input, what was decided on it, and who else is asked. */
export interface Pair {
  readonly phase: Phase;
  readonly input: JsonObject;
  readonly leftOut: LeftOut;
  /** What one side said already. */
  readonly said: Verdict;
  /** Whose answer that was, and so the one that counted; the other is only compared. */
  readonly acting: 'stable' | 'candidate';
  readonly other: Deciding;
  readonly atMs: number;
}

export interface BesideDeps {
  readonly clock: Clock;
  readonly verdicts: Verdicts;
  readonly compared: (pair: Pair, verdicts: { readonly stable: Verdict; readonly candidate: Verdict }) => void;
}

export class Beside implements AsyncDisposable {
  readonly #deps: BesideDeps;
  #waiting: Pair[] = [];
  #waitingBytes = 0;
  #timer: Timer | null = null;
  #dropped = 0;
  #closed = false;

  constructor(deps: BesideDeps) {
    this.#deps = deps;
  }

  /** Comparisons that were not made because too many waited. */
  get dropped(): number {
    return this.#dropped;
  }

  push(pair: Pair): void {
    const bytes = this.#waitingBytes + pair.said.inputBytes;
    if (this.#closed || this.#waiting.length >= waitingMax || bytes > waitingBytesMax) {
      this.#dropped += 1;
      return;
    }
    this.#waiting.push(pair);
    this.#waitingBytes = bytes;
    this.#timer ??= this.#deps.clock.after(pauseMs, () => this.#turn());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#timer?.cancel();
    this.#waiting = [];
  }

  #turn(): void {
    const { clock, verdicts, compared } = this.#deps;
    const until = clock.monotonicMs() + turnMs;
    let done = 0;
    for (const pair of this.#waiting) {
      if (done > 0 && clock.monotonicMs() >= until) break;
      done += 1;
      const other = verdicts.of(pair.other, pair.phase, pair.input, pair.leftOut);
      compared(
        pair,
        pair.acting === 'stable' ? { stable: pair.said, candidate: other } : { stable: other, candidate: pair.said },
      );
    }
    for (const { said } of this.#waiting.slice(0, done)) this.#waitingBytes -= said.inputBytes;
    this.#waiting = this.#waiting.slice(done);
    this.#timer = this.#waiting.length === 0 || this.#closed ? null : clock.after(pauseMs, () => this.#turn());
  }
}
