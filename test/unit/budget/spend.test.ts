import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { keptDays, memberOf, SpendMeters, seriesOf } from '../../../src/budget/spend/meters.ts';
import { type SpendQuery, spendPage } from '../../../src/budget/spend/overview.ts';
import { readSplits, servedBy, splitsOf } from '../../../src/budget/spend/splits.ts';
import type { TaskRecord } from '../../../src/call.ts';
import { newId } from '../../../src/clock.ts';
import { isDenial } from '../../../src/denial.ts';
import { MemoryStore } from '../../../src/store/backends/memory.ts';
import { type Store, StoreUnavailable } from '../../../src/store/store.ts';
import { ManualClock } from '../../fakes/clock.ts';
import { recordOf, targetOf } from './call.ts';

const how = { keepDays: 400, series: 100, limited: { agent: false, tenant: false } };
const usage = { inputTokens: 7, outputTokens: 3, cachedInputTokens: 2, reasoningTokens: 1 };
const dayMs = 24 * 3600_000;

async function opened(start = Date.UTC(2026, 10, 20, 12)) {
  const clock = new ManualClock(start);
  const store = new MemoryStore({ clock });
  await store.open();
  return { clock, store };
}

/** Spends `actual` in one call of `record` to `route`, served by `target`. */
async function spend(
  { store, clock, meters }: { store: Store; clock: ManualClock; meters: SpendMeters },
  record: TaskRecord,
  route: string,
  costMicroUsd: number,
  target = targetOf(1, 2),
  series = how.series,
) {
  const id = newId(clock, 'reservation');
  const actual = { tokens: 10, costMicroUsd, calls: 1 };
  const held = { tokens: 99, costMicroUsd: costMicroUsd * 2, calls: 1 };
  await store.reserve(id, [meters.scopeOf(record, route, { ...how, series })], held, 60_000);
  const amounts = { ...actual, ...splitsOf(actual, usage, target) };
  await store.settle(id, amounts);
  await store.settle(id, amounts);
}

async function pageOf(store: Store, query: Partial<SpendQuery>) {
  const page = await spendPage(store, { from: '2026-11-01', to: '2026-11-30', by: ['day'], limit: 100, ...query });
  if (isDenial(page)) throw new Error(page.message);
  return page;
}

