/** Data that is set in another thread: what decides with it decides as if it had been set here. */
import assert from 'node:assert/strict';
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { buildBundle } from '../../../src/policy/build.ts';
import { type Bundle, packedBundle, parseBundle } from '../../../src/policy/bundle.ts';
import { readAside, readiedAside } from '../../../src/policy/bundle-reader.ts';
import { LoadedBundle } from '../../../src/policy/instance.ts';
import { seededBytes } from '../../../src/policy/proof/chooser.ts';
import { askWasm } from '../../../src/policy/proof/compare.ts';
import { questionsFor, study } from '../../../src/policy/proof/prove.ts';
import { changingGlobals } from '../../../src/policy/readiness.ts';
import { readSources } from '../../../src/policy/sources.ts';
import { ManualClock } from '../../fakes/clock.ts';
import { part } from '../../parts.ts';
import { bundleOf, opaPath, runOpa, shippedPolicies, temporaryFolder, writeFiles } from './bundles.ts';

const rows = 12_000;
const questionsEach = 500;
const mebibyte = 1_048_576;
const { signal } = new AbortController();
const bytesOf = (value: unknown) => new TextEncoder().encode(JSON.stringify(value)).buffer as ArrayBuffer;

function customers(): string {
  const row = (index: number) => [`customer-${index}`, { limit: index, tags: ['a', `b${index % 50}`] }];
  return JSON.stringify(Object.fromEntries(Array.from({ length: rows }, (_, index) => row(index))));
}

/** The bundle of `folder` as the gate compiles it, read in a thread. */
async function builtFrom(t: TestContext, folder: string) {
  const access = { opa: opaPath(), clock: new ManualClock(), signal };
  const files = await readSources(folder);
  const dataDir = await temporaryFolder(t);
  const { file } = await buildBundle({ ...access, files, dataDir, opa: async () => access.opa });
  const packed = await packedBundle(file);
  return { access, files, file, packed, bundle: await readAside(packed, { keys: [], signal, own: true }) };
}

/** Calls are answered with a look-up, and two rules that contradict each other can be made to meet. */
async function lookUps(t: TestContext) {
  const folder = await temporaryFolder(t);
  const look = `
decision := data.tollgate.customers[input.id].limit if not input.all

decision := count(data.tollgate.customers) if input.all

decision := 2 if input.meet`;
  await writeFiles(folder, { ...bundleOf(look), 'tollgate/customers/data.json': customers() });
  return builtFrom(t, folder);
}

test(
  '[policy.data-set-aside] the shipped policies over much data decide the same, whichever thread set it',
  part('opa'),
  async (t) => {
    const folder = await temporaryFolder(t);
    await cp(join(shippedPolicies, 'tollgate'), join(folder, 'tollgate'), { recursive: true });
    await cp(join(shippedPolicies, '.manifest'), join(folder, '.manifest'));
    await mkdir(join(folder, 'tollgate/customers'));
    await writeFile(join(folder, 'tollgate/customers/data.json'), customers());
    const { access, files, file, packed, bundle } = await builtFrom(t, folder);
    assert.ok(bundle.readied !== undefined);
    const aside = await LoadedBundle.load(bundle, undefined, assert.fail);
    const here = await LoadedBundle.load(await parseBundle(packed));
    assert.equal(aside.content, here.content);
    const studied = await study({ ...access, files, folder: await temporaryFolder(t) }, file);
    const { questions } = questionsFor(studied, questionsEach, seededBytes(7));
    assert.equal(questions.length, 3 * questionsEach);
    const odd = { phase: 'call', text: `${'['.repeat(20_000)}${']'.repeat(20_000)}` } as const;
    for (const [index, question] of questions.entries()) {
      // Every now and then what decides is made anew from the image.
      if (index % 100 === 0) assert.deepEqual(askWasm(aside, odd), askWasm(here, odd));
      assert.deepEqual(askWasm(aside, question), askWasm(here, question), question.text);
    }
  },
);

test('while much data is taken over the event loop goes on', part('opa'), async (t) => {
  const { bundle } = await lookUps(t);
  const megabytes = (bundle.readied?.image.bytes.length ?? 0) / mebibyte;
  assert.ok(megabytes > 3, `${megabytes} MiB`);
  let turns = 0;
  let loading = true;
  const turn = () => {
    turns += 1;
    if (loading) setImmediate(turn);
  };
  setImmediate(turn);
  const loaded = await LoadedBundle.load(bundle, undefined, assert.fail);
  loading = false;
  assert.ok(turns >= megabytes, `${turns} turns`);
  assert.equal(loaded.evaluate('call', bytesOf({ id: 'customer-17' })), 17);
  assert.equal(loaded.evaluate('call', bytesOf({ all: true })), rows);
  assert.throws(() => loaded.evaluate('call', bytesOf({ all: true, meet: true })));
  assert.equal(loaded.memoryBytes, 0);
  assert.equal(loaded.evaluate('call', bytesOf({ id: 'customer-18' })), 18);
});

