import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { compactVerify, createLocalJWKSet, decodeProtectedHeader, type JSONWebKeySet } from 'jose';
import type { Json } from '../../../../src/call.ts';
import { isDenial } from '../../../../src/denial.ts';
import { StoreKeeper } from '../../../../src/identity/keepers/store.ts';
import { KeyDirectory } from '../../../../src/identity/key-directory.ts';
import { KeyMark, KeySeal } from '../../../../src/identity/key-seal.ts';
import { GateKeys } from '../../../../src/identity/keys.ts';
import { MemoryStore } from '../../../../src/store/backends/memory.ts';
import { ManualClock } from '../../../fakes/clock.ts';

const name = 'tollgate';
const recordKey = `tg:{}:gate-key-ring:${name}`;
const secret = 'a secret of at least 32 bytes, or so';
const leadMs = { task: 35_000, txn: 60_000, federation: 900_000 };
const directories: string[] = [];
after(() => Promise.all(directories.map((directory) => rm(directory, { recursive: true }))));

async function world() {
  const clock = new ManualClock();
  const store = new MemoryStore({ clock });
  await store.open();
  let seed = 0;
  const keysOf = async (gatewayId: string, given = secret) => {
    const dataDir = await mkdtemp(join(tmpdir(), 'tollgate-ring-'));
    directories.push(dataDir);
    // Each gateway draws bytes of its own, as processes do.
    const own = Object.assign(new ManualClock(undefined, ++seed), { nowMs: () => clock.nowMs() });
    const keeper = new StoreKeeper({ store, name, secret: given, clock: own });
    return { dataDir, keys: new GateKeys({ dataDir, gatewayId, clock, keeper }) };
  };
  const gatewayOn = async (gatewayId: string) => {
    const { dataDir, keys } = await keysOf(gatewayId);
    await keys.open();
    const faults: unknown[] = [];
    const faulted = (_where: string, fault: unknown) => faults.push(fault);
    const directory = new KeyDirectory({ keys, gatewayId, store, clock, faulted, name, secret, leadMs });
    await directory.open();
    return { dataDir, keys, directory, faults };
  };
  return { clock, store, keysOf, gatewayOn };
}

const kidOf = (token: string) => decodeProtectedHeader(token).kid as string;
const taskToken = (gateway: { keys: GateKeys }) => gateway.keys.sign('task', 'at+jwt', {});

test('[identity.keys-of-the-store-sealed] gateways that start at once on one store sign with the same keys, of nobody’s own name', async () => {
  const { store, gatewayOn } = await world();
  const all = await Promise.all(['one', 'two', 'three'].map(gatewayOn));
  const kids = new Set(await Promise.all(all.map(async (gateway) => kidOf(await taskToken(gateway)))));
  assert.equal(kids.size, 1);
  assert.match([...kids][0] as string, /^tollgate\.task\.[\w-]{16}$/);
  for (const { directory } of all) await directory.publish();
  const [one, , three] = all;
  assert.ok(one && three);
  const { keys: published } = one.directory.jwks() as unknown as JSONWebKeySet;
  const named = published.map(({ kid }) => kid?.split('.').slice(0, 2).join('.'));
  // Each key once; audit keys are each gateway's own.
  assert.deepEqual(named.toSorted(), ['one.audit', 'three.audit', 'tollgate.task', 'tollgate.txn', 'two.audit']);
  const set = createLocalJWKSet(three.directory.jwks() as unknown as JSONWebKeySet);
  await compactVerify(await taskToken(one), set);
  assert.deepEqual(await readdir(join(one.dataDir, 'keys')), ['audit.json']);
  const record = JSON.stringify(await store.get(recordKey));
  assert.equal(/"d"|private|kid/.test(record), false);
});

