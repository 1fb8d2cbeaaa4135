/** `system.log` of a bundle folder, built to WASM with the rest of it and asked over events. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { buildBundle, entrypointsOf } from '../../../../src/policy/build.ts';
import { readBundle } from '../../../../src/policy/bundle.ts';
import { LoadedBundle } from '../../../../src/policy/instance.ts';
import { logPolicyOf } from '../../../../src/policy/report/log-policy.ts';
import { ManualClock } from '../../../fakes/clock.ts';
import { part } from '../../../parts.ts';
import { bundleOf, opaPath, temporaryFolder } from '../bundles.ts';

const files = (log: string | null, manifest: boolean) => {
  const all: Record<string, string> = { ...bundleOf('decision := {"allow": true, "reasons": []}') };
  if (!manifest) delete all['.manifest'];
  if (log !== null) all['system/log/log.rego'] = `package system.log\n\n${log}\n`;
  return Object.entries(all).map(([path, content]) => ({ path, content: Buffer.from(content) }));
};

const mask = 'mask contains "/input/a" if input.input.a > 1';
const drop = 'drop if input.path == "tollgate/task/decision"';

test('each of mask and drop is an entry point where it is there', () => {
  const own = (log: string | null) => entrypointsOf(files(log, true)).filter((name) => name.startsWith('system'));
  assert.deepEqual(own(null), []);
  assert.deepEqual(own(mask), ['system/log/mask']);
  assert.deepEqual(own(drop), ['system/log/drop']);
  assert.deepEqual(own(`default drop := false\n\n${mask}`), ['system/log/mask', 'system/log/drop']);
  assert.deepEqual(own('# mask\n\nmask_of(x) := x\n\nother if\n\tdrop'), []);
});

test('a folder without a manifest is built with its log policy, and says what it says', part('opa'), async (t) => {
  const load = async (log: string | null) => {
    const { file } = await buildBundle({
      files: files(log, false),
      dataDir: join(await temporaryFolder(t), 'data'),
      opa: async () => opaPath(),
      clock: new ManualClock(),
      signal: new AbortController().signal,
    });
    return LoadedBundle.load(await readBundle(file));
  };
  const both = logPolicyOf(await load(`${mask}\n\n${drop}`));
  assert.deepEqual(both?.mask({ input: { a: 2 } }), ['/input/a']);
  assert.deepEqual(both?.mask({ input: { a: 1 } }), []);
  assert.equal(both?.drop({ path: 'tollgate/task/decision' }), true);
  assert.equal(both?.drop({ path: 'tollgate/call/decision' }), undefined);

  const masking = logPolicyOf(await load(mask));
  assert.deepEqual(masking?.mask({ input: { a: 2 } }), ['/input/a']);
  assert.equal(masking?.drop({ path: 'tollgate/task/decision' }), undefined);

  assert.equal(logPolicyOf(await load(null)), null);
});
