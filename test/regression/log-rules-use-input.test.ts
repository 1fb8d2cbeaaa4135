/**
 * What only the rules of the decision log refer to was left out of the input: a rule that drops the decisions of
 * confidential tasks found no label, and dropped none.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildBundle } from '../../src/policy/build.ts';
import { readBundle } from '../../src/policy/bundle.ts';
import { inputParts } from '../../src/policy/input-parts.ts';
import { readSources } from '../../src/policy/sources.ts';
import { ManualClock } from '../fakes/clock.ts';
import { bundleOf, opaPath, temporaryFolder, writeFiles } from '../unit/policy/bundles.ts';

const rows = [
  ['a member of the input', 'drop if input.input.task.labels.confidential', ['task.labels']],
  ['the whole input', 'drop if contains(json.marshal(input.input), "confidential")', inputParts],
  ['the whole event', 'drop if contains(json.marshal(input), "confidential")', inputParts],
  ['what is not of the input', 'drop if input.result.allow', []],
] as const;

for (const [what, rule, used] of rows) {
  test(`what a rule of the decision log refers to is in the input: ${what}`, async (t) => {
    const [folder, dataDir] = [await temporaryFolder(t), await temporaryFolder(t)];
    await writeFiles(folder, {
      ...bundleOf('decision := {"allow": true, "reasons": []}'),
      '.manifest': '{"roots": ["tollgate", "system/log"]}',
      'system/log/log.rego': `package system.log\n\n${rule}\n`,
    });
    const { signal } = new AbortController();
    const files = await readSources(folder);
    const { file } = await buildBundle({
      files,
      dataDir,
      opa: async () => opaPath(),
      clock: new ManualClock(),
      signal,
    });
    const unused = (await readBundle(file)).terms?.unusedInput;
    assert.deepEqual(
      inputParts.filter((part) => unused?.has(part) !== true),
      inputParts.filter((part) => (used as readonly string[]).includes(part)),
    );
  });
}
