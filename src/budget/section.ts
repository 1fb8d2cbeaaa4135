/**
 * The `budget` section of tollgate.yaml: what a tenant, or one agent, may spend in each hour, day or month of UTC,
 * over all its tasks. Whoever is not named here has no limit but that of each task (`task.budget`).
 */
import Type from 'typebox';
import { microUsdFromUsd } from '../wire/money.ts';
import { child } from '../wire/pointer.ts';
import { modelPrice, priceFaults } from '../wire/price.ts';

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
    prices: Type.Optional(
      Type.String({
        minLength: 1,
        description:
          'A file of prices, YAML or JSON: for models without a price in the routing table, before the open price list. A path relative to this file; its keys stand in prices.schema.json.',
      }),
    ),
  },
  { additionalProperties: false, description: 'Budgets above the task, and what models cost.', default: {} },
);

/** The file that `prices` names. Providers are told apart as targets tell them: by the API they speak. */
export const priceFileSchema = Type.Object(
  {
    name: Type.String({
      pattern: '^[A-Za-z0-9._-]+$',
      maxLength: 64,
      description: 'What the prices are called in the audit trail.',
    }),
    as_of: Type.String({
      pattern: '^\\d{4}-\\d{2}-\\d{2}$',
      description: 'The day they were taken down, as 2026-11-01. It stands in the audit trail.',
    }),
    source: Type.Optional(Type.String({ maxLength: 1024, description: 'Where they are from: for people.' })),
    default: Type.Optional(modelPrice),
    models: Type.Record(Type.String(), Type.Record(Type.String(), modelPrice), {
      default: {},
      description: 'Prices by provider (openai, anthropic), then by the name of the model at it.',
    }),
  },
  {
    additionalProperties: false,
    description: 'Prices of models. What is not in it is looked up in the open price list; `default` is for the rest.',
  },
);

export type PriceFile = Type.Static<typeof priceFileSchema>;

export type BudgetConfig = Type.Static<typeof budgetSection>;
export type WindowLimits = Type.Static<typeof windowLimits>;

/** What the schema cannot say of a file of prices. Pointers are into that file. */
export function checkPriceFile(file: PriceFile): { pointer: string; message: string }[] {
  const faults = file.default === undefined ? [] : priceFaults(file.default, '/default');
  for (const [provider, models] of Object.entries(file.models)) {
    for (const [model, price] of Object.entries(models)) {
      faults.push(...priceFaults(price, child(child('/models', provider), model)));
    }
  }
  return faults;
}

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
