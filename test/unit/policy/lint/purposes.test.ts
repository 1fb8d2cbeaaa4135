import assert from 'node:assert/strict';
import { globSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { test } from 'node:test';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { parse } from 'yaml';
import type { JsonObject } from '../../../../src/call.ts';
import { DataFiles } from '../../../../src/policy/lint/data-files.ts';
import { purposeFaults } from '../../../../src/policy/lint/purposes.ts';
import { shippedPolicies } from '../bundles.ts';

const dataFile = join(shippedPolicies, 'tollgate/purposes/data.yaml');
const schemaFile = join(shippedPolicies, 'schema/purposes.json');
const schema = async () => JSON.parse(await readFile(schemaFile, 'utf8')) as JsonObject;

test('the shipped purposes name their schema where editors look for it, and fit it', async () => {
  const text = await readFile(dataFile, 'utf8');
  const [, path = ''] = /^# yaml-language-server: \$schema=(\S+)\n/.exec(text) ?? [];
  assert.equal(resolve(dirname(dataFile), path), schemaFile);
  assert.ok((await stat(schemaFile)).isFile());
  const fits = new Ajv2020({ strict: true, allowMatchingProperties: true }).compile(await schema());
  assert.ok(fits(parse(text)), JSON.stringify(fits.errors));
});

test('the example in the docs fits it', async () => {
  const docs = await readFile(resolve(shippedPolicies, '../docs/policy-author.md'), 'utf8');
  const lines = docs.split('\n');
  const from = lines.findIndex((line) => line.startsWith('    # yaml-language-server: $schema='));
  assert.notEqual(from, -1, 'there is an example');
  const block = lines.slice(from);
  const to = block.findIndex((line) => !line.startsWith('    '));
  const example = parse(block.slice(0, to).join('\n')) as unknown;
  assert.deepEqual(Object.keys(example as object), ['order_status']);
  assert.deepEqual(purposeFaults(example, null), []);
});

test('every key that the shipped rules read of a purpose is in the schema, with a description', async () => {
  const { additionalProperties: purpose } = (await schema()) as { additionalProperties: JsonObject };
  const below = (holder: JsonObject, ...names: string[]) =>
    names.reduce<JsonObject>((at, name) => (at.properties as JsonObject)[name] as JsonObject, holder);
  const operation = below(purpose, 'operations').additionalProperties as JsonObject;
  const limit = below(operation, 'limits').items as JsonObject;
  const holders: Readonly<Record<string, JsonObject>> = { purpose, operation, limit };
  const read = new Set<string>();
  for (const file of globSync('tollgate/{task,call,response}/*.rego', { cwd: shippedPolicies })) {
    if (file.endsWith('_test.rego')) continue;
    const code = (await readFile(join(shippedPolicies, file), 'utf8')).replaceAll(/^\s*#.*$/gm, '');
    for (const [, root, path] of code.matchAll(/(?<![.\w])(purpose|operation|limit)((?:\.[a-z_]+)+)/g)) {
      read.add(`${root}${path}`);
    }
    for (const [, root, key] of code.matchAll(/object\.get\((purpose|operation), "([a-z_]+)"/g))
      read.add(`${root}.${key}`);
  }
  assert.ok(read.size >= 15, [...read].join(', '));
  for (const path of read) {
    const [root = '', ...names] = path.split('.');
    const found = below(holders[root] as JsonObject, ...names);
    assert.equal(typeof found?.description, 'string', path);
  }
});

test('keys of a team begin with x_, and no others are taken', () => {
  const purpose = {
    issuers: ['a'],
    agents: ['b'],
    subject: { types: ['c'] },
    same_subject: [],
    operations: { 'x.y': { effects: ['read'], x_hours: [8, 18] } },
    x_owner: { any: 'thing' },
  };
  assert.deepEqual(purposeFaults({ p: purpose }, null), []);
  const [fault] = purposeFaults({ p: { ...purpose, owner: 'a' } }, null);
  assert.deepEqual([fault?.pointer, fault?.code], ['/p/owner', 'data_shape']);
});

test('purposes that stand in several files are one document, and each fault is told in its file', () => {
  const files = {
    'data.json': '{\n  "tollgate": {\n    "purposes": {\n      "a": { "agents": 1 }\n    }\n  }\n}',
    'tollgate/data.yaml': 'other: 1\npurposes:\n  a:\n    issuers: [x]\n    regoins: []\n',
    'tollgate/purposes/a/data.yaml': 'subject: { types: [c] }\nsame_subject: []\noperations: {}\n',
    'elsewhere/data.yaml': 'a: 1\n',
  };
  const data = DataFiles.read(Object.entries(files).map(([path, text]) => ({ path, content: Buffer.from(text) })));
  const at = ['tollgate', 'purposes'];
  const found = purposeFaults(data.document(at), null).map(({ pointer }) => {
    const { file, line, pointer: inside } = data.place(at, pointer);
    return [file, line, inside];
  });
  assert.deepEqual(found.sort(), [
    ['data.json', 4, '/tollgate/purposes/a/agents'],
    ['tollgate/data.yaml', 5, '/purposes/a/regoins'],
  ]);
});

test('anchors and merges are read as OPA reads them, and a bomb of them is a fault', () => {
  const read = (text: string) => DataFiles.read([{ path: 'tollgate/purposes/data.yaml', content: Buffer.from(text) }]);
  const merged = read('a: &a { x: 1, y: no }\nb: { <<: *a, x: 2 }\n').document(['tollgate', 'purposes']);
  assert.deepEqual(merged, { a: { x: 1, y: 'no' }, b: { x: 2, y: 'no' } });
  const bomb = ['a: &a [x, x, x, x, x, x, x, x, x, x]'];
  for (let depth = 0; depth < 8; depth++) {
    const [from, to] = ['abcdefghi'[depth], 'abcdefghi'[depth + 1]];
    bomb.push(`${to}: &${to} [${Array.from({ length: 10 }, () => `*${from}`).join(', ')}]`);
  }
  const { faults } = read(bomb.join('\n'));
  assert.deepEqual(
    faults.map(({ code }) => code),
    ['data_syntax'],
  );
});
