import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash, generateKeyPairSync } from 'node:crypto';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { parseBundle, readBundle } from '../../../src/policy/bundle.ts';
import { canonicalText } from '../../../src/policy/bundle-hash.ts';
import { readAside } from '../../../src/policy/bundle-reader.ts';
import {
  publicKeyOf,
  type SigningAlgorithm,
  type SigningKey,
  signingAlgorithms,
} from '../../../src/policy/signing-key.ts';
import { engineOn, runOpa, temporaryFolder } from './bundles.ts';
import { asEntries, forgeries, ours, signedAnew, theirs } from './forgeries.ts';
import { archiveOf, filesOf, opaBundle, type Signer, signerFor, tokenOf } from './signed.ts';

test('what OPA signs is taken, under every algorithm that the gate knows', async (t) => {
  for (const algorithm of signingAlgorithms) {
    const signer = signerFor(algorithm, `key-${algorithm}`);
    const bundle = await parseBundle(await opaBundle(t, { signer }), [theirs.key, signer.key]);
    assert.equal(bundle.revision, 'a', algorithm);
  }
});

test('the key id may stand in a claim alone, as `opa sign` can put it, with the scope of the key', async (t) => {
  const signer = signerFor('ES256', 'team', 'production');
  const packed = await opaBundle(t, { signer, claims: { keyid: 'team', scope: 'production' } });
  assert.equal((await parseBundle(packed, [signer.key])).revision, 'a');
  const { scope: _, ...unscoped } = signer.key;
  await assert.rejects(parseBundle(packed, [unscoped]), /its scope is not the one of its key/);
  await assert.rejects(parseBundle(packed, [{ ...signer.key, scope: 'staging' }]), /its scope/);
});

test('a bundle that `opa sign` signed, and tar put together, is taken', async (t) => {
  const folder = await temporaryFolder(t);
  for (const [name, content] of await filesOf(await opaBundle(t))) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), content);
  }
  const own = await temporaryFolder(t);
  await writeFile(join(own, 'claims.json'), '{"keyid": "team"}');
  await writeFile(join(own, 'key.pem'), ours.privateKey.export({ type: 'pkcs8', format: 'pem' }));
  const args = [
    '--signing-key',
    join(own, 'key.pem'),
    '--signing-alg',
    'ES256',
    '--claims-file',
    join(own, 'claims.json'),
  ];
  await runOpa(['sign', '-b', '.', ...args], folder);
  const file = join(own, 'team.tar.gz');
  const names = await readdir(folder);
  await promisify(execFile)('tar', ['-czf', file, ...names], { cwd: folder });
  assert.equal((await readBundle(file, [ours.key])).revision, 'a');
  await promisify(execFile)('tar', ['-czf', file, '.'], { cwd: folder });
  await assert.rejects(readBundle(file, [ours.key]), /names a file "\.\/": expected a plain path/);
});

test('JSON is hashed as OPA hashes it, whatever it holds', async (t) => {
  const odd = String.raw`{"f": 1.0, "g": 1e3, "neg": -0, "big": 12345678901234567890, "n": null, "l": [], "o": {},
    "u": "é<>&\u2028\u2029\u007f\b\f\u0001\"\\\/\ud83d\ude00", "\uffff": 1, "\ud83d\ude00": 2, "__proto__": {"a": [1, true]}}`;
  const packed = await opaBundle(t, { signer: ours, files: { 'tollgate/odd/data.json': odd } });
  const { data } = await parseBundle(packed, [ours.key]);
  assert.match(data.toString(), /"f":1\.0,"g":1e3/);
  // The same text as it was written, signed without being built.
  const folder = await temporaryFolder(t);
  await writeFile(join(folder, 'data.json'), odd);
  const pem = join(await temporaryFolder(t), 'key.pem');
  await writeFile(pem, ours.privateKey.export({ type: 'pkcs8', format: 'pem' }));
  await runOpa(['sign', '-b', '.', '--signing-key', pem, '--signing-alg', 'ES256'], folder);
  const signed = tokenOf(await readFile(join(folder, '.signatures.json'))).claims.files;
  const hash = createHash('sha256')
    .update(canonicalText('data.json', Buffer.from(odd)))
    .digest('hex');
  assert.deepEqual(signed, [{ name: 'data.json', hash, algorithm: 'SHA-256' }]);
  assert.equal(canonicalText('x', Buffer.from('{"b":1,"a":[ 1.50 ]}')).toString(), '{"a":[1.50],"b":1}');
});

