/**
 * The metrics of a gate, by name. Labels hold what the routing table and closed tables name, and never a task, an
 * agent, a subject or anything that a caller writes: an operation that was not found is `unresolved`.
 */
import type { Attempt, Outcome, Underway } from '../call.ts';
import type { Denial } from '../denial.ts';
import { LimitMetrics, type LimitReadings, readLimits } from './limit-metrics.ts';
import { type Counter, type Histogram, MetricRegistry, type Reading } from './metrics.ts';
import { readStore, StoreMetrics, type StoreReadings } from './store-metrics.ts';

const durationBounds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300];
const overheadBounds = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5];
const unresolved = 'unresolved';
const none = 'none';

/** What the other rooms are asked at a scrape. */
export interface Gauges {
  readonly breakerOpen: () => readonly Reading[];
  readonly auditQueueEvents: () => number;
  readonly limits: LimitReadings;
  readonly store: StoreReadings;
  readonly policy: () => { readonly bundle: string; readonly revision: string };
  /** How much of the windows of configured agents and tenants is spent, as this gateway last saw it. */
  readonly budgetUsed: () => readonly Reading[];
  /** Where the candidate of this gateway stands, and for how many of 100 it decides. */
  readonly rollout: () => { readonly stage: string; readonly percent: number };
  /** Tools of each mcp route whose definition is not the accepted one. */
  readonly toolsDrifted: () => readonly Reading[];
  /** What became of what is reported in OPA's formats. */
  readonly policyReports?: () => ReportReadings;
}

/** Sums since the start: decisions by what became of them, those that went incomplete by why, failed reports by kind. */
export interface ReportReadings {
  readonly decisions: readonly Reading[];
  readonly incomplete: readonly Reading[];
  readonly failed: readonly Reading[];
}

/** How a call ended, in four words. A target's own 4xx or 5xx is an answer, and its attempt shows which. */
export function outcomeWord({ denial, status, attempts }: Outcome): 'answered' | 'denied' | 'failed' | 'client_gone' {
  if (status === 499) return 'client_gone';
  if (denial === null) return 'answered';
  return attempts.length > 0 || denial.status >= 500 ? 'failed' : 'denied';
}

function attemptWord({ status, error }: Attempt): string {
  return status === null ? (error ?? 'fault') : `${Math.floor(status / 100)}xx`;
}

