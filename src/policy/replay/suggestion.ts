/**
 * The least toolset that a purpose used, as a document: what to list, how often each was seen, and what the purpose
 * allows now and never used. What a reader would get wrong: it is what happened, not what should; an attack that was
 * let through would be in it, and what happens once a year is not.
 */
import type { JsonObject } from '../../call.ts';
import type { Counts, OperationUse, TaskUse, Usage } from './usage.ts';

/** Fewer say more about chance than about the purpose. */
const callsMin = 20;
const tasksMin = 5;

export interface Seen {
  readonly name: string;
  readonly count: number;
}

export interface Spread {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

export interface SuggestedLimit {
  readonly name: string;
  /** Dotted path. */
  readonly argument: string;
  readonly unit: string;
  readonly each: number;
  readonly task_sum: number;
  readonly seen: number;
}

export interface SuggestedOperation {
  readonly name: string;
  readonly kind: string;
  readonly calls: number;
  readonly tasks: number;
  readonly effects: readonly Seen[];
  readonly refused: number;
  readonly subject_at: readonly string[];
  readonly limits: readonly SuggestedLimit[];
  /** Numbers of a write that cannot be limits: the gate does not add them up, or not every call had them. */
  readonly other_amounts: readonly SuggestedLimit[];
  /** Of a model alone. */
  readonly model: {
    readonly max_tokens: number;
    readonly asked_max: number;
    readonly unlimited: number;
    readonly longest_answer: number;
    readonly tool_kinds: readonly Seen[];
  } | null;
  /** As the purpose says it now; null where it does not. */
  readonly sends: string | null;
}

export interface Suggestion {
  readonly purpose: string;
  readonly calls: number;
  readonly tasks: number;
  readonly unknown_calls: number;
  readonly issuers: readonly Seen[];
  readonly agents: readonly Seen[];
  readonly part_of: readonly Seen[];
  /** Tasks that were no part of another. */
  readonly wholes: number;
  readonly subject: {
    readonly types: readonly Seen[];
    readonly issuers: readonly Seen[];
    readonly asserted_by: readonly Seen[];
  };
  readonly regions: readonly Seen[];
  readonly same_subject: readonly Seen[];
  readonly operations: readonly SuggestedOperation[];
  readonly per_task: {
    readonly calls: Spread;
    readonly cost_micro_usd: Spread;
    readonly tokens: Spread;
    readonly seconds: Spread;
  };
  /** Operations that were refused and never sent. */
  readonly refused: readonly Seen[];
  /** Null where no bundle was looked at, or it does not know the purpose. */
  readonly never_used: readonly string[] | null;
}

export type Suggested = { readonly suggestion: Suggestion } | { readonly tooLittle: string };

const byName = (left: string, right: string): number => (left < right ? -1 : left > right ? 1 : 0);

function seen(counts: Counts): Seen[] {
  const rows = [...counts].map(([name, count]) => ({ name, count }));
  return rows.sort((left, right) => right.count - left.count || byName(left.name, right.name));
}

/** By nearest rank. */
function spreadOf(values: readonly number[]): Spread {
  const sorted = [...values].sort((left, right) => left - right);
  const rank = (share: number) => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0;
  return { p50: rank(0.5), p99: rank(0.99), max: rank(1) };
}

const objectIn = (value: unknown): JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonObject) : {};

function unitOf(argument: string): string {
  const last = argument.split('.').at(-1) ?? argument;
  return /_(cents|usd|eur|seconds|bytes|tokens)$/.exec(last)?.[1] ?? 'units';
}

/** It becomes part of a reason's code. */
function limitName(argument: string): string {
  const last = (argument.split('.').at(-1) ?? argument).toLowerCase().replaceAll(/[^a-z0-9_]+/g, '_');
  return (/^[a-z]/.test(last) ? last : `n_${last}`).slice(0, 32);
}

function limitsOf(
  use: OperationUse,
  remembered: ReadonlySet<string>,
): Pick<SuggestedOperation, 'limits' | 'other_amounts'> {
  if (use.kind === 'model' || ![...use.effects.keys()].some((effect) => effect !== 'read'))
    return { limits: [], other_amounts: [] };
  const rows = [...use.arguments.amounts]
    .map(([argument, { seen: count, each, taskSum }]) => ({
      name: limitName(argument),
      argument,
      unit: unitOf(argument),
      each,
      task_sum: taskSum,
      seen: count,
    }))
    .sort((left, right) => byName(left.argument, right.argument));
  const fits = (row: SuggestedLimit) => row.seen === use.calls && remembered.has(row.argument);
  return { limits: rows.filter(fits), other_amounts: rows.filter((row) => !fits(row)) };
}

