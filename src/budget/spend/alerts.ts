/**
 * Tells that a budget runs out. Every balance that a reservation or a settlement brings back is looked at; whoever
 * first sees a threshold passed claims it in the store, so that of all gateways one tells of it, once, also where a
 * gateway died in between. What a reader would get wrong: the claim carries the limit, so a budget that was raised is
 * told of anew; and 100 % is also told of where a call is refused beyond the last threshold before it, because what is
 * left of a budget may never be spent.
 */
import type { TaskRecord } from '../../call.ts';
import type { Clock, ReservationId } from '../../clock.ts';
import type { Balance, SettleResult, Store } from '../../store/store.ts';
import type { Level } from '../levels.ts';
import type { AlertsConfig } from './section.ts';

/** Whose budget, as far as it is somebody's. */
export interface AlertOwner {
  readonly level: 'task' | 'agent' | 'tenant';
  readonly tenant: string;
  readonly agent: string | null;
  readonly issuer: string | null;
  readonly task: string | null;
}

export interface Alert extends AlertOwner {
  /** Percent of the limit that are spent. */
  readonly threshold: number;
  /** As store amounts are called: `tokens`, `costMicroUsd`, `calls`. */
  readonly dimension: string;
  readonly limit: number;
  readonly spent: number;
  /** The window, and when it ends on the wall clock; null for a task. */
  readonly per: string | null;
  readonly endsAtMs: number | null;
  readonly atMs: number;
}

/** How much of a window is spent, from 0 to 1 and beyond, as this gateway last saw it. */
export interface UsedRatio {
  readonly level: 'agent' | 'tenant';
  /** The agent or tenant as the configuration names it, `*` for those it does not. */
  readonly name: string;
  readonly dimension: string;
  readonly per: string;
  readonly ratio: number;
}

export interface BudgetAlertsParts {
  readonly store: Pick<Store, 'compareAndSet'>;
  readonly clock: Clock;
  /** Tells of one. Must not reject. */
  readonly tell: (alert: Alert) => void;
}

/** The levels that a call of `record` draws on, and at which percents of them somebody is told. */
export interface Watched {
  readonly levels: readonly Level[];
  readonly record: TaskRecord;
  readonly at: AlertsConfig['at'];
  /** The names by which the configuration limits agent and tenant. */
  readonly limitedAs: { readonly agent: string | undefined; readonly tenant: string | undefined };
}

/** Reservations at once whose settlement is waited for; beyond it the oldest is not looked at again. */
const watchedMax = 100_000;
/** Budgets at once of which it is known how far they were told of; who falls out is asked of the store again. */
const toldMax = 100_000;
/** Windows at once whose ratio is shown. */
const ratiosMax = 10_000;
const whole = 100;

export class BudgetAlerts {
  readonly #parts: BudgetAlertsParts;
  readonly #watched = new Map<string, Watched>();
  /** Scope, dimension and limit, to the highest threshold that was told of or claimed elsewhere. */
  readonly #told = new Map<string, number>();
  readonly #ratios = new Map<string, UsedRatio & { readonly endsAtMs: number }>();

  constructor(parts: BudgetAlertsParts) {
    this.#parts = parts;
  }

  /** A reservation was made on `levels`; `balances` begin with theirs. */
  reserved(id: ReservationId, watched: Watched, balances: readonly Balance[]): void {
    keep(this.#watched, id, watched, watchedMax);
    this.#lookAtAll(watched, balances);
  }

  /** `level` had no room for a call. */
  refused(level: Level, watched: Omit<Watched, 'levels'>, balance: Balance): void {
    this.#look(level, watched, balance, true);
  }

  /** The reservation `id` was settled, now or late, by this gateway. */
  settled(id: string, { balances }: SettleResult): void {
    const watched = this.#watched.get(id);
    this.#watched.delete(id);
    if (watched !== undefined) this.#lookAtAll(watched, balances);
  }

  /** The windows of configured agents and tenants that have not ended: of equal names the one used most. */
  ratios(): readonly UsedRatio[] {
    const nowMs = this.#parts.clock.nowMs();
    const highest = new Map<string, UsedRatio>();
    for (const [key, { endsAtMs, ...used }] of this.#ratios) {
      if (endsAtMs <= nowMs) {
        this.#ratios.delete(key);
        continue;
      }
      const name = JSON.stringify([used.level, used.name, used.per, used.dimension]);
      if (used.ratio >= (highest.get(name)?.ratio ?? 0)) highest.set(name, used);
    }
    return [...highest.values()];
  }

  #lookAtAll(watched: Watched, balances: readonly Balance[]): void {
    for (const [index, level] of watched.levels.entries()) {
      const balance = balances[index];
      if (balance !== undefined) this.#look(level, watched, balance, false);
    }
  }

