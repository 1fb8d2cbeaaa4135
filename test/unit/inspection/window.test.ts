/** A text that comes in pieces must be judged as it would be in one: these tests compare both, for every split. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Span } from '../../../src/inspection/recognizer.ts';
import { Inspector, type Match } from '../../../src/inspection/scan.ts';
import { TextWindow } from '../../../src/inspection/window.ts';
import { Generator } from './generate.ts';

const plain = new Inspector();
const custom = new Inspector({
  custom: [
    { type: 'employee', pattern: '\\bE[0-9]{4,6}\\b', context: [] },
    { type: 'first', pattern: '^ab?', context: [] },
    { type: 'ward', pattern: 'W[0-9]{2}', context: ['hospital'] },
  ],
});

function whole(inspector: Inspector, text: string, hint: string): Span[] {
  return inspector.scanText(text, hint);
}

/** What a window finds in `pieces`; and asserts that nothing it let out was found later. */
function streamed(
  inspector: Inspector,
  pieces: readonly string[],
  hint: string,
  acted: (type: string) => boolean,
): Span[] {
  const spans: Span[] = [];
  let decided = 0;
  const window = new TextWindow(inspector, hint, acted, (matches: readonly Match[]) => {
    for (const { start, end, type, confidence } of matches) {
      if (acted(type)) assert.ok(start >= decided, `${type} at ${start} was let out, up to ${decided}`);
      spans.push({ start, end, type, confidence });
    }
  });
  for (const piece of pieces) {
    window.push(piece);
    assert.ok(window.decided >= decided);
    decided = window.decided;
  }
  window.end();
  assert.equal(window.decided, pieces.join('').length);
  return spans;
}

function assertSame(
  inspector: Inspector,
  text: string,
  pieces: readonly string[],
  hint = '',
  acted: Acted = everything,
): void {
  const [expected, found] = [whole(inspector, text, hint), streamed(inspector, pieces, hint, acted)];
  if (JSON.stringify(expected) === JSON.stringify(found)) return;
  assert.deepEqual(found, expected, `in pieces ${JSON.stringify(pieces.slice(0, 40))}, hint ${hint}`);
}

type Acted = (type: string) => boolean;
const everything: Acted = () => true;
const nothing: Acted = () => false;
const cardsOnly: Acted = (type) => type === 'card';

function everySplit(inspector: Inspector, text: string, hint = '', acted: Acted = everything): void {
  for (let at = 0; at <= text.length; at++)
    assertSame(inspector, text, [text.slice(0, at), text.slice(at)], hint, acted);
  assertSame(inspector, text, [...text], hint, acted);
  assertSame(inspector, text, text.split(''), hint, acted);
}

const key = `${['sk', '-'].join('')}Ab1Cd2Ef3Gh4Ij5Kl6Mn7Op8Qr9St0Uv1Wx2`;
const aws = ['AK', 'IA'].join('') + 'QWERTZ1234567ABC'.slice(0, 16);

const texts = [
  'Write to ann.lee@example.com, or to "ann lee"@example.org. Then wait.',
  'card 4111 1111 1111 1111 expires 12/27, order 4539578763621486 and 5018-0000-0009',
  '   5018000000009   ',
  '5018000000009 x',
  'The number 5018000000009 is on the front of the maestro card',
  'DE89 3704 0044 0532 0130 00 and IBANDE89370400440532013000, de89370400440532013000.',
  `my key is ${key}. And ${aws}!`,
  `api_key = "${'aB3'.repeat(9)}d" and Authorization: Bearer ${'x9Y'.repeat(9)}k`,
  `secret abc8Q~${'aZ3.'.repeat(8)}  end`,
  '\u{1D7DC}\u{1D7D9}11 1111 1111 1111 and ann\u200b@exa\u00admple.com\u200b and ann%40example.com \\u0061nn\\u0040example.com',
  'ann&#64;example.com ann&#x40;example.com \\\\n4111111111111111\\n4111111111111111 100% & more \\',
  '日本語ann@例え.テスト日本語 alice@example.com.Then',
  'hooks.slack.com/services/T0A1B2C3D/B0A1B2C3D/aBcDeFgHiJkLmNoPqRsTuVwX and hooks.slack.com again',
  'id: 4539578763621486, trace=4111111111111111, 1.4111111111111111',
  'no card here: 2024, 12 34 56 78, task-force, disk-usage, e@, x@y, eyJ, -----, ---BEGIN, "quoted words" here',
];