export class GateMetrics {
  readonly #registry = new MetricRegistry();
  readonly limits = new LimitMetrics(this.#registry);
  readonly store = new StoreMetrics(this.#registry);
  readonly #calls: Counter;
  readonly #denials: Counter;
  readonly #unauthenticated: Counter;
  readonly #tokens: Counter;
  readonly #cost: Counter;
  readonly #attempts: Counter;
  readonly #duration: Histogram;
  readonly #overhead: Histogram;
  readonly #stages: Histogram;
  readonly #spans: Counter;
  readonly #compared: Counter;
  readonly #alerts: Counter;
  readonly #unfit: Counter;
  readonly #cache: Counter;
  readonly #saved: Counter;
  #inFlight = 0;

  constructor() {
    const registry = this.#registry;
    this.#calls = registry.counter('tollgate_calls_total', 'Calls that ended.', [
      'route',
      'operation',
      'outcome',
      'code',
    ]);
    this.#denials = registry.counter('tollgate_denials_total', 'Refusals by code, of calls and other requests.', [
      'code',
    ]);
    this.#unauthenticated = registry.counter(
      'tollgate_unauthenticated_total',
      'Requests whose credential was not accepted, by reason.',
      ['reason'],
    );
    this.#duration = registry.histogram(
      'tollgate_call_duration_seconds',
      'From the arrival of a call until it is settled, the time of its target included.',
      ['route'],
      durationBounds,
    );
    this.#overhead = registry.histogram(
      'tollgate_overhead_seconds',
      'What the gate itself added to a call.',
      ['route'],
      overheadBounds,
    );
    this.#stages = registry.histogram(
      'tollgate_stage_seconds',
      'What one stage of the way of a call took.',
      ['stage'],
      overheadBounds,
    );
    this.#tokens = registry.counter(
      'tollgate_tokens_total',
      'Tokens of models; cached_input and cache_write are part of input, reasoning of output.',
      ['direction', 'route', 'target'],
    );
    this.#cost = registry.counter(
      'tollgate_cost_micro_usd_total',
      'What calls cost, in micro-dollars; target is none where no target answered.',
      ['route', 'target'],
    );
    this.#alerts = registry.counter(
      'tollgate_budget_alerts_total',
      'Budgets of which so many percent were spent, told of by this gateway.',
      ['level', 'threshold'],
    );
    this.#attempts = registry.counter('tollgate_upstream_attempts_total', 'Attempts at targets.', [
      'route',
      'target',
      'outcome',
    ]);
    this.#spans = registry.counter('tollgate_spans_total', 'Spans for the OTLP receiver, by what became of them.', [
      'outcome',
    ]);
    this.#compared = registry.counter(
      'tollgate_policy_compared_total',
      'Inputs that the candidate policy and the one in force both decided, by how the candidate differs.',
      ['outcome'],
    );
    this.#unfit = registry.counter(
      'tollgate_unfit_answers_total',
      'Answers of HTTP tools that do not fit what their document says of them, by what the route does about it.',
      ['operation', 'responses'],
    );
    this.#cache = registry.counter(
      'tollgate_cache_total',
      'Calls whose answers the policy lets be kept: hit, miss, or why neither.',
      ['route', 'outcome'],
    );
    this.#saved = registry.counter(
      'tollgate_cache_saved_micro_usd_total',
      'What kept answers had cost when they were new, in micro-dollars.',
      ['route'],
    );
    registry.reader('tollgate_calls_in_flight', 'Calls under way.', [], () => [[[], this.#inFlight]]);
    processMetrics(registry);
  }

  /** Adds what is read from other rooms at each scrape; once. */
  watch({
    breakerOpen,
    auditQueueEvents,
    limits,
    store,
    policy,
    rollout,
    policyReports,
    budgetUsed,
    toolsDrifted,
  }: Gauges): void {
    const registry = this.#registry;
    readLimits(registry, limits);
    readStore(registry, store);
    registry.reader(
      'tollgate_budget_used_ratio',
      'Share of a configured window that is spent, as this gateway last saw it; the highest of equal names.',
      ['level', 'name', 'per', 'dimension'],
      budgetUsed,
    );
    registry.reader(
      'tollgate_breaker_open',
      '1 while the circuit of a target is open.',
      ['route', 'target'],
      breakerOpen,
    );
    registry.reader('tollgate_audit_queue_events', 'Events that wait to be written.', [], () => [
      [[], auditQueueEvents()],
    ]);
    registry.reader('tollgate_policy_revision_info', 'The policies in force.', ['bundle', 'revision'], () => {
      const { bundle, revision } = policy();
      return [[[bundle, revision], 1]];
    });
    registry.reader('tollgate_policy_rollout_stage', '1 for the stage of the candidate policy.', ['stage'], () => [
      [[rollout().stage], 1],
    ]);
    registry.reader('tollgate_policy_rollout_percent', 'For how many of 100 the candidate decides.', [], () => [
      [[], rollout().percent],
    ]);
    registry.reader(
      'tollgate_tools_drifted',
      'Tools of an MCP server that are not defined as they were accepted.',
      ['route'],
      toolsDrifted,
    );
    if (policyReports !== undefined) reportMetrics(registry, policyReports);
  }

  began(): void {
    this.#inFlight++;
  }

  stage(name: string, ms: number): void {
    this.#stages.observe([name], ms / 1000);
  }

  /** `overheadMs` and `totalMs` are until now, settlement included. */
  ended(call: Underway, outcome: Outcome, overheadMs: number, totalMs: number): void {
    this.#inFlight--;
    const { denial, usage, attempts } = outcome;
    const target = outcome.target?.name ?? none;
    const operation = call.resolved?.operation;
    const route = operation?.route ?? unresolved;
    this.#calls.add([route, operation?.name ?? unresolved, outcomeWord(outcome), denial?.code ?? none]);
    this.#duration.observe([route], totalMs / 1000);
    this.#overhead.observe([route], overheadMs / 1000);
    if (denial !== null) this.denied(denial);
    if (usage !== null) {
      this.#tokens.add(['input', route, target], usage.inputTokens);
      this.#tokens.add(['output', route, target], usage.outputTokens);
      const { cachedInputTokens: cached, cacheWriteTokens: written = 0, reasoningTokens: reasoning = 0 } = usage;
      if (cached > 0) this.#tokens.add(['cached_input', route, target], cached);
      if (written > 0) this.#tokens.add(['cache_write', route, target], written);
      if (reasoning > 0) this.#tokens.add(['reasoning', route, target], reasoning);
    }
    if (outcome.costMicroUsd > 0) this.#cost.add([route, target], outcome.costMicroUsd);
    for (const attempt of attempts) {
      // What was answered and not sent was answered with a kept answer.
      if (attempt.sent || attempt.status === null) this.#attempts.add([route, attempt.target, attemptWord(attempt)]);
    }
    this.#cached(route, call.cache);
  }

  #cached(route: string, cache: Underway['cache']): void {
    if (cache === undefined || cache.state === 'not_granted') return;
    // What is repeated is this very call, and not one that is equal to it.
    if (cache.state === 'hit' && cache.kept.repeated === true) return;
    this.#cache.add([route, cache.state === 'unused' ? cache.why : cache.state]);
    if (cache.state === 'hit') this.#saved.add([route], cache.kept.costMicroUsd);
  }

  unfitAnswer(operation: string, mode: string): void {
    this.#unfit.add([operation, mode]);
  }

  denied(denial: Denial): void {
    this.#denials.add([denial.code]);
    if (denial.code === 'unauthenticated') this.#unauthenticated.add([denial.reasons[0]?.code ?? none]);
  }

  budgetAlert(level: string, threshold: number): void {
    this.#alerts.add([level, String(threshold)]);
  }

  compared(outcome: string): void {
    this.#compared.add([outcome]);
  }

  spans(outcome: 'exported' | 'dropped' | 'failed', count: number): void {
    this.#spans.add([outcome], count);
  }

  /** Everything, in Prometheus' text format. */
  exposition(): string {
    return this.#registry.exposition();
  }
}

