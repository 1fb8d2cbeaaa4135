import assert from 'node:assert/strict';
import { createPublicKey, verify } from 'node:crypto';
import { chmod, mkdtemp, readdir, readFile, rename, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { compactVerify, createLocalJWKSet, importJWK, type JSONWebKeySet } from 'jose';
import { GateKeys, keyPurposes } from '../../../src/identity/keys.ts';
import { ManualClock } from '../../fakes/clock.ts';

async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'tollgate-keys-'));
  t.after(() => rm(path, { recursive: true }));
  return path;
}
let seed = 0;
const gateKeys = (dataDir: string, gatewayId = 'gate-1') =>
  new GateKeys({ dataDir, gatewayId, clock: new ManualClock(undefined, ++seed) });

test('the first start makes the keys, readable by their owner alone, and leaves nothing else behind', async (t) => {
  const dataDir = await folder(t);
  await using keys = gateKeys(dataDir);
  await keys.open();
  assert.equal((await stat(join(dataDir, 'keys'))).mode & 0o777, 0o700);
  const files = (await readdir(join(dataDir, 'keys'))).sort();
  assert.deepEqual(files, ['audit.json', 'task.json', 'txn.json']);
  for (const file of files) assert.equal((await stat(join(dataDir, 'keys', file))).mode & 0o777, 0o600);
});

test('a second start has the same keys', async (t) => {
  const dataDir = await folder(t);
  await using one = gateKeys(dataDir);
  await one.open();
  await using two = gateKeys(dataDir);
  await two.open();
  assert.deepEqual(two.jwks(), one.jwks());
});

test('gateways that start at once on one directory end with one key of each purpose', async (t) => {
  const dataDir = await folder(t);
  const all = Array.from({ length: 6 }, () => gateKeys(dataDir));
  await Promise.all(all.map((keys) => keys.open()));
  for (const keys of all) assert.deepEqual(keys.jwks(), all[0]?.jwks());
  assert.equal((await readdir(join(dataDir, 'keys'))).length, 3);
  const token = (await all[0]?.sign('task', 'at+jwt', { sub: 'x' })) as string;
  await compactVerify(token, createLocalJWKSet(all[5]?.jwks() as unknown as JSONWebKeySet));
});

test('the JWKS holds public members only, each with kid, alg and use, and each kid names gateway and purpose', async (t) => {
  await using keys = gateKeys(await folder(t));
  await keys.open();
  await keys.prepareFederation();
  const { keys: members } = keys.jwks() as unknown as JSONWebKeySet;
  assert.equal(members.length, 4);
  const allowed = ['kty', 'crv', 'x', 'y', 'n', 'e', 'kid', 'alg', 'use'];
  for (const member of members) {
    assert.deepEqual(
      Object.keys(member).filter((name) => !allowed.includes(name)),
      [],
    );
    assert.equal(member.use, 'sig');
  }
  for (const [purpose, { alg }] of Object.entries(keyPurposes)) {
    const member = members.find(({ kid }) => kid?.startsWith(`gate-1.${purpose}.`));
    assert.equal(member?.alg, alg);
  }
});

test('what each purpose signs is a JWS that jose verifies, with kid and typ in its header', async (t) => {
  await using keys = gateKeys(await folder(t));
  await keys.open();
  await keys.prepareFederation();
  const set = createLocalJWKSet(keys.jwks() as unknown as JSONWebKeySet);
  for (const [purpose, { alg, typ }] of Object.entries(keyPurposes)) {
    const token = await keys.sign(purpose as keyof typeof keyPurposes, typ, { sub: 'x' });
    const { payload, protectedHeader } = await compactVerify(token, set);
    assert.deepEqual(JSON.parse(Buffer.from(payload).toString()), { sub: 'x' });
    assert.equal(protectedHeader.alg, alg);
    assert.equal(protectedHeader.typ, typ);
    assert.ok(keys.publicKey(protectedHeader.kid as string, purpose as keyof typeof keyPurposes));
  }
});

test('a purpose signs no other typ, and its kid finds no key under another purpose', async (t) => {
  await using keys = gateKeys(await folder(t));
  await keys.open();
  await assert.rejects(keys.sign('task', 'txntoken+jwt', {}), { name: 'AssertionError' });
  await assert.rejects(keys.sign('txn', 'at+jwt', {}), { name: 'AssertionError' });
  const { kid } = keys.auditSigner();
  assert.ok(keys.publicKey(kid, 'audit'));
  for (const purpose of ['task', 'txn', 'federation'] as const) assert.equal(keys.publicKey(kid, purpose), undefined);
});