test('what was made ready and decides otherwise here is not used', part('opa'), async (t) => {
  const folder = await temporaryFolder(t);
  const word = 'the word of the house';
  const answer = 'decision := data.tollgate.answer';
  const files = { ...bundleOf(answer), 'tollgate/customers/data.json': customers() };
  await writeFiles(folder, { ...files, 'tollgate/data.json': JSON.stringify({ answer: word }) });
  const { bundle } = await builtFrom(t, folder);
  const { readied } = bundle;
  assert.ok(readied !== undefined);
  const image = Buffer.from(readied.image.bytes.buffer);
  const found = [];
  for (let at = image.indexOf(word); at !== -1; at = image.indexOf(word, at + 1)) found.push(at);
  assert.ok(found.length > 0);
  for (const at of found) image.write('T', at);
  const told: string[] = [];
  const loaded = await LoadedBundle.load(bundle, undefined, (message) => told.push(message));
  assert.equal(loaded.evaluate('call', bytesOf({})), word);
  assert.equal(told.length, 1);
});

test('a policy that throws in its trial decides what it can decide', part('opa'), async (t) => {
  const folder = await temporaryFolder(t);
  const decision = 'decision := 1 if not input.one\n\ndecision := 2 if not input.two';
  await writeFiles(folder, { ...bundleOf(decision), 'tollgate/customers/data.json': customers() });
  const { bundle } = await builtFrom(t, folder);
  assert.equal(bundle.readied?.trial.threw, true);
  const loaded = await LoadedBundle.load(bundle, undefined, assert.fail);
  assert.ok(loaded.memoryBytes > 0);
  assert.equal(loaded.evaluate('call', bytesOf({ one: true })), 2);
  assert.equal(loaded.evaluate('call', bytesOf({ two: true })), 1);
});

test('a bundle that was read elsewhere is made ready as well, and small data is not', part('opa'), async (t) => {
  const { packed } = await lookUps(t);
  const read = await parseBundle(packed);
  const { readied, ...rest } = await readiedAside(read, signal);
  assert.deepEqual(rest, read);
  const loaded = await LoadedBundle.load({ ...rest, ...(readied && { readied }) }, undefined, assert.fail);
  assert.ok(readied !== undefined);
  assert.equal(loaded.evaluate('call', bytesOf({ id: 'customer-3' })), 3);
  const small: Bundle = { ...read, data: Buffer.from('{}') };
  assert.equal(await readiedAside(small, signal), small);
});

test('a module that cannot be run is refused by the thread', part('opa'), async (t) => {
  const { packed } = await lookUps(t);
  const read = await parseBundle(packed);
  const broken = { ...read, wasm: read.wasm.subarray(0, -100) };
  await assert.rejects(readiedAside(broken, signal), /BundleError: policy\.wasm cannot be loaded/);
});

test('sources come with the bundle, and further entry points can be asked', part('opa'), async (t) => {
  const folder = await temporaryFolder(t);
  const sources = join(folder, 'sources');
  await writeFiles(sources, {
    ...bundleOf('decision := 1'),
    '.manifest': '{"roots": ["tollgate", "system"]}',
    'system/log/mask.rego': 'package system.log\n\nmask contains path if some path in input.paths\n',
  });
  const named = ['tollgate/task/decision', 'tollgate/call/decision', 'system/log/mask'].flatMap((path) => ['-e', path]);
  await runOpa(['build', '-t', 'wasm', '-b', '.', '-o', join(folder, 'b.tar.gz'), ...named], sources);
  const loaded = await LoadedBundle.load(await parseBundle(await readFile(join(folder, 'b.tar.gz'))));
  assert.deepEqual(loaded.evaluateEntrypoint('system/log/mask', bytesOf({ paths: ['/b', '/a'] })), ['/a', '/b']);
  assert.equal(loaded.evaluateEntrypoint('system/log/drop', bytesOf({})), undefined);
  const paths = loaded.sources.map(({ path }) => path).toSorted();
  assert.deepEqual(paths, ['data.json', 'system/log/mask.rego', 'tollgate/call/call.rego', 'tollgate/task/task.rego']);
  assert.match(
    loaded.sources.find(({ path }) => path.startsWith('system'))?.content.toString() ?? '',
    /^package system/,
  );
});

test('a module with state besides its memory is seen', async () => {
  const header = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];
  const global = (mutable: number) => [0x7f, mutable, 0x41, 0x80, 0x01, 0x0b];
  const section = (...globals: number[][]) => [0x06, 1 + 6 * globals.length, globals.length, ...globals.flat()];
  const type = [0x01, 0x01, 0x00];
  const count = (...bytes: number[]) => changingGlobals(Buffer.from([...header, ...bytes]));
  assert.equal(count(...type, ...section(global(1), global(0))), 1);
  assert.equal(count(...type, ...section(global(1), global(0), global(1))), 2);
  assert.equal(count(...type), 0);
  assert.equal(count(0x06, 0x06, 0x01, 0x7e, 0x01, 0x42, 0x00, 0x0b), Number.POSITIVE_INFINITY);
  assert.equal(count(0x06, 0x20, 0x05, 0x7f), Number.POSITIVE_INFINITY);
});
