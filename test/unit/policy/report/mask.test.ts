/** What masks take out, and which are refused. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { JsonObject } from '../../../../src/call.ts';
import { MaskFault, masked, maskRules } from '../../../../src/policy/report/mask.ts';

const event = (): JsonObject => ({
  decision_id: 'd',
  input: { a: { b: 1, 'x/y': 2, 'e mail': 3, '~': 4 }, list: [{ n: 0 }, { n: 1 }, { n: 2 }], text: 's' },
  result: { allow: true, reasons: [{ code: 'c', message: 'm' }] },
});

const upsert = (path: string, value: unknown) => ({ op: 'upsert', path, value });

/** Mask, what is left of input, and what the event says of it. */
const cases: readonly (readonly [what: string, mask: unknown, input: unknown, erased: unknown, masked: unknown])[] = [
  ['no mask', undefined, event().input, undefined, undefined],
  ['an empty one', [], event().input, undefined, undefined],
  [
    'a member',
    ['/input/a/b'],
    { ...(event().input as object), a: { 'x/y': 2, 'e mail': 3, '~': 4 } },
    ['/input/a/b'],
    undefined,
  ],
  ['the whole input', ['/input'], undefined, ['/input'], undefined],
  ['a member that is not there', ['/input/a/zz', '/input/zz/b', '/input/text/0'], event().input, undefined, undefined],
  [
    'RFC 6901 escapes',
    ['/input/a/x~1y', '/input/a/~0'],
    { ...(event().input as object), a: { b: 1, 'e mail': 3 } },
    ['/input/a/x~1y', '/input/a/~0'],
    undefined,
  ],
  [
    'a name with a blank, plain',
    ['/input/a/e mail'],
    { ...(event().input as object), a: { b: 1, 'x/y': 2, '~': 4 } },
    ['/input/a/e mail'],
    undefined,
  ],
  [
    'a name with a blank, percent-encoded',
    ['/input/a/e%20mail'],
    { ...(event().input as object), a: { b: 1, 'x/y': 2, '~': 4 } },
    ['/input/a/e%20mail'],
    undefined,
  ],
  [
    'two of an array, by their first places',
    ['/input/list/0', '/input/list/1'],
    { ...(event().input as object), list: [{ n: 2 }] },
    ['/input/list/0', '/input/list/1'],
    undefined,
  ],
  [
    'a member of an array behind one that goes',
    ['/input/list/0', '/input/list/2/n'],
    { ...(event().input as object), list: [{ n: 1 }, {}] },
    ['/input/list/0', '/input/list/2/n'],
    undefined,
  ],
  [
    'an index that is none',
    ['/input/list/9', '/input/list/-1', '/input/list/x', '/input/list/01x'],
    event().input,
    undefined,
    undefined,
  ],
  [
    'an object of op remove',
    [{ op: 'remove', path: '/input/text' }],
    { a: (event().input as { a: unknown }).a, list: (event().input as { list: unknown }).list },
    ['/input/text'],
    undefined,
  ],
  [
    'a value put in',
    [upsert('/input/text', '**')],
    { ...(event().input as object), text: '**' },
    undefined,
    ['/input/text'],
  ],
  ['a value put in for the whole', [upsert('/input', { k: 1 })], { k: 1 }, undefined, ['/input']],
  [
    'a value that was not there',
    [upsert('/input/new/deep', 1)],
    { ...(event().input as object), new: { deep: 1 } },
    undefined,
    ['/input/new/deep'],
  ],
  [
    'null put in',
    [{ op: 'upsert', path: '/input/text' }],
    { ...(event().input as object), text: null },
    undefined,
    ['/input/text'],
  ],
  ['a value below a text', [upsert('/input/text/x', 1)], event().input, undefined, undefined],
  ['what another rule removed', ['/input', upsert('/input/a', 1)], undefined, ['/input'], undefined],
  ['what is in no event', ['/nd_builtin_cache/x'], event().input, undefined, undefined],
];

describe('a mask', () => {
  for (const [what, mask, input, erased, put] of cases) {
    it(`takes out ${what}`, () => {
      const before = event();
      const after = masked(before, maskRules(mask));
      assert.deepEqual(after.input, input);
      assert.deepEqual(after.erased, erased);
      assert.deepEqual(after.masked, put);
      assert.deepEqual(before, event(), 'the decision itself is left as it is');
    });
  }

  it('reaches the result, and leaves the decision that was acted on alone', () => {
    const before = event();
    const after = masked(before, maskRules(['/result/reasons/0/message']));
    assert.deepEqual(after.result, { allow: true, reasons: [{ code: 'c' }] });
    assert.deepEqual(before.result, event().result);
  });

  it('puts in a member called __proto__ as a member', () => {
    const after = masked(event(), maskRules([upsert('/input/__proto__/x', 1)]));
    assert.deepEqual(Object.getOwnPropertyDescriptor(after.input, '__proto__')?.value, { x: 1 });
    assert.equal(({} as { x?: unknown }).x, undefined);
  });

  const refused: readonly (readonly [string, unknown])[] = [
    ['a text', '/input'],
    ['an object', { '/input': true }],
    ['null', null],
    ['an empty pointer', ['']],
    ['a pointer without a slash', ['input/a']],
    ['a pointer to the labels', ['/labels/id']],
    ['the whole event', ['/']],
    ['a number', [1]],
    ['null in it', [null]],
    ['an array in it', [['/input']]],
    ['an unknown op', [{ op: 'replace', path: '/input/a' }]],
    ['no op', [{ path: '/input/a' }]],
    ['no path', [{ op: 'remove' }]],
    ['a path that is no text', [{ op: 'remove', path: 7 }]],
    ['too many rules', Array.from({ length: 1_001 }, () => '/input')],
    ['too long a pointer', [`/input/${'x'.repeat(5_000)}`]],
  ];
  for (const [what, mask] of refused) {
    it(`is refused whole: ${what}`, () => {
      assert.throws(() => maskRules(mask), MaskFault);
    });
  }
});
