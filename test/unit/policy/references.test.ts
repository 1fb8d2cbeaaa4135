import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { buildBundle, writeSources } from '../../../src/policy/build.ts';
import { readBundle } from '../../../src/policy/bundle.ts';
import { noTerms, termsOf } from '../../../src/policy/bundle-terms.ts';
import { inputParts } from '../../../src/policy/input-parts.ts';
import { inputPaths, unusedInput } from '../../../src/policy/references.ts';
import { readSources } from '../../../src/policy/sources.ts';
import { ManualClock } from '../../fakes/clock.ts';
import { bundleOf, opaPath, shippedPolicies, temporaryFolder, writeFiles } from './bundles.ts';

const signal = new AbortController().signal;
const every: readonly string[] = inputParts.toSorted();
const without = (...parts: readonly string[]) => every.filter((part) => !parts.includes(part));
const ofTask = every.filter((part) => part.startsWith('task.'));

/** What no rule uses of a bundle with `call` in `tollgate.call`, `lib` in `tollgate.lib`, and `response` if any. */
async function unusedOf(t: TestContext, call: string, lib = 'nothing := 1', response?: string): Promise<string[]> {
  const folder = await temporaryFolder(t);
  const files = {
    ...bundleOf(`import data.tollgate.lib\n\n${call}`),
    'tollgate/lib/lib.rego': `package tollgate.lib\n\n${lib}\n`,
    ...(response === undefined ? {} : { 'tollgate/response/r.rego': `package tollgate.response\n\n${response}\n` }),
  };
  await writeSources(
    folder,
    Object.entries(files).map(([path, content]) => ({ path, content: Buffer.from(content) })),
  );
  const entrypoints = ['tollgate/task/decision', 'tollgate/call/decision'];
  if (response !== undefined) entrypoints.push('tollgate/response/decision');
  return unusedInput({ opa: opaPath(), folder, entrypoints, clock: new ManualClock(), signal });
}

const rows: readonly {
  readonly what: string;
  readonly call: string;
  readonly lib?: string;
  readonly unused: readonly string[];
}[] = [
  { what: 'nothing', call: 'decision := 1', unused: every },
  { what: 'a member', call: 'decision := input.task.history', unused: without('task.history') },
  {
    what: 'something below a member',
    call: 'decision := input.call.arguments.body.x',
    unused: without('call.arguments'),
  },
  { what: 'a name in brackets', call: 'decision := input["task"]["plan"]', unused: without('task.plan') },
  { what: 'the whole input', call: 'decision := json.marshal(input)', unused: [] },
  { what: 'walk', call: 'decision := x if walk(input, [["a"], x])', unused: [] },
  { what: 'what holds members', call: 'decision := json.marshal(input.task)', unused: without(...ofTask) },
  {
    what: 'a variable',
    call: 'decision := y if {\n\tx := input.task\n\ty := x.history\n}',
    unused: without('task.history'),
  },
  {
    what: 'a variable that is used whole, too',
    call: 'decision := [y, x] if {\n\tx := input.task\n\ty := x.history\n}',
    unused: without(...ofTask),
  },
  { what: 'object.get', call: 'decision := object.get(input, ["task", "history"], [])', unused: [] },
  { what: 'some … in', call: 'decision := [v | some _, v in input.task]', unused: without(...ofTask) },
  { what: 'a path that data makes', call: 'decision := input[data.x]', unused: [] },
  {
    what: 'a path below that data makes',
    call: 'decision := input.call[data.x]',
    unused: every.filter((part) => !part.startsWith('call.')),
  },
  {
    what: 'a function elsewhere',
    call: 'decision := lib.f(1)',
    lib: 'f(x) := input.task.labels[x]',
    unused: without('task.labels'),
  },
  {
    what: 'an argument',
    call: 'decision := lib.f(input.task)',
    lib: 'f(task) := task.history',
    unused: without(...ofTask),
  },
  {
    what: 'another input that is made of this one',
    call: 'decision := y if y := lib.f with input as input.task',
    lib: 'f := input.labels',
    unused: without(...ofTask),
  },
  {
    what: 'another input altogether',
    call: 'decision := y if y := lib.f with input as {"task": {"history": []}}',
    lib: 'f := input.task.history',
    unused: without('task.history'),
  },
  {
    what: 'partial rules',
    call: 'decision := deny\n\ndeny contains x if some x in input.call.tools',
    unused: without('call.tools'),
  },
  {
    what: 'rules by a name that is made',
    call: 'decision := data.tollgate[x].f if some x in ["lib"]',
    lib: 'f := input.agent.claims',
    unused: without('agent.claims'),
  },
  {
    what: 'a comprehension',
    call: 'decision := {x: y | some x in [1]; y := {z | some z in input.call.provenance}}',
    unused: without('call.provenance'),
  },
  { what: 'else', call: 'decision := 1 if data.a\n\nelse := input.task.plan', unused: without('task.plan') },
  { what: 'not', call: 'decision := 1 if not input.task.counts.x', unused: without('task.counts') },
  {
    what: 'every',
    call: 'decision := 1 if every t in input.call.tools { t.kind == "x" }',
    unused: without('call.tools'),
  },
  { what: 'a template', call: 'decision := $"{input.subject.claims}"', unused: without('subject.claims') },
  { what: 'an import', call: 'import input.task\n\ndecision := task.history', unused: without('task.history') },
  { what: 'a pattern', call: 'decision := x if {"task": {"history": x}} = input', unused: [] },
  { what: 'what does not compile', call: 'decision := nothing_of_the_kind', unused: [] },
];

