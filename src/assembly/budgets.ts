/**
 * Spending, put together: what calls are counted on beside their budgets, who is told that a budget runs out, and what
 * the admin plane answers of it.
 */
import { recordAdmin } from '../audit/deed.ts';
import { type Level, limitedAs, taskBudgetKey, windowLevelsOf } from '../budget/levels.ts';
import { type Alert, BudgetAlerts } from '../budget/spend/alerts.ts';
import { dayOf, keptDays, ownerOf, ownersIndex } from '../budget/spend/meters.ts';
import { spendPage } from '../budget/spend/overview.ts';
import type { WebhookConfig } from '../budget/spend/section.ts';
import { servedBy, splitsOf } from '../budget/spend/splits.ts';
import { AlertWebhook } from '../budget/spend/webhook.ts';
import type { BudgetStageParts } from '../budget/stage.ts';
import type { JsonObject, Outcome, TaskRecord, Underway } from '../call.ts';
import type { AdminBudgetPorts, TaskSpendQuery, TaskStanding, WindowStanding } from '../server/admin-budgets.ts';
import type { Amounts, Balance, SettleResult, Store } from '../store/store.ts';
import { newestTasks } from '../task/task-list.ts';
import { allowedHost, Dialer } from '../upstream/dialer.ts';
import { usdFromMicroUsd } from '../wire/money.ts';
import type { Foundation, Parts } from './parts.ts';
import { postBy } from './policy-report.ts';

/** How many tasks are ranked by what they spent: the newest. */
const tasksRanked = 1_000;
const balancesAtOnce = 250;
const recordsAtOnce = 20;
/** Agents and tenants with limits whose windows one answer shows. */
const ownersMax = 1_000;

/** What the budget stage counts calls on, and whom it tells where levels stand. */
export function countingOf(parts: Parts): Required<Pick<BudgetStageParts, 'meter' | 'watch'>> {
  const { meters, alerts, config } = parts;
  const { spend, alerts: told } = config.budget;
  const keepDays = keptDays(spend, config.store.kind === 'memory');
  return {
    meter: (record, route) => {
      const { agent, tenant } = limitedAs(config.budget, record);
      const limited = { agent: agent !== undefined, tenant: tenant !== undefined };
      return meters.scopeOf(record, route, { keepDays, series: spend.series, limited });
    },
    watch: {
      reserved: (id, on, balances) =>
        alerts.reserved(id, { ...on, at: told.at, limitedAs: limitedAs(config.budget, on.record) }, balances),
      refused: (level, record, balance) =>
        alerts.refused(level, { record, at: told.at, limitedAs: limitedAs(config.budget, record) }, balance),
    },
  };
}

/** What is settled of `call`, with the target and the kinds of tokens it is put down to. */
export function withSplits(actual: Amounts, call: Underway, outcome: Outcome): Amounts {
  return { ...actual, ...splitsOf(actual, outcome.usage, servedBy(call.targets, outcome)) };
}

/** Looks at what budgets have spent; `told` is who is told. */
export function openAlerts(
  { store, clock }: Pick<Foundation, 'store' | 'clock'>,
  told: ReadonlySet<(alert: Alert) => void>,
): BudgetAlerts {
  const tell = (alert: Alert) => {
    for (const one of told) one(alert);
  };
  return new BudgetAlerts({ store, clock, tell });
}

/** The store as settlements are made in, whose balances the alerts look at. */
export function seenBy(alerts: BudgetAlerts, store: Pick<Store, 'settle'>): Pick<Store, 'settle'> {
  return {
    settle: async (id, actual): Promise<SettleResult> => {
      const result = await store.settle(id, actual);
      alerts.settled(id, result);
      return result;
    },
  };
}

/** Tells the log, the metrics and the trail of an alert. */
export function tellOf({
  log,
  telemetry,
  trail,
  faulted,
}: Pick<Foundation, 'log' | 'telemetry' | 'trail' | 'faulted'>): (alert: Alert) => void {
  return (alert) => {
    const { level, threshold, tenant, agent, issuer, task } = alert;
    const { limit, spent, ...facts } = alertFacts(alert);
    log('warn', 'a budget is used up so far', { tenant, agent, issuer, task, ...facts, limit, spent });
    telemetry.budgetAlert(level, threshold);
    const whose = {
      tenant,
      ...(agent === null ? {} : { agent }),
      ...(issuer === null ? {} : { issuer }),
      ...(task === null ? {} : { task }),
    };
    const notes = { ...facts, limit, spent };
    recordAdmin(trail, { operation: 'budget.alert', actor: 'gate', ...whose, notes }, false).catch((fault: unknown) => {
      faulted('budget alert', fault);
    });
  };
}

