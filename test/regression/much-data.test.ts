/**
 * The data of a bundle was read as YAML also where it is JSON: a megabyte held up every call of the gate for seconds
 * whenever the folder changed. And an anchor that holds itself went on into the checks, which have no end to come to.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DataFiles } from '../../src/policy/lint/data-files.ts';

const read = (path: string, text: string) => DataFiles.read([{ path, content: Buffer.from(text) }]);

test('much JSON is read as JSON, and its faults still have lines', () => {
  const rows = Array.from({ length: 20_000 }, (_, id) => ({ id, name: `row ${id}`, tags: ['a', 'b'] }));
  const text = JSON.stringify({ rows, last: { id: 9_007_199_254_740_993n.toString() } }, null, 1);
  const before = process.cpuUsage();
  JSON.parse(text);
  const once = process.cpuUsage(before).user;
  const start = process.cpuUsage();
  const data = read('data.json', text);
  const { user } = process.cpuUsage(start);
  assert.ok(user < Math.max(60 * once, 600_000), `${user} µs, and ${once} µs for the parser alone`);
  assert.deepEqual(data.document(['last']), { id: '9007199254740993' });
  const { line, pointer } = data.place([], '/last/id');
  assert.deepEqual([line, pointer], [text.split('\n').length - 2, '/last/id']);
});

test('JSON that names a member twice is a fault with its line', () => {
  const { faults } = read('data.json', '{\n  "a": 1,\n  "a": 2\n}');
  assert.deepEqual(
    faults.map(({ code, line }) => [code, line]),
    [['data_syntax', 3]],
  );
});

test('an anchor that holds itself is a fault', () => {
  const { faults } = read('data.yaml', 'tollgate:\n  purposes: &a\n    a: *a\n');
  assert.deepEqual(
    faults.map(({ code }) => code),
    ['data_syntax'],
  );
});
