import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { loadConfig } from '../../../../src/config/load.ts';
import { checkKeys, type KeysConfig } from '../../../../src/identity/keepers/section.ts';

const base: KeysConfig = {
  source: 'files',
  name: 'tollgate',
  timeout_ms: 2000,
  lead_seconds: { task: 35, txn: 60, federation: 900 },
};
const secret = 's'.repeat(32);

test('each source asks for what it needs, and for nothing that it would not use', () => {
  const redis = { kind: 'redis' };
  const memory = { kind: 'memory' };
  const cases: [Partial<KeysConfig>, { kind: string }, string[]][] = [
    [{}, memory, []],
    [{ secret }, memory, []],
    [{ source: 'store', secret }, redis, []],
    [{ source: 'command', command: ['signer'] }, memory, []],
    [{ secret: 'too short' }, memory, ['/keys/secret']],
    [{ source: 'store' }, redis, ['/keys']],
    [{ source: 'store', secret }, memory, ['/keys/source']],
    [{ source: 'command' }, memory, ['/keys']],
    [{ command: ['signer'] }, memory, ['/keys']],
  ];
  for (const [changes, store, pointers] of cases) {
    const faults = checkKeys({ ...base, ...changes }, store);
    assert.deepEqual(
      faults.map(({ pointer }) => pointer),
      pointers,
      JSON.stringify(changes),
    );
    assert.equal(JSON.stringify(faults).includes('too short'), false);
  }
});

async function keysOf(t: TestContext, keys: string) {
  const folder = await mkdtemp(join(tmpdir(), 'tollgate-keys-section-'));
  t.after(() => rm(folder, { recursive: true }));
  const file = join(folder, 'tollgate.yaml');
  const gateway = 'gateway: {id: g, cloud: local, region: eu-1, trust_domain: example.test}';
  await writeFile(file, `${gateway}\npolicy: {bundle: ./policies}\nkeys: ${keys}\n`);
  return { folder, loaded: await loadConfig(file, { SECRET: 'hunter2' }) };
}

test('a file that says nothing of keys has them in files, with a lead for each purpose', async (t) => {
  const { loaded } = await keysOf(t, '{}');
  assert.ok(!('faults' in loaded), JSON.stringify(loaded));
  assert.deepEqual(loaded.config.keys, base);
});

test('the program of a signer is a path from the file, or a name', async (t) => {
  const { folder, loaded } = await keysOf(t, '{source: command, command: [./bin/signer, --hsm, ./x]}');
  assert.ok(!('faults' in loaded), JSON.stringify(loaded));
  assert.deepEqual(loaded.config.keys.command, [join(folder, 'bin/signer'), '--hsm', './x']);
  const named = (await keysOf(t, '{source: command, command: [signer]}')).loaded;
  assert.ok(!('faults' in named));
  assert.deepEqual(named.config.keys.command, ['signer']);
});

test('a fault in the secret never shows it', async (t) => {
  // biome-ignore lint/suspicious/noTemplateCurlyInString: that is how the file says it
  const { loaded } = await keysOf(t, '{secret: "${env:SECRET}"}');
  assert.ok('faults' in loaded);
  assert.deepEqual(
    loaded.faults.map(({ pointer, message }) => [pointer, message]),
    [['/keys/secret', 'expected at least 32 bytes']],
  );
});
