/**
 * How keys, amounts, counters and records are written at Redis, for `redis-scripts.ts` to read: whole numbers travel as
 * decimals, because what Lua makes of a JSON number loses digits beyond the fourteenth.
 */
import assert from 'node:assert/strict';
import type { Json } from '../../call.ts';
import type { Amounts, Balance, Scope, Versioned } from '../store.ts';

/** `tg:{tenant}`: all keys of a script lie in its slot. */
export function tenantOf(keys: readonly string[]): string {
  const tenants = new Set(keys.map((key) => /^(tg:\{[^{}]+\}):/.exec(key)?.[1]));
  const [tenant] = tenants;
  assert.ok(
    tenants.size === 1 && tenant !== undefined,
    'counters are named by storeKey, and a reservation has one tenant',
  );
  return tenant;
}

/** `[dimension, amount, …]`. */
export function amountsText(amounts: Amounts): string {
  return JSON.stringify(flat(amounts));
}

/** Where the counter `key` lies: apart from a record of the same name. `tenant` is that of the key, by `tenantOf`. */
export function counterKey(tenant: string, key: string): string {
  return `${tenant}@counter${key.slice(tenant.length)}`;
}

/** The two sorted sets of the index `key`, in one slot. */
export function indexKeys(key: string): readonly [string, string] {
  const tenant = tenantOf([key]);
  const rest = key.slice(tenant.length);
  return [`${tenant}@index${rest}`, `${tenant}@index-due${rest}`];
}

/** `[[counter, ttl, [dimension, limit, …]], …]`; a fourth member marks those that count splits. */
export function scopesText(tenant: string, scopes: readonly Scope[]): string {
  return JSON.stringify(
    scopes.map(({ key, limits, ttlMs, splits }) => [
      ...[counterKey(tenant, key), String(wholeMs(ttlMs)), flat(limits)],
      ...(splits ? ['@'] : []),
    ]),
  );
}

/** What `amountsText` wrote; undefined for nothing. */
export function amountsOf(text: string): Amounts | undefined {
  if (text === '') return undefined;
  const entries = JSON.parse(text) as string[];
  const amounts: Record<string, number> = {};
  for (let place = 0; place + 1 < entries.length; place += 2)
    amounts[entries[place] as string] = Number(entries[place + 1]);
  return amounts;
}

function flat(amounts: Amounts): string[] {
  return Object.entries(amounts).flatMap(([dimension, amount]) => [dimension, String(amount)]);
}

/** A life in whole milliseconds; Redis takes none of 0. */
export function wholeMs(ttlMs: number): number {
  return Math.max(1, Math.ceil(ttlMs));
}

export function recordText(version: number, value: Json): string {
  return `${version}\n${JSON.stringify(value)}`;
}

/** The record that `text` holds; undefined for nothing. */
export function recordOf(text: unknown): Versioned | undefined {
  if (typeof text !== 'string' || text === '') return undefined;
  const end = text.indexOf('\n');
  return { version: Number(text.slice(0, end)), value: JSON.parse(text.slice(end + 1)) as Json };
}

/** From the JSON list of counters that a script gives. */
export function balancesOf(text: string): readonly Balance[] {
  return (JSON.parse(text) as Counter[]).map(balanceOf);
}

export type Counter = Readonly<Record<string, string>>;

/** From the fields of a counter; none for one that nobody used. */
export function balanceOf(counter: Counter): Balance {
  const [spent, reserved]: [Record<string, number>, Record<string, number>] = [{}, {}];
  for (const [field, value] of Object.entries(counter)) {
    const totals = field.startsWith('s:') ? spent : field.startsWith('r:') ? reserved : undefined;
    if (totals !== undefined) totals[field.slice(2)] = Number(value);
  }
  return { spent, reserved };
}
