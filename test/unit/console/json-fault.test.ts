/** Where a text is no JSON; it must agree with `JSON.parse` on what is. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { jsonFault } from '../../../console/json-fault.ts';

test('the first fault is told by line and column', () => {
  const rows: readonly (readonly [string, number, number, RegExp])[] = [
    ['', 1, 1, /text ends/],
    ['{', 1, 2, /name in double quotes/],
    ['{\n  "a": 1,\n}', 3, 1, /name in double quotes/],
    ['{"a" 1}', 1, 6, /expected :/],
    ['[1 2]', 1, 4, /, or \]/],
    ['{"a": 1 "b": 2}', 1, 9, /, or }/],
    ['{"a": 1}\n\n x', 3, 2, /end of the document/],
    ['["a\nb"]', 1, 4, /end of a line/],
    ['["\\x"]', 1, 3, /no such escape/],
    ['["\\u12"]', 1, 3, /no such escape/],
    ['["abc', 1, 2, /not closed/],
    ['[01]', 1, 3, /, or \]/],
    ['[tru]', 1, 2, /expected a value/],
    ["{'a': 1}", 1, 2, /double quotes/],
    ['{"a": 1, "\\u0061": 2}', 1, 10, /named twice/],
    ['['.repeat(100), 1, 65, /deeper than 64/],
  ];
  for (const [text, line, column, message] of rows) {
    const fault = jsonFault(text);
    assert.deepEqual([fault?.line, fault?.column], [line, column], text);
    assert.match(fault?.message ?? '', message);
    assert.equal(text.slice(0, fault?.offset).split('\n').length, line);
  }
});

test('it finds a fault exactly where JSON.parse finds one', () => {
  const good = '{"a": [1, -0.5e+3, true, null, "\\u00e9\\n\\"", {}, []], "b": {"c": ""}}';
  assert.equal(jsonFault(good), null);
  const takes = (text: string) => {
    try {
      JSON.parse(text);
      return true;
    } catch {
      return false;
    }
  };
  let refused = 0;
  for (let at = 0; at < good.length; at++) {
    for (const put of ['', '"', ',', '}', ']', '0', '-', 'e', '\\', ' ', '\n', 'x']) {
      const text = good.slice(0, at) + put + good.slice(at + 1);
      const fault = jsonFault(text);
      if (fault?.message === 'this member is named twice') continue;
      assert.equal(fault === null, takes(text), text);
      if (fault !== null) refused += 1;
    }
  }
  assert.ok(refused > 300);
});