  #look(level: Level, watched: Omit<Watched, 'levels'>, { spent }: Balance, refused: boolean): void {
    const { record, at } = watched;
    const lowest = Math.min(...at);
    for (const [dimension, limit] of Object.entries(level.scope.limits)) {
      if (limit <= 0) continue;
      const used = spent[dimension] ?? 0;
      this.#note(level, watched, dimension, used / limit);
      const percent = (used / limit) * whole;
      if (percent < lowest && !refused) continue;
      const below = Math.max(0, ...at.filter((threshold) => threshold < whole));
      const spentUp = refused && below > 0 && percent >= below;
      const passed = at.filter((threshold) => threshold <= percent || (spentUp && threshold === whole));
      if (passed.length === 0) continue;
      const key = `${level.scope.key}:alert:${dimension}:${limit}`;
      const told = this.#told.get(key) ?? 0;
      const fresh = passed.filter((threshold) => threshold > told);
      if (fresh.length === 0) continue;
      keep(this.#told, key, Math.max(...fresh), toldMax);
      for (const threshold of fresh.toSorted((left, right) => left - right)) {
        const { per, endsAtMs } = level;
        const atMs = this.#parts.clock.nowMs();
        const alert = { ...ownerOf(level, record), threshold, dimension, limit, spent: used, per, endsAtMs, atMs };
        this.#claim(`${key}:${threshold}`, level.scope.ttlMs, alert).catch(() => {
          // The store is away: whoever looks next tries again.
          if (this.#told.get(key) !== undefined) this.#told.set(key, Math.min(told, this.#told.get(key) ?? told));
        });
      }
    }
  }

  async #claim(key: string, ttlMs: number, alert: Alert): Promise<void> {
    const claimed = await this.#parts.store.compareAndSet(key, 0, alert.atMs, ttlMs);
    if (claimed.ok) this.#parts.tell(alert);
  }

  #note(level: Level, { limitedAs }: Omit<Watched, 'levels'>, dimension: string, ratio: number): void {
    const { name, scope, per, endsAtMs } = level;
    if ((name !== 'agent' && name !== 'tenant') || per === null || endsAtMs === null) return;
    const of = limitedAs[name] ?? '*';
    const used = { level: name, name: of, dimension, per, ratio, endsAtMs };
    keep(this.#ratios, `${scope.key} ${dimension}`, used, ratiosMax);
  }
}

/** Whose budget a level of a task is. */
function ownerOf({ name, taskId }: Level, { tenant, id, agent, ancestors }: TaskRecord): AlertOwner {
  if (name === 'tenant') return { level: 'tenant', tenant, agent: null, issuer: null, task: null };
  if (name === 'agent') return { level: 'agent', tenant, agent: agent.id, issuer: agent.issuer, task: null };
  const above = ancestors.find((one) => one.id === taskId);
  if (name === 'parent' && above !== undefined) {
    return { level: 'task', tenant, agent: above.agent, issuer: above.issuer, task: above.id };
  }
  return { level: 'task', tenant, agent: agent.id, issuer: agent.issuer, task: id };
}

/** Sets `key` as the newest; the oldest makes room. */
function keep<Value>(map: Map<string, Value>, key: string, value: Value, max: number): void {
  map.delete(key);
  if (map.size >= max) {
    const oldest = map.keys().next();
    if (!oldest.done) map.delete(oldest.value);
  }
  map.set(key, value);
}
