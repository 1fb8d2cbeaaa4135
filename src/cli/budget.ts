/** `tollgate budget`: what was spent, grouped as asked, and how the limits of agents and tenants stand. */
import { parseArgs } from 'node:util';
import { adminHelp, adminOptions, connect } from './admin-client.ts';
import { type Command, Usage } from './command.ts';
import { table } from './table.ts';

interface Spent {
  readonly calls: number;
  readonly tokens: Readonly<Record<string, number>>;
  readonly cost_usd: number;
}

type Row = Spent & Readonly<Record<string, unknown>>;

interface Standing {
  readonly level: string;
  readonly name: string;
  readonly tenant: string | null;
  readonly issuer: string | null;
  readonly per: string;
  readonly window_ends: string;
  readonly limit: Readonly<Record<string, number>>;
  readonly reserved: Readonly<Record<string, number>>;
  readonly spent: Readonly<Record<string, number>>;
  readonly remaining: Readonly<Record<string, number>>;
  readonly used_percent: number;
}

interface Page {
  readonly from: string;
  readonly to: string;
  readonly by: readonly string[];
  readonly rows: readonly Row[];
  readonly total: Spent;
  readonly limits: readonly Standing[];
  readonly next_cursor: string | null;
}

const limitDefault = 50;

export const budget: Command = {
  help: `usage: tollgate budget [--by GROUPS] [--from DAY] [--to DAY] [--tenant T] [--agent A] [--task ID] [--route R]
                       [--model M] [--limit N] [--cursor C] [--json] (--config F | --admin-url U)

What was spent, in days of UTC, each day as 2026-11-21: the last 30 unless told otherwise. GROUPS is one or more of day,
tenant, agent, route, model, target, with commas; or task alone: the tasks that spent most, over their whole life. Shows
N rows (${limitDefault}), from C on, where the list before ended; and how the limits of agents and tenants stand now. Takes the role
auditor or operator.

${adminHelp}`,
  async run(argv, surroundings) {
    const { values } = parseArgs({
      args: [...argv],
      options: {
        ...adminOptions,
        ...{ by: { type: 'string' }, from: { type: 'string' }, to: { type: 'string' }, tenant: { type: 'string' } },
        ...{
          agent: { type: 'string' },
          task: { type: 'string' },
          route: { type: 'string' },
          model: { type: 'string' },
        },
        ...{ limit: { type: 'string' }, cursor: { type: 'string' } },
      },
    });
    const { by, from, to, tenant, agent, task, route, model, limit = String(limitDefault), cursor, json } = values;
    if (!/^[1-9][0-9]{0,3}$/.test(limit) || Number(limit) > 1_000) {
      throw new Usage('--limit must be a whole number from 1 to 1000');
    }
    const client = await connect(values, surroundings);
    const query = { by, from, to, tenant, agent, task, route, model, limit, cursor };
    const page = await client.get<Page>('/budgets', query);
    surroundings.out(json ? JSON.stringify(page, null, 2) : shown(page));
    return 0;
  },
};

function shown({ from, to, by, rows, total, limits, next_cursor: next }: Page): string {
  const named = by.flatMap((field) => (field === 'agent' ? ['issuer', 'agent'] : [field]));
  const ofTasks = by.includes('task');
  const columns = ofTasks ? ['task', 'state', 'tenant', 'agent', 'purpose'] : named;
  const kinds = ofTasks ? [] : ['input', 'output'];
  const headings = [...columns, 'calls', 'tokens', ...kinds, 'cost_usd'].map((name) => name.toUpperCase());
  const amounts = (spent: Spent) => [
    ...[spent.calls, spent.tokens.total, ...kinds.map((kind) => spent.tokens[kind] ?? 0)],
    spent.cost_usd.toFixed(6),
  ];
  const lines = rows.map((row) => [...columns.map((column) => row[column]), ...amounts(row)]);
  const sum = [...columns.map((_column, index) => (index === 0 ? 'total' : '')), ...amounts(total)];
  return [
    ofTasks ? 'tasks that spent most' : `spent from ${from} to ${to} (UTC)`,
    table(headings, [...lines, sum]),
    ...(next === null ? [] : [`more: --cursor ${next}`]),
    ...(limits.length === 0 ? [] : ['', table(limitHeadings, limits.flatMap(limitLines))]),
  ].join('\n');
}

const limitHeadings = [
  ...['LEVEL', 'NAME', 'TENANT', 'ISSUER', 'PER', 'ENDS', 'OF'],
  ...['LIMIT', 'RESERVED', 'SPENT', 'REMAINING', 'USED'],
];

function limitLines(standing: Standing): unknown[][] {
  const { level, name, tenant, issuer, per, window_ends: ends, limit, reserved, spent, remaining } = standing;
  return Object.entries(limit).map(([dimension, most]) => [
    ...[level, name, tenant, issuer, per, ends, dimension, most, reserved[dimension], spent[dimension]],
    ...[remaining[dimension], `${most > 0 ? Math.floor((100 * (spent[dimension] ?? 0)) / most) : 100}%`],
  ]);
}
