/** What runs in WASM must decide as OPA itself does; whole decisions are compared, on inputs that hit every rule. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { buildBundle } from '../../../src/policy/build.ts';
import { seededBytes } from '../../../src/policy/proof/chooser.ts';
import { type Proof, prove } from '../../../src/policy/proof/prove.ts';
import { proofLines } from '../../../src/policy/proof/report.ts';
import { readSources } from '../../../src/policy/sources.ts';
import { ManualClock } from '../../fakes/clock.ts';
import { part } from '../../parts.ts';
import { opaPath, shippedPolicies, temporaryFolder, writeFiles } from './bundles.ts';
import { fiftyRules } from './fifty-rules.ts';

const inputs = 10_000;
const eachWay = 50;
const seed = 20_261_121;

/** Rules that no input makes come out the other way, and why. */
const oneWay = new Map([
  ['tollgate/call/trifecta.rego tollgate.call.deny', 'the shipped settings only observe'],
  ['tollgate/call/model.rego tollgate.call.oblige', 'no shipped purpose has a last turn, or keeps answers'],
  ['tollgate/call/thought.rego tollgate.call.thought_asked', 'no shipped purpose asks for exact thoughts'],
  ['tollgate/call/thought.rego tollgate.call.thought_fits', 'the same'],
  ['tollgate/call/thought.rego tollgate.call.deny', 'the same'],
  ['tollgate/task/grant.rego tollgate.task.grant', 'a list of tools is always granted, if only an empty one'],
]);

/** Proves the folder `policies` on 10,000 inputs: all decisions agree, and enough of each package's allow. */
async function proofOf(t: TestContext, policies: string, packages: number): Promise<Proof> {
  const folder = await temporaryFolder(t);
  const files = await readSources(policies);
  const access = { opa: opaPath(), clock: new ManualClock(), signal: new AbortController().signal };
  const { file } = await buildBundle({ ...access, files, dataDir: folder, opa: async () => access.opa });
  const each = Math.ceil(inputs / packages);
  const proof = await prove({ ...access, files, folder, inputs: each, random: seededBytes(seed) }, file);
  assert.ok(proof.compared >= inputs);
  assert.equal(proof.mismatched, 0, proofLines(proof, seed).slice(0, 8).join('\n'));
  assert.equal(proof.odd, 0, JSON.stringify(proof.oddExample));
  for (const { phase, inputs: made, allowed } of proof.packages) {
    assert.ok(allowed >= 0.3 * made, `${allowed} of ${made} inputs of tollgate.${phase} are allowed`);
  }
  return proof;
}

/** Rules that came out one way less than 50 times. */
function rare({ rules }: Proof, besides: ReadonlyMap<string, string> = new Map()): string[] {
  return rules
    .filter(({ fired, not }) => Math.min(fired, not) < eachWay)
    .filter(({ rule, fired, not }) => Math.min(fired, not) > 0 || !besides.has(`${rule.file} ${rule.name}`))
    .map(({ rule, fired, not }) => `${rule.file}:${rule.row} ${rule.name}: ${fired}, ${not}`);
}

test(
  `the shipped policies decide in WASM as in OPA, on ${inputs} seeded inputs that make every rule fire and not fire`,
  part('opa'),
  async (t) => {
    const proof = await proofOf(t, shippedPolicies, 3);
    assert.ok(proof.rules.length > 50, `${proof.rules.length} rules are watched`);
    assert.deepEqual(rare(proof, oneWay), []);
  },
);

for (const made of [1, 2, 3]) {
  test(
    `a policy of fifty rules over data, made of seed ${made}, decides in WASM as in OPA on ${inputs} seeded inputs that make every rule fire and not fire`,
    part('opa'),
    async (t) => {
      const folder = await temporaryFolder(t);
      await writeFiles(folder, fiftyRules(made));
      const proof = await proofOf(t, folder, 2);
      assert.equal(proof.rules.length, 50);
      assert.deepEqual(rare(proof), []);
    },
  );
}
