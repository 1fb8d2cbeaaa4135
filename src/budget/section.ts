/**
 * The `budget` section of tollgate.yaml: what a tenant, or one agent, may spend in each hour, day or month of UTC,
 * over all its tasks. Whoever is not named here has no limit but that of each task (`task.budget`).
 */
import Type from 'typebox';
import { microUsdFromUsd } from '../wire/money.ts';
import { child } from '../wire/pointer.ts';
import { modelPrice, priceFaults } from '../wire/price.ts';
import { queueSection, ratesSection } from './rates/section.ts';
import { alertsSection, spendSection } from './spend/section.ts';

const windowLimits = Type.Object(
  {
    per: Type.Enum(['hour', 'day', 'month'], {
      description: 'The window: a whole hour, day or month of the calendar, in UTC.',
    }),
    tokens: Type.Optional(Type.Integer({ minimum: 0, description: 'Model tokens, in and out.' })),
    cost_usd: Type.Optional(Type.Number({ minimum: 0, description: 'Money, in US dollars; up to six decimals.' })),
    calls: Type.Optional(Type.Integer({ minimum: 0, description: 'Calls that were sent.' })),
    seconds: Type.Optional(
      Type.Integer({ minimum: 0, description: 'The time that calls ran, all together; each in whole seconds.' }),
    ),
  },
  { additionalProperties: false, description: 'Limits of one window; what is left out has no limit.' },
);

const windows = Type.Union(
  [
    windowLimits,
    Type.Array(windowLimits, {
      minItems: 1,
      maxItems: 3,
      description: 'All of these hold; one of each kind of window.',
    }),
  ],
  { description: 'The limits of one window, or a list of several.' },
);

export const budgetSection = Type.Object(
  {
    tenants: Type.Record(Type.String(), windows, {
      description:
        'Limits of a tenant over all its agents, by the name of the tenant; `*` for each tenant that is not named.',
      default: {},
    }),
    agents: Type.Record(Type.String(), windows, {
      description:
        'Limits of one agent over all its tasks, by its id, or `{issuer}/{id}` with the name of its issuer where two issuers know an equal one; `*` for each agent that is not named.',
      default: {},
    }),
    rates: ratesSection,
    queue: queueSection,
    spend: spendSection,
    alerts: alertsSection,
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
      description:
        'Prices by provider (openai, azure, anthropic, bedrock, vertex), then by the name of the model at it.',
    }),
  },
  {
    additionalProperties: false,
    description: 'Prices of models. What is not in it is looked up in the open price list; `default` is for the rest.',
  },
);

export type PriceFile = Type.Static<typeof priceFileSchema>;

export type BudgetConfig = Type.Static<typeof budgetSection>;
/** What levels are made from. */
export type BudgetLimits = Pick<BudgetConfig, 'tenants' | 'agents'>;
export type WindowLimits = Type.Static<typeof windowLimits>;
/** As the file has it: one window, or a list. */
export type Windows = WindowLimits | readonly WindowLimits[];

/** The windows of one owner, as a list. */
export function windowList(windows: Windows): readonly WindowLimits[] {
  return 'per' in windows ? [windows] : windows;
}

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
export function checkBudget(config: BudgetLimits): { pointer: string; message: string }[] {
  const faults: { pointer: string; message: string }[] = [];
  for (const level of ['tenants', 'agents'] as const) {
    for (const [name, windows] of Object.entries(config[level])) {
      faults.push(...windowFaults(windows, child(`/budget/${level}`, name)));
    }
  }
  return faults;
}

function windowFaults(windows: Windows, pointer: string): { pointer: string; message: string }[] {
  const faults: { pointer: string; message: string }[] = [];
  const seen = new Set<string>();
  for (const [index, limits] of windowList(windows).entries()) {
    const at = 'per' in windows ? pointer : child(pointer, String(index));
    const { per, cost_usd: costUsd, tokens, calls, seconds } = limits;
    if (seen.has(per))
      faults.push({ pointer: `${at}/per`, message: `expected one window of each kind, found ${per} again` });
    seen.add(per);
    if (costUsd !== undefined && microUsdFromUsd(costUsd) === undefined) {
      const message = `expected dollars with six decimals at most, found ${costUsd}`;
      faults.push({ pointer: `${at}/cost_usd`, message });
    }
    if ([tokens, costUsd, calls, seconds].every((limit) => limit === undefined)) {
      faults.push({ pointer: at, message: 'expected at least one of tokens, cost_usd, calls, seconds' });
    }
  }
  return faults;
}