test('a wrong secret stops the start and overwrites nothing, nor does a record that was changed', async () => {
  const { store, keysOf, gatewayOn } = await world();
  const one = await gatewayOn('one');
  const before = await store.get(recordKey);
  assert.ok(before);
  const fault = { name: 'KeyFault', message: /keys\.secret does not open.*nothing was changed/ };
  const stranger = await keysOf('two', 'another secret of at least 32 bytes!');
  await assert.rejects(stranger.keys.open(), fault);
  assert.deepEqual(await store.get(recordKey), before);
  // What follows is damage, and is left as it stands.
  const { sealed } = before.value as { sealed: string };
  const flipped = `${sealed.slice(0, 40)}${sealed[40] === 'A' ? 'B' : 'A'}${sealed.slice(41)}`;
  let version = before.version;
  for (const value of [{ v: 1, sealed: flipped }, { v: 1, sealed: '' }, { v: 2, sealed }, {}] as Json[]) {
    await store.compareAndSet(recordKey, version++, value, 60_000);
    const late = await keysOf('three');
    await assert.rejects(late.keys.open(), fault);
    await assert.rejects(one.keys.refresh(), fault);
    assert.deepEqual((await store.get(recordKey))?.value, value);
  }
  // What it holds stays in use.
  await taskToken(one);
});

test('a rotation is once for all gateways: each signs with the new key after its lead, and tokens of both verify', async () => {
  const { clock, gatewayOn } = await world();
  const one = await gatewayOn('one');
  const two = await gatewayOn('two');
  const before = kidOf(await taskToken(one));
  await clock.advance(1000);
  const [here, there] = await Promise.all([one.directory.rotate('task'), two.directory.rotate('task')]);
  assert.ok(!isDenial(here));
  assert.deepEqual(there, here);
  assert.equal(here.signsFromMs, clock.nowMs() + leadMs.task);
  for (const gateway of [one, two]) {
    await gateway.directory.publish();
    assert.equal(kidOf(await taskToken(gateway)), before);
    assert.ok(gateway.directory.publicKey(here.kid, 'task'));
  }
  await clock.advance(leadMs.task);
  for (const gateway of [one, two]) {
    assert.equal(kidOf(await taskToken(gateway)), here.kid);
    assert.ok(gateway.directory.publicKey(before, 'task'));
    assert.deepEqual(gateway.faults, []);
  }
  await clock.advance(3_600_000 + 90_000 + 30_000);
  for (const gateway of [one, two, one]) {
    await gateway.directory.publish();
    assert.equal(gateway.directory.publicKey(before, 'task'), undefined);
  }
  assert.deepEqual(
    two.keys.list().flatMap(({ purpose, kid }) => (purpose === 'task' ? [kid] : [])),
    [here.kid],
  );
});

test('gateways that need the federation key at once make one', async () => {
  const { gatewayOn } = await world();
  const all = await Promise.all(['one', 'two', 'three'].map(gatewayOn));
  await Promise.all(all.map(({ directory }) => directory.prepareFederation()));
  const kids = all.map(({ keys }) => keys.signing('federation')?.kid);
  assert.equal(new Set(kids).size, 1);
  assert.match(kids[0] ?? '', /^tollgate\.federation\./);
});

test('a seal opens with its secret and label alone, and one secret seals and marks with different keys', () => {
  const clock = new ManualClock();
  const seal = new KeySeal(secret, clock);
  const sealed = seal.close('a', { x: 1 });
  assert.deepEqual(seal.open('a', sealed), { x: 1 });
  assert.notEqual(seal.close('a', { x: 1 }), sealed);
  assert.equal(seal.open('b', sealed), undefined);
  assert.equal(new KeySeal(`${secret}.`, clock).open('a', sealed), undefined);
  for (const cut of [0, 10, sealed.length - 4]) assert.equal(seal.open('a', sealed.slice(0, cut)), undefined);
  const mark = new KeyMark(secret);
  const made = mark.of({ a: 1, b: 2 });
  assert.equal(mark.fits({ b: 2, a: 1 }, made), true);
  for (const [value, given] of [
    [{ a: 1, b: 3 }, made],
    [{ a: 1, b: 2 }, undefined],
    [{ a: 1, b: 2 }, `${made}A`],
    [{ a: 1, b: '\ud800' }, made],
  ] as const) {
    assert.equal(mark.fits(value, given), false);
  }
  assert.equal(new KeyMark(`${secret}.`).fits({ a: 1, b: 2 }, made), false);
});
