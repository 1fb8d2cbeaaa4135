/**
 * Which targets one call tries, in which order, and when no more: each of them once, then all again after a while. What
 * certainly did nothing may be repeated: it was never sent, or the target refused it as a whole. What may have taken
 * effect, or may be billed, is not: only what does nothing but read, and has no price. Budgets hold one call, not two.
 */
import type { Admitted, Attempt, Target } from '../../call.ts';
import type { Clock } from '../../clock.ts';
import { type Denial, isDenial } from '../../denial.ts';
import type { Tried } from '../../outcome.ts';
import type { RetryBudget } from './budget.ts';
import type { RetryConfig } from './section.ts';

/** Why a call was sent again, or was not though it could have been. */
export type RetryWord = 'next_target' | 'same_target' | 'other_key' | 'over_budget';

export interface CourseParts {
  readonly config: RetryConfig;
  readonly clock: Clock;
  readonly budget: RetryBudget;
  readonly retried: (route: string, how: RetryWord) => void;
}

/** A model that answered so has done nothing that it bills, and a read without a price has done nothing anyway. */
const refusals: ReadonlySet<number> = new Set([408, 429, 500, 502, 503, 504, 529]);
/** Of a service that writes, or bills each call, only these say that it has done nothing. */
const refusalsOfWrites: ReadonlySet<number> = new Set([429, 503]);
const notAccepted: ReadonlySet<number> = new Set([401, 403]);

export class RetryCourse {
  readonly #parts: CourseParts;
  readonly #call: Admitted;
  /** Those that this call may still be sent to. */
  #open: readonly Target[];
  /** Of these, those that it has not been sent to in this round. */
  #left: readonly Target[];
  #tries = 0;
  #sent = 0;
  #round = 0;

  constructor(parts: CourseParts, call: Admitted) {
    this.#parts = parts;
    this.#call = call;
    this.#open = call.targets;
    this.#left = call.targets;
    parts.budget.called(call.resolved.operation.route);
  }

  /** Those to try next, the first to prefer. */
  get targets(): readonly Target[] {
    return this.#left;
  }

  /**
   * How long to wait before the next try, in milliseconds; null where there is none. `otherKey`: the target has another
   * key that may be used.
   */
  again(target: Target, tried: Tried | Denial, otherKey: boolean): number | null {
    const without = (targets: readonly Target[]) => targets.filter(({ name }) => name !== target.name);
    if (isDenial(tried)) {
      // Its circuit is open: this call does not come back to it.
      this.#open = without(this.#open);
      this.#left = without(this.#left);
      return this.#left.length > 0 ? 0 : null;
    }
    const attempt = 'answer' in tried ? tried.attempt : tried.failed;
    // The gate itself has answered in place of the target.
    if ('answer' in tried && !attempt.sent) return null;
    this.#tries++;
    if (attempt.sent) this.#sent++;
    if (!otherKey) this.#left = without(this.#left);
    if (!this.#mayRepeat(target, attempt, otherKey)) return null;
    if (!attempt.sent && this.#left.length > 0) return 0;
    if ('denial' in tried && !tried.denial.retryable) return null;
    return this.#repeat(attempt, otherKey);
  }

  #mayRepeat({ price }: Target, { sent, status }: Attempt, otherKey: boolean): boolean {
    if (!sent) return true;
    const { kind, effect, callMicroUsd = price.callMicroUsd } = this.#call.resolved.operation;
    const isFreeRead = effect === 'read' && callMicroUsd === 0;
    if (status === null) return isFreeRead;
    if (notAccepted.has(status)) return otherKey;
    const harmless = kind === 'model' || isFreeRead;
    return (harmless ? refusals : refusalsOfWrites).has(status);
  }

  /** One more, if it is within all bounds: at once at a target or with a key that is fresh, else after a while. */
  #repeat(attempt: Attempt, otherKey: boolean): number | null {
    const { config, budget, retried } = this.#parts;
    const { route } = this.#call.resolved.operation;
    const fresh = this.#left.length > 0;
    const triesMax = Math.max(config.attempts, this.#call.targets.length);
    if (this.#sent >= config.attempts || this.#tries >= triesMax || this.#open.length === 0) return null;
    const waitMs = fresh ? 0 : this.#waitMs(attempt);
    if (waitMs === null) return null;
    if (!budget.take(route)) {
      retried(route, 'over_budget');
      return null;
    }
    retried(route, otherKey ? 'other_key' : fresh ? 'next_target' : 'same_target');
    if (!fresh) this.#left = this.#open;
    return waitMs;
  }

  /** Back-off with full jitter, not shorter than the target asks for; null where that is too long to wait. */
  #waitMs({ retryAfterMs = 0 }: Attempt): number | null {
    const { config, clock } = this.#parts;
    const { deadlineMs, startMs } = this.#call;
    const mostMs = Math.min(config.max_ms, config.base_ms * 2 ** this.#round++);
    const share = clock.randomBytes(4).readUInt32BE(0) / 2 ** 32;
    const waitMs = Math.max(Math.ceil(mostMs * share), retryAfterMs);
    const inTime = deadlineMs === null || clock.monotonicMs() - startMs + waitMs < deadlineMs;
    return waitMs <= config.max_ms && inTime ? waitMs : null;
  }
}
