import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { verifyStore } from '../../../src/audit/verify-store.ts';
import { newSigner, temporaryFolder, trailOn } from './fixture.ts';

test('a process killed while it writes leaves a chain that verifies, every acknowledged intent in it, and `interrupted`', async (t) => {
  const dataDir = temporaryFolder(t);
  const signer = newSigner();
  const file = fileURLToPath(new URL('./crash-child.ts', import.meta.url));
  const child = spawn(process.execPath, [file, dataDir, JSON.stringify(signer)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let heard = '';
  for await (const chunk of child.stdout.setEncoding('utf8')) {
    heard += chunk;
    if (heard.split('\n').length > 40) break;
  }
  child.kill('SIGKILL');
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  const acknowledged = heard.split('\n').slice(0, -1);
  assert.ok(acknowledged.length >= 40);

  const found = await verifyStore({ dataDir });
  assert.ok(found.ok, JSON.stringify(found));
  assert.ok(found.openIntents > 0);

  await using trail = trailOn(dataDir, signer);
  await trail.open();
  const { events } = await trail.events({}, { limit: 1000 });
  const calls = (type: string) => events.filter((event) => event.type === type).map(({ call }) => call);
  const intents = new Set(calls('intent'));
  assert.deepEqual(
    acknowledged.filter((call) => !intents.has(call)),
    [],
    'an acknowledged intent was lost',
  );
  assert.deepEqual([...calls('outcome'), ...calls('interrupted')].sort(), [...intents].sort());
  assert.ok(calls('interrupted').includes('call_1'));
  await trail.checkpoints();
  const after = await verifyStore({ dataDir });
  assert.ok(after.ok && after.openIntents === 0, JSON.stringify(after));
});
