import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Ajv2020 } from 'ajv/dist/2020.js';
import Type from 'typebox';
import { windowAt } from '../../../src/budget/levels.ts';
import { type BudgetConfig, budgetSection, checkBudget } from '../../../src/budget/section.ts';

const validate = new Ajv2020({ useDefaults: true }).compile(Type.Object({ budget: budgetSection }));

test('a file without budgets above the task limits nobody', () => {
  const file: { budget?: BudgetConfig } = {};
  assert.ok(validate(file));
  assert.deepEqual(file.budget, { tenants: {}, agents: {} });
});

test('the schema refuses windows it does not know, keys it does not know, and amounts below nothing', () => {
  for (const limits of [{ per: 'week', calls: 1 }, { calls: 1 }, { per: 'day', usd: 1 }, { per: 'day', tokens: -1 }]) {
    assert.ok(!validate({ budget: { tenants: { acme: limits } } }), JSON.stringify(limits));
  }
});

test('the checks find money finer than a micro-dollar and a budget that limits nothing, in their place', () => {
  const config: BudgetConfig = {
    tenants: { acme: { per: 'day', cost_usd: 0.1 }, 'a/b': { per: 'hour', cost_usd: 0.0000001 } },
    agents: { idle: { per: 'month' } },
  };
  assert.deepEqual(
    checkBudget(config).map(({ pointer }) => pointer),
    ['/budget/tenants/a~1b/cost_usd', '/budget/agents/idle'],
  );
});

test('windows are whole hours, days and months of UTC', () => {
  const span = (per: 'hour' | 'day' | 'month', iso: string): string[] => {
    const { startMs, endMs } = windowAt(per, Date.parse(iso));
    return [startMs, endMs].map((ms) => new Date(ms).toISOString());
  };
  assert.deepEqual(span('hour', '2026-12-31T23:59:59.999Z'), ['2026-12-31T23:00:00.000Z', '2027-01-01T00:00:00.000Z']);
  assert.deepEqual(span('day', '2028-02-29T00:00:00.000Z'), ['2028-02-29T00:00:00.000Z', '2028-03-01T00:00:00.000Z']);
  assert.deepEqual(span('month', '2026-12-05T10:00:00.000Z'), ['2026-12-01T00:00:00.000Z', '2027-01-01T00:00:00.000Z']);
});
