/**
 * What limits by time do, in metrics: how many calls wait and how long they did, which limits refused, what was sent
 * again, and which keys rest. Labels are words of closed sets, and names of the routing table.
 */
import type { Counter, Histogram, MetricRegistry, Reading } from './metrics.ts';

const waitBounds = [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300];

export class LimitMetrics {
  readonly #limited: Counter;
  readonly #waited: Histogram;
  readonly #retries: Counter;
  readonly #rests: Counter;

  constructor(registry: MetricRegistry) {
    this.#limited = registry.counter('tollgate_rate_limited_total', 'Calls refused by a limit, by which one.', [
      'limit',
    ]);
    this.#waited = registry.histogram(
      'tollgate_rate_waited_seconds',
      'How long calls waited for a limit, let through or not in the end.',
      [],
      waitBounds,
    );
    this.#retries = registry.counter(
      'tollgate_retries_total',
      'Calls that were sent again: to the next target, with another key, or to the same; over_budget: that were not.',
      ['route', 'how'],
    );
    this.#rests = registry.counter(
      'tollgate_key_rests_total',
      'How often a key of a target was put to rest: its quota is used up, or it was refused.',
      ['route', 'target', 'why'],
    );
  }

  limited(limit: string): void {
    this.#limited.add([limit]);
  }

  waited(ms: number): void {
    this.#waited.observe([], ms / 1000);
  }

  retried(route: string, how: string): void {
    this.#retries.add([route, how]);
  }

  rested(route: string, target: string, why: string): void {
    this.#rests.add([route, target, why]);
  }
}

/** What is asked of the limits at a scrape. */
export interface LimitReadings {
  readonly waiting: () => number;
  /** By route, target and name of the credential: seconds until it may be used. */
  readonly resting: () => readonly Reading[];
}

/** Adds what is read at each scrape; once. */
export function readLimits(registry: MetricRegistry, { waiting, resting }: LimitReadings): void {
  registry.reader('tollgate_rate_waiting', 'Calls that wait for a limit.', [], () => [[[], waiting()]]);
  registry.reader(
    'tollgate_key_resting_seconds',
    'How long a key of a target still rests; 0: it does not.',
    ['route', 'target', 'credential'],
    resting,
  );
}
