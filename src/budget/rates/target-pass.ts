/** The way of one call past the limits of its targets: it holds something of one target at a time. */
import type { Admitted, Target } from '../../call.ts';
import { type Denial, isDenial } from '../../denial.ts';
import type { RateHold } from '../../rate.ts';
import type { KeyAt } from './key-rests.ts';

/** What was let through to a target. */
export interface Held {
  readonly target: Target;
  readonly holds: readonly RateHold[];
  readonly release: () => void;
}

/** How an attempt went, as far as limits are concerned. */
export interface Answered {
  /** Whether any of it may have reached the target. */
  readonly sent: boolean;
  readonly status: number | null;
  readonly retryAfterMs?: number;
  readonly quotaRestMs?: number;
}

/** What a pass asks of the limits of all targets. */
export interface PassLimits {
  pass(call: Admitted, targets: readonly Target[], waitMs: number): Promise<Held | Denial>;
  giveBack(held: Held): Promise<void>;
  putRight(held: Held, tokens: number): Promise<void>;
  learn(target: Target, answered: Answered, accused: KeyAt | null): { other: boolean; accused: KeyAt | null };
}

export class TargetPass {
  readonly #limits: PassLimits;
  readonly #call: Admitted;
  #held: Held | null = null;
  /** Whether what is held was sent, as far as is known. */
  #sent = false;
  #accused: KeyAt | null = null;
  #ended = false;

  constructor(limits: PassLimits, call: Admitted) {
    this.#limits = limits;
    this.#call = call;
  }

  /** The first of `targets` that lets the call pass within `waitMs`. Denies `rate_limited`. */
  async next(targets: readonly Target[], waitMs: number): Promise<Target | Denial> {
    const held = await this.#limits.pass(this.#call, targets, waitMs);
    if (isDenial(held)) return held;
    // It came too late: whoever asked for it has gone.
    if (this.#ended) await this.#limits.giveBack(held);
    else this.#held = held;
    this.#sent = false;
    return held.target;
  }

  /** Told how an attempt went. True where its target has another key that may be used at once. */
  tried(target: Target, answered: Answered): boolean {
    this.#sent = answered.sent;
    const { other, accused } = this.#limits.learn(target, answered, this.#accused);
    this.#accused = accused;
    // An answer is on its way: it holds its place to its end. Whatever else it was, the target is done with it.
    if (answered.status !== null && answered.status < 400) return other;
    void this.#let(answered.status === null ? null : 0).catch(() => undefined);
    return other;
  }

  /** The call is over. Rejects with `StoreUnavailable`; then what it did not use comes back with time. */
  async end(tokens: number | null): Promise<void> {
    this.#ended = true;
    await this.#let(tokens);
  }

  async #let(tokens: number | null): Promise<void> {
    const held = this.#held;
    this.#held = null;
    if (held === null) return;
    if (!this.#sent) await this.#limits.giveBack(held);
    else if (tokens === null) held.release();
    else await this.#limits.putRight(held, tokens);
  }
}
