/**
 * What targets and their keys can take: requests and tokens a minute over all gateways, calls at once on this one, and
 * the rest that a provider asks for. A call goes to the first of its targets that has room, with the key whose turn it
 * is; where none has, it waits in the line of the one that will have room first.
 */
import type { Admitted, Target } from '../../call.ts';
import type { Clock } from '../../clock.ts';
import { type Denial, deny, isDenial } from '../../denial.ts';
import type { RateHold } from '../../rate.ts';
import type { RateStore } from '../../store/rates.ts';
import type { KeyAt, KeyRests } from './key-rests.ts';
import { patienceMs, placeOf, type RateNews } from './rates.ts';
import type { QueueConfig } from './section.ts';
import {
  type Blockage,
  denyTargets,
  holdsOf,
  keysOf,
  lineOf,
  placeOfKey,
  type TargetReason,
  takeOf,
} from './target-holds.ts';
import { type Answered, type Held, type PassLimits, TargetPass } from './target-pass.ts';
import type { Turnstile } from './turnstile.ts';

/** Told of what becomes of keys; `why` is one of few words. */
export interface KeyNews extends RateNews {
  rested(at: KeyAt, why: 'quota' | 'refused', restMs: number): void;
}

export interface TargetLimitsParts {
  readonly store: RateStore;
  readonly clock: Clock;
  readonly queue: QueueConfig;
  readonly turnstile: Turnstile;
  readonly rests: KeyRests;
  readonly news: KeyNews;
  /** The longest that a key rests because a provider says so, in milliseconds. */
  readonly restMsMax: number;
  /** How long a key rests that a provider did not accept while it accepts others. */
  readonly refusedRestMs: number;
}

/** A provider that says it is too much, and not for how long. */
const shortRestMs = 1_000;
/** How long until a place at a target is free is not known; whoever waits is called when it is. */
const unknownMs = 1_000;

export class TargetLimits implements PassLimits {
  readonly #parts: TargetLimitsParts;
  readonly #underway = new Map<string, number>();
  /** A number for each key that goes up with each use: the lowest has waited longest for its turn. */
  readonly #used = new Map<string, number>();
  #uses = 0;
  readonly #passes = new Map<string, TargetPass>();

  constructor(parts: TargetLimitsParts) {
    this.#parts = parts;
  }

  /** How long a call may wait for its targets at most, in milliseconds. */
  get waitMsMax(): number {
    return this.#parts.queue.wait_ms;
  }

