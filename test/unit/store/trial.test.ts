/** A store on trial: it says what the real one would say, sees its own writes, and leaves the real one as it was. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryStore } from '../../../src/store/backends/memory.ts';
import { TrialStore } from '../../../src/store/trial.ts';
import { updateRecord } from '../../../src/store/update.ts';
import { ManualClock } from '../../fakes/clock.ts';

async function openStore(): Promise<MemoryStore> {
  const store = new MemoryStore({ clock: new ManualClock() });
  await store.open();
  return store;
}

test('of a reservation it says what the real store then says, over random limits and balances', async () => {
  const clock = new ManualClock(0, 7);
  const upTo = (max: number) => clock.randomBytes(4).readUInt32BE() % max;
  const store = await openStore();
  const scopes = ['a', 'b', 'c'].map((name) => ({
    ...{ key: `tg:{t}:${name}`, ttlMs: 60_000 },
    limits: name === 'b' ? { tokens: 900 } : { tokens: 1_000, calls: 40 },
  }));
  const seen = { granted: 0, refused: 0 };
  for (let round = 0; round < 300; round++) {
    const amounts = { tokens: upTo(60), calls: upTo(2) };
    const trial = new TrialStore(store);
    const before = await store.balance(scopes.map(({ key }) => key));
    const told = await trial.reserve('any', scopes, amounts);
    assert.deepEqual(await trial.reserve('any other', scopes, amounts), told, 'the first held nothing');
    assert.deepEqual(trial.asked, amounts);
    await trial.settle();
    assert.deepEqual(await store.balance(scopes.map(({ key }) => key)), before);
    const real = await store.reserve(`r${round}`, scopes, amounts, 60_000);
    if (real.ok) assert.equal(told.ok, true);
    else assert.deepEqual(told, real);
    seen[real.ok ? 'granted' : 'refused']++;
    if (real.ok && upTo(2) === 0) await store.settle(`r${round}`, { tokens: upTo(amounts.tokens + 1), calls: 0 });
  }
  assert.ok(seen.granted > 30 && seen.refused > 30, JSON.stringify(seen));
});

test('what is written on trial is seen there, and nowhere else', async () => {
  const store = await openStore();
  await store.compareAndSet('there', 0, { n: 1 }, 60_000);
  const trial = new TrialStore(store);
  const more = (record: { n: number } | undefined) => ({ n: (record?.n ?? 0) + 1 });
  for (const key of ['there', 'new']) {
    await updateRecord<{ n: number }>(trial, key, 1_000, more);
    await updateRecord<{ n: number }>(trial, key, 1_000, more);
  }
  assert.deepEqual(await trial.get('there'), { value: { n: 3 }, version: 3 });
  assert.deepEqual(await trial.get('new'), { value: { n: 2 }, version: 2 });
  const conflict = await trial.compareAndSet('there', 1, { n: 9 });
  assert.deepEqual(conflict, { ok: false, current: { value: { n: 3 }, version: 3 } });
  await trial.delete('there');
  assert.equal(await trial.get('there'), undefined);
  assert.deepEqual(await new TrialStore(store).get('there'), { value: { n: 1 }, version: 1 });
  assert.equal(await store.get('new'), undefined);
});
