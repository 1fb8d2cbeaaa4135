/**
 * A store that had lost the reports of gateways showed the first that renewed its own nobody but itself: it took the
 * rollout for finished, and the gateways that still ran the bundle before went back to it.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GatewayReports, type ReportFacts } from '../../src/policy/rollout/reports.ts';
import { MemoryStore } from '../../src/store/backends/memory.ts';
import { ManualClock } from '../fakes/clock.ts';

const runs: ReportFacts = {
  ...{ bundle: 'policies', revision: 'r0', content: 'c'.repeat(64), candidate: null },
  standing: { stage: 'full', percent: 100 },
  ...{ lastError: null, candidateError: null, note: null },
};

test('nobody judges by the reports of all gateways before all have renewed what a store has lost', async () => {
  const clock = new ManualClock();
  const stores = [new MemoryStore({ clock }), new MemoryStore({ clock })] as const;
  for (const each of stores) await each.open();
  let [store] = [stores[0]];
  const seen: (readonly string[])[] = [];
  const gatewayOn = (id: string, renewed?: () => Promise<void>) =>
    new GatewayReports({
      store: {
        get: (key) => store.get(key),
        compareAndSet: (...write) => store.compareAndSet(...write),
        delete: (key) => store.delete(key),
        indexAdd: (...row) => store.indexAdd(...row),
        indexRemove: (...row) => store.indexRemove(...row),
        indexRange: (...range) => store.indexRange(...range),
      },
      ...{ clock, gateway: { id, cloud: 'azure', region: 'westeurope' }, facts: () => runs },
      ...(renewed === undefined ? {} : { renewed }),
      faulted: (_where, fault) => assert.fail(String(fault)),
    });
  await using behind = gatewayOn('behind');
  await behind.open();
  await using first: GatewayReports = gatewayOn('first', async () => {
    seen.push((await first.list()).map(({ gateway }) => gateway));
  });
  await first.open();
  assert.deepEqual(seen, [['behind', 'first']]);
  store = stores[1];
  await first.refresh();
  assert.deepEqual(
    (await first.list()).map(({ gateway }) => gateway),
    ['first'],
    'the other has not renewed its own',
  );
  await clock.advance(120_000);
  assert.ok(seen.length > 2);
  for (const listed of seen) assert.deepEqual(listed, ['behind', 'first']);
});
