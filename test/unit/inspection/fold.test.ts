import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fold } from '../../../src/inspection/fold.ts';
import { Generator } from './generate.ts';

test('plain text stays as it is', () => {
  for (const text of ['', 'plain', 'grün 語 😀', '100% sure & done', 'C:\\dir', '&#xyz; %zz \\q']) {
    assert.equal(fold(text).text, text);
  }
});

test('undoes each disguise', () => {
  for (const [disguised, plain] of [
    ['％４１', '%41'],
    ['４１', '41'],
    ['٤١ ۴۱ ४१', '41 41 41'],
    ['a\u200bb\u00adc\ufeffd\u2060e', 'abcde'],
    ['1\u20112\u20133\u22124', '1-2-3-4'],
    ['1\u00a02\u20093\u30004', '1 2 3 4'],
    ['a%40b%2Ecom', 'a@b.com'],
    ['a&#64;b&#x40;c&#0064;d', 'a@b@c@d'],
    ['a\\nb\\tc\\"d\\/e\\u0040f', 'a\nb\tc"d/e@f'],
    ['a\\\\\\\\nb', 'a\nb'],
    ['𝟒𝟏 𝐀𝐛', '41 Ab'],
    ['\u{e0061}\u{e0040}', 'a@'],
  ]) {
    assert.equal(fold(disguised as string).text, plain);
  }
});

test('every character that was not replaced is mapped back to itself', () => {
  const generator = new Generator(31);
  const pieces = ['a', 'Z', '7', '%41', '\u200b', '４', '&#64;', '\\n', '\\u0040', '語', '😀', '𝟒', '%', '&', '\\'];
  for (let round = 0; round < 500; round++) {
    const text = Array.from({ length: generator.below(24) }, () => generator.pick(pieces)).join('');
    const folded = fold(text);
    assert.equal(folded.original(folded.text.length) <= text.length, true);
    for (let at = 0, before = -1; at < folded.text.length; at++) {
      const original = folded.original(at);
      assert.ok(original > before && original < text.length, JSON.stringify(text));
      before = original;
      if (folded.text[at] === 'Z' || folded.text[at] === '語') assert.equal(text[original], folded.text[at]);
    }
  }
});