let control: Map<string, Buffer> | undefined;
/** The files of a bundle that OPA signed; a copy. */
async function controlOf(t: TestContext): Promise<Map<string, Buffer>> {
  control ??= await filesOf(await opaBundle(t, { signer: ours }));
  return new Map(control);
}

test('the bundle that the table changes is taken, also when it is put together anew', async (t) => {
  const bundle = await parseBundle(await archiveOf(asEntries(await controlOf(t))), [ours.key]);
  assert.equal(bundle.revision, 'a');
  const files = await controlOf(t);
  signedAnew(files, () => undefined);
  assert.equal((await parseBundle(await archiveOf(asEntries(files)), [ours.key])).revision, 'a');
});

for (const { what, refused, change } of forgeries) {
  test(`[policy.signed-bundles] with keys, a bundle is refused for ${what}`, async (t) => {
    const files = await controlOf(t);
    const entries = change(files) ?? asEntries(files);
    await assert.rejects(parseBundle(await archiveOf(entries), [ours.key]), refused);
  });
}

test('what runs of a signed document is what was hashed, whatever else its text holds', async (t) => {
  const files = await controlOf(t);
  const data = String(files.get('data.json')).trim();
  files.set('data.json', Buffer.from(data.replace('{', '{ "tollgate": {"evil": true}, ')));
  const bundle = await parseBundle(await archiveOf(asEntries(files)), [ours.key]);
  assert.equal(bundle.data.toString(), data);
});

test('without keys a signature is not looked at, and the reader says so', async (t) => {
  const bundle = await parseBundle(await archiveOf(asEntries(await controlOf(t))));
  assert.equal(bundle.unchecked, true);
});

test('a bundle is read aside with the same result, and a refusal comes back as such', async (t) => {
  const packed = await archiveOf(asEntries(await controlOf(t)));
  const { signal } = new AbortController();
  const aside = await readAside(packed, { keys: [ours.key], signal });
  assert.deepEqual(aside, await parseBundle(packed, [ours.key]));
  await assert.rejects(readAside(packed, { keys: [theirs.key], signal }), /BundleError: .*"team" is not one of/);
  await assert.rejects(readAside(packed, { keys: [ours.key], signal: AbortSignal.abort() }), /abort/i);
});

test('a folder is refused where a signature is asked for', async (t) => {
  const { engine } = await engineOn(t, await temporaryFolder(t), {
    config: { bundle: await temporaryFolder(t), signing_keys: [ours.key] },
  });
  await assert.rejects(engine.open(), /a folder cannot be signed/);
});

test('keys that could not hold what they promise are refused', () => {
  const weak = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey.export({ type: 'spki', format: 'pem' });
  const pem = (signer: Signer) => signer.key.public_key;
  const table: [string, SigningAlgorithm, RegExp][] = [
    [weak as string, 'RS256', /at least 2048 bits/],
    [pem(ours), 'RS256', /a key for RS256/],
    [pem(ours), 'ES384', /a key for ES384/],
    [ours.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string, 'ES256', /private key/],
    ['no key', 'ES256', /expected a public key in PEM/],
  ];
  for (const [public_key, algorithm, wrong] of table) {
    assert.match(String(publicKeyOf({ kid: 'x', algorithm, public_key } satisfies SigningKey)), wrong);
  }
});
