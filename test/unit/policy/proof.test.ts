/** The proof has to fail where it should: these tests plant what it must find. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { Ajv } from 'ajv';
import { buildBundle } from '../../../src/policy/build.ts';
import { Chooser, seededBytes } from '../../../src/policy/proof/chooser.ts';
import { differ } from '../../../src/policy/proof/differ.ts';
import { InputMaker } from '../../../src/policy/proof/inputs.ts';
import { literalsOf } from '../../../src/policy/proof/literals.ts';
import { type Proof, prove } from '../../../src/policy/proof/prove.ts';
import { proofLines } from '../../../src/policy/proof/report.ts';
import type { Schema } from '../../../src/policy/proof/schema.ts';
import { callInputSchema, responseInputSchema, taskInputSchema } from '../../../src/policy/schemas.ts';
import { readSources, type SourceFile } from '../../../src/policy/sources.ts';
import { ManualClock } from '../../fakes/clock.ts';
import { part } from '../../parts.ts';
import { bundleOf, opaPath, temporaryFolder, writeFiles } from './bundles.ts';

const inputs = 200;
const data = {
  tollgate: { limits: { 'refunds.create': { each: 100, argument: 'body.amount', agents: ['desk-*'], huge: 2 ** 60 } } },
};

const access = () => ({ opa: opaPath(), clock: new ManualClock(), signal: new AbortController().signal });

async function sourcesOf(t: TestContext, call: string): Promise<SourceFile[]> {
  const folder = await temporaryFolder(t);
  await writeFiles(folder, bundleOf(call));
  return readSources(folder);
}

/** Proves the bundle made of `compiled` against the sources `call`, which are the same unless a fault is planted. */
async function proofOf(t: TestContext, call: string, compiled = call, seed = 7): Promise<Proof> {
  const folder = await temporaryFolder(t);
  const options = { ...access(), folder, inputs, random: seededBytes(seed) };
  const { file } = await buildBundle({
    ...options,
    files: await sourcesOf(t, compiled),
    dataDir: folder,
    opa: async () => opaPath(),
  });
  return prove({ ...options, files: await sourcesOf(t, call) }, file);
}

const deciding = (rules: string) => `
decision := {"allow": count(deny) == 0, "reasons": [{"code": code, "message": code} | some code in deny]}

${rules}`;

const hours = deciding(`deny contains "office_hours" if {
	input.call.operation == "refunds.create"
	not input.time.hour in {8, 9, 10}
}

deny contains "too_much" if input.call.arguments.body.amount > 100`);

for (const [phase, schema] of Object.entries({
  task: taskInputSchema,
  call: callInputSchema,
  response: responseInputSchema,
})) {
  test(`every generated input of tollgate.${phase} fits the schema, also after many changes`, () => {
    const validate = new Ajv({ strict: true, strictTuples: false }).compile(schema);
    const maker = new InputMaker(schema as unknown as Schema, literalsOf([], data), new Chooser(seededBytes(3)));
    let made = maker.fresh();
    for (let round = 0; round < 600; round++) {
      const fresh = maker.fresh();
      assert.ok(validate(fresh.input), JSON.stringify([validate.errors, fresh.input]));
      made = maker.changed(round % 40 === 0 ? fresh : made, fresh.input);
      maker.remember(made);
      assert.ok(validate(made.input), JSON.stringify([validate.errors, made.input]));
    }
  });
}

test('generated inputs hold the words of the data where these belong', () => {
  const maker = new InputMaker(callInputSchema as unknown as Schema, literalsOf([], data), new Chooser(seededBytes(5)));
  const texts = Array.from({ length: 400 }, () => JSON.stringify(maker.fresh().input));
  for (const sought of ['"refunds.create"', '"desk-x"', '"amount":', '101']) {
    assert.ok(
      texts.some((text) => text.includes(sought)),
      sought,
    );
  }
});

test('equal seeds make equal proofs, and another seed makes other inputs', part('opa'), async (t) => {
  const [first, again, other] = [await proofOf(t, hours), await proofOf(t, hours), await proofOf(t, hours, hours, 8)];
  assert.deepEqual(again.questions, first.questions);
  assert.notDeepEqual(other.questions, first.questions);
  assert.equal(first.mismatched, 0);
});

test('each rule is made to fire and not to fire, through its comparison and its path', part('opa'), async (t) => {
  const proof = await proofOf(t, hours);
  const counts = proof.rules.map(({ rule, fired, not }) => [rule.name, fired > 20, not > 20]);
  assert.deepEqual(counts, [
    ['tollgate.call.deny', true, true],
    ['tollgate.call.deny', true, true],
  ]);
});

