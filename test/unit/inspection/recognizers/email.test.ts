import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Inspector } from '../../../../src/inspection/scan.ts';

const inspector = new Inspector({ recognizers: ['email'] });

function found(text: string): string[] {
  return inspector.scanText(text).map(({ start, end }) => text.slice(start, end));
}

test('finds addresses as people write them', () => {
  for (const address of [
    'a@b.de',
    'first.last+tag@mail.example.co.uk',
    "o'brien@example.com",
    'user_name-1@sub.domain.example.org',
    'josé.müller@bücher.example',
    '用户@例え.jp',
    'a@xn--d1acufc.xn--p1ai',
    '"two words"@example.com',
    'USER@EXAMPLE.COM',
  ]) {
    assert.deepEqual(found(`Write to ${address}, please.`), [address]);
    assert.deepEqual(found(address), [address]);
  }
});

test('leaves what surrounds an address out of it', () => {
  assert.deepEqual(found('email=ann@example.com&x=1'), ['ann@example.com']);
  assert.deepEqual(found('<ann@example.com>'), ['ann@example.com']);
  assert.deepEqual(found("'ann@example.com'"), ['ann@example.com']);
  assert.deepEqual(found('mailto:ann@example.com.'), ['ann@example.com']);
  assert.deepEqual(found('See ann@example.com.Then go.'), ['ann@example.com']);
  assert.deepEqual(found('ann@example.com@evil'), ['ann@example.com']);
  assert.deepEqual(found('联系ann@example.com谢谢'), ['ann@example.com']);
  assert.deepEqual(found('ann@example.com,bob@example.org;c@d.io'), ['ann@example.com', 'bob@example.org', 'c@d.io']);
});

test('leaves machine uses of the at sign alone', () => {
  for (const text of [
    'logo@2x.png',
    'icons/logo@2x.min.js',
    'left-pad@1.3.0',
    '@scope/name@2.0.0-rc.1',
    'root@localhost',
    '@media screen',
    'a @ b.com',
    'x@',
    '@example.com',
    'user@.com',
    'user@-bad.com',
    'pkg@npm:^1.2.3',
    '...@example.com',
  ]) {
    assert.deepEqual(found(text), [], text);
  }
});

test('sees through cheap disguises', () => {
  for (const text of [
    'ann%40example.com',
    'ann&#64;example.com',
    'ann\\u0040example.com',
    'ann＠example．com',
    'an\u200bn@exam\u00adple.com',
  ]) {
    assert.deepEqual(found(`to: ${text}!`), [text]);
  }
  assert.deepEqual(found('E-mail:\\nann@example.com\\n\\nWeb'), ['ann@example.com']);
});
