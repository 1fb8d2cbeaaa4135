import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { canonical } from '../../../src/wire/canonical.ts';
import { parseAnswerJson, parseJson } from '../../../src/wire/json.ts';

const refused: readonly (readonly [string, string | Buffer, RegExp])[] = [
  ['a byte order mark', '\ufeff{}', /byte order mark/],
  ['invalid UTF-8', Buffer.from([0x22, 0xc3, 0x28, 0x22]), /not UTF-8/],
  ['an overlong encoding', Buffer.from([0x22, 0xc0, 0xaf, 0x22]), /not UTF-8/],
  ['UTF-16', Buffer.from('{"a":1}', 'utf16le'), /not JSON/],
  ['no document', '', /not JSON/],
  ['two documents', '{} {}', /not JSON/],
  ['a comment', '{"a":1/*b*/}', /not JSON/],
  ['a trailing comma', '[1,]', /not JSON/],
  ['NaN', '[NaN]', /not JSON/],
  ['a raw control character', '"a\u0001"', /not JSON/],
  ['a member named twice', '{"a":1,"b":2,"a":3}', /twice/],
  ['a member named twice, once with escapes', '{"a":1,"\\u0061":3}', /twice/],
  ['a member named twice far inside', '{"x":[{"k":":\\"","k":1}]}', /twice/],
  ['the name __proto__', '{"a":{"__proto__":{"admin":true}}}', /__proto__/],
  ['an integer beyond 2^53', '{"a":9007199254740993}', /beyond 2\^53/],
  ['a negative integer beyond 2^53', '[-9007199254740993]', /beyond 2\^53/],
  ['a large number written with an exponent', '[1e20]', /beyond 2\^53/],
  ['a number that is no double', '[1e999]', /beyond 2\^53/],
  ['a lone surrogate', '["\\ud800"]', /surrogate/],
  ['a lone surrogate in a name', '{"\\udc00":1}', /surrogate/],
  ['65 levels', `${'['.repeat(65)}${']'.repeat(65)}`, /deep/],
  ['half a million brackets', '['.repeat(500_000), /not JSON/],
  ['half a million levels', `${'['.repeat(250_000)}${']'.repeat(250_000)}`, /deep/],
  ['more values than the limit', `[${'1,'.repeat(100_000)}1]`, /too many/],
];

describe('strict JSON', () => {
  for (const [what, text, message] of refused) {
    test(`refuses ${what}`, () => {
      const result = parseJson(Buffer.from(text as string));
      assert.ok('fault' in result);
      assert.match(result.fault.message, message);
    });
  }

  test('gives what JSON.parse gives for everything else', () => {
    const texts = [
      ' {"a" : [1, -0.5, 1e3, true, null, "x\\ny\\u00e9\\ud83d\\ude00"], "" : {"a":{"a":1}}, ":": "\\\\" } ',
      '"text"',
      '9007199254740991',
      '[{"a":1},{"a":1}]',
      `${'['.repeat(64)}${']'.repeat(64)}`,
      '{"constructor":1,"toString":2,"hasOwnProperty":3}',
    ];
    for (const text of texts) assert.deepEqual(parseJson(Buffer.from(text)), { value: JSON.parse(text) });
  });

  test('says where a fault is: a byte offset or a pointer', () => {
    const offset = parseJson(Buffer.from('{"é":1,"é":2}'));
    assert.ok('fault' in offset);
    assert.equal(offset.fault.offset, 8);
    const pointer = parseJson(Buffer.from('{"a/b":[0,9007199254740993]}'));
    assert.ok('fault' in pointer);
    assert.equal(pointer.fault.pointer, '/a~1b/1');
  });

  test('never quotes the text in a message', () => {
    const result = parseJson(Buffer.from('{"card": 4111111111111111x}'));
    assert.ok('fault' in result);
    assert.doesNotMatch(result.fault.message, /4111/);
  });
});

describe('JSON of a target', () => {
  test('keeps the digits of large numbers', () => {
    const read = parseAnswerJson(Buffer.from('{"id":12345678901234567890,"n":1.50,"max":[1e999]}'));
    assert.equal(JSON.stringify(read?.exact), '{"id":12345678901234567890,"n":1.5,"max":[1e999]}');
    assert.equal(JSON.stringify(read?.value), '{"id":12345678901234567000,"n":1.5,"max":[null]}');
  });

  test('is not read where it names a member twice', () => {
    assert.equal(parseAnswerJson(Buffer.from('{"a":1,"a":2}')), undefined);
  });
});

describe('the canonical form', () => {
  test('is the one of RFC 8785, whatever the order and spelling', () => {
    // The example of RFC 8785 §3.2.2, but for its number beyond 2^53.
    const text =
      '{"numbers":[4.50,2e-3,0.000000000000000000000000001],"string":"\\u20ac$\\u000F\\u000aA\'\\u0042\\u0022\\u005c\\\\\\"\\/","literals":[null,true,false]}';
    assert.equal(
      canonical(JSON.parse(text)),
      '{"literals":[null,true,false],"numbers":[4.5,0.002,1e-27],"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}',
    );
    assert.equal(canonical({ b: 1, a: { d: [], c: 'é' } }), '{"a":{"c":"é","d":[]},"b":1}');
  });

  test('sorts names by UTF-16 code units', () => {
    assert.equal(
      canonical({ '\ufb33': 1, '\ud83d\ude00': 2, '1': 3, '\r': 4 }),
      '{"\\r":4,"1":3,"\ud83d\ude00":2,"\ufb33":1}',
    );
  });

  test('does not exist for half a surrogate pair', () => {
    assert.throws(() => canonical('\ud800'));
  });
});
