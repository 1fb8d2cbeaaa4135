import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Arrival, DecisionFact, EntryFact, JsonObject, Obligations, OperationFact } from '../../../src/call.ts';
import { isDenial } from '../../../src/denial.ts';
import { rankedByWeight } from '../../../src/route/select.ts';
import { routeStage } from '../../../src/route/stage.ts';
import { RouteTable } from '../../../src/route/table.ts';
import { judge } from '../../../src/stage.ts';
import { ManualClock } from '../../fakes/clock.ts';
import { goodRoutes, httpRow, httpTargetRow } from './config.ts';

function tableOf(weights: Readonly<Record<string, number>>): RouteTable {
  const targets = Object.entries(weights).map(
    ([name, weight]): JsonObject => ({ ...httpTargetRow, name, weight, region: `${name}-1` }),
  );
  const sources = [{ kind: 'http' as const, operations: () => ({ operations: [], faults: [] }) }];
  return RouteTable.build({ routes: goodRoutes({ ...httpRow, targets }), sources, openapi: {} });
}

const call = (route: string, obligations: Obligations, entry: object = {}) =>
  ({ resolved: { operation: { route }, payload: {} }, entry, decision: { obligations } }) as unknown as Arrival &
    OperationFact &
    EntryFact &
    DecisionFact;

test('the first choice spreads by weight, and every target stays in the ranking', () => {
  const targets = tableOf({ eu: 80, us: 20, spare: 0 }).route('orders')?.targets ?? [];
  const clock = new ManualClock(0, 42);
  const firsts: Record<string, number> = {};
  for (let draw = 0; draw < 5_000; draw++) {
    const ranked = rankedByWeight(targets, clock).map(({ name }) => name);
    assert.equal(new Set(ranked).size, 3);
    assert.equal(ranked[2], 'spare');
    firsts[`${ranked[0]}`] = (firsts[`${ranked[0]}`] ?? 0) + 1;
  }
  assert.ok(Math.abs((firsts.eu ?? 0) - 4_000) < 150, JSON.stringify(firsts));
});

test('one seed gives one order', () => {
  const targets = tableOf({ a: 1, b: 1, c: 1, d: 1, e: 1 }).route('orders')?.targets ?? [];
  const draws = (seed: number): string[] => {
    const clock = new ManualClock(0, seed);
    return Array.from({ length: 20 }, () =>
      rankedByWeight(targets, clock)
        .map(({ name }) => name)
        .join(''),
    );
  };
  assert.deepEqual(draws(3), draws(3));
  assert.notDeepEqual(draws(3), draws(4));
});

test('the stage gives the permitted targets of the route', async () => {
  const stage = routeStage({ table: tableOf({ eu: 1, us: 1 }), clock: new ManualClock() });
  const given = await stage.admit(call('orders', { regions: ['us-*'] }));
  assert.ok(!isDenial(given));
  assert.deepEqual(
    given.targets.map(({ name }) => name),
    ['us'],
  );
  assert.equal(judge(stage, given), given);
  assert.equal(judge(stage, { targets: [] }), undefined);
});

test('where no target lies in the permitted place the call is a residency_violation that names the limit', async () => {
  const stage = routeStage({ table: tableOf({ eu: 1, us: 1 }), clock: new ManualClock() });
  for (const obligations of [{ regions: ['ap-*'] }, { regions: [] }, { clouds: ['gcp'] }]) {
    const denial = await stage.admit(call('orders', obligations));
    assert.ok(isDenial(denial));
    assert.equal(denial.code, 'residency_violation');
    assert.match(denial.message, /regions ap-\*|regions none|clouds gcp/);
  }
});

test('what lies at one target goes to no other, also where that one is not permitted', async () => {
  const stage = routeStage({ table: tableOf({ eu: 1, us: 1 }), clock: new ManualClock() });
  const named = { foreign: [], targets: ['us'] };
  for (let draw = 0; draw < 20; draw++) {
    const given = await stage.admit(call('orders', {}, { named }));
    assert.ok(!isDenial(given));
    assert.deepEqual(
      given.targets.map(({ name }) => name),
      ['us'],
    );
  }
  const denial = await stage.admit(call('orders', { regions: ['eu-*'] }, { named }));
  assert.ok(isDenial(denial));
  assert.deepEqual([denial.code, denial.reasons?.[0]?.code], ['residency_violation', 'provider_id_elsewhere']);
});

test('a route that is not in the table is route_unknown', async () => {
  const denial = await routeStage({ table: tableOf({ eu: 1 }), clock: new ManualClock() }).admit(call('gone', {}));
  assert.ok(isDenial(denial));
  assert.equal(denial.code, 'route_unknown');
});
