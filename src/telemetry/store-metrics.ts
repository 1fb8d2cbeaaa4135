/** The metrics of shared state: how it answers, what waits for it, and who else is on it. */
import type { Counter, Histogram, MetricRegistry } from './metrics.ts';

const commandBounds = [0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1];

/** What is asked at a scrape. */
export interface StoreReadings {
  /** Settlements, endings of calls, and spending without the store, that wait for it. */
  readonly waiting: () => { readonly settlements: number; readonly endings: number; readonly unpaid: number };
  /** Holds of dead gateways that this one has charged. */
  readonly forfeits: () => number;
  /** Gateways of the store that live, as this one last saw it. */
  readonly alive: () => number;
  /** Whether this gateway goes on without the store. */
  readonly isLocal: () => boolean;
}

export class StoreMetrics {
  readonly #commands: Histogram;
  readonly #failures: Counter;

  constructor(registry: MetricRegistry) {
    this.#commands = registry.histogram(
      'tollgate_store_command_seconds',
      'What commands of the shared store took that were answered.',
      ['command'],
      commandBounds,
    );
    this.#failures = registry.counter(
      'tollgate_store_failures_total',
      'Commands of the shared store that were not answered in time (timeout) or at all (unavailable).',
      ['command', 'why'],
    );
  }

  command(command: string, ms: number, outcome: 'answered' | 'timeout' | 'unavailable'): void {
    if (outcome === 'answered') this.#commands.observe([command], ms / 1000);
    else this.#failures.add([command, outcome]);
  }
}

/** Adds what is read at each scrape; once. */
export function readStore(registry: MetricRegistry, { waiting, forfeits, alive, isLocal }: StoreReadings): void {
  registry.reader(
    'tollgate_store_waiting',
    'What waits for the shared store: settlements, endings of calls, and spending without it (unpaid).',
    ['what'],
    () => Object.entries(waiting()).map(([what, count]) => [[what], count]),
  );
  registry.reader(
    'tollgate_store_holds_forfeited_total',
    'Holds of dead gateways that this one has charged in full.',
    [],
    () => [[[], forfeits()]],
    'counter',
  );
  registry.reader('tollgate_store_gateways', 'Gateways of the shared store that live.', [], () => [[[], alive()]]);
  registry.reader('tollgate_store_local_share', '1 while this gateway goes on without the shared store.', [], () => [
    [[], isLocal() ? 1 : 0],
  ]);
}
