/** Two sets of policies under one name are two in the trail: a revision is only what somebody calls them. */
import assert from 'node:assert/strict';
import { cp, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { part } from '../parts.ts';
import { temporaryFolder } from '../unit/policy/bundles.ts';
import { World } from './world.ts';

test('policies that come into force are recorded with the digest of what they are', part('opa'), async (t) => {
  const bundle = await temporaryFolder(t);
  await cp(resolve(import.meta.dirname, '../fixtures/policy'), bundle, { recursive: true });
  await writeFile(join(bundle, '.manifest'), JSON.stringify({ roots: ['tollgate'], revision: 'always-the-same' }));
  await using world = await World.open({ config: { policy: { bundle } } });
  const activations = async () =>
    (await world.events({ type: 'policy' })).filter(({ operation }) => operation === 'policy.activate');
  const rule =
    'package tollgate.call\n\ndeny contains {"code": "much", "message": "Much."} if input.call.repeats > 90\n';
  await writeFile(join(bundle, 'tollgate/call/much.rego'), rule);
  for (let look = 0; look < 400 && (await activations()).length < 2; look++) await sleep(25);

  const found = await activations();
  assert.deepEqual(
    found.map(({ decision }) => decision?.revision),
    ['always-the-same', 'always-the-same'],
  );
  const digests = found.map(({ decision }) => decision?.reasons.find(({ code }) => code === 'content')?.message ?? '');
  for (const digest of digests) assert.match(digest, /^sha256:[0-9a-f]{64}$/);
  assert.notEqual(digests[0], digests[1]);
});