function reportMetrics(registry: MetricRegistry, readings: () => ReportReadings): void {
  registry.reader(
    'tollgate_decision_log_events_total',
    'Decisions for the decision log, by what became of them: sent, unwanted, or why they were dropped.',
    ['outcome'],
    () => readings().decisions,
    'counter',
  );
  registry.reader(
    'tollgate_decision_log_incomplete_total',
    'Decisions that were reported without their content (withheld) or without their input (too large).',
    ['why'],
    () => readings().incomplete,
    'counter',
  );
  registry.reader(
    'tollgate_policy_reports_failed_total',
    'Uploads of decisions or status that failed, tries that were repeated included.',
    ['report'],
    () => readings().failed,
    'counter',
  );
}

/** What every exporter says of a process, by the names that dashboards know. */
function processMetrics(registry: MetricRegistry): void {
  const one = (value: number): readonly Reading[] => [[[], value]];
  registry.reader(
    'process_cpu_seconds_total',
    'User and system time.',
    [],
    () => {
      const { user, system } = process.cpuUsage();
      return one((user + system) / 1e6);
    },
    'counter',
  );
  registry.reader('process_resident_memory_bytes', 'Resident memory.', [], () => one(process.memoryUsage.rss()));
  registry.reader('nodejs_heap_size_used_bytes', "Used heap of V8, WASM's memory not included.", [], () =>
    one(process.memoryUsage().heapUsed),
  );
  registry.reader('nodejs_eventloop_utilization', 'Share of time the event loop was busy, since the start.', [], () =>
    one(performance.eventLoopUtilization().utilization),
  );
  registry.reader('process_uptime_seconds', 'How long the process runs.', [], () => one(process.uptime()));
}
