import assert from 'node:assert/strict';
import { createWriteStream } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { type TestContext, test } from 'node:test';
import { createGzip } from 'node:zlib';
import { pack } from 'tar-stream';
import { readBundle } from '../../../src/policy/bundle.ts';
import { LoadedBundle } from '../../../src/policy/instance.ts';
import { temporaryFolder } from './bundles.ts';

const manifest = JSON.stringify({
  revision: 'v1',
  roots: ['tollgate'],
  wasm: [
    { entrypoint: 'tollgate/task/decision', module: '/policy.wasm' },
    { entrypoint: 'tollgate/call/decision', module: '/policy.wasm' },
  ],
});

async function tarOf(t: TestContext, entries: readonly (readonly [string, string | Buffer])[]): Promise<string> {
  const file = join(await temporaryFolder(t), 'bundle.tar.gz');
  const tar = pack();
  const written = pipeline(tar, createGzip(), createWriteStream(file));
  for (const [name, content] of entries) tar.entry({ name }, content);
  tar.finalize();
  await written;
  return file;
}

test('module, data and revision are read, and other files are passed over', async (t) => {
  const file = await tarOf(t, [
    ['/policy.wasm', 'module'],
    ['/data.json', '{"a": 1}'],
    ['/.manifest', manifest],
    ['/tollgate/x.rego', 'package tollgate.x'],
  ]);
  const bundle = await readBundle(file);
  assert.deepEqual([bundle.wasm.toString(), bundle.data.toString(), bundle.revision], ['module', '{"a": 1}', 'v1']);
});

test('what is no whole bundle is refused with what it lacks', async (t) => {
  const rows: [RegExp, (readonly [string, string])[]][] = [
    [/has no policy\.wasm/, [['/.manifest', manifest]]],
    [/no entry point tollgate\/task\/decision and no tollgate\/call\/decision/, [['/policy.wasm', 'm']]],
    [
      /no entry point/,
      [
        ['/policy.wasm', 'm'],
        ['/.manifest', '{"wasm": [null, {"entrypoint": "x"}]}'],
      ],
    ],
    [
      /\.manifest of the bundle is not JSON/,
      [
        ['/policy.wasm', 'm'],
        ['/.manifest', '{'],
      ],
    ],
    [
      /data\.json of the bundle is not a JSON object/,
      [
        ['/policy.wasm', 'm'],
        ['/.manifest', manifest],
        ['/data.json', '[]'],
      ],
    ],
    [
      /holds policy\.wasm twice/,
      [
        ['/policy.wasm', 'm'],
        ['/policy.wasm', 'n'],
        ['/.manifest', manifest],
      ],
    ],
  ];
  for (const [expected, entries] of rows) await assert.rejects(readBundle(await tarOf(t, entries)), expected);
});

test('a file that is no archive is refused', async (t) => {
  const file = join(await temporaryFolder(t), 'bundle.tar.gz');
  await writeFile(file, 'no archive');
  await assert.rejects(readBundle(file), /BundleError: the bundle cannot be read/);
});

test('a small file that unpacks past the bound is refused', async (t) => {
  const file = await tarOf(t, [['/policy.wasm', Buffer.alloc(129 * 1_048_576)]]);
  await assert.rejects(readBundle(file), /unpacks to over 134217728 bytes/);
});

test('a bundle of too many files is refused', async (t) => {
  const file = await tarOf(
    t,
    Array.from({ length: 4_097 }, (_, index) => [`/f${index}`, ''] as const),
  );
  await assert.rejects(readBundle(file), /more than 4096 files/);
});

test('a module that is no WASM is refused when it is loaded', async () => {
  const bundle = { wasm: Buffer.from('module'), data: Buffer.from('{}'), revision: null, sources: [] };
  await assert.rejects(LoadedBundle.load(bundle), /BundleError: policy\.wasm cannot be loaded/);
});
