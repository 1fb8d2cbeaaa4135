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
import { bundleOf, opaPath, shippedPolicies, temporaryFolder, writeFiles } from './bundles.ts';

const inputs = 10_000;
const eachWay = 50;
const seed = 20_261_121;

/** Rules that no input makes come out the other way, and why. */
const oneWay = new Map([
  ['tollgate/call/trifecta.rego tollgate.call.deny', 'the shipped settings only observe'],
  ['tollgate/task/grant.rego tollgate.task.grant', 'a list of tools is always granted, if only an empty one'],
]);

/** Proves the folder `policies` on 10,000 inputs: all decisions agree, and enough of them allow. */
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
  const allowed = proof.packages.reduce((sum, { allowed: count }) => sum + count, 0);
  assert.ok(allowed >= 0.3 * inputs, `${allowed} of ${inputs} are allowed`);
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

/** Fifty rules of five kinds over data that names an operation, an agent and limits for each. */
function fiftyRules(): Record<string, string> {
  const rows: Record<string, object> = {};
  const rules: string[] = [];
  for (let index = 0; index < 50; index++) {
    const row = `data.tollgate.rows.row_${index}`;
    rows[`row_${index}`] = {
      operation: `shop.op_${index}`,
      agents: [`agent-${index}`],
      most: 100 * index,
      argument: 'body.sum',
    };
    const asked = `input.call.operation == ${row}.operation`;
    const checks = [
      `input.agent.id in ${row}.agents`,
      `${asked}\n\tinput.call.arguments.body.sum > ${row}.most`,
      `${asked}\n\tinput.time.hour >= ${index % 24}\n\tnot input.subject`,
      `${asked}\n\tsome entry in input.task.history\n\tentry.operation == "shop.op_${index - 1}"`,
      `${asked}\n\tobject.get(input.task.counts, ["shop.op_${index - 1}", "calls"], 0) > 1`,
    ];
    rules.push(`deny contains {"code": "rule_${index}", "message": ${row}.operation} if {\n\t${checks[index % 5]}\n}`);
  }
  const decision = 'decision := {"allow": count(deny) == 0, "reasons": sort([reason | some reason in deny])}';
  return {
    ...bundleOf([decision, ...rules].join('\n\n')),
    'tollgate/rows/data.json': JSON.stringify(rows),
  };
}

test(
  `a policy of fifty rules over data decides in WASM as in OPA, on ${inputs} seeded inputs`,
  part('opa'),
  async (t) => {
    const folder = await temporaryFolder(t);
    await writeFiles(folder, fiftyRules());
    const proof = await proofOf(t, folder, 2);
    assert.equal(proof.rules.length, 50);
    // Rows are alike here, so that most are reached only by their own number; what is never reached is named, not proved.
    const missed = rare(proof);
    assert.ok(missed.length < 30, missed.join('\n'));
  },
);