test('what comes in pieces is found as in one, for every split in two and one by one', () => {
  for (const text of texts) {
    for (const acted of [everything, cardsOnly, nothing]) everySplit(plain, text, '', acted);
    everySplit(plain, text, 'order order_id');
    everySplit(plain, text, 'payment card_number');
  }
});

test('tokens and private keys, which are longer than any window, are found whole for every split', () => {
  const generator = new Generator(4);
  for (const text of [`a ${generator.jwt()}. b`, `x\n${generator.privateKey().slice(0, 700)}`, generator.jwt()]) {
    everySplit(plain, text);
  }
  const pem = generator.privateKey();
  for (let at = 0; at < pem.length + 8; at += 7) {
    const text = `see ${pem} end`;
    assertSame(plain, text, [text.slice(0, at), text.slice(at)]);
    assertSame(plain, text, [text.slice(0, at), text.slice(at, at + 3), text.slice(at + 3)]);
  }
});

test('custom patterns keep their borders, their context and the start of the text', () => {
  for (const text of [
    'abE1234 E12345, E1234567 and xE1234. ab',
    'The hospital has W12 and, far behind it, nothing but many words that say nothing at all about it, W13 and W14 hospital',
  ]) {
    everySplit(custom, text);
  }
});

test('long texts of all kinds in pieces of any size give what one scan gives', () => {
  const generator = new Generator(20261121);
  const words =
    'the order 12 was "paid" on 2026-11-21, {"a": 1} \\n e@ x-y über 語 100% & sk- key= -----BEGIN eyJ 4111 AK DE89 '.split(
      ' ',
    );
  for (let round = 0; round < 150; round++) {
    let text = '';
    while (text.length < 1500) {
      const maker = generator.pick([
        () => generator.email(),
        () => generator.card('4', 16),
        () => generator.iban(),
        () => generator.apiKey(),
        () => generator.jwt(),
        () => generator.privateKey(),
        ...Array.from({ length: 40 }, () => () => generator.pick(words)),
      ]);
      text += maker() + generator.pick([' ', ' ', ' ', '\n', ', ', '"', '', ' '.repeat(70)]);
    }
    const pieces: string[] = [];
    for (let at = 0; at < text.length; ) {
      const size = 1 + generator.below(generator.pick([2, 8, 40, 400]));
      pieces.push(text.slice(at, at + size));
      at += size;
    }
    assertSame(
      plain,
      text,
      pieces,
      generator.pick(['', 'message content']),
      generator.pick([everything, cardsOnly, nothing]),
    );
  }
});

test('prose is let out as it comes: at most its last word waits, and nothing where no type is acted upon', () => {
  const prose = 'The order was sent on Monday. It holds three chairs, a table and 12 lamps; you pay 129.90 euros. ';
  const window = new TextWindow(plain, '', everything, () => undefined);
  const idle = new TextWindow(plain, '', nothing, () => undefined);
  let sent = 0;
  for (const word of prose.split(/(?<= )/)) {
    window.push(word);
    idle.push(word);
    sent += word.length;
    assert.equal(idle.decided, sent);
    const waits = prose.slice(window.decided, sent);
    assert.ok(/^\S*\s?$/.test(waits), `waits: ${JSON.stringify(waits)}`);
  }
});

test('a text that is judged while it goes on is found from there on', () => {
  const found: Span[] = [];
  const window = new TextWindow(plain, '', everything, (matches) => found.push(...matches));
  window.push('mail ann.lee');
  assert.ok(window.decided <= 5);
  window.judge();
  assert.equal(window.decided, 12);
  window.push('@example.com now');
  window.end();
  assert.deepEqual(
    found.map(({ start, end, type }) => [start, end, type]),
    [[5, 24, 'email']],
  );
});

test('a token of a hundred thousand characters, one by one, costs time that grows with its length', () => {
  const header = Buffer.from('{"alg":"HS256"}').toString('base64url');
  const timed = (length: number): number => {
    const window = new TextWindow(plain, '', everything, () => undefined);
    const startMs = performance.now();
    window.push(`${header}.`);
    for (let at = 0; at < length; at += 4) window.push('aB3d');
    window.end();
    return performance.now() - startMs;
  };
  timed(10_000);
  const [short, long] = [timed(12_000), timed(96_000)];
  assert.ok(long < 60 * Math.max(short, 5), `${short} ms, then ${long} ms`);
});
