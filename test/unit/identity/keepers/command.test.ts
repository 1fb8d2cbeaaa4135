import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { compactVerify, createLocalJWKSet, type JSONWebKeySet } from 'jose';
import { systemClock } from '../../../../src/clock.ts';
import { isDenial } from '../../../../src/denial.ts';
import { CommandKeeper } from '../../../../src/identity/keepers/command.ts';
import { signerLimits } from '../../../../src/identity/keepers/command-lines.ts';
import { KeyDirectory } from '../../../../src/identity/key-directory.ts';
import { GateKeys } from '../../../../src/identity/keys.ts';
import { MemoryStore } from '../../../../src/store/backends/memory.ts';
import { type SignerFile, signerKey, signerProgram, writeSigner } from '../../../fakes/signer.ts';

const clock = systemClock();
const bothKeys = [signerKey('task', 'arn:task'), signerKey('txn')] as const;
const signing = (keys: GateKeys) => keys.sign('task', 'at+jwt', { sub: 'x' });

/** A signer over `file`, and the keys of a gate that asks it; nothing is open yet. */
async function signerOf(t: TestContext, file: SignerFile, timeoutMs = 5000) {
  const dataDir = await mkdtemp(join(tmpdir(), 'tollgate-signer-'));
  const path = join(dataDir, 'signer.json');
  writeSigner(path, file);
  const faults: Error[] = [];
  const command = [process.execPath, signerProgram, path] as const;
  const faulted = (fault: unknown) => faults.push(fault as Error);
  const keeper = new CommandKeeper({ command, path: process.env.PATH, timeoutMs, clock, faulted, name: 'kms' });
  const keys = new GateKeys({ dataDir, gatewayId: 'gate-1', clock, keeper });
  t.after(async () => {
    await keys[Symbol.asyncDispose]();
    await rm(dataDir, { recursive: true });
  });
  const starts = async () => (await readFile(`${path}.starts`, 'utf8')).trim().split('\n');
  const change = (changed: Partial<SignerFile>) => writeSigner(path, { ...file, ...changed });
  return { dataDir, keys, keeper, faults, starts, change };
}

async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let turn = 0; turn < 400; turn++) {
    if (await holds()) return;
    await new Promise((resolve) => clock.after(25, () => resolve(undefined)));
  }
  assert.fail(`it never came to it that ${what}`);
}

test('[identity.signer-is-not-believed] a signer in another process signs, and what it signs is verified before it is used', async (t) => {
  const { keys, change, starts } = await signerOf(t, { mode: 'good', keys: bothKeys });
  await keys.open();
  assert.equal(keys.healthy(), true);
  const token = await signing(keys);
  const { protectedHeader } = await compactVerify(token, createLocalJWKSet(keys.jwks() as unknown as JSONWebKeySet));
  assert.match(protectedHeader.kid as string, /^kms\.task\.[\w-]{16}$/);
  await keys.sign('txn', 'txntoken+jwt', {});
  for (const mode of ['wrong-key', 'garbled'] as const) {
    change({ mode });
    await assert.rejects(signing(keys), { name: 'SignerUnavailable', message: /does not fit its key/ }, mode);
  }
  change({ mode: 'refuses' });
  // What it says of its own is not passed on.
  await assert.rejects(signing(keys), { name: 'SignerUnavailable', message: 'the signer refused' });
  change({ mode: 'good' });
  await signing(keys);
  const [only, ...more] = await starts();
  assert.deepEqual(more, []);
  assert.equal(only?.split(' ')[1], 'PATH');
  assert.match(keys.auditSigner().kid, /^gate-1\.audit\./);
});

test('many signatures at once each get their own answer, and beyond the bound they are refused', async (t) => {
  const { keys } = await signerOf(t, { mode: 'good', keys: bothKeys });
  await keys.open();
  const set = createLocalJWKSet(keys.jwks() as unknown as JSONWebKeySet);
  const asked = Array.from({ length: signerLimits.waitingMax + 20 }, (_, n) => keys.sign('task', 'at+jwt', { n }));
  const settled = await Promise.allSettled(asked);
  for (const [n, result] of settled.entries()) {
    if (n >= signerLimits.waitingMax) {
      assert.equal(result.status === 'rejected' && result.reason.name, 'SignerUnavailable');
      continue;
    }
    assert.equal(result.status, 'fulfilled');
    const { payload } = await compactVerify((result as PromiseFulfilledResult<string>).value, set);
    assert.deepEqual(JSON.parse(Buffer.from(payload).toString()), { n });
  }
});

test('[identity.signer-away] a signer that ends is started again; meanwhile nothing is signed and the gate is not ready', async (t) => {
  const { keys, faults, change, starts } = await signerOf(t, { mode: 'good', keys: bothKeys });
  await keys.open();
  change({ mode: 'dies' });
  await assert.rejects(signing(keys), { name: 'SignerUnavailable', message: /ended \(7\)/ });
  assert.equal(keys.healthy(), false);
  await assert.rejects(signing(keys), { name: 'SignerUnavailable', message: /not running/ });
  change({ mode: 'good' });
  await until('it is well again', () => keys.healthy());
  await signing(keys);
  assert.equal((await starts()).length, 2);
  assert.deepEqual(
    faults.map(({ message }) => message),
    ['the signer ended (7)'],
  );
});

