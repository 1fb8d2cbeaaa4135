/**
 * The counters one call draws on: its task's, and for an agent or tenant with a budget that of the current window.
 * Windows are of the calendar and in UTC; the counter of a window carries its start in its key, so a new window
 * begins with nothing spent and no reset to run.
 */
import type { TaskRecord } from '../call.ts';
import { type Amounts, type Scope, storeKey } from '../store/store.ts';
import { microUsd } from './money.ts';
import { type BudgetLimits, type WindowLimits, type Windows, windowList } from './section.ts';

const dayMs = 24 * 60 * 60 * 1000;
/** How long a counter outlives its task or window: for settlements that come late, and for whoever looks back. */
const keptMs = dayMs;

export interface Level {
  /** `parent` is any task above: a sub-task draws on its own budget and on those of all it is part of. */
  readonly name: 'task' | 'parent' | 'agent' | 'tenant';
  /** The task whose budget it is; null for a window. */
  readonly taskId: string | null;
  readonly scope: Scope;
  /** The window; null for a task. */
  readonly per: WindowLimits['per'] | null;
  /** When a window ends, on the wall clock; null for a task, which ends but does not begin anew. */
  readonly endsAtMs: number | null;
}

/** The key of a task's counters. */
export function taskBudgetKey(tenant: string, taskId: string): string {
  return storeKey(tenant, 'budget', 'task', taskId);
}

/** The levels that the calls of `record` draw on at `nowMs`: the task first, then the tasks above, agent, tenant. */
export function levelsOf(config: BudgetLimits, record: TaskRecord, nowMs: number): readonly Level[] {
  const levels = [taskLevel('task', record, nowMs)];
  for (const { id, budget, expiresAtMs = record.expiresAtMs } of record.ancestors) {
    // A part may end long before the whole, whose counters live on.
    const endsMs = Math.max(expiresAtMs, record.expiresAtMs);
    levels.push(taskLevel('parent', { id, tenant: record.tenant, budget, expiresAtMs: endsMs }, nowMs));
  }
  return [...levels, ...windowLevelsOf(config, record, nowMs)];
}

/** The budget of a task as its own calls draw on it, or those of its parts. */
export function taskLevel(
  name: 'task' | 'parent',
  { id, tenant, budget, expiresAtMs }: Pick<TaskRecord, 'tenant' | 'budget' | 'expiresAtMs'> & { readonly id: string },
  nowMs: number,
): Level {
  const { tokens, costMicroUsd, calls } = budget;
  const ttlMs = Math.max(0, expiresAtMs - nowMs) + keptMs;
  return {
    name,
    taskId: id,
    scope: { key: taskBudgetKey(tenant, id), limits: { tokens, costMicroUsd, calls }, ttlMs },
    per: null,
    endsAtMs: null,
  };
}

/** The windows of a tenant and, where one is named, of an agent of it; also for whoever only wants to look. */
export function windowLevelsOf(
  config: BudgetLimits,
  { tenant, agent }: { readonly tenant: string; readonly agent: Pick<TaskRecord['agent'], 'id' | 'issuer'> | null },
  nowMs: number,
): readonly Level[] {
  const ofAgent = (one: { readonly id: string; readonly issuer: string }): readonly Level[] => {
    const owner = `${one.issuer}/${one.id}`;
    return windowsFor(config.agents, [owner, one.id]).map((limits) =>
      windowLevel('agent', tenant, owner, limits, nowMs),
    );
  };
  return [
    ...(agent === null ? [] : ofAgent(agent)),
    ...windowsFor(config.tenants, [tenant]).map((limits) => windowLevel('tenant', tenant, tenant, limits, nowMs)),
  ];
}

/** The name by which the configuration limits an agent, a tenant; `*` for everybody, undefined where it does not. */
export function limitedAs(
  config: BudgetLimits,
  { tenant, agent }: { readonly tenant: string; readonly agent: Pick<TaskRecord['agent'], 'id' | 'issuer'> },
): { readonly agent: string | undefined; readonly tenant: string | undefined } {
  return {
    agent: entryOf(config.agents, [`${agent.issuer}/${agent.id}`, agent.id]),
    tenant: entryOf(config.tenants, [tenant]),
  };
}

/** The first of `names` that has an entry, else everybody. */
function entryOf(entries: Readonly<Record<string, Windows>>, names: readonly string[]): string | undefined {
  return [...names, '*'].find((one) => Object.hasOwn(entries, one));
}

/** What the entry of `names` limits. Counters are each owner's own, also where the entry is that of everybody. */
function windowsFor(entries: Readonly<Record<string, Windows>>, names: readonly string[]): readonly WindowLimits[] {
  const name = entryOf(entries, names);
  return name === undefined ? [] : windowList(entries[name] as Windows);
}

function windowLevel(
  name: 'agent' | 'tenant',
  tenant: string,
  owner: string,
  limits: WindowLimits,
  nowMs: number,
): Level {
  const { startMs, endMs } = windowAt(limits.per, nowMs);
  const key = storeKey(tenant, 'budget', name, encodeURIComponent(owner), limits.per, String(startMs));
  return {
    name,
    taskId: null,
    scope: { key, limits: limitsOf(limits), ttlMs: endMs - nowMs + keptMs },
    per: limits.per,
    endsAtMs: endMs,
  };
}

function limitsOf({ tokens, cost_usd, calls, seconds }: WindowLimits): Amounts {
  return {
    ...(tokens === undefined ? {} : { tokens }),
    ...(cost_usd === undefined ? {} : { costMicroUsd: microUsd(cost_usd) }),
    ...(calls === undefined ? {} : { calls }),
    ...(seconds === undefined ? {} : { seconds }),
  };
}

/** The window of `per` that `nowMs` lies in: from `startMs`, up to and without `endMs`. */
export function windowAt(per: WindowLimits['per'], nowMs: number): { startMs: number; endMs: number } {
  const now = new Date(nowMs);
  const [year, month, day, hour] = [now.getUTCFullYear(), now.getUTCMonth(), now.getUTCDate(), now.getUTCHours()];
  switch (per) {
    case 'hour':
      return { startMs: Date.UTC(year, month, day, hour), endMs: Date.UTC(year, month, day, hour + 1) };
    case 'day':
      return { startMs: Date.UTC(year, month, day), endMs: Date.UTC(year, month, day + 1) };
    case 'month':
      return { startMs: Date.UTC(year, month), endMs: Date.UTC(year, month + 1) };
  }
}