for (const { what, call, lib, unused } of rows) {
  test(`what no rule uses is found through: ${what}`, async (t) => {
    assert.deepEqual(await unusedOf(t, call, lib), unused);
  });
}

test('what an answer is decided on counts as well, and what a task is decided on does not', async (t) => {
  const unused = await unusedOf(t, 'decision := input.task.plan', undefined, 'decision := input.response.body');
  assert.deepEqual(unused, without('task.plan', 'response.body'));
  const folder = await temporaryFolder(t);
  await writeFiles(folder, { 'tollgate/task/t.rego': 'package tollgate.task\n\ndecision := json.marshal(input)\n' });
  const asked = { opa: opaPath(), folder, entrypoints: ['tollgate/task/decision'], clock: new ManualClock(), signal };
  assert.deepEqual(await unusedInput(asked), []);
});

test('an account that is not understood means that everything is used', () => {
  const virtual = [[{ type: 'var', value: 'data' }]];
  const said = (base: unknown, rules: unknown = virtual) => inputPaths(JSON.stringify({ base, virtual: rules }));
  assert.deepEqual(said(null), []);
  assert.deepEqual(said([[{ type: 'var', value: 'data' }]]), []);
  const dynamic = [
    { type: 'var', value: 'input' },
    { type: 'string', value: 'task' },
    { type: 'var', value: 'x' },
  ];
  assert.deepEqual(said([dynamic]), [['task']]);
  const odd: unknown[] = [
    'x',
    {},
    [['x']],
    [[]],
    [[null]],
    [[{ type: 'string', value: 'input' }]],
    [[{ type: 'var', value: 'x' }]],
  ];
  for (const base of odd) assert.equal(said(base), 'unknown', JSON.stringify(base));
  assert.equal(said([], []), 'unknown');
  assert.equal(said([], null), 'unknown');
  assert.equal(inputPaths('no JSON'), 'unknown');
  assert.equal(inputPaths('null'), 'unknown');
});

test('the build notes it in the manifest, beside what stands there and over what somebody wrote', async (t) => {
  const built = async (files: Record<string, string>) => {
    const folder = await temporaryFolder(t);
    await writeFiles(folder, files);
    const dataDir = await temporaryFolder(t);
    const options = { files: await readSources(folder), dataDir, opa: async () => opaPath(), clock: new ManualClock() };
    return readBundle((await buildBundle({ ...options, signal })).file);
  };
  const decision = 'decision := {"allow": count(input.task.history) == 0, "reasons": []}';
  const manifest = {
    roots: ['tollgate'],
    revision: 'r1',
    metadata: { other: 1, tollgate: { sequence: 7, unused_input: ['task.history'] } },
  };
  const { terms, revision } = await built({ ...bundleOf(decision), '.manifest': JSON.stringify(manifest) });
  assert.deepEqual([terms?.sequence, revision], [7, 'r1']);
  assert.deepEqual([...(terms?.unusedInput ?? [])].sort(), without('task.history'));
  const { '.manifest': _, ...bare } = bundleOf(decision);
  assert.deepEqual([...((await built(bare)).terms?.unusedInput ?? [])].sort(), without('task.history'));
  const wrong = { ...bundleOf(decision), '.manifest': '{"roots": ["tollgate"], "metadata": {"tollgate": 1}}' };
  await assert.rejects(built(wrong), /metadata\.tollgate of the manifest is not an object/);
});

test('the shipped policies leave out what they do not look at', async (t) => {
  const folder = await temporaryFolder(t);
  const files = await readSources(shippedPolicies);
  await writeSources(folder, files);
  await writeFile(join(folder, 'x'), '');
  const entrypoints = ['tollgate/call/decision', 'tollgate/response/decision'];
  const unused = await unusedInput({ opa: opaPath(), folder, entrypoints, clock: new ManualClock(), signal });
  assert.deepEqual(unused, without('call.arguments', 'call.tools', 'task.counts'));
});

test('the list of a manifest is bounded, and names of newer gates in it are passed over', () => {
  const of = (unused_input: unknown) => termsOf({ metadata: { tollgate: { unused_input } } });
  assert.deepEqual([...of(['task.plan', 'task.mood']).unusedInput], ['task.plan']);
  assert.deepEqual(of([]), noTerms);
  for (const wrong of ['task.plan', [1], {}, null, Array.from({ length: 1_001 }, () => 'x')]) {
    assert.throws(() => of(wrong), /metadata\.tollgate\.unused_input/);
  }
});
