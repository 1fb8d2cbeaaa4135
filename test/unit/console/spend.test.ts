import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  amountText,
  axisText,
  daysBetween,
  drawn,
  grouped,
  moneyText,
  type SpendRow,
  ticks,
} from '../../../console/spend.ts';

const row = (day: string, agent: string | null, cost: number): SpendRow => ({
  ...{ day, agent, issuer: agent === null ? null : 'i', calls: 1, cost_usd: cost },
  tokens: { total: 10, input: 7, output: 3 },
});
const asked = { by: 'agent', measure: 'cost', from: '2026-02-27', to: '2026-03-01' } as const;

test('days come without gaps, over the end of a month, and a range turned around has none', () => {
  assert.deepEqual(daysBetween('2026-02-27', '2026-03-01'), ['2026-02-27', '2026-02-28', '2026-03-01']);
  assert.deepEqual(daysBetween('2026-03-01', '2026-02-27'), []);
});

test('a group that comes in several rows is added up, and what nobody is known of has a name', () => {
  const rows = [row('2026-02-27', 'a', 1), row('2026-02-27', 'a', 2), row('2026-03-01', null, 9)];
  assert.deepEqual(
    grouped(rows, 'agent', 'cost').map(({ name, cost, kinds }) => [name, cost, kinds.input]),
    [
      ['agents counted together', 9, 7],
      ['i/a', 3, 14],
    ],
  );
  assert.deepEqual(drawn(rows, asked).values, [
    [0, 3],
    [0, 0],
    [9, 0],
  ]);
});

test('of many groups the largest are drawn apart and the rest as one, and nothing is lost', () => {
  const rows = Array.from({ length: 30 }, (_one, index) => row('2026-02-28', `agent-${index}`, index + 1));
  const { groups, values } = drawn(rows, asked);
  assert.equal(groups.length, 8);
  assert.equal(groups.at(-1)?.name, '23 others');
  assert.equal(
    values.flat().reduce((sum, value) => sum + value, 0),
    (30 * 31) / 2,
  );
  assert.equal(drawn(rows.slice(0, 8), asked).groups.at(-1)?.name, 'i/agent-0', 'eight need no others');
});

test('an axis has a few round steps up to the highest bar, and whole ones for what is counted', () => {
  for (const most of [0.000_02, 0.7, 1, 3, 9.99, 101, 123_456]) {
    const steps = ticks(most, false);
    assert.ok(steps.length >= 2 && steps.length <= 7 && (steps.at(-1) ?? 0) >= most, `${most}: ${steps}`);
  }
  assert.deepEqual(ticks(1, true), [0, 1]);
  assert.deepEqual(ticks(0, true), [0, 1]);
});

test('money has the decimals it takes, and counts have their thousands apart', () => {
  assert.deepEqual(
    [moneyText(0), moneyText(12.5), moneyText(0.1234), moneyText(0.000_02)],
    ['$0.00', '$12.50', '$0.1234', '$0.00002'],
  );
  assert.deepEqual(
    [amountText(12_345, 'tokens'), axisText(12_345, 'tokens'), axisText(0.5, 'cost')],
    ['12,345', '12.3K', '$0.5'],
  );
});
