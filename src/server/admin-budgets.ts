/**
 * What was spent and what is left, for people: `GET /budgets`. What a reader would get wrong: spending is kept by day,
 * tenant, agent, route and target, and apart from that as one sum a task; so what asks for tasks cannot ask for routes,
 * models or days.
 */
import { type SpendField, type SpendPage, type SpendQuery, spendFields } from '../budget/spend/overview.ts';
import type { Spent } from '../budget/spend/splits.ts';
import type { JsonObject } from '../call.ts';
import { type Denial, deny, isDenial } from '../denial.ts';
import { usdFromMicroUsd } from '../wire/money.ts';
import type { AdminAnswers, Query } from './admin-routes.ts';
import { jsonReply } from './reply.ts';

/** A window of an agent or a tenant, as it stands now. Amounts by dimension; what has no limit is not in `limit`. */
export interface WindowStanding {
  readonly level: 'agent' | 'tenant';
  /** The agent or tenant that the configuration names. */
  readonly name: string;
  /** Null for an agent that has not called anything in its windows. */
  readonly tenant: string | null;
  readonly issuer: string | null;
  readonly per: string;
  readonly endsAtMs: number;
  readonly limit: Readonly<Record<string, number>>;
  readonly reserved: Readonly<Record<string, number>>;
  readonly spent: Readonly<Record<string, number>>;
}

/** A task with what it has spent, as documents write it. */
export interface TaskStanding {
  /** What tells it from others. */
  readonly of: JsonObject;
  readonly calls: number;
  readonly tokens: number;
  readonly costMicroUsd: number;
  /** Limit, reserved, spent and remaining, as the document of the task has it. */
  readonly budget: JsonObject;
}

export interface TaskSpendQuery {
  readonly task?: string;
  readonly tenant?: string;
  readonly agent?: string;
  /** Alive on any of these days. */
  readonly from: string;
  readonly to: string;
  readonly limit: number;
}

export interface AdminBudgetPorts {
  /** Today in UTC, as 2026-11-21. */
  readonly today: () => string;
  readonly page: (query: SpendQuery) => Promise<SpendPage | Denial>;
  /** The windows of configured agents and tenants; of one tenant or agent where it is named. */
  readonly windows: (only: { readonly tenant?: string; readonly agent?: string }) => Promise<readonly WindowStanding[]>;
  /** The dearest first. */
  readonly tasks: (query: TaskSpendQuery) => Promise<readonly TaskStanding[]>;
}

const filters = ['tenant', 'agent', 'task', 'route', 'model', 'from', 'to', 'by', 'limit', 'cursor'];
const groups = [...spendFields, 'task'];
const dayMs = 24 * 60 * 60 * 1000;
const daysDefault = 30;
const limitDefault = 200;
const limitMax = 1_000;
const tasksMax = 100;

/** The answer of `/budgets`. */
export function adminBudgets(ports: AdminBudgetPorts): AdminAnswers<'budgets'> {
  return { budgets: async ({ query }) => ({ reply: await answer(ports, query) }) };
}

async function answer(ports: AdminBudgetPorts, query: Query) {
  const asked = read(query, ports.today());
  if (isDenial(asked)) return asked;
  const { from, to, by, tenant, agent } = asked;
  const document = asked.ofTasks ? await taskRows(ports, asked) : await spendRows(ports, asked);
  if (isDenial(document)) return document;
  const only = { ...(tenant === undefined ? {} : { tenant }), ...(agent === undefined ? {} : { agent }) };
  // They say how things stand now, whichever page it is.
  const windows = asked.cursor === undefined && asked.task === undefined ? await ports.windows(only) : [];
  return jsonReply(200, { from, to, by, ...document, limits: windows.map(windowDocument) });
}

interface Asked extends Omit<SpendQuery, 'by'> {
  readonly by: readonly string[];
  readonly task?: string;
  readonly ofTasks: boolean;
}

async function spendRows(ports: AdminBudgetPorts, { task: _task, ofTasks: _of, ...asked }: Asked) {
  const page = await ports.page({ ...asked, by: asked.by as readonly SpendField[] });
  if (isDenial(page)) return page;
  const rows = page.rows.map(({ of, spent }) => ({ ...of, ...spentDocument(spent) }));
  return { rows, total: spentDocument(page.total), next_cursor: page.next };
}

