import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { parseConfig } from '../../../src/config/document.ts';

let directory = '';
before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tollgate-config-'));
});
after(() => rm(directory, { recursive: true }));

/** Writes `<env:NAME>` as the file would say it; the linter takes the real thing for a template that was forgotten. */
const source = (text: string) =>
  text.replaceAll(/<([^<>]*)>/g, (_, inside: string) => ['$', '{', inside, '}'].join(''));

const parse = (text: string, env: Record<string, string> = {}) =>
  parseConfig('tollgate.yaml', source(text), { env, directory });

test('environment variables and files are put in, also in the middle of a text and more than once', async () => {
  await writeFile(join(directory, 'key'), 's3cret\n');
  const { value, faults } = parse('a: <env:HOST>:<env:PORT>\nb: "x <file:./key> y"\nc: [ "<env:HOST>" ]', {
    HOST: 'localhost',
    PORT: '80',
  });
  assert.deepEqual(faults, []);
  assert.deepEqual(value, { a: 'localhost:80', b: 'x s3cret y', c: ['localhost'] });
});

test('what a variable holds never changes the structure of the file, and is not substituted again', () => {
  const evil = source('1\nadmin: true # <env:OTHER>');
  const { value, faults } = parse('a: <env:EVIL>\nb: 2', { EVIL: evil, OTHER: 'no' });
  assert.deepEqual(faults, []);
  assert.deepEqual(value, { a: evil, b: 2 });
});

test('every substitution that cannot be made is a fault with its place, not an empty text', () => {
  const { faults } = parse('a: <env:NOPE>\nb:\n  - <file:./nope>\n  - <HOME>\n  - <env:>\n');
  assert.deepEqual(
    faults.map(({ line, column, message }) => `${line}:${column} ${message.replace(/: ENOENT.*/, ': ENOENT')}`),
    [
      '1:4 the environment variable NOPE is not set',
      '3:5 the file ./nope cannot be read: ENOENT',
      source('4:5 expected <env:NAME> or <file:path>, found <HOME>'),
      '5:5 the environment variable  is not set',
    ],
  );
});

test('faults of syntax are told with their lines, and a key that stands twice is one', () => {
  const broken = parse('a: 1\nb: [1, 2\nc: 3\n');
  assert.equal(broken.value, null);
  assert.ok(broken.faults.length > 0 && broken.faults.every(({ line }) => line >= 2));
  const twice = parse('a: 1\nb: 2\na: 3\n');
  assert.deepEqual(
    twice.faults.map(({ line }) => line),
    [3],
  );
});

test('a place is found for a member, an item of a list, and what is missing in them', () => {
  const { place } = parse('a:\n  b: 1\n  "c/d":\n    - x\n    - y: 2\n');
  assert.deepEqual(place('/a/b'), { line: 2, column: 3 });
  assert.deepEqual(place('/a/c~1d/1/y'), { line: 5, column: 7 });
  assert.deepEqual(place('/a/c~1d/1/missing'), { line: 5, column: 7 });
  assert.deepEqual(place('/nothing'), { line: 1, column: 1 });
});

test('JSON is read as well, with its lines', () => {
  const { value, faults, place } = parse('{\n  "a": {\n    "b": "<env:B>"\n  }\n}\n', { B: 'x' });
  assert.deepEqual([faults, value], [[], { a: { b: 'x' } }]);
  assert.deepEqual(place('/a/b'), { line: 3, column: 5 });
});

test('a file that grows without end by its aliases is refused', () => {
  const lines = ['a0: &a0 [x, x, x, x, x, x, x, x, x, x]'];
  for (let level = 1; level < 8; level++) {
    lines.push(`a${level}: &a${level} [${Array.from({ length: 10 }, () => `*a${level - 1}`).join(', ')}]`);
  }
  assert.throws(() => parse(lines.join('\n')), /alias/i);
});