/** Where alerts go besides, as `budget.alerts.webhook` says; nowhere without it. */
export function openAlertWebhook(
  settings: WebhookConfig | null,
  { clock, log, place, alerted }: Pick<Foundation, 'clock' | 'log' | 'place' | 'alerted'>,
): AsyncDisposableStack {
  const opened = new AsyncDisposableStack();
  if (settings === null) return opened;
  const dialer = opened.use(
    new Dialer({ clock, allow: [allowedHost(settings.url)], connectionsMax: 1, inFlightMax: 2 }),
  );
  const webhook = opened.use(new AlertWebhook({ settings, gateway: place.id, clock, log, post: postBy(dialer) }));
  const tell = (alert: Alert) => webhook.tell(alert);
  alerted.add(tell);
  opened.defer(() => {
    alerted.delete(tell);
  });
  return opened;
}

/** What an alert says besides whose budget it is; amounts in the units of documents. */
export function alertFacts({ level, per, endsAtMs, dimension, threshold, limit, spent }: Alert) {
  const isMoney = dimension === 'costMicroUsd';
  const amount = (of: number): string => String(isMoney ? usdFromMicroUsd(of) : of);
  return {
    ...{ level, dimension: isMoney ? 'cost_usd' : dimension, threshold: String(threshold) },
    ...{ limit: amount(limit), spent: amount(spent) },
    ...(per === null ? {} : { per }),
    ...(endsAtMs === null ? {} : { window_ends: new Date(endsAtMs).toISOString() }),
  };
}

/** What `GET /budgets` is answered from; `parts` gives those of the configuration in force. */
export function adminBudgetsOf(
  foundation: Foundation,
  parts: () => Parts,
  document: (record: TaskRecord) => Promise<JsonObject>,
): AdminBudgetPorts {
  const { store, clock } = foundation;
  return {
    today: () => dayOf(clock.nowMs()),
    page: (query) => spendPage(store, query),
    windows: (only) => windowsOf(store, parts().config.budget, only, clock.nowMs()),
    tasks: (query) => tasksOf(foundation, query, document),
  };
}

type Limited = Parts['config']['budget'];
type Only = Parameters<AdminBudgetPorts['windows']>[0];
type Whose = Pick<WindowStanding, 'name' | 'tenant' | 'issuer'>;

async function windowsOf(
  store: Pick<Store, 'indexRange' | 'balance'>,
  budget: Limited,
  { tenant: onlyTenant, agent: onlyAgent }: Only,
  nowMs: number,
): Promise<readonly WindowStanding[]> {
  const owners = (await store.indexRange(ownersIndex, { limit: ownersMax }))
    .map(ownerOf)
    .filter((owner) => owner !== undefined)
    .filter(({ tenant }) => onlyTenant === undefined || tenant === onlyTenant);
  const agents = owners.filter(({ agent }) => agent !== '' && (onlyAgent === undefined || agent === onlyAgent));
  const named = Object.keys(budget.tenants).filter((one) => one !== '*' && (onlyTenant ?? one) === one);
  const tenants = onlyAgent === undefined ? new Set([...named, ...owners.map(({ tenant }) => tenant)]) : [];
  const found = [
    ...[...tenants].flatMap((tenant) =>
      windowLevelsOf(budget, { tenant, agent: null }, nowMs).map((level) => ({
        level,
        whose: { name: tenant, tenant, issuer: null },
      })),
    ),
    ...agents.flatMap(({ tenant, issuer, agent }) =>
      windowLevelsOf(budget, { tenant, agent: { id: agent, issuer } }, nowMs)
        .filter(({ name }) => name === 'agent')
        .map((level) => ({ level, whose: { name: agent, tenant, issuer } })),
    ),
  ];
  const seen = new Set(agents.flatMap(({ issuer, agent }) => [agent, `${issuer}/${agent}`]));
  const balances = await inParts(
    found.map(({ level }) => level.scope.key),
    (keys) => store.balance(keys),
  );
  const rows = found.map(({ level, whose }, index) => standing(level, whose, balances[index]));
  return [...rows, ...unusedOf(budget, seen, { tenant: onlyTenant, agent: onlyAgent }, nowMs)];
}

