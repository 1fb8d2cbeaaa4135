/**
 * A file of a bundle whose name begins as an option does was taken for one by the parser: a good bundle was refused, and
 * its rules could not be explained. Names that are no names of files here made the explaining itself fail.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '../../src/clock.ts';
import { RuleExplainer } from '../../src/policy/explain.ts';
import { lintBundle } from '../../src/policy/lint/lint.ts';
import type { SourceFile } from '../../src/policy/sources.ts';
import { opaPath } from '../unit/policy/bundles.ts';

const rego = 'package tollgate.call\n\ndecision := {"allow": true, "reasons": [], "obligations": {}}\n';
const filesOf = (...names: string[]): SourceFile[] =>
  names.map((path, index) => ({
    path,
    content: Buffer.from(index === 0 ? rego : `package tollgate.lib\n\nx${index} := 1\n`),
  }));
const explain = (files: readonly SourceFile[]) => {
  const decision = { allow: true, reasons: [], obligations: {} };
  const explainer = new RuleExplainer({ opa: async () => opaPath(), clock: systemClock() });
  return explainer.explain({ phase: 'call', input: {}, files, decision });
};

test('a file name that looks like an option is a file name', async () => {
  const files = filesOf('--format=pretty.rego', '-b.rego');
  const found = await explain(files);
  assert.ok('rules' in found, JSON.stringify(found));
  assert.equal(found.mismatch, null);
  assert.deepEqual([found.rules[0]?.file, found.rules[0]?.outcome], ['--format=pretty.rego', 'fired']);
  const { signal } = new AbortController();
  assert.deepEqual(await lintBundle({ files, world: null, opa: opaPath(), clock: systemClock(), signal }), []);
});

for (const [what, files] of [
  ['a file that is the folder of another', filesOf('call.rego', 'call.rego/lib.rego')],
  ['a name that is too long', filesOf(`${'n'.repeat(400)}.rego`)],
] as const) {
  test(`rules that cannot be laid out are not explained: ${what}`, async () => {
    const found = await explain(files);
    assert.ok('unavailable' in found, JSON.stringify(found));
  });
}
