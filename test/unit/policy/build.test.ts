import assert from 'node:assert/strict';
import { chmod, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { buildBundle } from '../../../src/policy/build.ts';
import { readBundle } from '../../../src/policy/bundle.ts';
import { readSources } from '../../../src/policy/sources.ts';
import { ManualClock } from '../../fakes/clock.ts';
import { bundleOf, engineOn, opaPath, runOpa, shippedPolicies, temporaryFolder, writeFiles } from './bundles.ts';

const allowAll = 'decision := {"allow": true, "reasons": []}';

/** A compiler that writes a line each time it compiles. */
async function countingOpa(t: TestContext): Promise<{ path: string; runs: () => Promise<number> }> {
  const folder = await temporaryFolder(t);
  const path = join(folder, 'opa');
  const log = join(folder, 'runs');
  await writeFile(log, '');
  await writeFile(path, `#!/bin/sh\n[ "$1" = build ] && echo run >> '${log}'\nexec '${opaPath()}' "$@"\n`);
  await chmod(path, 0o755);
  return { path, runs: async () => (await readFile(log, 'utf8')).split('\n').length - 1 };
}

async function build(t: TestContext, files: Record<string, string>, dataDir?: string, opa = opaPath()) {
  const folder = await temporaryFolder(t);
  await writeFiles(folder, files);
  return buildBundle({
    files: await readSources(folder),
    dataDir: dataDir ?? (await temporaryFolder(t)),
    opa: async () => opa,
    clock: new ManualClock(),
    signal: new AbortController().signal,
  });
}

test('an unchanged second start runs no compiler, and a changed policy or compiler does', async (t) => {
  const dataDir = await temporaryFolder(t);
  const opa = await countingOpa(t);
  const first = await build(t, bundleOf(allowAll), dataDir, opa.path);
  const second = await build(t, bundleOf(allowAll), dataDir, opa.path);
  assert.deepEqual([first.cached, second.cached, second.file], [false, true, first.file]);
  assert.equal(await opa.runs(), 1);
  const changed = await build(t, bundleOf(`${allowAll} # changed`), dataDir, opa.path);
  assert.notEqual(changed.sources, first.sources);
  assert.equal(await opa.runs(), 2);
  const other = await countingOpa(t);
  const rebuilt = await build(t, bundleOf(allowAll), dataDir, other.path);
  assert.deepEqual([rebuilt.cached, rebuilt.sources], [false, first.sources]);
  assert.deepEqual(
    (await readdir(join(dataDir, 'bundles'))).filter((name) => !name.endsWith('.tar.gz')),
    [],
    'nothing is left of the work',
  );
});

test('tests, schemas and files of other names are not part of a bundle', async (t) => {
  const plain = await build(t, { ...bundleOf(allowAll), 'tollgate/x/data.yaml': 'a: 1' });
  const { file, sources } = await build(t, {
    ...bundleOf(allowAll),
    'tollgate/x/data.yaml': 'a: 1',
    'tollgate/call/call_test.rego': 'package tollgate.call_test\n\nthis is no rego',
    'schema/input.call.json': '{"type": "object"}',
    'tollgate/x/more.json': '{"b": 2}',
    'notes.md': 'notes',
  });
  assert.equal(sources, plain.sources);
  assert.deepEqual(JSON.parse((await readBundle(file)).data.toString()), { tollgate: { x: { a: 1 } } });
});

test('a folder without a package that the gate asks is refused by name', async (t) => {
  const { 'tollgate/task/task.rego': _, ...withoutTask } = bundleOf(allowAll);
  await assert.rejects(build(t, withoutTask), /BundleError: the bundle has no package tollgate\.task$/);
  await assert.rejects(build(t, {}), /no package tollgate\.task and no package tollgate\.call/);
});

test('what OPA says of a fault names the file as its author knows it', async (t) => {
  await assert.rejects(build(t, bundleOf('decision := nonsense')), /tollgate\/call\/call\.rego:3.*nonsense/s);
});

test('a bundle whose data lies outside its roots is refused', async (t) => {
  await assert.rejects(build(t, { ...bundleOf(allowAll), 'other/data.yaml': 'a: 1' }), /BundleError: OPA refused/);
});

test('a compiler that is not there is a fault that says where it was looked for', async (t) => {
  await assert.rejects(build(t, bundleOf(allowAll), undefined, '/nowhere/opa'), /cannot be found at \/nowhere\/opa/);
});

test('the compiler gets nothing of the environment of the gate', async (t) => {
  const folder = await temporaryFolder(t);
  const path = join(folder, 'opa');
  await writeFile(path, `#!/bin/sh\nenv > '${join(folder, 'env')}'\nexec '${opaPath()}' "$@"\n`);
  await chmod(path, 0o755);
  await build(t, bundleOf(allowAll), undefined, path);
  const names = (await readFile(join(folder, 'env'), 'utf8')).split('\n').map((line) => line.split('=')[0]);
  assert.deepEqual(
    names.filter((name) => name !== '' && !['PWD', 'SHLVL', '_', 'OLDPWD'].includes(name as string)),
    [],
  );
});

test('equal folders have equal revisions, and a manifest may name its own', async (t) => {
  const folders = await Promise.all([temporaryFolder(t), temporaryFolder(t)]);
  const revisions: string[] = [];
  for (const folder of folders) {
    await writeFiles(folder, bundleOf(allowAll));
    const { engine } = await engineOn(t, folder);
    await engine.open();
    revisions.push(engine.active.revision);
  }
  assert.equal(revisions[0], revisions[1]);
  const named = await temporaryFolder(t);
  await writeFiles(named, { ...bundleOf(allowAll), '.manifest': '{"roots": ["tollgate"], "revision": "2026-11-02"}' });
  const { engine } = await engineOn(t, named);
  await engine.open();
  assert.equal(engine.active.revision, '2026-11-02');
});

test('the shipped policies build as a bundle that OPA itself can read', async (t) => {
  const { file } = await buildBundle({
    files: await readSources(shippedPolicies),
    dataDir: await temporaryFolder(t),
    opa: async () => opaPath(),
    clock: new ManualClock(),
    signal: new AbortController().signal,
  });
  const listed = JSON.parse((await runOpa(['inspect', '-f', 'json', file])).stdout);
  assert.deepEqual(listed.manifest.roots, ['tollgate']);
  assert.equal(listed.wasm_modules[0].entrypoints.length, 3);
});