test('a signer that hangs is given up after its time, and replaced after some silences in a row', async (t) => {
  const { keys, faults, change, starts } = await signerOf(t, { mode: 'good', keys: bothKeys }, 1_500);
  await until('it opens on a busy machine', () =>
    keys.open().then(
      () => true,
      () => false,
    ),
  );
  const before = (await starts()).length;
  change({ mode: 'silent' });
  const asked = Array.from({ length: signerLimits.silencesMax }, () => signing(keys));
  for (const result of await Promise.allSettled(asked)) {
    assert.equal(result.status === 'rejected' && result.reason.message, 'the signer did not answer in time');
  }
  assert.equal(keys.healthy(), false);
  assert.equal(faults.at(-1)?.message, 'the signer hangs');
  change({ mode: 'good' });
  await until('it is well again', () => keys.healthy());
  await signing(keys);
  assert.ok((await starts()).length > before);
});

test('a signer that talks nonsense, or without an end, is ended', async (t) => {
  for (const [mode, why] of [
    ['nonsense', /no answer/],
    ['endless', /without an end/],
  ] as const) {
    const { keys, faults, change } = await signerOf(t, { mode: 'good', keys: bothKeys });
    await keys.open();
    change({ mode });
    await assert.rejects(signing(keys), { name: 'SignerUnavailable', message: why });
    assert.match(faults[0]?.message ?? '', why);
  }
});

test('keys that are weak, private, of another kind, for no purpose or too many stop the start', async (t) => {
  const [task, txn] = bothKeys;
  const p384 = { kty: 'EC', crv: 'P-384', x: 'A'.repeat(64), y: 'A'.repeat(64) };
  const offCurve = { kty: 'EC', crv: 'P-256', x: 'A'.repeat(43), y: 'A'.repeat(43) };
  const weak = { kty: 'RSA', n: 'z'.repeat(171), e: 'AQAB' };
  const sets: [SignerFile['keys'], RegExp][] = [
    [[{ ...task, told: p384 }, txn], /no public ES256 key/],
    [[{ ...task, told: offCurve }, txn], /no public ES256 key/],
    [[{ ...task, told: task.private_jwk }, txn], /no public ES256 key/],
    [[task, txn, { ...signerKey('task'), purpose: 'federation', told: weak }], /no public RS256 key/],
    [[task, txn, { ...task, purpose: 'audit' }], /no purpose it may have/],
    [[task, txn, ...Array.from({ length: 4 }, () => signerKey('task'))], /more than 4/],
    [[task], /no key for txn/],
  ];
  for (const [keys, message] of sets) {
    const gate = await signerOf(t, { mode: 'good', keys });
    await assert.rejects(gate.keys.open(), { name: 'KeyFault', message });
  }
});

test('a program that is not there is a fault that names no more than that', async (t) => {
  const { dataDir } = await signerOf(t, { mode: 'good', keys: bothKeys });
  const faults: unknown[] = [];
  const keeper = new CommandKeeper({
    ...{ command: ['/nowhere/signer'], path: undefined, timeoutMs: 5000, clock, name: 'kms' },
    faulted: (fault) => faults.push(fault),
  });
  await using keys = new GateKeys({ dataDir, gatewayId: 'gate-1', clock, keeper });
  await assert.rejects(keys.open(), { name: 'SignerUnavailable', message: /cannot be run: ENOENT/ });
  assert.ok(faults.length > 0);
});

test('a key that the signer lists later is published first, signs after its lead, and is not rotated from here', async (t) => {
  const { keys, change } = await signerOf(t, { mode: 'good', keys: bothKeys });
  await keys.open();
  await using store = new MemoryStore({ clock });
  await store.open();
  const faulted = (_where: string, fault: unknown) => assert.fail(String(fault));
  const leadMs = { task: 400, txn: 0, federation: 0 };
  await using directory = new KeyDirectory({ keys, gatewayId: 'gate-1', store, clock, faulted, name: 'kms', leadMs });
  await directory.open();
  const refused = await directory.rotate('task');
  assert.ok(isDenial(refused) && refused.code === 'args_invalid' && /signer of keys.command/.test(refused.message));
  await assert.rejects(directory.prepareFederation(), { name: 'KeyFault' });
  const old = keys.signing('task')?.kid;
  const [task, txn] = bothKeys;
  change({ keys: [task, signerKey('task'), txn] });
  await keys.refresh();
  const states = () => keys.list().flatMap(({ purpose, state }) => (purpose === 'task' ? [state] : []));
  assert.deepEqual(states(), ['signing', 'next']);
  assert.equal(keys.list()[1]?.signsFromMs, null);
  // Opening anew is one look: it publishes what has come, and only then says when it signs.
  await using look = new KeyDirectory({ keys, gatewayId: 'gate-1', store, clock, faulted, name: 'kms', leadMs });
  await look.open();
  assert.equal(keys.signing('task')?.kid, old);
  await until('the new key signs', () => keys.signing('task')?.kid !== old);
  assert.deepEqual(states(), ['verifying', 'signing']);
  await signing(keys);
  assert.ok(keys.publicKey(old as string, 'task'));
});
