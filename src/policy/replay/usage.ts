/**
 * What a purpose used, out of recorded calls: who, for whom, which operations with which arguments, where to, and how
 * much. Only what was sent counts as used; what was refused is counted apart and proposed by nobody. Memory grows with
 * the tasks of the purpose, a few numbers each.
 */
import type { Json, JsonObject } from '../../call.ts';
import { type InputPart, inputParts, type LeftOut } from '../input-parts.ts';
import { ArgumentUse, type Presence } from './arguments.ts';
import type { ReplayedDecision } from './kept.ts';
import { type Archive, noArchive, Rebuilding } from './rebuilding.ts';

const namesMax = 1_000;
const asked: readonly InputPart[] = ['call.arguments', 'call.provenance', 'call.tools', 'task.counts'];
/** Of an input, what is not looked at here; it may be missing. */
export const unlookedAt: LeftOut = new Set(inputParts.filter((part) => !asked.includes(part)));

/** An event with what it cost and where it went; the audit room's events fit. */
export interface UsageEvent extends ReplayedDecisionEvent {
  readonly target: { readonly region: string | null } | null;
  readonly usage: { readonly input_tokens: number; readonly output_tokens: number } | null;
  readonly cost_usd: number | null;
}
type ReplayedDecisionEvent = ReplayedDecision['event'];

export interface TaskUse {
  calls: number;
  costMicroUsd: number;
  tokens: number;
  startMs: number;
  lastMs: number;
  /** Largest sum so far, by operation and argument. */
  readonly sums: Map<string, number>;
  readonly operations: Set<string>;
}

export interface OperationUse {
  readonly kind: string;
  readonly effects: Map<string, number>;
  calls: number;
  tasks: number;
  readonly arguments: ArgumentUse;
  /** Numbers of it that the gate adds up over a task. */
  readonly remembered: Set<string>;
  /** Of a model: the most that was asked for, and calls that named no limit; the longest answer. */
  maxTokens: number;
  unlimited: number;
  outputTokens: number;
  readonly toolKinds: Map<string, number>;
}

interface CallInput {
  readonly agent: { readonly id: string; readonly issuer: string };
  readonly subject: { readonly type: string; readonly assurance: string; readonly issuer?: string } | null;
  readonly task: {
    readonly purpose: string;
    readonly parent?: { readonly purpose: string };
    readonly started_at_ms: number;
    readonly spent: { readonly calls: number; readonly cost_micro_usd: number; readonly tokens: number };
    readonly counts: Readonly<Record<string, { readonly sums: Readonly<Record<string, number>> }>>;
  };
  readonly call: {
    readonly kind: string;
    readonly operation: string;
    readonly effect: string;
    readonly arguments: JsonObject;
    readonly provenance: JsonObject;
    readonly max_tokens: number | null;
    readonly tools: readonly { readonly kind: string }[];
  };
}

export type Counts = Map<string, number>;

export function tally(counts: Counts, name: string, by = 1): void {
  if (counts.has(name) || counts.size < namesMax) counts.set(name, (counts.get(name) ?? 0) + by);
}

export class Usage {
  readonly purpose: string;
  readonly agents: Counts = new Map();
  readonly issuers: Counts = new Map();
  readonly subjectTypes: Counts = new Map();
  readonly subjectIssuers: Counts = new Map();
  readonly asserting: Counts = new Map();
  readonly parents: Counts = new Map();
  readonly regions: Counts = new Map();
  readonly refused: Counts = new Map();
  /** Calls of each purpose in the trail. */
  readonly purposes: Counts = new Map();
  readonly names = new Map<string, Presence>();
  readonly operations = new Map<string, OperationUse>();
  readonly tasks = new Map<string, TaskUse>();
  calls = 0;
  /** Calls whose purpose cannot be known: their input was erased, cut, not kept, of another version, or built in part. */
  unknown = 0;
  readonly #fits: (input: Json) => boolean;
  readonly #rebuilding: Rebuilding;
  readonly #open = new Map<string, { readonly task: TaskUse; readonly operation: OperationUse }>();

  /**
   * `fits` tells whether a document is an input of `tollgate.call`, `unlookedAt` aside; `archive` is where to look for
   * what was left out of one.
   */
  constructor(purpose: string, fits: (input: Json) => boolean, archive: Archive = noArchive) {
    this.purpose = purpose;
    this.#fits = fits;
    this.#rebuilding = new Rebuilding(archive, unlookedAt);
  }

