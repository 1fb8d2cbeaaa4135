/** What people read in a terminal was written by agents: it must not be able to do anything there. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cell, list, table } from '../../../src/cli/table.ts';

test('columns are as wide as they need to be, and what is not there is a dash', () => {
  assert.equal(
    table(
      ['ID', 'STATE'],
      [
        ['task_1', 'active'],
        ['t', null],
      ],
    ),
    'ID      STATE\ntask_1  active\nt       -',
  );
  assert.equal(list({ a: 1, long: '' }), 'a     1\nlong  -');
});

test('nothing in a cell moves the cursor, breaks the line or turns the text around', () => {
  assert.equal(cell('a\u001b[2Jb\r\nc\u0085\u202Ed\u2028'), 'a?[2Jb??c??d?');
  assert.equal(cell('Müller 日本'), 'Müller 日本');
});
