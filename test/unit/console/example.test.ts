/** What the console begins from is what a policy is promised; and what it marks between two decisions. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addressOf, hashOf } from '../../../console/address.ts';
import { alike, markedObligations, markedReasons } from '../../../console/comparison.ts';
import { example } from '../../../console/example.ts';
import { ShapeCheck } from '../../../src/policy/check.ts';
import type { Phase } from '../../../src/policy/instance.ts';

test('the example of each phase is a whole input of it', () => {
  for (const phase of ['task', 'call', 'response'] satisfies readonly Phase[]) {
    const checked = new ShapeCheck().input(phase, example(phase));
    assert.ok('bytes' in checked, JSON.stringify(checked));
  }
});

test('what only one side says is marked, the order of members is not', () => {
  const one = { code: 'a', message: 'x' };
  const left = {
    allow: false,
    reasons: [one, { code: 'b', message: 'y' }],
    obligations: { mark: { a: 1, b: 2 }, drop: ['/x'] },
  };
  const right = {
    allow: false,
    reasons: [{ message: 'x', code: 'a' }],
    obligations: { mark: { b: 2, a: 1 }, drop: ['/y'] },
  };
  assert.deepEqual(
    markedReasons(left, right).map(({ differs }) => differs),
    [false, true],
  );
  assert.deepEqual(
    markedObligations(left, right).map(({ item: [name], differs }) => [name, differs]),
    [
      ['mark', false],
      ['drop', true],
    ],
  );
  assert.deepEqual(
    markedReasons(left, null).some(({ differs }) => differs),
    false,
  );
  assert.deepEqual([alike(left, right), alike(left, structuredClone(left))], [false, true]);
});

test('an address survives being written and read, whatever stands in it', () => {
  const { page, query } = addressOf(hashOf('playground', { event: 'evt_1&x=#"<' }));
  assert.deepEqual([page, query.get('event')], ['playground', 'evt_1&x=#"<']);
  assert.equal(addressOf('').page, 'playground');
});
