/**
 * What was spent, kept for whoever looks back: one counter for each day, tenant, agent and route, which every
 * reservation holds on and every settlement spends on, so that it is as right as the budgets are. What a reader would
 * get wrong: a counter is found by an index, and the index is a view; it is written beside the call, which never waits
 * for it. The day is that of the reservation, in UTC.
 */
import type { TaskRecord } from '../../call.ts';
import type { Clock } from '../../clock.ts';
import { RetryQueue } from '../../store/retry-queue.ts';
import { type Scope, type Store, storeKey } from '../../store/store.ts';
import type { SpendConfig } from './section.ts';

const dayMs = 24 * 60 * 60 * 1000;
/** How often a gateway says again that a series is there: a store that forgot it learns of it. */
const renewMs = 10 * 60 * 1000;
/** What the memory store keeps of series over all days: a part of the counters it may have. */
const inMemoryMax = 60_000;
const memberMax = 4_096;
const retryMs = 1_000;
/** How many may wait to be listed; what comes beyond is listed when it is next renewed. */
const unlistedMax = 50_000;
/** How long after the last call whoever has limits is still found for them: longer than any window. */
const ownerKeptMs = 32 * dayMs;
/** Stands for the agent and issuer of what is counted together. */
const together = '*';

/** What is counted apart. `agent` and `issuer` are empty for agents that are counted together. */
export interface Series {
  /** As 2026-11-21. */
  readonly day: string;
  readonly tenant: string;
  readonly issuer: string;
  readonly agent: string;
  readonly route: string;
}

/** Days that spending is kept for, where a memory store must have room for all of them. */
export function keptDays({ keep_days: days, series }: SpendConfig, inMemory: boolean): number {
  return inMemory ? Math.min(days, Math.max(1, Math.floor(inMemoryMax / series))) : days;
}

/** The day of UTC that `atMs` lies in, as 2026-11-21. */
export function dayOf(atMs: number): string {
  return new Date(atMs).toISOString().slice(0, 10);
}

/** The counter of a series. */
export function seriesKey({ day, tenant, issuer, agent, route }: Series): string {
  const parts = [issuer, agent].map((part) => (part === '' ? together : encodeURIComponent(part)));
  return storeKey(tenant, 'spend', day, ...parts, encodeURIComponent(route));
}

/** The index of the series of one tenant, or of all of them. */
export function seriesIndex(tenant: string | null): string {
  return tenant === null ? storeKey('@', 'spend-of-all') : storeKey(tenant, 'spend');
}

/** As the index has it: the newest day is the highest. */
export function memberOf({ day, tenant, issuer, agent, route }: Series): string {
  const parts = [issuer, agent].map((part) => (part === '' ? together : encodeURIComponent(part)));
  return [day, encodeURIComponent(tenant), ...parts, encodeURIComponent(route)].join(' ');
}

/** The series that a member of the index stands for; undefined for what is none. */
export function seriesOf(member: string): Series | undefined {
  const [day, tenant, issuer, agent, route, ...more] = member.split(' ');
  if (day === undefined || tenant === undefined || issuer === undefined || agent === undefined) return undefined;
  if (route === undefined || more.length > 0) return undefined;
  const text = (part: string): string => (part === together ? '' : decodeURIComponent(part));
  return { day, tenant: decodeURIComponent(tenant), issuer: text(issuer), agent: text(agent), route: text(route) };
}

/** Who has limits: an agent, or, where issuer and agent are empty, a tenant. */
export interface Owner {
  readonly tenant: string;
  readonly issuer: string;
  readonly agent: string;
}

/** The index of agents and tenants with limits, by which their windows are found. */
export const ownersIndex = storeKey('@', 'spend-owners');

function ownerMember({ tenant, issuer, agent }: Owner): string {
  return [tenant, issuer, agent].map(encodeURIComponent).join(' ');
}

export function ownerOf(member: string): Owner | undefined {
  const [tenant, issuer, agent] = member.split(' ').map(decodeURIComponent);
  return tenant === undefined || issuer === undefined || agent === undefined ? undefined : { tenant, issuer, agent };
}

/** How a call is counted, by the configuration that is in force for it. */
export interface Metering {
  readonly keepDays: number;
  readonly series: number;
  /** Whether there are limits of its agent, of its tenant. */
  readonly limited: { readonly agent: boolean; readonly tenant: boolean };
}

export interface SpendMetersParts {
  readonly store: Pick<Store, 'indexAdd'>;
  readonly clock: Clock;
  /** Told that what was spent is not to be found until the store can be written. */
  readonly log: (level: 'info' | 'warn', message: string) => void;
}