async function taskRows(ports: AdminBudgetPorts, { from, to, limit, task, tenant, agent }: Asked) {
  const tasks = await ports.tasks({
    ...{ from, to, limit: Math.min(limit, tasksMax) },
    ...(task === undefined ? {} : { task }),
    ...(tenant === undefined ? {} : { tenant }),
    ...(agent === undefined ? {} : { agent }),
  });
  if (task !== undefined && tasks.length === 0) return deny('task_unknown', 'There is no such task.');
  const sum = { calls: 0, tokens: 0, costMicroUsd: 0 };
  for (const { calls, tokens, costMicroUsd } of tasks) {
    sum.calls += calls;
    sum.tokens += tokens;
    sum.costMicroUsd += costMicroUsd;
  }
  const rows = tasks.map((one) => ({ ...one.of, ...wholeDocument(one), budget: one.budget }));
  return { rows, total: wholeDocument(sum), next_cursor: null };
}

/** What is asked, or the denial `args_invalid`. */
function read(query: Query, today: string): Asked | Denial {
  const { tenant, agent, task, route, model, cursor, by: grouped, limit = String(limitDefault), ...rest } = query;
  const { to = today, from = dayBefore(to, daysDefault - 1), ...unknown } = rest;
  const extra = Object.keys(unknown);
  if (extra.length > 0) return deny('args_invalid', `There is no filter ${extra.join(', ')}.`, { allowed: filters });
  const by = grouped?.split(',') ?? [task === undefined ? 'day' : 'task'];
  if (by.some((one) => !groups.includes(one)) || new Set(by).size !== by.length) {
    return deny('args_invalid', `by is one or more of: ${groups.join(', ')}; each once.`, { allowed: groups });
  }
  if (!isDay(from) || !isDay(to) || from > to) {
    return deny('args_invalid', 'from and to are days of UTC, as 2026-11-01, and to is not before from.');
  }
  const rows = Number(limit);
  if (!/^[0-9]{1,6}$/.test(limit) || rows < 1 || rows > limitMax) {
    return deny('args_invalid', `limit is a whole number from 1 to ${limitMax}.`);
  }
  const ofTasks = task !== undefined || by.includes('task');
  if (ofTasks && (by.join() !== 'task' || route !== undefined || model !== undefined || cursor !== undefined)) {
    return deny(
      'args_invalid',
      'The spending of a task is one sum: with it goes no route, model, cursor or other group.',
    );
  }
  const said = { tenant, agent, task, route, model, cursor };
  const given = Object.fromEntries(Object.entries(said).filter(([, value]) => value !== undefined));
  return { ...given, from, to, by, limit: rows, ofTasks };
}

function isDay(text: string): boolean {
  const ms = /^\d{4}-\d{2}-\d{2}$/.test(text) ? Date.parse(`${text}T00:00:00Z`) : Number.NaN;
  return !Number.isNaN(ms) && new Date(ms).toISOString().startsWith(text);
}

/** `count` days before `day`; what is no day stays what it is, to be refused. */
function dayBefore(day: string, count: number): string {
  return isDay(day) ? new Date(Date.parse(`${day}T00:00:00Z`) - count * dayMs).toISOString().slice(0, 10) : day;
}

function spentDocument({ calls, cost, tokens, input, output, cached, written, reasoning }: Spent): JsonObject {
  const kinds = { input, output, cached_input: cached, cache_write: written, reasoning };
  return { calls, tokens: { total: tokens, ...kinds }, cost_usd: usdFromMicroUsd(cost) };
}

/** Of what no kinds are kept. */
function wholeDocument(sum: { readonly calls: number; readonly tokens: number; readonly costMicroUsd: number }) {
  return { calls: sum.calls, tokens: { total: sum.tokens }, cost_usd: usdFromMicroUsd(sum.costMicroUsd) };
}

function windowDocument({ level, name, tenant, issuer, per, endsAtMs, limit, reserved, spent }: WindowStanding) {
  const amounts = (of: (dimension: string) => number): JsonObject =>
    Object.fromEntries(Object.keys(limit).map((dimension) => amountDocument(dimension, of(dimension))));
  const share = (dimension: string): number => (spent[dimension] ?? 0) / Math.max(1, limit[dimension] ?? 0);
  return {
    ...{ level, name, tenant, issuer, per, window_ends: new Date(endsAtMs).toISOString() },
    limit: amounts((dimension) => limit[dimension] ?? 0),
    reserved: amounts((dimension) => reserved[dimension] ?? 0),
    spent: amounts((dimension) => spent[dimension] ?? 0),
    remaining: amounts((dimension) =>
      Math.max(0, (limit[dimension] ?? 0) - (spent[dimension] ?? 0) - (reserved[dimension] ?? 0)),
    ),
    // Of the dimension that is used most; rounded down, so that 100 means that nothing is left.
    used_percent: Math.floor(100 * Math.max(0, ...Object.keys(limit).map(share))),
  };
}

function amountDocument(dimension: string, amount: number): [string, number] {
  return dimension === 'costMicroUsd' ? ['cost_usd', usdFromMicroUsd(amount)] : [dimension, amount];
}
