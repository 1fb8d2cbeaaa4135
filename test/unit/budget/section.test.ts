import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Ajv2020 } from 'ajv/dist/2020.js';
import Type from 'typebox';
import { windowAt, windowLevelsOf } from '../../../src/budget/levels.ts';
import { type BudgetConfig, type BudgetLimits, budgetSection, checkBudget } from '../../../src/budget/section.ts';

const validate = new Ajv2020({ useDefaults: true }).compile(Type.Object({ budget: budgetSection }));

test('a file without budgets above the task limits nobody', () => {
  const file: { budget?: BudgetConfig } = {};
  assert.ok(validate(file));
  const { tenants, agents, alerts, spend } = file.budget ?? {};
  assert.deepEqual({ tenants, agents }, { tenants: {}, agents: {} });
  assert.deepEqual({ alerts, spend }, { alerts: { at: [50, 80, 100] }, spend: { keep_days: 400, series: 2_048 } });
});

test('the schema refuses windows it does not know, keys it does not know, and amounts below nothing', () => {
  for (const limits of [{ per: 'week', calls: 1 }, { calls: 1 }, { per: 'day', usd: 1 }, { per: 'day', tokens: -1 }]) {
    assert.ok(!validate({ budget: { tenants: { acme: limits } } }), JSON.stringify(limits));
  }
});

test('the checks find money finer than a micro-dollar and a budget that limits nothing, in their place', () => {
  const config: BudgetLimits = {
    tenants: { acme: { per: 'day', cost_usd: 0.1 }, 'a/b': { per: 'hour', cost_usd: 0.0000001 } },
    agents: { idle: { per: 'month' } },
  };
  assert.deepEqual(
    checkBudget(config).map(({ pointer }) => pointer),
    ['/budget/tenants/a~1b/cost_usd', '/budget/agents/idle'],
  );
});

test('an owner has one window or several, and of each kind one', () => {
  const day = { per: 'day', calls: 5 };
  const hour = { per: 'hour', seconds: 60 };
  for (const windows of [day, [day], [day, hour, { per: 'month', cost_usd: 2 }]]) {
    assert.ok(validate({ budget: { agents: { '*': windows } } }), JSON.stringify(windows));
  }
  assert.ok(!validate({ budget: { agents: { a: [] } } }));
  assert.ok(!validate({ budget: { agents: { a: [{ per: 'day', usd: 1 }] } } }));
  const faulty = { tenants: {}, agents: { a: [day, hour, day] as const, b: [{ per: 'day' }] as const } };
  assert.deepEqual(
    checkBudget(faulty as never).map(({ pointer }) => pointer),
    ['/budget/agents/a/2/per', '/budget/agents/b/0'],
  );
});

const levelNames = (config: BudgetLimits, agent: { id: string; issuer: string }, tenant = 'acme'): string[] =>
  windowLevelsOf(config, { tenant, agent }, Date.parse('2027-03-28T01:30:00Z')).map(
    ({ name, per, scope }) => `${name} ${per} ${Object.keys(scope.limits).join()} ${scope.key.split(':')[4]}`,
  );

test('an agent is looked up with its issuer, then by its id, then as one that is not named; each counts for itself', () => {
  const config: BudgetLimits = {
    tenants: {
      acme: [
        { per: 'hour', calls: 1 },
        { per: 'month', tokens: 9 },
      ],
      '*': { per: 'day', calls: 7 },
    },
    agents: {
      'azure/a': { per: 'hour', seconds: 5 },
      a: { per: 'day', tokens: 5 },
      '*': { per: 'month', cost_usd: 1 },
    },
  };
  assert.deepEqual(levelNames(config, { id: 'a', issuer: 'azure' }), [
    'agent hour seconds azure%2Fa',
    'tenant hour calls acme',
    'tenant month tokens acme',
  ]);
  assert.deepEqual(levelNames(config, { id: 'a', issuer: 'aws' }, 'other'), [
    'agent day tokens aws%2Fa',
    'tenant day calls other',
  ]);
  assert.deepEqual(levelNames(config, { id: 'b', issuer: 'aws' })[0], 'agent month costMicroUsd aws%2Fb');
});

test('windows are whole hours, days and months of UTC', () => {
  const span = (per: 'hour' | 'day' | 'month', iso: string): string[] => {
    const { startMs, endMs } = windowAt(per, Date.parse(iso));
    return [startMs, endMs].map((ms) => new Date(ms).toISOString());
  };
  assert.deepEqual(span('hour', '2026-12-31T23:59:59.999Z'), ['2026-12-31T23:00:00.000Z', '2027-01-01T00:00:00.000Z']);
  assert.deepEqual(span('day', '2028-02-29T00:00:00.000Z'), ['2028-02-29T00:00:00.000Z', '2028-03-01T00:00:00.000Z']);
  // The night in which clocks go forward somewhere is as long as any other, and so are months of any length whole.
  assert.deepEqual(span('day', '2027-03-28T01:30:00.000Z'), ['2027-03-28T00:00:00.000Z', '2027-03-29T00:00:00.000Z']);
  assert.deepEqual(span('hour', '2027-03-28T01:30:00.000Z'), ['2027-03-28T01:00:00.000Z', '2027-03-28T02:00:00.000Z']);
  assert.deepEqual(span('month', '2028-02-29T23:59:59.999Z'), ['2028-02-01T00:00:00.000Z', '2028-03-01T00:00:00.000Z']);
  assert.deepEqual(span('month', '2026-12-05T10:00:00.000Z'), ['2026-12-01T00:00:00.000Z', '2027-01-01T00:00:00.000Z']);
});