  /** How long `call` may wait for them from now. */
  patienceMs(call: Admitted): number {
    return patienceMs(this.#parts.queue, call, this.#parts.clock);
  }

  /** The way of one call past the limits of its targets; `settle` ends it. */
  enter(call: Admitted): TargetPass {
    const pass = new TargetPass(this, call);
    this.#passes.set(call.id, pass);
    return pass;
  }

  /** Puts right what the call has taken: to the tokens it used, null where that is not known. */
  async settle(callId: string, tokens: number | null): Promise<void> {
    const pass = this.#passes.get(callId);
    this.#passes.delete(callId);
    await pass?.end(tokens);
  }

  /** Of each key of `targets` that rests: how long, in milliseconds. */
  resting(targets: readonly Target[]): readonly { readonly at: KeyAt; readonly restMs: number }[] {
    return targets.flatMap((target) =>
      keysOf(target).map((key) => {
        const at = placeOfKey(target, key);
        return { at, restMs: this.#parts.rests.restMs(at) };
      }),
    );
  }

  /** For `TargetPass`: the first of `targets` that lets the call pass within `waitMs`. */
  async pass(call: Admitted, targets: readonly Target[], waitMs: number): Promise<Held | Denial> {
    const { queue, turnstile, news } = this.#parts;
    const [first] = targets;
    if (first !== undefined && this.#isOpen(first)) return { target: first, holds: [], release: () => undefined };
    let reason: TargetReason = 'target_queue';
    const outcome = await turnstile.pass<Held>({
      ...placeOf(queue, call),
      ...{ waitMs, signal: call.abort.signal, lines: [] },
      attempt: async (waited) => {
        const tried = await this.#first(call, targets, waited);
        if ('line' in tried) ({ reason } = tried);
        return 'line' in tried ? { blocked: tried } : { passed: tried };
      },
      undo: (held) => void this.giveBack(held).catch(() => undefined),
    });
    if (outcome.waitedMs > 0) news.waited(outcome.waitedMs);
    if ('passed' in outcome) return outcome.passed;
    const { reason: given } = call.abort.signal;
    if (outcome.why === 'left') return isDenial(given) ? given : deny('upstream_error', 'The call was given up.');
    news.limited(reason);
    return denyTargets(targets, outcome.why === 'full' ? 'target_queue' : reason, outcome.blocked.waitMs);
  }

  /** For `TargetPass`: nothing of it was sent. */
  async giveBack({ target, holds, release }: Held): Promise<void> {
    release();
    await this.#correct(
      target,
      holds.map((hold) => ({ ...hold, amount: -hold.amount })),
    );
  }

  /** For `TargetPass`: it was sent, and has used `tokens`. */
  async putRight({ target, holds, release }: Held, tokens: number): Promise<void> {
    release();
    const changes = holds.flatMap((hold) =>
      hold.unit === 'tokens' && hold.amount !== tokens ? [{ ...hold, amount: tokens - hold.amount }] : [],
    );
    await this.#correct(target, changes);
  }

  /**
   * For `TargetPass`: learns from an answer. True where the target has another key that may be used now. `accused` is the
   * key that this call was refused with before.
   */
  learn(target: Target, answered: Answered, accused: KeyAt | null): { other: boolean; accused: KeyAt | null } {
    const { status, retryAfterMs, quotaRestMs } = answered;
    const at = placeOfKey(target, target.credential);
    const tooMuch = status === 429 || (status === 503 && retryAfterMs !== undefined);
    const saidMs = Math.max(retryAfterMs ?? 0, quotaRestMs ?? 0);
    // What a tool answers may be about one subject, and must not close it to all; a model's quota is that of the key.
    if (target.kind === 'model' && (tooMuch || saidMs > 0)) this.#rest(at, saidMs || shortRestMs, 'quota');
    if (status !== 401 && status !== 403) return { other: tooMuch && this.#hasOther(target), accused: null };
    // What two keys are forbidden is forbidden for the call's own sake; a 401 is about the key whoever calls.
    const aboutCall = status === 403 && accused !== null;
    if (aboutCall) this.#parts.rests.wake(accused);
    const other = !aboutCall && this.#hasOther(target);
    if (other) this.#rest(at, this.#parts.refusedRestMs, 'refused');
    return { other, accused: other && status === 403 ? at : null };
  }

  /** Whether anybody may be sent to `target` at once, and nothing of it is taken. */
  #isOpen(target: Target): boolean {
    const { rests, turnstile } = this.#parts;
    if (target.limits !== undefined || target.keys !== undefined) return false;
    return rests.restMs(placeOfKey(target, target.credential)) === 0 && !turnstile.hasLine(lineOf(target));
  }

  #rest(at: KeyAt, restMs: number, why: 'quota' | 'refused'): void {
    const boundMs = why === 'quota' ? Math.min(restMs, this.#parts.restMsMax) : restMs;
    if (this.#parts.rests.restMs(at) >= boundMs) return;
    this.#parts.rests.rest(at, boundMs);
    this.#parts.news.rested(at, why, boundMs);
  }

  #hasOther(target: Target): boolean {
    return keysOf(target).some(
      (key) => key !== target.credential && this.#parts.rests.restMs(placeOfKey(target, key)) === 0,
    );
  }

  async #first(call: Admitted, targets: readonly Target[], waited: boolean): Promise<Held | Blockage> {
    let soonest: Blockage | undefined;
    for (const target of targets) {
      const line = lineOf(target);
      // Who comes now must not overtake those who wait for this one.
      const tried: Held | Blockage =
        !waited && this.#parts.turnstile.hasLine(line)
          ? { line, waitMs: 0, reason: 'target_queue' }
          : await this.#take(call, target, line);
      if ('holds' in tried) return tried;
      if (soonest === undefined || tried.waitMs < soonest.waitMs) soonest = tried;
    }
    return soonest ?? { line: '', waitMs: Number.POSITIVE_INFINITY, reason: 'target_queue' };
  }

  async #take(call: Admitted, target: Target, line: string): Promise<Held | Blockage> {
    const { rests, store } = this.#parts;
    const most = target.limits?.concurrency;
    if (most !== undefined && (this.#underway.get(line) ?? 0) >= most) {
      return { line, waitMs: unknownMs, unsure: true, reason: 'target_concurrency' };
    }
    // Taken before anything is waited for, or two calls would see one free place.
    const release = this.#occupy(line);
    try {
      let soonest: Blockage | undefined;
      for (const key of this.#inTurn(target)) {
        const restMs = rests.restMs(placeOfKey(target, key));
        const tried: Blockage | RateHold[] =
          restMs > 0
            ? { line, waitMs: restMs, reason: 'target_resting' }
            : await takeOf(store, line, holdsOf(call, target, key));
        if (Array.isArray(tried)) {
          if (target.keys !== undefined) this.#used.set(JSON.stringify(placeOfKey(target, key)), ++this.#uses);
          return { target: { ...target, credential: key }, holds: tried, release };
        }
        if (soonest === undefined || tried.waitMs < soonest.waitMs) soonest = tried;
      }
      release();
      return soonest as Blockage;
    } catch (fault) {
      release();
      throw fault;
    }
  }

  #occupy(line: string): () => void {
    this.#underway.set(line, (this.#underway.get(line) ?? 0) + 1);
    let released = false;
    return () => {
      if (released) return;
      released = true;
      const left = (this.#underway.get(line) ?? 1) - 1;
      if (left > 0) this.#underway.set(line, left);
      else this.#underway.delete(line);
      this.#parts.turnstile.wake(line);
    };
  }

  /** The keys of a target, the one that was used longest ago first. */
  #inTurn(target: Target): readonly (string | null)[] {
    const keys = keysOf(target);
    if (keys.length < 2) return keys;
    const usedOf = (key: string | null) => this.#used.get(JSON.stringify(placeOfKey(target, key))) ?? 0;
    return keys.toSorted((left, right) => usedOf(left) - usedOf(right));
  }

  async #correct(target: Target, changes: readonly RateHold[]): Promise<void> {
    if (changes.length === 0) return;
    await this.#parts.store.correct(changes);
    this.#parts.turnstile.wake(lineOf(target));
  }
}