function neverUsed(usage: Usage, current: JsonObject): string[] {
  return Object.entries(objectIn(current.operations)).flatMap(([name, settings]) => {
    const use = usage.operations.get(name);
    if (use === undefined) return [name];
    const { effects, tool_kinds: kinds } = objectIn(settings);
    const unused = (listed: unknown, used: Counts) =>
      (Array.isArray(listed) ? listed : []).filter((item) => typeof item === 'string' && !used.has(item));
    return [
      ...unused(effects, use.effects).map((effect) => `${name} with the effect ${effect}`),
      ...unused(kinds, use.toolKinds).map((kind) => `${name} with tools of kind ${kind}`),
    ];
  });
}

export interface SuggestOptions {
  /** `data.tollgate.purposes` of a bundle, or null where none is looked at. */
  readonly purposes: JsonObject | null;
  /** What the routing table says to remember, by operation; the trail shows only what was summed up already. */
  readonly remember: ReadonlyMap<string, readonly string[]>;
}

/** What to list for the purpose, or why nothing can be said. */
export function suggest(usage: Usage, { purposes, remember }: SuggestOptions): Suggested {
  const { purpose, calls, tasks } = usage;
  if (calls < callsMin || tasks.size < tasksMin) return { tooLittle: tooLittle(usage) };
  const known = Object.hasOwn(purposes ?? {}, purpose) ? objectIn(purposes?.[purpose]) : null;
  const now = objectIn(known?.operations);
  const each = (of: (task: TaskUse) => number) => spreadOf([...tasks.values()].map(of));
  const refused = seen(usage.refused);
  const operations = [...usage.operations]
    .sort(([left], [right]) => byName(left, right))
    .map(([name, use]): SuggestedOperation => {
      const { sends } = objectIn(now[name]);
      return {
        name,
        kind: use.kind,
        calls: use.calls,
        tasks: use.tasks,
        effects: seen(use.effects),
        refused: usage.refused.get(name) ?? 0,
        subject_at: use.kind === 'model' ? [] : use.arguments.subjectAt(use.calls),
        ...limitsOf(use, new Set([...use.remembered, ...(remember.get(name) ?? [])])),
        model: use.kind === 'model' ? modelOf(use) : null,
        sends: typeof sends === 'string' ? sends : null,
      };
    });
  const parts = seen(usage.parents);
  const suggestion: Suggestion = {
    purpose,
    calls,
    tasks: tasks.size,
    unknown_calls: usage.unknown,
    issuers: seen(usage.issuers),
    agents: seen(usage.agents),
    part_of: parts,
    wholes: tasks.size - parts.reduce((sum, { count }) => sum + count, 0),
    subject: {
      types: seen(usage.subjectTypes),
      issuers: seen(usage.subjectIssuers),
      asserted_by: seen(usage.asserting),
    },
    regions: seen(usage.regions),
    same_subject: [...usage.names]
      .filter(([, { seen: count, subject }]) => subject > 0 && subject === count)
      .map(([name, { seen: count }]) => ({ name, count }))
      .sort((left, right) => byName(left.name, right.name)),
    operations,
    per_task: {
      calls: each((task) => task.calls),
      cost_micro_usd: each((task) => task.costMicroUsd),
      tokens: each((task) => task.tokens),
      seconds: each((task) => Math.ceil((task.lastMs - task.startMs) / 1000)),
    },
    refused: refused.filter(({ name }) => !usage.operations.has(name)),
    never_used: known === null ? null : neverUsed(usage, known),
  };
  return { suggestion };
}

function modelOf(use: OperationUse): NonNullable<SuggestedOperation['model']> {
  return {
    max_tokens: Math.max(use.maxTokens, use.outputTokens),
    asked_max: use.maxTokens,
    unlimited: use.unlimited,
    longest_answer: use.outputTokens,
    tool_kinds: seen(use.toolKinds),
  };
}

function tooLittle({ purpose, calls, tasks, purposes, unknown }: Usage): string {
  const others = seen(purposes)
    .slice(0, 10)
    .map(({ name, count }) => `${name} (${count} calls)`);
  return [
    `${purpose}: the trail holds ${calls} calls that were sent, in ${tasks.size} tasks.`,
    `A proposal takes at least ${callsMin} calls in ${tasksMin} tasks: go further back.`,
    others.length === 0 ? 'There are no calls of any purpose.' : `Purposes in this time: ${others.join(', ')}.`,
    ...(unknown === 0
      ? []
      : [`Of ${unknown} calls the purpose is not known: their input was erased or not kept whole.`]),
  ].join(' ');
}
