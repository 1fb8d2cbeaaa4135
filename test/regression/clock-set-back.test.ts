/**
 * A gate that first started with a clock that ran ahead: once the clock was put right, its keys were of the future, and
 * it signed nothing until the wrong time had come, a restart or a rotation notwithstanding.
 */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { GateKeys } from '../../src/identity/keys.ts';
import { ManualClock } from '../fakes/clock.ts';

const day = 24 * 3600_000;
let dataDir: string;
before(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'tollgate-clock-'));
});
after(() => rm(dataDir, { recursive: true }));

test('keys that were made by a clock that ran ahead sign once it is put right, and others follow them', async () => {
  const right = new ManualClock();
  const ahead = new ManualClock(right.nowMs() + day);
  const open = async (clock: ManualClock) => {
    const keys = new GateKeys({ dataDir, gatewayId: 'g', clock });
    await keys.open();
    await keys.prepareFederation();
    return keys;
  };
  const early = await open(ahead);
  const purposes = ['task', 'txn', 'federation'] as const;
  const kids = purposes.map((purpose) => early.signing(purpose)?.kid);
  const keys = await open(right);
  assert.deepEqual(
    purposes.map((purpose) => keys.signing(purpose)?.kid),
    kids,
  );
  assert.equal(keys.healthy(), true);
  const token = await keys.sign('task', 'at+jwt', { iss: 'g' });
  assert.equal(token.split('.').length, 3);

  // A key that waits for its time does not sign before it, as long as another one does.
  await right.advance(day);
  const next = await keys.makeNext('task');
  await keys.schedule(next as string, right.nowMs() + 60_000);
  assert.equal(keys.signing('task')?.kid, kids[0]);
  await right.advance(60_000);
  assert.equal(keys.signing('task')?.kid, next);
});