/** Agents with limits that nobody has called as in their windows: the limits are there all the same. */
function unusedOf(
  budget: Limited,
  seen: ReadonlySet<string>,
  only: { readonly tenant: string | undefined; readonly agent: string | undefined },
  nowMs: number,
): readonly WindowStanding[] {
  if (only.tenant !== undefined) return [];
  return Object.keys(budget.agents)
    .filter((name) => name !== '*' && !seen.has(name) && (only.agent === undefined || only.agent === name))
    .flatMap((name) =>
      windowLevelsOf(budget, { tenant: '', agent: { id: name, issuer: '' } }, nowMs)
        .filter((level) => level.name === 'agent')
        .map((level) => standing(level, { name, tenant: null, issuer: null }, undefined)),
    );
}

function standing({ name: level, scope, per, endsAtMs }: Level, whose: Whose, balance: Balance | undefined) {
  const { spent = {}, reserved = {} } = balance ?? {};
  return {
    ...{ level: level as WindowStanding['level'], ...whose, per: per ?? '', endsAtMs: endsAtMs ?? 0 },
    ...{ limit: scope.limits, reserved, spent },
  };
}

async function tasksOf(
  { store, tasks }: Pick<Foundation, 'store' | 'tasks'>,
  { task, tenant, agent, from, to, limit }: TaskSpendQuery,
  document: (record: TaskRecord) => Promise<JsonObject>,
): Promise<readonly TaskStanding[]> {
  const fits = (record: TaskRecord): boolean =>
    (tenant === undefined || record.tenant === tenant) && (agent === undefined || record.agent.id === agent);
  const alive = (record: TaskRecord): boolean => dayOf(record.createdAtMs) <= to && dayOf(record.expiresAtMs) >= from;
  if (task !== undefined) {
    const record = await tasks.find(task);
    if (record === undefined || !fits(record)) return [];
    const [balance] = await store.balance([taskBudgetKey(record.tenant, record.id)]);
    return [await standingOf(record, balance, document)];
  }
  const newest = await newestTasks(store, tasksRanked, tenant);
  const balances = await inParts(
    newest.map((one) => taskBudgetKey(one.tenant, one.id)),
    (keys) => store.balance(keys),
  );
  const ranked = newest
    .map((one, index) => ({ ...one, balance: balances[index] }))
    .toSorted((left, right) => costOf(right.balance) - costOf(left.balance));
  const rows: TaskStanding[] = [];
  for (let start = 0; start < ranked.length && rows.length < limit; start += recordsAtOnce) {
    const some = ranked.slice(start, start + recordsAtOnce);
    const records = await Promise.all(some.map((one) => tasks.load(one.tenant, one.id)));
    for (const [index, record] of records.entries()) {
      if (record === undefined || !fits(record) || !alive(record) || rows.length === limit) continue;
      rows.push(await standingOf(record, some[index]?.balance, document));
    }
  }
  return rows;
}

async function standingOf(
  record: TaskRecord,
  balance: Balance | undefined,
  document: (record: TaskRecord) => Promise<JsonObject>,
): Promise<TaskStanding> {
  const { state, created_at, expires_at, budget } = await document(record);
  const { id: task, tenant, agent, purpose } = record;
  const { tokens = 0, costMicroUsd = 0, calls = 0 } = balance?.spent ?? {};
  return {
    of: { task, tenant, agent: agent.id, issuer: agent.issuer, purpose, state, created_at, expires_at } as JsonObject,
    ...{ calls, tokens, costMicroUsd, budget: budget as JsonObject },
  };
}

function costOf(balance: Balance | undefined): number {
  return balance?.spent.costMicroUsd ?? 0;
}

/** Balances of many keys, some at a time: one script of a store must not take long. */
async function inParts(
  keys: readonly string[],
  ask: (keys: readonly string[]) => Promise<readonly Balance[]>,
): Promise<readonly Balance[]> {
  const balances: Balance[] = [];
  for (let start = 0; start < keys.length; start += balancesAtOnce) {
    balances.push(...(await ask(keys.slice(start, start + balancesAtOnce))));
  }
  return balances;
}