describe('what was spent', () => {
  test('is told by kind and target, once for each settlement, and what no target is known of stays in the sum', () => {
    const target = { ...targetOf(1, 2), name: 'a/b', model: 'vendor/m 1' };
    const splits = splitsOf({ tokens: 10, costMicroUsd: 5, calls: 1 }, usage, target);
    const whole = { tokens: 25, costMicroUsd: 9, calls: 2, ...splits };
    assert.deepEqual(readSplits(whole), [
      {
        ...{ target: 'a/b', model: 'vendor/m 1' },
        spent: { calls: 1, cost: 5, tokens: 10, input: 7, output: 3, cached: 2, written: 0, reasoning: 1 },
      },
      {
        ...{ target: '', model: '' },
        spent: { calls: 1, cost: 4, tokens: 15, input: 0, output: 0, cached: 0, written: 0, reasoning: 0 },
      },
    ]);
    assert.deepEqual(splitsOf({ tokens: 0, costMicroUsd: 0, calls: 0 }, null, target), {}, 'nothing was sent');
  });

  test('a call that nobody answered is put down to the last target it was sent to', () => {
    const [one, two] = [targetOf(1, 1), targetOf(2, 2)];
    const attempts = [
      { target: one.name, sent: true },
      { target: two.name, sent: false },
    ];
    assert.equal(servedBy([one, two], { target: null, attempts }), one);
    assert.equal(servedBy([one, two], { target: two, attempts }), two);
    assert.equal(servedBy(undefined, { target: null, attempts: [] }), null);
  });

  test('series keep what is in their names, and days are those of UTC', () => {
    const series = { day: '2026-11-20', tenant: 'a b', issuer: 'i', agent: 'spiffe://x/y z*', route: 'r' };
    assert.deepEqual(seriesOf(memberOf(series)), series);
    assert.deepEqual(seriesOf(memberOf({ ...series, issuer: '', agent: '' })), { ...series, issuer: '', agent: '' });
    assert.equal(seriesOf('nothing of that kind'), undefined);
  });

  test('is added up by what is asked for, within the days that are asked for', async () => {
    const { store, clock } = await opened();
    await using meters = new SpendMeters({ store, clock, log: () => undefined });
    const world = { store, clock, meters };
    const [ann, bob] = [recordOf(clock, {}, 'ann'), { ...recordOf(clock, {}, 'bob'), tenant: 'beta' }];
    await spend(world, ann, 'gpt', 100);
    await spend(world, ann, 'gpt', 50, { ...targetOf(1, 2), name: 'other', model: 'm2' });
    await spend(world, bob, 'tools', 7, { ...targetOf(0, 0), model: null });
    await clock.advance(dayMs);
    await spend(world, ann, 'tools', 1, { ...targetOf(0, 0), model: null });

    const days = await pageOf(store, {});
    assert.deepEqual(
      days.rows.map(({ of, spent }) => [of.day, spent.cost, spent.calls, spent.tokens, spent.input]),
      [
        ['2026-11-21', 1, 1, 10, 7],
        ['2026-11-20', 157, 3, 30, 21],
      ],
    );
    assert.equal(days.total.cost, 158);
    assert.equal(days.next, null);
    const first = await pageOf(store, { to: '2026-11-20', by: ['tenant', 'agent', 'model'] });
    assert.deepEqual(
      first.rows.map(({ of, spent }) => [of.tenant, of.issuer, of.agent, of.model, spent.cost]),
      [
        ['acme', 'i', 'ann', 'm', 100],
        ['acme', 'i', 'ann', 'm2', 50],
        ['beta', 'i', 'bob', null, 7],
      ],
    );
    assert.equal((await pageOf(store, { from: '2026-11-22' })).rows.length, 0);
    assert.equal((await pageOf(store, { tenant: 'beta' })).total.cost, 7);
    assert.equal((await pageOf(store, { agent: 'ann', route: 'gpt' })).total.cost, 150);
    assert.equal((await pageOf(store, { model: 'm2' })).total.cost, 50);
  });

  test('pages of a large answer add up to the whole, and a cursor of something else is refused', async () => {
    const { store, clock } = await opened();
    await using meters = new SpendMeters({ store, clock, log: () => undefined });
    for (let agent = 0; agent < 7; agent++) {
      await spend({ store, clock, meters }, recordOf(clock, {}, `agent-${agent}`), 'gpt', agent + 1);
    }
    const costs: number[] = [];
    let cursor: string | null = null;
    do {
      const page = await pageOf(store, { by: ['agent'], limit: 3, ...(cursor === null ? {} : { cursor }) });
      assert.equal(page.total.cost, 28);
      costs.push(...page.rows.map(({ spent }) => spent.cost));
      cursor = page.next;
    } while (cursor !== null);
    assert.deepEqual(costs, [7, 6, 5, 4, 3, 2, 1]);
    const wrong = await spendPage(store, { from: '2026-11-01', to: '2026-11-30', by: [], limit: 1, cursor: '?' });
    assert.equal(isDenial(wrong) && wrong.code, 'args_invalid');
  });

  test('beyond the agents that are counted apart, others are counted together and no call is refused', async () => {
    const { store, clock } = await opened();
    await using meters = new SpendMeters({ store, clock, log: () => undefined });
    for (let agent = 0; agent < 4; agent++) {
      await spend({ store, clock, meters }, recordOf(clock, {}, `agent-${agent}`), 'gpt', 10, targetOf(1, 2), 2);
    }
    const { rows, total } = await pageOf(store, { by: ['agent'] });
    assert.deepEqual(rows.map(({ of, spent }) => [of.agent, spent.cost]).toSorted(), [
      [null, 20],
      ['agent-0', 10],
      ['agent-1', 10],
    ]);
    assert.equal(total.cost, 40);
    assert.equal(keptDays({ keep_days: 400, series: 2_048 }, true), 29, 'a memory store must have room for all of it');
    assert.equal(keptDays({ keep_days: 400, series: 2_048 }, false), 400);
  });

  test('what a store could not list while it was away is listed when it is back', async () => {
    const { store, clock } = await opened();
    let away = true;
    const said: string[] = [];
    const failing: Pick<Store, 'indexAdd'> = {
      indexAdd: async (...args) => {
        if (away) throw new StoreUnavailable('away');
        return store.indexAdd(...args);
      },
    };
    await using meters = new SpendMeters({ store: failing, clock, log: (_level, message) => said.push(message) });
    await spend({ store, clock, meters }, recordOf(clock), 'gpt', 5);
    await clock.advance(1);
    assert.equal((await pageOf(store, {})).total.cost, 0);
    away = false;
    await clock.advance(20_000);
    assert.equal((await pageOf(store, {})).total.cost, 5);
    assert.deepEqual(said, [
      'the store is away; what is spent is listed later',
      'all that was spent can be found again',
    ]);
  });
});