test(
  'WASM that was built of another policy is refused, with input, both decisions and the seed',
  part('opa'),
  async (t) => {
    const proof = await proofOf(t, hours, hours.replace('{8, 9, 10}', '{8, 9}'));
    assert.ok(proof.mismatched > 0);
    const [mismatch] = proof.mismatches;
    assert.ok(mismatch !== undefined);
    assert.equal((mismatch.input as { time: { hour: number } }).time.hour, 10);
    const text = proofLines(proof, 7).join('\n');
    assert.match(
      text,
      /mismatch: tollgate\.call, input \d+ of seed 7\n {2}input \{[^\n]*\n {2}wasm {2}\{[^\n]*office_hours[^\n]*\n {2}opa {3}\{/,
    );
    assert.match(text, /refused: \d+ of 400 decisions/);
  },
);

test('a policy that fails on an input is refused, even though OPA fails on it as well', part('opa'), async (t) => {
  const proof = await proofOf(
    t,
    'decision := {"allow": false, "reasons": []}\n\ndecision := x if x := {"allow": input.call.stream, "reasons": []}',
  );
  assert.equal(proof.mismatched, 3);
  const [mismatch] = proof.mismatches;
  assert.ok(mismatch !== undefined && 'failed' in mismatch.wasm && 'failed' in mismatch.opa);
  assert.match(mismatch.opa.failed, /produced conflicting values/);
});

test('rules that never fire, or always do, are named', part('opa'), async (t) => {
  const proof = await proofOf(
    t,
    deciding(`deny contains "never" if input.call.effect == "burn"

deny contains "always" if input.time.hour < 24

deny contains "fine" if input.call.stream`),
  );
  const warnings = proofLines(proof, 7).filter((line) => line.startsWith('warning'));
  assert.equal(warnings.length, 2, warnings.join('\n'));
  assert.match(
    warnings[0] as string,
    /never_true: .*call\.rego:\d+ tollgate\.call\.deny never fired on \d+ inputs; nothing met `input\.call\.effect == "burn"` \(.*call\.rego:\d+\)/,
  );
  // Inputs of other packages have the time too.
  assert.match(
    warnings[1] as string,
    /never_false: .*call\.rego:\d+ tollgate\.call\.deny fired on every one of \d+ inputs/,
  );
});

test(
  'why a rule never fired is told: the first of its conditions that cannot be met with those before it',
  part('opa'),
  async (t) => {
    const proof = await proofOf(
      t,
      deciding(`deny contains "crossed" if {
	some entry in input.task.history
	entry.state == "done"
	input.time.hour > 20
	not entry.status < 1000
	input.time.hour < 10
	input.call.stream
}`),
    );
    const warnings = proofLines(proof, 7).filter((line) => line.startsWith('warning'));
    assert.equal(warnings.length, 1, warnings.join('\n'));
    assert.match(
      warnings[0] as string,
      /nothing met `input\.time\.hour < 10` \(.*call\.rego:\d+\) with what is before it/,
    );
  },
);

test('decisions that the gate cannot act on are told', part('opa'), async (t) => {
  const proof = await proofOf(
    t,
    'decision := {"allow": true, "reasons": [], "obligations": {"teleport": input.call.id}}',
  );
  assert.equal(proof.mismatched, 0);
  assert.ok(proof.odd > 0);
  assert.match(proof.oddExample?.problem ?? '', /cannot do here: teleport/);
});

test('what a new policy decides otherwise is grouped by code and operation', part('opa'), async (t) => {
  const options = async () => ({ ...access(), folder: await temporaryFolder(t), inputs, random: seededBytes(7) });
  const before = await sourcesOf(t, hours);
  const same = await differ({ ...(await options()), before, after: before });
  assert.deepEqual([same.changed, same.groups], [0, []]);
  const after = await sourcesOf(t, hours.replace('> 100', '> 90'));
  const { changed, groups } = await differ({ ...(await options()), before, after });
  assert.ok(changed > 0);
  for (const { phase, change, example } of groups) {
    assert.equal(phase, 'call');
    assert.match(change, /^(allow → deny|still deny), now too_much$/);
    const { amount } = (example.input as { call: { arguments: { body: { amount: number } } } }).call.arguments.body;
    assert.ok(amount > 90 && amount <= 100);
  }
});
