/**
 * What the programs of the benchmark say to each other over Node's IPC channel. Every program says `Ready` once, and
 * then answers each question with one answer, in order.
 */
import type { WorkloadName } from './workloads.ts';

/** The first thing a program says. */
export interface Ready {
  readonly url: string;
  /** Of the world: the workload token that opens tasks. */
  readonly workloadToken?: string;
}

/** What may be asked of the program that is measured. */
export type MeasuredQuestion =
  | { readonly ask: 'usage' }
  | { readonly ask: 'profile.start' }
  | { readonly ask: 'profile.stop'; readonly file: string };

export interface Usage {
  /** User and system time of the whole process so far: all threads, the audit worker's too. */
  readonly cpuUs: number;
  /** The main thread's part of it. */
  readonly mainUs: number;
  readonly residentBytes: number;
}

/** What may be asked of the load. */
export type LoadQuestion =
  | { readonly ask: 'open'; readonly url: string; readonly workloadToken: string; readonly tasks: number }
  | ({ readonly ask: 'run' } & Run);

export interface Run {
  readonly workload: WorkloadName;
  readonly url: string;
  /** A token a task; without tasks (no gate) empty strings. A task's calls are made one after the other. */
  readonly tokens: readonly string[];
  readonly callsPerTask: number;
  readonly connections: number;
  /** The run is given up after so long. */
  readonly msMax: number;
}

/** Times are those of single requests, in microseconds. */
export interface Ran {
  readonly requests: number;
  readonly elapsedMs: number;
  readonly firstByteUs: { readonly p50: number; readonly p99: number };
  readonly wholeUs: { readonly p50: number; readonly p99: number };
  /** What was not as it should be, with how often; empty for a good run. */
  readonly faults: Readonly<Record<string, number>>;
  /** What the first such answer said. */
  readonly sample: string;
}

/** What is asked of the program that decides: how many figures of each part. */
export interface DecisionQuestion {
  readonly figures: number;
}

/** Build the input, check and serialise it, evaluate, check the decision; and all of it, as the gate does it. */
export type DecisionPart = 'build' | 'check' | 'wasm' | 'decision' | 'whole';

export interface Decided {
  /** Members of the input that no rule refers to, and that were not there. */
  readonly leftOut: readonly string[];
  /** Of the input as JSON. */
  readonly bytes: number;
  /** Processor time of one decision. */
  readonly us: Readonly<Record<DecisionPart, readonly number[]>>;
}
