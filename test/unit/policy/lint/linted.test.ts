import assert from 'node:assert/strict';
import { chmod, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { BundlePath } from '../../../../src/policy/bundle-path.ts';
import type { LintSettings } from '../../../../src/policy/lint/linted.ts';
import { ManualClock } from '../../../fakes/clock.ts';
import { bundleOf, opaPath, temporaryFolder, writeFiles } from '../bundles.ts';
import { purposes, world } from './faulty.ts';

const signal = new AbortController().signal;
const decision = 'decision := {"allow": count(deny) == 0, "reasons": []}';
const asking = (name: string) => bundleOf(`${decision}\n\ndeny contains "x" if input.call.operation == "${name}"`);

/** An OPA that notes what it is run for. */
async function notingOpa(t: TestContext): Promise<{ path: string; parses: () => Promise<number> }> {
  const folder = await temporaryFolder(t);
  const [path, log] = [join(folder, 'opa'), join(folder, 'runs')];
  await writeFile(log, '');
  await writeFile(path, `#!/bin/sh\necho "$1" >> '${log}'\nexec '${opaPath()}' "$@"\n`);
  await chmod(path, 0o755);
  const parses = async () => (await readFile(log, 'utf8')).split('\n').filter((line) => line === 'parse').length;
  return { path, parses };
}

async function pathOf(t: TestContext, path: string, settings: LintSettings, opa = opaPath(), dataDir?: string) {
  const options = { path, keys: [], opa: async () => opa, clock: new ManualClock(), ...settings };
  return new BundlePath({ ...options, dataDir: dataDir ?? (await temporaryFolder(t)) });
}

test('a folder with faults is refused with all of them, and comes up once they are mended', async (t) => {
  const folder = await temporaryFolder(t);
  await writeFiles(folder, { ...asking('orders.get_oder'), 'tollgate/purposes/data.yaml': `x: 1\n${purposes}` });
  const path = await pathOf(t, folder, { world: () => world });
  await assert.rejects(path.first(signal), (fault: Error) => {
    const lines = fault.message.split('\n');
    assert.equal(lines[0], 'the policies have faults:');
    assert.match(
      lines[1] ?? '',
      /^tollgate\/call\/call\.rego:5: there is no operation "orders\.get_oder"; did you mean/,
    );
    assert.match(lines[2] ?? '', /^tollgate\/purposes\/data\.yaml:1: expected object, found 1/);
    return lines.length === 3;
  });
  await writeFiles(folder, { ...asking('orders.get_order'), 'tollgate/purposes/data.yaml': purposes });
  assert.match((await path.first(signal)).content, /^[0-9a-f]{64}$/);
});

test('an unchanged folder is not looked through again, another one or another world is', async (t) => {
  const [folder, dataDir, opa] = [await temporaryFolder(t), await temporaryFolder(t), await notingOpa(t)];
  await writeFiles(folder, asking('orders.get_order'));
  const load = async (known = world) =>
    (await pathOf(t, folder, { world: () => known }, opa.path, dataDir)).first(signal);
  await load();
  const first = await opa.parses();
  assert.equal(first, 2);
  await load();
  assert.equal(await opa.parses(), first);
  await assert.rejects(load({ ...world, operations: [] }), /no operation "orders\.get_order"/);
  assert.equal(await opa.parses(), 2 * first);
  await assert.rejects(load({ ...world, operations: [] }), /no operation/, 'a refusal is not forgotten');
  await writeFiles(folder, asking('gpt-4.chat'));
  await load();
  assert.ok((await opa.parses()) > 2 * first);
  assert.equal((await readdir(join(dataDir, 'lint'))).length, 2);
  for (const name of await readdir(join(dataDir, 'lint'))) await writeFile(join(dataDir, 'lint', name), '{');
  const before = await opa.parses();
  await load();
  assert.equal(await opa.parses(), before + first, 'a note that is damaged counts for nothing');
});

test('names of other routes are told and let pass where the gate is told so, at each start', async (t) => {
  const [folder, dataDir] = [await temporaryFolder(t), await temporaryFolder(t)];
  await writeFiles(folder, asking('elsewhere.get'));
  const told: unknown[] = [];
  const settings: LintSettings = {
    world: () => world,
    unknownOperations: 'warn',
    warn: (message, fields) => told.push([message, fields]),
  };
  for (let start = 1; start <= 2; start++) {
    await (await pathOf(t, folder, settings, opaPath(), dataDir)).first(signal);
    assert.equal(told.length, start);
  }
  assert.match(
    JSON.stringify(told[1]),
    /the configuration does not.*call\.rego:5: there is no operation \\"elsewhere\.get/,
  );
  await writeFiles(folder, bundleOf(`${decision}\n\ndeny contains "x" if input.call.oper == "a"`));
  await assert.rejects((await pathOf(t, folder, settings)).first(signal), /call\.rego:5: .*no input\.call\.oper/);
});

test('without a configuration names are not looked at', async (t) => {
  const folder = await temporaryFolder(t);
  await writeFiles(folder, asking('elsewhere.get'));
  for (const settings of [{}, { world: () => null }]) await (await pathOf(t, folder, settings)).first(signal);
});

test('of a compiled bundle the purposes are looked at, and told by pointer', async (t) => {
  const [folder, dataDir] = [await temporaryFolder(t), await temporaryFolder(t)];
  await writeFiles(folder, { ...asking('orders.get_order'), 'tollgate/purposes/data.yaml': purposes });
  await (await pathOf(t, folder, {}, opaPath(), dataDir)).first(signal);
  const [name = ''] = (await readdir(join(dataDir, 'bundles'))).filter((file) => file.endsWith('.tar.gz'));
  const file = join(dataDir, 'bundles', name);
  await (await pathOf(t, file, { world: () => world })).first(signal);
  await assert.rejects(
    (await pathOf(t, file, { world: () => ({ ...world, issuers: [] }) })).first(signal),
    /data\.json\/tollgate\/purposes\/refund\/issuers\/0: there is no issuer of agents "azure"; there is none/,
  );
});