interface Listing {
  readonly key: string;
  readonly member: string;
  readonly ttlMs: number;
}

export class SpendMeters implements AsyncDisposable {
  readonly #parts: SpendMetersParts;
  /** The counters of the series that are counted apart on this day, and when the store is told of them anew. */
  #counted = new Map<string, { readonly key: string; readonly renewMs: number }>();
  /** What the store was told of on this day, and when last. */
  #listed = new Map<string, number>();
  /** Days since 1970. */
  #today = -1;
  readonly #unlisted: RetryQueue<Listing>;

  constructor(parts: SpendMetersParts) {
    this.#parts = parts;
    const { store, clock, log } = parts;
    this.#unlisted = new RetryQueue({
      ...{ clock, atOnce: 32, firstMs: retryMs, longestMs: 16 * retryMs },
      attempt: ({ key, member, ttlMs }) =>
        store.indexAdd(key, member, ttlMs).then(
          () => true,
          () => false,
        ),
      emptied: () => log('info', 'all that was spent can be found again'),
    });
  }

  /** The scope that a call of `record` to `route` is counted on. Never refuses, never waits. */
  scopeOf(record: TaskRecord, route: string, how: Metering): Scope {
    const { clock } = this.#parts;
    const { tenant, agent } = record;
    const today = Math.floor(clock.nowMs() / dayMs);
    if (today !== this.#today) {
      this.#today = today;
      this.#counted = new Map();
      this.#listed = new Map();
    }
    const name = JSON.stringify([tenant, agent.issuer, agent.id, route]);
    const counted = this.#counted.get(name);
    const isFresh = counted !== undefined && clock.monotonicMs() < counted.renewMs;
    const key = isFresh ? counted.key : this.#count(name, record, route, how);
    return { key, limits: {}, splits: true, ttlMs: how.keepDays * dayMs };
  }

  /** One last try for what could not be listed. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#unlisted[Symbol.asyncDispose]();
  }

  /** Tells the store of the series of `name`, where it is time to, and gives its counter. */
  #count(name: string, { tenant, agent }: TaskRecord, route: string, how: Metering): string {
    const day = dayOf(this.#today * dayMs);
    const apart: Series = { day, tenant, issuer: agent.issuer, agent: agent.id, route };
    const room = this.#counted.has(name) || this.#counted.size < how.series;
    const isApart = room && memberOf(apart).length <= memberMax;
    const series = isApart ? apart : { ...apart, issuer: '', agent: '' };
    const key = seriesKey(series);
    if (isApart) this.#counted.set(name, { key, renewMs: this.#parts.clock.monotonicMs() + renewMs });
    const member = memberOf(series);
    if (this.#isDue(member, how.series)) {
      const ttlMs = how.keepDays * dayMs;
      this.#list(seriesIndex(null), member, ttlMs);
      this.#list(seriesIndex(tenant), member, ttlMs);
    }
    const owners: Owner[] = [
      ...(how.limited.agent ? [{ tenant, issuer: agent.issuer, agent: agent.id }] : []),
      ...(how.limited.tenant ? [{ tenant, issuer: '', agent: '' }] : []),
    ];
    for (const owner of owners.map(ownerMember)) {
      if (this.#isDue(owner, how.series)) this.#list(ownersIndex, owner, ownerKeptMs);
    }
    return key;
  }

  /** Whether the store is to be told of `member` now. */
  #isDue(member: string, seriesMax: number): boolean {
    const nowMs = this.#parts.clock.monotonicMs();
    const listedMs = this.#listed.get(member);
    if (member.length > memberMax || (listedMs !== undefined && nowMs - listedMs < renewMs)) return false;
    // Owners, and what is counted together, come on top of the series; who falls out is only told of again.
    if (listedMs === undefined && this.#listed.size >= 3 * seriesMax) {
      const oldest = this.#listed.keys().next();
      if (!oldest.done) this.#listed.delete(oldest.value);
    }
    this.#listed.set(member, nowMs);
    return true;
  }

  #list(key: string, member: string, ttlMs: number): void {
    this.#parts.store.indexAdd(key, member, ttlMs).catch(() => {
      if (this.#unlisted.size >= unlistedMax) return;
      if (this.#unlisted.size === 0) this.#parts.log('warn', 'the store is away; what is spent is listed later');
      this.#unlisted.add(`${key} ${member}`, { key, member, ttlMs });
    });
  }
}
