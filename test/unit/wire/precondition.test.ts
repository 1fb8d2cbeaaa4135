import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isDenial } from '../../../src/denial.ts';
import { isKnown, mayChange, type Precondition, preconditionOf } from '../../../src/wire/precondition.ts';

function of(headers: Record<string, string | string[]>): Precondition {
  const read = preconditionOf({ headers });
  assert.ok(!isDenial(read), JSON.stringify(headers));
  return read;
}

test('If-Match holds for the very tag, strong, or for anything that stands (RFC 9110 §13.1.1)', () => {
  const held = (value: string | string[], etag: string | null) => mayChange(of({ 'if-match': value }), etag);
  assert.ok(held('"a"', '"a"'));
  assert.ok(held('"b", "a"', '"a"'));
  assert.ok(held(['"b"', '"a"'], '"a"'));
  assert.ok(held(' * ', '"a"'));
  assert.ok(!held('"b"', '"a"'));
  assert.ok(!held('W/"a"', '"a"'), 'a weak tag never matches here');
  assert.ok(!held('*', null));
  assert.ok(!held('"a"', null));
});

test('If-None-Match is compared weakly, and * stands for whatever is there (RFC 9110 §13.1.2)', () => {
  const none = of({ 'if-none-match': '*' });
  assert.deepEqual([mayChange(none, null), mayChange(none, '"a"'), isKnown(none, '"a"')], [true, false, true]);
  const some = of({ 'if-none-match': 'W/"a", "c"' });
  assert.deepEqual([isKnown(some, '"a"'), isKnown(some, '"b"'), mayChange(some, '"b"')], [true, false, true]);
  assert.ok(mayChange(of({}), null) && mayChange(of({}), '"a"') && !isKnown(of({}), '"a"'));
});

test('a tag may hold commas and blanks need not stand; what is no list of tags is refused', () => {
  assert.ok(mayChange(of({ 'if-match': '"x,y","z"' }), '"x,y"'));
  const many = Array.from({ length: 17 }, (_, index) => `"${index}"`).join(',');
  for (const wrong of ['', 'a', '"a', '"a" "b"', '"a",', '*, "a"', '"a\u0001"', many, `"${'a'.repeat(5000)}"`]) {
    for (const name of ['if-match', 'if-none-match']) {
      const read = preconditionOf({ headers: { [name]: wrong } });
      assert.ok(isDenial(read) && read.code === 'request_invalid', `${name}: ${wrong.slice(0, 20)}`);
    }
  }
});
