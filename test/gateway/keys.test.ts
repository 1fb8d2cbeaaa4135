/** The gate's own keys, whole: a signer in another process that goes away, and a rotation while calls run. */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { decodeProtectedHeader } from 'jose';
import { signerKey, signerProgram, writeSigner } from '../fakes/signer.ts';
import { part } from '../parts.ts';
import { World } from './world.ts';

const options = part('opa');
const kidOf = (token: string) => decodeProtectedHeader(token).kid ?? '';

async function signerFile(t: TestContext) {
  const folder = await mkdtemp(join(tmpdir(), 'tollgate-signer-'));
  t.after(() => rm(folder, { recursive: true }));
  const path = join(folder, 'signer.json');
  const keys = [signerKey('task', 'arn:task'), signerKey('txn', 'arn:txn')];
  const change = (mode: 'good' | 'dies' | 'wrong-key') => writeSigner(path, { mode, keys });
  change('good');
  return { path, change };
}

async function ready(world: World): Promise<readonly [number, string]> {
  const response = await fetch(`${world.gate.url}/readyz`);
  return [response.status, ((await response.json()) as { checks: { keys: string } }).checks.keys];
}

test(
  '[identity.signer-away] while the signer is away or lies no call that needs a Txn-Token is sent, and no task token is made',
  options,
  async (t) => {
    const { path, change } = await signerFile(t);
    const command = [process.execPath, signerProgram, path];
    await using world = await World.open({ config: { keys: { source: 'command', command, timeout_ms: 5000 } } });
    const task = await world.task();
    assert.equal(task.status, 201);
    assert.match(kidOf(task.token), /^tollgate\.task\./);
    assert.equal((await world.refund(task.token, 5)).status, 200);
    const [sent] = world.orders.received;
    assert.match(kidOf(String(sent?.headers['txn-token'])), /^tollgate\.txn\./);
    assert.deepEqual(await ready(world), [200, 'ok']);
    for (const mode of ['wrong-key', 'dies'] as const) {
      change(mode);
      world.orders.received.length = 0;
      const refused = await world.refund(task.token, 6);
      assert.equal(refused.status, 503, mode);
      assert.match(await refused.text(), /"code":"upstream_unavailable"/);
      assert.equal(world.orders.received.length, 0, mode);
      const outcome = (await world.events({ task: task.id, type: 'outcome' })).at(-1);
      assert.equal(outcome?.status, 503);
    }
    assert.deepEqual(await ready(world), [503, 'failing']);
    const opened = await world.task();
    assert.equal(opened.status, 503);
    assert.equal(opened.body.task_token, undefined);
    assert.equal(JSON.stringify(opened.body).includes('signer'), false);
    change('good');
    for (let turn = 0; (await ready(world))[0] !== 200; turn++) {
      assert.ok(turn < 200, 'the gate never was ready again');
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    assert.equal((await world.refund(task.token, 7)).status, 200);
    assert.equal(world.orders.received.length, 1);
    const audit = await readFile(join(world.gate.dataDir, 'audit.head'), 'utf8');
    assert.match(kidOf(audit.trim()), /\.audit\./);
  },
);

test(
  '[identity.rotation-drops-no-token] a rotation while tasks run: tokens of both keys are good, and both are in the key set',
  options,
  async () => {
    await using world = await World.open({ config: { keys: { lead_seconds: { task: 0, txn: 0 } } } });
    const before = await world.task();
    const rotate = (purpose: string) =>
      world.admin('/keys/rotate', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ purpose }),
      });
    for (const purpose of ['task', 'txn']) assert.equal((await rotate(purpose)).status, 201, purpose);
    const after = await world.task();
    assert.notEqual(kidOf(after.token), kidOf(before.token));
    const jwks = (await (await fetch(`${world.gate.url}/.well-known/jwks.json`)).json()) as { keys: { kid: string }[] };
    for (const task of [before, after]) {
      assert.ok(jwks.keys.some(({ kid }) => kid === kidOf(task.token)));
      world.orders.received.length = 0;
      assert.equal((await world.refund(task.token, 5)).status, 200);
      const shown = kidOf(String(world.orders.received[0]?.headers['txn-token']));
      assert.equal(shown, jwks.keys.filter(({ kid }) => kid.includes('.txn.')).at(-1)?.kid);
    }
    const refused = await rotate('audit');
    assert.equal(refused.status, 422);
    assert.match(await refused.text(), /audit key is not rotated while the gate runs/);
    const events = await world.events({ type: 'admin' });
    assert.ok(events.filter(({ operation }) => /keys/.test(operation ?? '')).length >= 2);
  },
);
