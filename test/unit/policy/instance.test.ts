import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { Json } from '../../../src/call.ts';
import { buildBundle } from '../../../src/policy/build.ts';
import { readBundle } from '../../../src/policy/bundle.ts';
import { LoadedBundle } from '../../../src/policy/instance.ts';
import { readSources } from '../../../src/policy/sources.ts';
import { ManualClock } from '../../fakes/clock.ts';
import { bundleOf, opaPath, temporaryFolder, writeFiles } from './bundles.ts';

const bytesOf = (value: Json) => new TextEncoder().encode(JSON.stringify(value)).buffer;

async function load(t: TestContext, call: string): Promise<LoadedBundle> {
  const folder = await temporaryFolder(t);
  await writeFiles(folder, bundleOf(call));
  const { file } = await buildBundle({
    files: await readSources(folder),
    dataDir: await temporaryFolder(t),
    opa: async () => opaPath(),
    clock: new ManualClock(),
    signal: new AbortController().signal,
  });
  return LoadedBundle.load(await readBundle(file));
}

test('memory is given back after an input that made it grow', async (t) => {
  const loaded = await load(t, 'decision := count(json.unmarshal(json.marshal([x | some x in input])))');
  assert.equal(loaded.evaluate('call', bytesOf([1])), 1);
  const before = loaded.memoryBytes;
  assert.ok(before > 0);
  const large = Array.from({ length: 400_000 }, (_, index) => `item ${index}`);
  assert.equal(loaded.evaluate('call', bytesOf(large)), large.length);
  assert.equal(loaded.memoryBytes, 0, 'the grown instance is gone');
  assert.equal(loaded.evaluate('call', bytesOf([1, 2])), 2);
  assert.equal(loaded.memoryBytes, before);
});

test('memory is flat over many small evaluations', async (t) => {
  const loaded = await load(t, 'decision := {x | some x in input}');
  loaded.evaluate('call', bytesOf([0]));
  const before = loaded.memoryBytes;
  for (let round = 0; round < 5_000; round++) loaded.evaluate('call', bytesOf([round, 'text', { round }]));
  assert.equal(loaded.memoryBytes, before);
});

test('an instance that threw is not used again', async (t) => {
  const loaded = await load(t, 'decision := 1 if input.a\n\ndecision := 2 if input.b');
  assert.equal(loaded.evaluate('call', bytesOf({ a: true })), 1);
  assert.ok(loaded.memoryBytes > 0);
  assert.throws(() => loaded.evaluate('call', bytesOf({ a: true, b: true })));
  assert.equal(loaded.memoryBytes, 0);
  assert.equal(loaded.evaluate('call', bytesOf({ b: true })), 2);
});

test('an input nested 20,000 deep throws and harms nothing', async (t) => {
  const loaded = await load(t, 'decision := 1 if input');
  assert.throws(() =>
    loaded.evaluate('call', new TextEncoder().encode('['.repeat(20_000) + ']'.repeat(20_000)).buffer),
  );
  assert.equal(loaded.evaluate('call', bytesOf({})), 1);
});

test('an undefined decision is undefined, not an error', async (t) => {
  const loaded = await load(t, 'decision := 1 if input.a');
  assert.equal(loaded.evaluate('call', bytesOf({})), undefined);
});
