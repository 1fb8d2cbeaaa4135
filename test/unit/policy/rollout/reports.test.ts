import assert from 'node:assert/strict';
import { test } from 'node:test';
import { finishWhereInForce } from '../../../../src/policy/rollout/finish.ts';
import { GatewayReports, type ReportFacts, reportDocument } from '../../../../src/policy/rollout/reports.ts';
import { MemoryStore } from '../../../../src/store/backends/memory.ts';
import { type Store, StoreUnavailable } from '../../../../src/store/store.ts';
import { ManualClock } from '../../../fakes/clock.ts';
import { ann, Gateways, one, two } from './gateways.ts';

const place = { cloud: 'azure', region: 'westeurope' };
const runs: ReportFacts = {
  ...{ bundle: 'policies', revision: 'r0', content: 'c'.repeat(64), candidate: one },
  standing: { stage: 'canary', percent: 30.5 },
  ...{ lastError: null, candidateError: 'does not compile', note: 'last_good_bundle' },
};

async function world() {
  const clock = new ManualClock();
  const store = new MemoryStore({ clock });
  await store.open();
  const faults: unknown[] = [];
  const reports = (id: string, facts: () => ReportFacts = () => runs, over: Partial<Store> = {}) => {
    const own: Pick<Store, 'get' | 'compareAndSet' | 'delete' | 'indexAdd' | 'indexRemove' | 'indexRange'> = {
      get: (key) => store.get(key),
      compareAndSet: (...write) => store.compareAndSet(...write),
      delete: (key) => store.delete(key),
      indexAdd: (...row) => store.indexAdd(...row),
      indexRemove: (...row) => store.indexRemove(...row),
      indexRange: (...range) => store.indexRange(...range),
      ...over,
    };
    const faulted = (_where: string, fault: unknown) => faults.push(fault);
    return new GatewayReports({ store: own, clock, gateway: { id, ...place }, facts, faulted });
  };
  return { clock, store, faults, reports };
}

test('any gateway lists what all of them run', async () => {
  const { clock, reports } = await world();
  const [b, a] = [reports('gw-b'), reports('gw-a', () => ({ ...runs, candidate: null, candidateError: null }))];
  await b.open();
  await a.open();
  const atMs = clock.nowMs();
  const listed = await a.list();
  assert.deepEqual(listed, [
    { gateway: 'gw-a', ...place, ...runs, candidate: null, candidateError: null, atMs },
    { gateway: 'gw-b', ...place, ...runs, atMs },
  ]);
  assert.deepEqual(reportDocument(listed[1] as never), {
    ...{ gateway: 'gw-b', ...place, bundle: 'policies', revision: 'r0', content: 'c'.repeat(64) },
    ...{ candidate: { revision: 'r1', content: one.content }, stage: 'canary', percent: 30.5 },
    ...{ last_error: null, candidate_error: 'does not compile', note: 'last_good_bundle' },
    at: '2026-11-02T09:00:00.000Z',
  });
});

test('a report is renewed while the gateway is up, gone a minute after it died, and at once where it ended', async () => {
  const { clock, reports } = await world();
  const [alive, dead, ended] = [reports('alive'), reports('dead'), reports('ended')];
  for (const each of [alive, dead, ended]) await each.open();
  const names = async () => (await alive.list()).map(({ gateway }) => gateway);
  await ended[Symbol.asyncDispose]();
  assert.deepEqual(await names(), ['alive', 'dead']);
  // A process that was killed takes nothing back.
  (dead as unknown as { refresh: () => Promise<void> }).refresh = async () => undefined;
  await clock.advance(59_000);
  assert.deepEqual(await names(), ['alive', 'dead']);
  await clock.advance(2_000);
  assert.deepEqual(await names(), ['alive']);
});

test('a change is told at once, and many changes in a few writes', async () => {
  const { reports } = await world();
  let percent = 0;
  let writes = 0;
  const own = reports('gw', () => {
    writes += 1;
    return { ...runs, standing: { stage: 'canary', percent } };
  });
  await own.refresh();
  assert.equal(writes, 0, 'nothing is told before it is open');
  await own.open();
  writes = 0;
  for (percent = 1; percent < 100; percent++) void own.refresh();
  await own.refresh();
  assert.equal((await own.list())[0]?.standing.percent, 100);
  assert.ok(writes <= 3, `${writes} writes`);
});

test('a store that is away is told of once, and the report comes when it is back', async () => {
  const { clock, faults, reports } = await world();
  let away = true;
  const facts = () => {
    if (away) throw new StoreUnavailable('away');
    return runs;
  };
  const own = reports('gw', facts);
  await own.open();
  await clock.advance(30_000);
  assert.deepEqual([faults.length, await own.list()], [1, []]);
  away = false;
  await clock.advance(10_000);
  assert.equal((await own.list()).length, 1);
});

test('what is no report is left out of the list', async () => {
  const { store, reports } = await world();
  const own = reports('gw');
  await own.open();
  for (const [name, value] of [
    ['x', 'garbled'],
    ['y', { gateway: 'y', stage: 'full', at: 'yesterday' }],
  ] as const) {
    await store.indexAdd('tg:{%40}:policy-reports', name, 60_000);
    await store.compareAndSet(`tg:{}:policy-report:${name}`, 0, value, 60_000);
  }
  assert.deepEqual(
    (await own.list()).map(({ gateway }) => gateway),
    ['gw'],
  );
});

test('a rollout ends by itself once every gateway runs the candidate as the bundle in force, and not before', async () => {
  const gateways = await Gateways.open();
  const { desk } = await gateways.gateway();
  await desk.change({ stage: 'full' }, ann);
  const report = (gateway: string, content: string) => ({ gateway, ...place, ...runs, content, atMs: 1 });
  const recorded: unknown[] = [];
  const finish = (own: string, ...others: string[]) =>
    finishWhereInForce(
      {
        desk,
        reports: async () => [own, ...others].map((content, index) => report(`gw-${index}`, content)),
        recordFinished: async (state, { gateway }) => void recorded.push([state.revision, gateway]),
      },
      report('gw-0', own),
    );
  assert.equal(await finish(two.content, two.content), false);
  assert.equal(await finish(one.content, two.content), false);
  assert.equal(desk.standing(one.content).stage, 'full');
  assert.equal(await finish(one.content, one.content), true);
  assert.equal(await finish(one.content, one.content), false);
  assert.deepEqual([desk.state, recorded], [null, [['r1', 'gw-0']]]);
});
