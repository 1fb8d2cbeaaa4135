/**
 * What was spent, made ready to be drawn: days without gaps, the largest groups apart and the rest as one. What a reader
 * would get wrong: a group may come in several rows, where an answer came in pages; here they are added up.
 */

export const spendGroups = ['tenant', 'agent', 'route', 'model', 'target'] as const;
export type SpendGroup = (typeof spendGroups)[number];
export const measures = ['cost', 'tokens', 'calls'] as const;
export type Measure = (typeof measures)[number];

export interface Spent {
  readonly calls: number;
  readonly tokens: Readonly<Record<string, number>>;
  readonly cost_usd: number;
}

/** A row of `GET /budgets?by=day,…`. */
export type SpendRow = Spent & { readonly day: string; readonly issuer?: string | null } & Partial<
    Record<SpendGroup, string | null>
  >;

/** A window of an agent or a tenant. */
export interface Standing {
  readonly level: 'agent' | 'tenant';
  readonly name: string;
  readonly tenant: string | null;
  readonly issuer: string | null;
  readonly per: string;
  readonly window_ends: string;
  readonly limit: Readonly<Record<string, number>>;
  readonly reserved: Readonly<Record<string, number>>;
  readonly spent: Readonly<Record<string, number>>;
  readonly remaining: Readonly<Record<string, number>>;
}

/** A row of `GET /budgets?by=task`. */
export interface TaskRow extends Spent {
  readonly task: string;
  readonly tenant: string;
  readonly agent: string;
  readonly purpose: string;
  readonly state: string;
  readonly budget: Readonly<Record<'limit' | 'reserved' | 'spent' | 'remaining', Readonly<Record<string, number>>>>;
}

export interface Group {
  readonly name: string;
  readonly calls: number;
  readonly cost: number;
  readonly tokens: number;
  /** Tokens by kind: input, output, cached_input, cache_write, reasoning. */
  readonly kinds: Readonly<Record<string, number>>;
}

export interface Drawn {
  readonly days: readonly string[];
  /** The largest first; the last may be what all others have together. */
  readonly groups: readonly Group[];
  /** By day, then by group, in the measure that was asked for. */
  readonly values: readonly (readonly number[])[];
}

/** Groups that are drawn apart. */
const groupsMax = 7;
const dayMs = 24 * 60 * 60 * 1000;

/** What `row` is put down to, as people read it. */
export function groupName(row: SpendRow, by: SpendGroup): string {
  const value = row[by] ?? null;
  if (value === null) return by === 'agent' ? 'agents counted together' : by === 'model' ? 'no model' : 'not known';
  return by === 'agent' && row.issuer !== undefined && row.issuer !== null ? `${row.issuer}/${value}` : value;
}

/** Every day from `from` to `to`, both included; at most 1,200. */
export function daysBetween(from: string, to: string): readonly string[] {
  const days: string[] = [];
  for (
    let ms = Date.parse(`${from}T00:00:00Z`);
    ms <= Date.parse(`${to}T00:00:00Z`) && days.length < 1_200;
    ms += dayMs
  ) {
    days.push(new Date(ms).toISOString().slice(0, 10));
  }
  return days;
}

/** All groups of `rows`, the largest in `measure` first. */
export function grouped(rows: readonly SpendRow[], by: SpendGroup, measure: Measure): readonly Group[] {
  const groups = new Map<string, Group>();
  for (const row of rows) {
    const name = groupName(row, by);
    const before = groups.get(name) ?? { name, calls: 0, cost: 0, tokens: 0, kinds: {} };
    const kinds = { ...before.kinds };
    for (const [kind, tokens] of Object.entries(row.tokens)) kinds[kind] = (kinds[kind] ?? 0) + tokens;
    groups.set(name, {
      ...{ name, kinds, calls: before.calls + row.calls, cost: before.cost + row.cost_usd },
      tokens: before.tokens + (row.tokens.total ?? 0),
    });
  }
  return [...groups.values()].sort(
    (left, right) => right[measure] - left[measure] || (left.name < right.name ? -1 : 1),
  );
}

/** The bars: one a day, of the largest groups, with the others as one. */
export function drawn(
  rows: readonly SpendRow[],
  {
    by,
    measure,
    from,
    to,
  }: { readonly by: SpendGroup; readonly measure: Measure; readonly from: string; readonly to: string },
): Drawn {
  const all = grouped(rows, by, measure);
  const apart = all.length > groupsMax + 1 ? all.slice(0, groupsMax) : all;
  const rest = all.slice(apart.length);
  const sum = (of: 'calls' | 'cost' | 'tokens') => rest.reduce((total, group) => total + group[of], 0);
  const others = {
    name: `${rest.length} others`,
    calls: sum('calls'),
    cost: sum('cost'),
    tokens: sum('tokens'),
    kinds: {},
  };
  const groups = rest.length === 0 ? apart : [...apart, others];
  const place = new Map(apart.map(({ name }, index) => [name, index]));
  const days = daysBetween(from, to);
  const dayPlace = new Map(days.map((day, index) => [day, index]));
  const values = days.map(() => groups.map(() => 0));
  for (const row of rows) {
    const bars = values[dayPlace.get(row.day) ?? -1];
    const index = place.get(groupName(row, by)) ?? groups.length - 1;
    if (bars !== undefined) bars[index] = (bars[index] ?? 0) + amountOf(row, measure);
  }
  return { days, groups, values };
}

function amountOf(row: Spent, measure: Measure): number {
  if (measure === 'cost') return row.cost_usd;
  return measure === 'calls' ? row.calls : (row.tokens.total ?? 0);
}

/** Steps of an axis from 0 to `most` or a little beyond: 1, 2 or 5 times a power of ten apart, at most six; or whole. */
export function ticks(most: number, whole: boolean): readonly number[] {
  if (!(most > 0)) return [0, 1];
  const power = 10 ** Math.floor(Math.log10(most / 4));
  const fine = ([1, 2, 5, 10].find((times) => most / (times * power) <= 5) ?? 10) * power;
  const step = whole ? Math.max(1, fine) : fine;
  const count = Math.ceil(most / step - 1e-9);
  return Array.from({ length: count + 1 }, (_one, index) => Number((index * step).toPrecision(12)));
}

const grouping = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });

/** An amount as people read it: money with as many decimals as it takes, the rest with its thousands apart. */
export function amountText(amount: number, measure: Measure): string {
  return measure === 'cost' ? moneyText(amount) : grouping.format(amount);
}

/** `count` of what is called so: 1 call, 2 calls. */
export function countText(count: number, one: string): string {
  return `${grouping.format(count)} ${one}${count === 1 ? '' : 's'}`;
}

export function moneyText(usd: number): string {
  const decimals = usd === 0 || usd >= 1 ? 2 : usd >= 0.01 ? 4 : 6;
  return `$${usd.toLocaleString('en', { minimumFractionDigits: 2, maximumFractionDigits: decimals })}`;
}

/** The same, short, for an axis. */
export function axisText(amount: number, measure: Measure): string {
  if (measure !== 'cost') return short.format(amount);
  if (amount >= 1_000) return `$${short.format(amount)}`;
  return `$${amount.toLocaleString('en', { maximumFractionDigits: 6 })}`;
}
