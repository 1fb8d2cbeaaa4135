import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { JsonObject } from '../../../src/call.ts';
import { newId } from '../../../src/clock.ts';
import { isDenial } from '../../../src/denial.ts';
import { KeyDirectory } from '../../../src/identity/key-directory.ts';
import { GateKeys } from '../../../src/identity/keys.ts';
import { Possession } from '../../../src/identity/possession.ts';
import { TaskTokens } from '../../../src/identity/task-token.ts';
import { MemoryStore } from '../../../src/store/backends/memory.ts';
import { storeKey } from '../../../src/store/store.ts';
import { ManualClock } from '../../fakes/clock.ts';
import { bearer, publicUrl } from './gate.ts';

const clock = new ManualClock();
const directories: string[] = [];
after(() => Promise.all(directories.map((directory) => rm(directory, { recursive: true }))));

async function openStore(): Promise<MemoryStore> {
  const store = new MemoryStore({ clock });
  await store.open();
  return store;
}

async function gatewayOn(store: MemoryStore, gatewayId: string) {
  const dataDir = await mkdtemp(join(tmpdir(), 'tollgate-keys-'));
  directories.push(dataDir);
  const keys = new GateKeys({ dataDir, gatewayId, clock });
  await keys.open();
  const faults: unknown[] = [];
  const directory = new KeyDirectory({ keys, gatewayId, store, clock, faulted: (_where, fault) => faults.push(fault) });
  await directory.open();
  const tokens = new TaskTokens({
    keys: directory,
    possession: new Possession({ store, clock, publicUrl }),
    publicUrl,
    clock,
  });
  return { keys, directory, faults, tokens };
}

const kids = (jwks: JsonObject) =>
  (jwks.keys as { kid: string }[]).map(({ kid }) => kid.split('.').slice(0, 2).join('.'));
const asked = (id = newId(clock, 'task')) => ({
  taskId: id,
  agentId: 'a',
  tenant: 'acme',
  subjectId: null,
  expiresAtMs: clock.nowMs() + 60_000,
  ...{ binding: null, scope: null, mayAct: null },
});

test('[identity.keys-of-all-gateways] a task token of one gateway is good at another on the same store', async () => {
  const store = await openStore();
  const one = await gatewayOn(store, 'one');
  const early = await one.tokens.mint(asked());
  const two = await gatewayOn(store, 'two');
  await clock.advance(1);
  assert.equal(isDenial(await two.tokens.verify(bearer(early.token))), false);
  assert.equal(isDenial(await one.tokens.verify(bearer((await two.tokens.mint(asked())).token))), false);
  assert.deepEqual(kids(one.directory.jwks()), [
    'one.task',
    'one.txn',
    'one.audit',
    'two.task',
    'two.txn',
    'two.audit',
  ]);
  assert.deepEqual(kids(two.directory.jwks()).sort(), kids(one.directory.jwks()).sort());
  assert.equal(JSON.stringify(one.directory.jwks()).includes('"d"'), false);
  await one.directory[Symbol.asyncDispose]();
  await two.directory[Symbol.asyncDispose]();
  assert.equal(clock.timers, 0);
});

test('a gateway that is not on the store is a stranger', async () => {
  const store = await openStore();
  const elsewhere = await openStore();
  const one = await gatewayOn(store, 'one');
  const stranger = await gatewayOn(elsewhere, 'stranger');
  const verified = await one.tokens.verify(bearer((await stranger.tokens.mint(asked())).token));
  assert.ok(isDenial(verified));
  assert.equal(verified.reasons[0]?.code, 'key_unknown');
});

test('a key counts only under the name and for the purpose it was published for', async () => {
  const store = await openStore();
  const one = await gatewayOn(store, 'one');
  const two = await gatewayOn(store, 'two');
  await clock.advance(1);
  const [task, txn] = two.keys.jwks().keys as unknown as [{ kid: string }, { kid: string }];
  assert.ok(one.directory.publicKey(task.kid, 'task'));
  assert.equal(one.directory.publicKey(task.kid, 'txn'), undefined);
  assert.equal(one.directory.publicKey(txn.kid, 'task'), undefined);
  // Published under another gateway's name, or with a private part, a key is not taken.
  const key = storeKey('', 'gate-keys');
  const current = await store.get(key);
  const forged = { mallory: { keys: [task, { ...task, kid: 'mallory.task.x', d: 'x' }], seenAtMs: clock.nowMs() } };
  await store.compareAndSet(key, current?.version ?? 0, forged as never, 60_000);
  await store.publish('tg:gate-keys', {});
  await one.directory.publish();
  assert.equal(one.directory.publicKey(task.kid, 'task'), undefined);
  assert.equal(one.directory.publicKey('mallory.task.x', 'task'), undefined);
  assert.deepEqual(kids(one.directory.jwks()), ['one.task', 'one.txn', 'one.audit']);
  // The look every half minute puts things right.
  await clock.advance(30_000);
  await two.directory.publish();
  await one.directory.publish();
  assert.deepEqual(kids(one.directory.jwks()).length, 6);
});
