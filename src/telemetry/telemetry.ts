/**
 * What the gate says of itself while it runs: counts of everything, and the spans of sampled calls. A call is watched
 * from its arrival to its settlement, and nothing that goes wrong here is ever felt by it.
 */
import type { Outcome, Trace, Underway, Watch } from '../call.ts';
import type { Clock } from '../clock.ts';
import type { Denial } from '../denial.ts';
import { callSpans, type TimedStage } from './call-spans.ts';
import { GateMetrics, type Gauges } from './gate-metrics.ts';
import type { Log } from './log.ts';
import { type Post, SpanExport } from './otlp.ts';
import type { TelemetryConfig } from './section.ts';
import type { StoreMetrics } from './store-metrics.ts';

export interface TelemetryParts {
  readonly config: TelemetryConfig;
  readonly gateway: { readonly id: string; readonly cloud: string; readonly region: string };
  readonly clock: Clock;
  readonly log: Log;
  /** The way out to the OTLP receiver. */
  readonly post: Post;
}

/** More than any way through the ladder has. */
const stagesMax = 64;

export class Telemetry implements AsyncDisposable {
  readonly #parts: TelemetryParts;
  readonly #metrics = new GateMetrics();
  readonly #spans: SpanExport | undefined;

  constructor(parts: TelemetryParts) {
    this.#parts = parts;
    const { config, gateway, post, clock, log } = parts;
    if (config.otlp === undefined) return;
    this.#spans = new SpanExport({
      ...config.otlp,
      resource: {
        'service.name': 'tollgate',
        'service.instance.id': gateway.id,
        'cloud.provider': gateway.cloud,
        'cloud.region': gateway.region,
      },
      ...{ post, clock, log },
      count: (outcome, spans) => this.#metrics.spans(outcome, spans),
    });
  }

  /** Loads the exporter, where one is configured. */
  async open(): Promise<void> {
    await this.#spans?.open();
  }

  /** Adds what the other rooms tell at a scrape; once. */
  gauges(gauges: Gauges): void {
    this.#metrics.watch(gauges);
  }

  /** Counts what limits by time do. */
  get limits(): GateMetrics['limits'] {
    return this.#metrics.limits;
  }

  /** Watches a call that has just arrived. */
  watch(trace: Trace): Watch {
    const { clock, log } = this.#parts;
    const metrics = this.#metrics;
    const spans = trace.sampled ? this.#spans : undefined;
    const stages: TimedStage[] = [];
    metrics.began();
    const stage: Watch['stage'] = (name, startMs, endMs, code) => {
      metrics.stage(name, endMs - startMs);
      if (spans !== undefined && stages.length < stagesMax) stages.push({ name, startMs, endMs, code });
    };
    return {
      stage,
      ended: (call: Underway, outcome: Outcome) => {
        try {
          const endMs = clock.monotonicMs();
          const settledFromMs = call.startMs + outcome.latencyMs;
          stage('settlement', settledFromMs, endMs, null);
          metrics.ended(call, outcome, outcome.overheadMs + (endMs - settledFromMs), endMs - call.startMs);
          spans?.take(callSpans({ call, outcome, stages, endMs }, clock));
        } catch (fault) {
          log('error', 'a call could not be told of', { fault });
        }
      },
    };
  }

  /** Counts a request that was refused and was no call. */
  denied(denial: Denial): void {
    this.#metrics.denied(denial);
  }

  /** Counts an answer that does not fit the document of its route. */
  unfitAnswer(operation: string, mode: 'observe' | 'enforce'): void {
    this.#metrics.unfitAnswer(operation, mode);
  }

  /** Counts an alert of a budget: of which level, at how many percent of it. */
  budgetAlert(level: string, threshold: number): void {
    this.#metrics.budgetAlert(level, threshold);
  }

  /** Counts a command to the shared store: what it took, and how it went. */
  readonly storeCommand: StoreMetrics['command'] = (...told) => this.#metrics.store.command(...told);

  /** Counts an input that two policies decided, by how they differ: one of a closed set. */
  compared(outcome: string): void {
    this.#metrics.compared(outcome);
  }

  /** The metrics in Prometheus' text format. */
  exposition(): string {
    return this.#metrics.exposition();
  }

  /** Sends the spans that wait. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#spans?.[Symbol.asyncDispose]();
  }
}
