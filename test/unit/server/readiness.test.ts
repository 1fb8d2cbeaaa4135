import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Check, Readiness } from '../../../src/server/readiness.ts';
import { ManualClock } from '../../fakes/clock.ts';

async function askedOf(readiness: Readiness) {
  const { status, body } = await readiness.reply();
  return [status, JSON.parse(String(body)) as unknown];
}

test('the gate is ready when every part answers', async () => {
  const readiness = new Readiness(new ManualClock(), { store: () => true, policy: async () => true });
  assert.deepEqual(await askedOf(readiness), [200, { status: 'ready', checks: { store: 'ok', policy: 'ok' } }]);
});

const failures: readonly [string, Check][] = [
  ['says no', () => false],
  [
    'throws',
    () => {
      throw new Error('away');
    },
  ],
  ['rejects', () => Promise.reject(new Error('away'))],
];
for (const [what, check] of failures) {
  test(`the gate is not ready when a part ${what}, and says which`, async () => {
    const readiness = new Readiness(new ManualClock(), { store: () => true, audit: check });
    assert.deepEqual(await askedOf(readiness), [
      503,
      { status: 'not ready', checks: { store: 'ok', audit: 'failing' } },
    ]);
  });
}

test('a part that hangs is failing after a second, and nobody waits longer', async () => {
  const clock = new ManualClock();
  const readiness = new Readiness(clock, { store: () => new Promise<boolean>(() => undefined) });
  const asked = askedOf(readiness);
  await clock.advance(1001);
  assert.deepEqual(await asked, [503, { status: 'not ready', checks: { store: 'failing' } }]);
  assert.equal(clock.timers, 0);
});

test('a gate that is told to stop is draining, however well its parts are', async () => {
  const readiness = new Readiness(new ManualClock(), { store: () => true });
  readiness.drain();
  assert.deepEqual(await askedOf(readiness), [503, { status: 'draining', checks: { store: 'ok' } }]);
});

test('what is to be known of a part that works is told beside the checks, and changes nothing', async () => {
  let note: string | null = null;
  const readiness = new Readiness(new ManualClock(), { policy: () => true }, () => ({ policy: note }));
  assert.deepEqual(await askedOf(readiness), [200, { status: 'ready', checks: { policy: 'ok' } }]);
  note = 'last_good_bundle';
  const told = { status: 'ready', checks: { policy: 'ok' }, notes: { policy: 'last_good_bundle' } };
  assert.deepEqual(await askedOf(readiness), [200, told]);
});
