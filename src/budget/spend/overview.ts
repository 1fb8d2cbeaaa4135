/**
 * Looks back at what was spent: adds the series of some days up, grouped as somebody asks. One page looks at a bounded
 * number of series, the newest days first. What a reader would get wrong: where a page ended at that bound, a group may
 * come again on the next one, with what is older; whoever wants one sum adds them up.
 */
import { type Denial, deny } from '../../denial.ts';
import type { Store } from '../../store/store.ts';
import { dayOf, type Series, seriesIndex, seriesKey, seriesOf } from './meters.ts';
import { addSpent, nothingSpent, readSplits, type Spent, type Split } from './splits.ts';

export const spendFields = ['day', 'tenant', 'agent', 'route', 'model', 'target'] as const;
export type SpendField = (typeof spendFields)[number];

export interface SpendQuery {
  /** The first and the last day, as 2026-11-21, in UTC. */
  readonly from: string;
  readonly to: string;
  readonly tenant?: string;
  /** Id of the agent, of whatever issuer. */
  readonly agent?: string;
  readonly route?: string;
  readonly model?: string;
  readonly by: readonly SpendField[];
  /** 1 to 1,000 rows. */
  readonly limit: number;
  /** `next` of the page before. */
  readonly cursor?: string;
}

export interface SpendRow {
  /** What it is of: the fields it was grouped by, and `issuer` with `agent`. Null for what is not known apart. */
  readonly of: Readonly<Record<string, string | null>>;
  readonly spent: Spent;
}

export interface SpendPage {
  /** By day, the newest first, where days are apart; then the dearest first. */
  readonly rows: readonly SpendRow[];
  /** Of all rows that this page and its slices are cut from. */
  readonly total: Spent;
  readonly next: string | null;
}

/** How many series one page adds up. */
const examinedMax = 20_000;
const membersAtOnce = 1_000;
const countersAtOnce = 250;
const cursorForm = /^([1-9][0-9]{0,5}|0) ([\x20-\x7e]{0,4096})$/;

/** One page. Denies `args_invalid` for a cursor that is none. Rejects with `StoreUnavailable`. */
export async function spendPage(
  store: Pick<Store, 'indexRange' | 'balance'>,
  query: SpendQuery,
): Promise<SpendPage | Denial> {
  const cursor = query.cursor === undefined ? '0 ' : Buffer.from(query.cursor, 'base64url').toString('latin1');
  const [, skipped, from] = cursorForm.exec(cursor) ?? [];
  if (skipped === undefined || from === undefined) {
    return deny('args_invalid', 'cursor is none that a page of spending has given.');
  }
  const { series, last } = await seriesIn(store, query, from === '' ? dayAfter(query.to) : from);
  const groups = new Map<string, SpendRow>();
  let total = nothingSpent;
  for (let start = 0; start < series.length; start += countersAtOnce) {
    const some = series.slice(start, start + countersAtOnce);
    const balances = await store.balance(some.map(seriesKey));
    for (const [index, one] of some.entries()) {
      for (const split of readSplits(balances[index]?.spent ?? {})) {
        if (query.model !== undefined && split.model !== query.model) continue;
        total = addSpent(total, split.spent);
        const of = groupOf(query.by, one, split);
        const name = JSON.stringify(Object.values(of));
        groups.set(name, { of, spent: addSpent(groups.get(name)?.spent ?? nothingSpent, split.spent) });
      }
    }
  }
  const rows = [...groups.values()].toSorted(inOrder);
  const end = Number(skipped) + query.limit;
  const next = end < rows.length ? `${end} ${from}` : last === null ? null : `0 ${last}`;
  return {
    rows: rows.slice(Number(skipped), end),
    total,
    next: next === null ? null : Buffer.from(next, 'latin1').toString('base64url'),
  };
}

/** The series that fit, from the highest below `from` on; `last` is where the bound ended it, null where nothing did. */
async function seriesIn(
  store: Pick<Store, 'indexRange'>,
  query: SpendQuery,
  from: string,
): Promise<{ readonly series: readonly Series[]; readonly last: string | null }> {
  const index = seriesIndex(query.tenant ?? null);
  const series: Series[] = [];
  let below = from;
  for (let examined = 0; examined < examinedMax; examined += membersAtOnce) {
    const members = await store.indexRange(index, { below, limit: membersAtOnce });
    for (const member of members) {
      if (member < query.from) return { series, last: null };
      const one = seriesOf(member);
      if (one !== undefined && fits(query, one)) series.push(one);
    }
    if (members.length < membersAtOnce) return { series, last: null };
    below = members.at(-1) ?? below;
  }
  return { series, last: below };
}

function fits({ agent, route }: SpendQuery, series: Series): boolean {
  return (agent === undefined || series.agent === agent) && (route === undefined || series.route === route);
}

function groupOf(by: readonly SpendField[], series: Series, split: Split): SpendRow['of'] {
  const all: Readonly<Record<SpendField, string>> = {
    ...{ day: series.day, tenant: series.tenant, agent: series.agent },
    ...{ route: series.route, model: split.model, target: split.target },
  };
  const of = by.flatMap((field): [string, string | null][] => {
    const value: [string, string | null] = [field, all[field] === '' ? null : all[field]];
    return field === 'agent' ? [value, ['issuer', series.issuer === '' ? null : series.issuer]] : [value];
  });
  return Object.fromEntries(of);
}

function inOrder(left: SpendRow, right: SpendRow): number {
  const days = (right.of.day ?? '').localeCompare(left.of.day ?? '');
  if (days !== 0) return days;
  if (left.spent.cost !== right.spent.cost) return right.spent.cost - left.spent.cost;
  if (left.spent.calls !== right.spent.calls) return right.spent.calls - left.spent.calls;
  return JSON.stringify(left.of) < JSON.stringify(right.of) ? -1 : 1;
}

/** The day after `day`; members of `day` itself are all below it. */
function dayAfter(day: string): string {
  return dayOf(Date.parse(`${day}T00:00:00Z`) + 24 * 60 * 60 * 1000);
}