  /** Takes an intent, an outcome or a denial; they must come in the order of the trail. */
  add(event: UsageEvent, recorded: ReplayedDecision['input']): void {
    if (event.type === 'outcome') {
      this.#ended(event);
      return;
    }
    if (event.call === null || event.task === null || event.decision?.id == null) return;
    const input = recorded.state === 'kept' ? this.#callInput(event, recorded.text) : null;
    if (input === null) {
      this.unknown += 1;
      return;
    }
    tally(this.purposes, input.task.purpose);
    if (input.task.purpose !== this.purpose) return;
    if (event.type === 'denial') tally(this.refused, input.call.operation);
    else this.#sent(event, event.task, event.call, input);
  }

  /** The input of a call, checked to be one as far as it is read; its shape was promised when it was recorded. */
  #callInput(event: UsageEvent, text: string): CallInput | null {
    const whole = this.#rebuilding.input(event, text);
    if (whole === null || whole.missing.length > 0 || !this.#fits(whole.document)) return null;
    return whole.document as unknown as CallInput;
  }

  #sent(event: UsageEvent, taskId: string, callId: string, input: CallInput): void {
    this.calls += 1;
    const task = this.#taskOf(taskId, input);
    const { call } = input;
    const operation = this.#operationOf(call);
    task.calls = Math.max(task.calls + 1, input.task.spent.calls + 1);
    task.costMicroUsd = Math.max(task.costMicroUsd, input.task.spent.cost_micro_usd);
    task.tokens = Math.max(task.tokens, input.task.spent.tokens);
    task.lastMs = Math.max(task.lastMs, Date.parse(event.time));
    if (!task.operations.has(call.operation)) {
      task.operations.add(call.operation);
      operation.tasks += 1;
    }
    operation.calls += 1;
    tally(operation.effects, call.effect);
    if (call.kind === 'model') {
      if (call.max_tokens === null) operation.unlimited += 1;
      else operation.maxTokens = Math.max(operation.maxTokens, call.max_tokens);
      for (const { kind } of call.tools) tally(operation.toolKinds, kind);
    } else {
      const sums = input.task.counts[call.operation]?.sums ?? {};
      for (const name of Object.keys(sums)) operation.remembered.add(name);
      operation.arguments.add(call, this.names, {
        before: (place) => Math.max(sums[place] ?? 0, task.sums.get(`${call.operation} ${place}`) ?? 0),
        spent: (place, sum) => task.sums.set(`${call.operation} ${place}`, sum),
      });
    }
    this.#open.set(callId, { task, operation });
  }

  #ended(event: UsageEvent): void {
    const open = event.call === null ? undefined : this.#open.get(event.call);
    if (open === undefined) return;
    this.#open.delete(event.call as string);
    const { task, operation } = open;
    task.lastMs = Math.max(task.lastMs, Date.parse(event.time));
    task.costMicroUsd += Math.round((event.cost_usd ?? 0) * 1_000_000);
    task.tokens += (event.usage?.input_tokens ?? 0) + (event.usage?.output_tokens ?? 0);
    operation.outputTokens = Math.max(operation.outputTokens, event.usage?.output_tokens ?? 0);
    if (event.target?.region != null) tally(this.regions, event.target.region);
  }

  #taskOf(id: string, { agent, subject, task: { parent, started_at_ms: startMs } }: CallInput): TaskUse {
    const known = this.tasks.get(id);
    if (known !== undefined) return known;
    tally(this.agents, agent.id);
    tally(this.issuers, agent.issuer);
    if (subject !== null) {
      tally(this.subjectTypes, subject.type);
      if (subject.issuer !== undefined) tally(this.subjectIssuers, subject.issuer);
      // The subject of a part was accepted with the whole.
      if (subject.assurance === 'asserted' && parent === undefined) tally(this.asserting, agent.id);
    }
    if (parent !== undefined) tally(this.parents, parent.purpose);
    const amounts = { calls: 0, costMicroUsd: 0, tokens: 0, startMs, lastMs: startMs };
    const task: TaskUse = { ...amounts, sums: new Map(), operations: new Set() };
    this.tasks.set(id, task);
    return task;
  }

  #operationOf({ operation: name, kind }: CallInput['call']): OperationUse {
    let operation = this.operations.get(name);
    if (operation === undefined) {
      const amounts = { calls: 0, tasks: 0, maxTokens: 0, unlimited: 0, outputTokens: 0 };
      const sets = { effects: new Map<string, number>(), toolKinds: new Map<string, number>() };
      operation = { kind, ...amounts, ...sets, arguments: new ArgumentUse(), remembered: new Set() };
      this.operations.set(name, operation);
    }
    return operation;
  }
}
