/**
 * The `budget` section of tollgate.yaml: what a tenant, or one agent, may spend in each hour, day or month of UTC,
 * over all its tasks. Whoever is not named here has no limit but that of each task (`task.budget`).
 */
import Type from 'typebox';
import { microUsdFromUsd } from '../wire/money.ts';
import { child } from '../wire/pointer.ts';

const windowLimits = Type.Object(
  {
    per: Type.Enum(['hour', 'day', 'month'], {
      description: 'The window: a whole hour, day or month of the calendar, in UTC.',
    }),
    tokens: Type.Optional(Type.Integer({ minimum: 0, description: 'Model tokens, in and out.' })),
    cost_usd: Type.Optional(Type.Number({ minimum: 0, description: 'Money, in US dollars; up to six decimals.' })),
    calls: Type.Optional(Type.Integer({ minimum: 0, description: 'Calls that were sent.' })),
  },
  { additionalProperties: false, description: 'Limits of one window; what is left out has no limit.' },
);

export const budgetSection = Type.Object(
  {
    tenants: Type.Record(Type.String(), windowLimits, {
      description: 'Limits of a tenant over all its agents, by the name of the tenant.',
      default: {},
    }),
    agents: Type.Record(Type.String(), windowLimits, {
      description: 'Limits of one agent over all its tasks, by the id of the agent.',
      default: {},
    }),
  },
  { additionalProperties: false, description: 'Budgets above the task.', default: {} },
);

export type BudgetConfig = Type.Static<typeof budgetSection>;
export type WindowLimits = Type.Static<typeof windowLimits>;

/**
 * What the schema cannot say: money has six decimals at most, and a budget limits something. Pointers are into
 * tollgate.yaml.
 */
export function checkBudget(config: BudgetConfig): { pointer: string; message: string }[] {
  const faults: { pointer: string; message: string }[] = [];
  for (const level of ['tenants', 'agents'] as const) {
    for (const [name, limits] of Object.entries(config[level])) {
      const pointer = child(`/budget/${level}`, name);
      if (limits.cost_usd !== undefined && microUsdFromUsd(limits.cost_usd) === undefined) {
        faults.push({
          pointer: `${pointer}/cost_usd`,
          message: `expected dollars with six decimals at most, found ${limits.cost_usd}`,
        });
      }
      if (limits.tokens === undefined && limits.cost_usd === undefined && limits.calls === undefined) {
        faults.push({ pointer, message: 'expected at least one of tokens, cost_usd, calls' });
      }
    }
  }
  return faults;
}
