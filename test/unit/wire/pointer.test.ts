import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Json } from '../../../src/call.ts';
import { withMembers } from '../../../src/wire/members.ts';
import { valueAt } from '../../../src/wire/paths.ts';
import { child, namedBy, pointerTokens, step } from '../../../src/wire/pointer.ts';

/** What a pointer names, token by token. */
function at(document: Json, pointer: string): Json | undefined {
  let value: Json | undefined = pointerTokens(pointer) === undefined ? undefined : document;
  for (const token of pointerTokens(pointer) ?? []) value = step(value, token);
  return value;
}

describe('JSON pointers', () => {
  test('name the values of the example of RFC 6901', () => {
    const document = { foo: ['bar', 'baz'], '': 0, 'a/b': 1, 'c%d': 2, ' ': 7, 'm~n': 8 };
    assert.deepEqual(at(document, ''), document);
    assert.deepEqual(at(document, '/foo'), ['bar', 'baz']);
    assert.equal(at(document, '/foo/0'), 'bar');
    assert.equal(at(document, '/'), 0);
    assert.equal(at(document, '/a~1b'), 1);
    assert.equal(at(document, '/c%d'), 2);
    assert.equal(at(document, '/ '), 7);
    assert.equal(at(document, '/m~0n'), 8);
  });

  test('with stars name what they lead to, or what holds it', () => {
    assert.equal(namedBy('/items/*/owner', '/items/3/owner/email'), '/items/3/owner');
    assert.equal(namedBy('/items/*', '/items/3'), '/items/3');
    assert.equal(namedBy('/a~1b/~2', '/a~1b/*'), '/a~1b/*');
    for (const [pattern, where] of [
      ['/items/*/owner', '/items/3/owners'],
      ['/items/*/owner', '/items/3'],
      ['/items/~2', '/items/3'],
      ['items/*', '/items/3'],
      ['/items/~3', '/items/3'],
    ] as const) {
      assert.equal(namedBy(pattern, where), undefined, `${pattern} ${where}`);
    }
  });

  test('never lead out of the document', () => {
    for (const pointer of [
      '/constructor',
      '/__proto__',
      '/a/length',
      '/a/01',
      '/a/-',
      '/a/1e0',
      '/s/0',
      'a',
      '/~2',
      '/n/x',
    ]) {
      assert.equal(at({ a: [1], s: 'text', n: null }, pointer), undefined, pointer);
    }
  });

  test('of names with slashes and tildes come back as those names', () => {
    for (const name of ['a/b', '~1', '~', '', 'x']) assert.deepEqual(pointerTokens(child('', name)), [name]);
  });
});

test('dotted paths find what a route remembers', () => {
  const args = { body: { amount_cents: 1200, lines: [{ sku: 'a' }] }, path: {} };
  assert.equal(valueAt(args, 'body.amount_cents'), 1200);
  assert.equal(valueAt(args, 'body.lines.0.sku'), 'a');
  for (const path of ['body.none', 'body..x', '', 'path.constructor', 'body.amount_cents.x', 'body.lines.sku']) {
    assert.equal(valueAt(args, path), undefined, path);
  }
});

describe('members changed in the text', () => {
  test('leave every other byte as it was', () => {
    const text = ' { "model" : "a,b}" , "deep":{"model":1,"usage":[2,{"x":","}]} ,\n"usage": {"t":1} , "z" : 1.50 } ';
    assert.equal(
      withMembers(text, { model: '"N"', usage: null, added: '{"q":1}' }),
      ' { "model" : "N", "deep":{"model":1,"usage":[2,{"x":","}]}, "z" : 1.50,"added":{"q":1} } ',
    );
  });

  test('work on the first, the last, the only and no member', () => {
    assert.equal(withMembers('{"a":1,"b":2}', { a: null }), '{"b":2}');
    assert.equal(withMembers('{"a":1,"b":2}', { b: null }), '{"a":1}');
    assert.equal(withMembers('{"a":1}', { a: null }), '{}');
    assert.equal(withMembers('{}', { a: '1' }), '{"a":1}');
    assert.equal(withMembers('{ }', { a: null }), '{ }');
    assert.equal(withMembers('{"\\u0061":1}', { a: '2' }), '{"\\u0061":2}');
  });

  test('mean the same document, whatever the document', () => {
    const values = [1, 'a"b\\', [], {}, { model: [1, { model: 2 }] }, null, true, '}{][,:'];
    for (const one of values) {
      for (const other of values) {
        for (const space of [undefined, 1]) {
          const text = JSON.stringify({ one, model: other, other: one }, null, space);
          assert.deepEqual(JSON.parse(withMembers(text, { model: '"m"' })), { one, model: 'm', other: one });
          assert.deepEqual(JSON.parse(withMembers(text, { model: null, one: null })), { other: one });
        }
      }
    }
  });
});
