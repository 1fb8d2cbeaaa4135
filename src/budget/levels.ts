/**
 * The counters one call draws on: its task's, and for an agent or tenant with a budget that of the current window.
 * Windows are of the calendar and in UTC; the counter of a window carries its start in its key, so a new window
 * begins with nothing spent and no reset to run.
 */
import type { Spending, TaskRecord } from '../call.ts';
import { type Amounts, type Scope, storeKey } from '../store/store.ts';
import { microUsd } from './money.ts';
import type { BudgetConfig, WindowLimits } from './section.ts';

const dayMs = 24 * 60 * 60 * 1000;
/** How long a counter outlives its task or window: for settlements that come late, and for whoever looks back. */
const keptMs = dayMs;

export interface Level {
  /** `parent` is any task above: a sub-task draws on its own budget and on those of all it is part of. */
  readonly name: 'task' | 'parent' | 'agent' | 'tenant';
  readonly scope: Scope;
  /** When a window ends, on the wall clock; null for a task, which ends but does not begin anew. */
  readonly endsAtMs: number | null;
}

/** The key of a task's counters. */
export function taskBudgetKey(tenant: string, taskId: string): string {
  return storeKey(tenant, 'budget', 'task', taskId);
}

/** The levels that the calls of `record` draw on at `nowMs`: the task first, then the tasks above, agent, tenant. */
export function levelsOf(config: BudgetConfig, record: TaskRecord, nowMs: number): readonly Level[] {
  const ttlMs = Math.max(0, record.expiresAtMs - nowMs) + keptMs;
  const taskLevel = (name: 'task' | 'parent', id: string, { tokens, costMicroUsd, calls }: Spending): Level => ({
    name,
    scope: { key: taskBudgetKey(record.tenant, id), limits: { tokens, costMicroUsd, calls }, ttlMs },
    endsAtMs: null,
  });
  const levels = [taskLevel('task', record.id, record.budget)];
  for (const { id, budget } of record.ancestors) levels.push(taskLevel('parent', id, budget));
  const { tenant, agent } = record;
  if (Object.hasOwn(config.agents, agent.id)) {
    levels.push(
      windowLevel('agent', tenant, `${agent.issuer}/${agent.id}`, config.agents[agent.id] as WindowLimits, nowMs),
    );
  }
  if (Object.hasOwn(config.tenants, tenant)) {
    levels.push(windowLevel('tenant', tenant, tenant, config.tenants[tenant] as WindowLimits, nowMs));
  }
  return levels;
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
    scope: { key, limits: limitsOf(limits), ttlMs: endMs - nowMs + keptMs },
    endsAtMs: endMs,
  };
}

function limitsOf({ tokens, cost_usd, calls }: WindowLimits): Amounts {
  return {
    ...(tokens === undefined ? {} : { tokens }),
    ...(cost_usd === undefined ? {} : { costMicroUsd: microUsd(cost_usd) }),
    ...(calls === undefined ? {} : { calls }),
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
