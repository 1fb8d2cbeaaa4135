import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { schemaFiles } from '../../../src/policy/schemas.ts';
import { runOpa, shippedPolicies } from './bundles.ts';

const opaCheck = ['check', '--strict', '-b', '.', '-s', 'schema', '--capabilities', 'capabilities.json'];

test('the schema files are those that the gate checks with', async () => {
  const folder = join(shippedPolicies, 'schema');
  const files = schemaFiles();
  assert.deepEqual((await readdir(folder)).sort(), Object.keys(files).sort());
  for (const [name, schema] of Object.entries(files)) {
    assert.deepEqual(JSON.parse(await readFile(join(folder, name), 'utf8')), schema, name);
  }
});

test('the shipped policies pass the strict check against schemas and capabilities', async () => {
  await runOpa(opaCheck, shippedPolicies);
});

test('the shipped policies are formatted', async () => {
  assert.equal((await runOpa(['fmt', '--list', '.'], shippedPolicies)).stdout, '');
});

test('the shipped policies pass their own tests and are covered to 95 percent', async () => {
  await runOpa(['test', '-b', '.'], shippedPolicies);
  const report = JSON.parse((await runOpa(['test', '-b', '.', '--coverage'], shippedPolicies)).stdout);
  assert.ok(report.coverage >= 95, `covered: ${report.coverage}`);
});

test('the capabilities hold what the WASM of OPA has, and not what throws when it runs', async () => {
  const { builtins } = JSON.parse(await readFile(join(shippedPolicies, 'capabilities.json'), 'utf8'));
  const names = builtins.map(({ name }: { name: string }) => name);
  assert.equal(names.length, 103);
  for (const absent of ['time.now_ns', 'http.send', 'io.jwt.decode', 'crypto.sha256', 'rand.intn', 'regex.replace']) {
    assert.ok(!names.includes(absent), absent);
  }
});