test('the audit signer is the private half of the published audit key', async (t) => {
  await using keys = gateKeys(await folder(t));
  await keys.open();
  const { kid, privateJwk } = keys.auditSigner();
  const imported = await importJWK(privateJwk as never, 'Ed25519');
  assert.ok(imported);
  const published = keys.publicKey(kid, 'audit');
  assert.ok(published);
  assert.ok(published.equals(createPublicKey({ key: privateJwk, format: 'jwk' })));
  const token = await keys.sign('audit', 'tollgate-checkpoint+jws', { a: 1 });
  const at = token.lastIndexOf('.');
  assert.ok(verify(null, Buffer.from(token.slice(0, at)), published, Buffer.from(token.slice(at + 1), 'base64url')));
});

test('the RSA key of federation assertions is made only when asked for, and then kept', async (t) => {
  const dataDir = await folder(t);
  await using one = gateKeys(dataDir);
  await one.open();
  await assert.rejects(one.sign('federation', 'JWT', {}), { name: 'SignerUnavailable' });
  await one.prepareFederation();
  await using two = gateKeys(dataDir);
  await two.open();
  assert.deepEqual(two.jwks(), one.jwks());
});

test('keys that others could read stop the start, with the command that mends it', async (t) => {
  const dataDir = await folder(t);
  await gateKeys(dataDir).open();
  const file = join(dataDir, 'keys', 'task.json');
  await chmod(file, 0o640);
  await assert.rejects(gateKeys(dataDir).open(), { name: 'KeyFileFault', message: /mode 640.*chmod 600/ });
  await chmod(file, 0o600);
  await chmod(join(dataDir, 'keys'), 0o755);
  await assert.rejects(gateKeys(dataDir).open(), { name: 'KeyFileFault', message: /mode 755.*chmod 700/ });
  await chmod(join(dataDir, 'keys'), 0o700);
  await gateKeys(dataDir).open();
});

test('what a crash left unfinished in the directory is swept away once its writer must be gone', async (t) => {
  const dataDir = await folder(t);
  await gateKeys(dataDir).open();
  const stale = join(dataDir, 'keys', `task.json.${'0'.repeat(16)}.new`);
  const fresh = join(dataDir, 'keys', `task.json.${'1'.repeat(16)}.new`);
  for (const path of [stale, fresh]) await writeFile(path, '{"v":1,"kid', { mode: 0o600 });
  const nowMs = new ManualClock().nowMs();
  await utimes(stale, 0, (nowMs - 3600_000) / 1000);
  await utimes(fresh, 0, nowMs / 1000);
  await gateKeys(dataDir).open();
  const left = await readdir(join(dataDir, 'keys'));
  assert.deepEqual(
    left.filter((name) => name.endsWith('.new')),
    [`task.json.${'1'.repeat(16)}.new`],
  );
});

test('a key written before there were rotations signs since it was made', async (t) => {
  const dataDir = await folder(t);
  await gateKeys(dataDir).open();
  const file = join(dataDir, 'keys', 'task.json');
  const { not_before_ms: _, ...old } = JSON.parse(await readFile(file, 'utf8'));
  await writeFile(file, JSON.stringify(old));
  await using keys = gateKeys(dataDir);
  await keys.open();
  const listed = keys.list().find(({ purpose }) => purpose === 'task');
  assert.deepEqual([listed?.state, listed?.signsFromMs, listed?.kid], ['signing', old.created_at_ms, old.kid]);
});

test('a key file that is damaged, foreign, swapped or a link stops the start and is not overwritten', async (t) => {
  const dataDir = await folder(t);
  await gateKeys(dataDir).open();
  const file = join(dataDir, 'keys', 'task.json');
  const good = await readFile(file, 'utf8');
  const stored = JSON.parse(good);
  const bad = [
    '',
    'null',
    good.slice(0, 40),
    '{"v":1}',
    JSON.stringify({ ...stored, private_jwk: { ...stored.private_jwk, d: 'AA' } }),
    JSON.stringify({ ...stored, private_jwk: { kty: 'EC', crv: 'P-384' } }),
    await readFile(join(dataDir, 'keys', 'txn.json'), 'utf8'),
    'x'.repeat(70_000),
  ];
  for (const text of bad) {
    await writeFile(file, text);
    await assert.rejects(gateKeys(dataDir).open(), { name: 'KeyFileFault' });
    assert.equal(await readFile(file, 'utf8'), text);
  }
  await writeFile(file, good);
  await assert.rejects(gateKeys(dataDir, 'gate-2').open(), { name: 'KeyFileFault', message: /gate-2/ });
  await rename(file, join(dataDir, 'elsewhere'));
  await symlink(join(dataDir, 'elsewhere'), file);
  await assert.rejects(gateKeys(dataDir).open(), { name: 'KeyFileFault', message: /symbolic link/ });
});
