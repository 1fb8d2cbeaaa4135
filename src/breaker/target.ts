/**
 * One circuit breaker for each target, on opossum. Opossum would read the system's time and keep timers of its own;
 * here the Clock drives both: its windows turn, and its rest ends, when somebody next asks. An answer is judged by its
 * head; a stream that breaks off later is reported with `failed`, and counts for the call that had gone well so far.
 */
import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import CircuitBreaker from 'opossum';
import type { Target } from '../call.ts';
import type { Clock } from '../clock.ts';
import { type Denial, deny } from '../denial.ts';
import type { BreakerConfig } from './section.ts';

/** How an action went: as a value it gave, or as an error it threw. */
export type Ended<T> = { readonly value: T } | { readonly error: unknown };

/**
 * What that says of the target: `ill` counts against it, `well` for it; `neither`, as when the client went away, never
 * opens or closes a circuit. A refusal of the request (4xx) is `well`: the target is there and answers.
 */
export type Health = 'well' | 'ill' | 'neither';

type Action = () => Promise<void>;
type Breaker = CircuitBreaker<[Action], void>;

interface Circuit {
  breaker: Breaker;
  /** Monotonic; when it last opened. */
  openedAtMs: number;
}

const buckets = 10;
/** What to wait at least: a trial that is underway may end at any moment, but not in none. */
const trialMs = 1_000;
/** Opossum's own timer must not end the rest before the Clock does; this is the longest a timer can be. */
const neverMs = 2 ** 31 - 1;

export class TargetBreakers {
  readonly #config: BreakerConfig;
  readonly #clock: Clock;
  readonly #circuits = new Map<string, Circuit>();
  /** Turns the windows of all breakers by one bucket. */
  readonly #turns = new EventEmitter().setMaxListeners(0);
  #turnedAtMs: number | null = null;

  constructor(parts: { readonly config: BreakerConfig; readonly clock: Clock }) {
    this.#config = parts.config;
    this.#clock = parts.clock;
  }

  /** Whether a call to the target would be refused now. */
  isOpen(key: string): boolean {
    const circuit = this.#circuits.get(key);
    if (circuit === undefined) return false;
    this.#keepTime(key, circuit);
    return !circuit.breaker.closed && !circuit.breaker.pendingClose;
  }

  /** Milliseconds until an open target may be tried; 0 if it may be now. */
  restMs(key: string): number {
    const circuit = this.#circuits.get(key);
    if (circuit === undefined || !this.isOpen(key)) return 0;
    return Math.max(0, Math.ceil(circuit.openedAtMs + this.#config.reset_ms - this.#clock.monotonicMs()));
  }

  /**
   * Runs `action` against the target and gives what it gives, or throws what it throws; `healthOf` says how it counts.
   * While the target rests, or its one trial is underway, nothing is run, and the answer is `circuit_open`.
   */
  async run<T>(target: Target, action: () => Promise<T>, healthOf: (ended: Ended<T>) => Health): Promise<T | Denial> {
    const key = targetKey(target);
    const circuit = this.#circuitOf(key);
    const { breaker } = circuit;
    let ended: Ended<T> | undefined;
    const watched = async (): Promise<void> => {
      ended = await action().then(
        (value) => ({ value }),
        (error: unknown) => ({ error }),
      );
      const health = healthOf(ended);
      // A trial that says nothing must neither close nor open the circuit: the next call is the trial again. Each
      // half-open state has a breaker of its own, so a straggler from before the rest is not taken for the trial.
      if (health === 'neither' && breaker.halfOpen && circuit.breaker === breaker) this.#halfOpen(key, circuit);
      if (health === 'ill') throw new TargetIll();
    };
    let refused = false;
    await breaker.fire(watched).catch((error: unknown) => {
      refused = CircuitBreaker.isOurError(error as Error);
      if (!refused && !(error instanceof TargetIll)) throw error;
    });
    if (refused) {
      const retryAfterMs = Math.max(trialMs, this.restMs(key));
      return deny('circuit_open', `The target ${target.name} of ${target.route} keeps failing.`, { retryAfterMs });
    }
    assert.ok(ended, 'opossum has run the action or refused it');
    if ('error' in ended) throw ended.error;
    return ended.value;
  }

  /** Counts a call that `run` had found well against the target after all: its stream broke off. */
  failed(target: Target): void {
    const { breaker } = this.#circuitOf(targetKey(target));
    if (!breaker.closed) return;
    // Not a call of its own: counted as one, a target that breaks every stream would never pass 50 %.
    breaker.emit('failure', new TargetIll(), 0, []);
    const { failures, fires } = breaker.stats;
    if (fires >= this.#config.volume && (failures / fires) * 100 > this.#config.error_percent) breaker.open();
  }

  /** Lets go of opossum's timers and listeners. */
  [Symbol.dispose](): void {
    for (const { breaker } of this.#circuits.values()) breaker.shutdown();
    this.#circuits.clear();
  }

  #circuitOf(key: string): Circuit {
    const found = this.#circuits.get(key);
    const circuit: Circuit = found ?? { breaker: this.#breaker(key, 'closed'), openedAtMs: 0 };
    if (found === undefined) this.#adopt(key, circuit);
    this.#keepTime(key, circuit);
    return circuit;
  }

  #adopt(key: string, circuit: Circuit): void {
    this.#circuits.set(key, circuit);
    circuit.breaker.on('open', () => {
      circuit.openedAtMs = this.#clock.monotonicMs();
    });
  }

  /** Turns the windows and ends the rest, as far as time has gone since somebody last asked. */
  #keepTime(key: string, circuit: Circuit): void {
    const nowMs = this.#clock.monotonicMs();
    const bucketMs = this.#config.window_ms / buckets;
    this.#turnedAtMs ??= nowMs;
    const due = Math.floor((nowMs - this.#turnedAtMs) / bucketMs);
    for (let turn = 0; turn < Math.min(due, buckets); turn++) this.#turns.emit('rotate');
    this.#turnedAtMs += due * bucketMs;
    if (circuit.breaker.opened && nowMs - circuit.openedAtMs >= this.#config.reset_ms) this.#halfOpen(key, circuit);
  }

  /** Opossum half-opens only by its own timer, or when it is made that way. */
  #halfOpen(key: string, circuit: Circuit): void {
    circuit.breaker.shutdown();
    circuit.breaker = this.#breaker(key, 'half-open');
    this.#adopt(key, circuit);
  }

  #breaker(name: string, state: 'closed' | 'half-open'): Breaker {
    const options = {
      name,
      timeout: false as const,
      resetTimeout: neverMs,
      errorThresholdPercentage: this.#config.error_percent,
      volumeThreshold: this.#config.volume,
      rollingCountTimeout: this.#config.window_ms,
      rollingCountBuckets: buckets,
      rollingPercentilesEnabled: false,
      enableSnapshots: false,
      rotateBucketController: this.#turns,
      ...(state === 'closed' ? {} : { state: { enabled: true, closed: false, halfOpen: true } }),
    };
    return new CircuitBreaker((action: Action) => action(), options);
  }
}

/** The name of a target among all routes. */
export function targetKey(target: Pick<Target, 'route' | 'name'>): string {
  return `${target.route}/${target.name}`;
}

/** Tells opossum of a failure; nobody else sees it. */
class TargetIll extends Error {
  override readonly name = 'TargetIll';
}
