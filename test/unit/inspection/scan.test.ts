import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Json } from '../../../src/call.ts';
import { recognizers } from '../../../src/inspection/recognizers/index.ts';
import { hintOf, Inspector } from '../../../src/inspection/scan.ts';
import { Document } from './document.ts';
import { Generator } from './generate.ts';

const inspector = new Inspector();
const card = '4111111111111111';

function types(text: string, hint = ''): string[] {
  return inspector.scanText(text, hint).map(({ type }) => type);
}

const words =
  'the order was paid {"a": [1, 2.5, null]} <b>über 語語</b> \\n 12 07:57 100% & key=value; café - e@ (x) "q" --- '.split(
    ' ',
  );

function randomText(generator: Generator, length: number): string {
  return Array.from({ length }, () => generator.pick(words)).join(' ');
}

test('finds a generated value at any place of any text, with its exact borders', () => {
  const generator = new Generator(20261121);
  const makers: Record<string, () => string> = {
    email: () => generator.email(),
    card: () =>
      generator.pick([() => generator.card('4', 16), () => generator.card('37', 15), () => generator.card('53', 16)])(),
    iban: () => generator.iban(),
    api_key: () => generator.apiKey(),
    private_key: () => generator.privateKey(),
    jwt: () => generator.jwt(),
  };
  const borders = [' ', '\n', '"', "'", '(', ',', ';', '<', '>', '[', '|', '\t', '', '：', '。'];
  for (let round = 0; round < 1_200; round++) {
    const [type, make] = generator.pick(Object.entries(makers));
    const value = make();
    const before = `${randomText(generator, generator.below(30))}`;
    const after = `${randomText(generator, generator.below(30))}`;
    // Without a border character, a space still parts it from the words around.
    const left = before === '' ? '' : ` ${generator.pick(borders)}`;
    const right = after === '' ? '' : `${generator.pick(borders)} `;
    const text = before + left + value + right + after;
    const start = before.length + left.length;
    const span = inspector.scanText(text).find((found) => found.type === type && found.start === start);
    assert.ok(span !== undefined, `${type} not found in ${JSON.stringify(text)}`);
    assert.equal(text.slice(span.start, span.end), value);
  }
});

test('finds nothing in texts without personal data', () => {
  const generator = new Generator(9);
  for (let round = 0; round < 300; round++) assert.deepEqual(types(randomText(generator, 60)), []);
});

test('scans a megabyte of hostile text within a linear bound', () => {
  const header = Buffer.from('{"alg":"HS256"}').toString('base64url');
  const units = [
    'a',
    '1',
    '@',
    '-----BEGIN',
    '-----BEGIN RSA PRIVATE KEY-----',
    'a@',
    'a@b.',
    '4 ',
    '4111 ',
    'eyJ.',
    '_eyJhbGci',
    `${header}.`,
    'sk-',
    'ghp_',
    'api_key=',
    'DE89 3704 ',
    '\\',
    '%40',
    '&#',
    '4\u200b',
    '"@',
  ];
  for (const unit of units) {
    const text = unit.repeat(Math.ceil(1_000_000 / unit.length));
    const startMs = performance.now();
    inspector.scanText(text);
    const tookMs = performance.now() - startMs;
    // Measured at 10 to 450 ms; anything that grows with the square takes minutes.
    assert.ok(tookMs < 4_000, `${JSON.stringify(unit)} took ${tookMs} ms`);
  }
});

test('redacts a megabyte of findings within a linear bound', () => {
  const startMs = performance.now();
  const copy = inspector.redactedText(`${card} `.repeat(60_000));
  assert.ok(performance.now() - startMs < 4_000);
  assert.equal(copy, '[card] '.repeat(60_000));
});

test('no match is longer than its recognizer says', () => {
  const generator = new Generator(11);
  for (const { name, longestMatch } of recognizers) {
    const long = {
      email: `${'a'.repeat(200)}@${'b'.repeat(60)}.${'c.'.repeat(200)}com`,
      card: '4 - 1 - 1 - 1 - 1 - 1 - 1 - 1 - 1 - 1 - 1 - 1 - 1 - 1 - 1 - 1',
      iban: generator.iban('MT').replace(/(?=.)/g, ' ').trim(),
      api_key: `${'hvs'}.${generator.chars('abcXYZ0189', 3_000)}`,
      private_key: `-----BEGIN PRIVATE KEY-----\n${'QUJD'.repeat(40_000)}\n-----END PRIVATE KEY-----`,
      jwt: `${generator.jwt()}${'A'.repeat(100_000)}`,
    }[name] as string;
    for (const { start, end } of new Inspector({ recognizers: [name] }).scanText(long)) {
      assert.ok(end - start <= longestMatch, `${name}: ${end - start}`);
    }
  }
});

test('the digits of an IBAN or a key are no card, but a key inside an address stays a key', () => {
  assert.deepEqual(types('GB33BUKB20201555555555'), ['iban']);
  assert.deepEqual(types('BE71 0961 2345 6769'), ['iban']);
  const key = `${'gh'}p_${new Generator(12).chars('abcdefghijkABCDEFGHIJ0123456789', 36)}`;
  assert.deepEqual(new Set(types(`https://user:${key}@example.com/`)), new Set(['api_key', 'email']));
});

test('adds findings up by type and place, and never keeps a value', () => {
  const document = new Document({ a: `${card} and ann@example.com, bob@example.com`, b: { c: 4111111111111111 } });
  const findings = inspector.scan(document.segments());
  assert.deepEqual(
    findings.map(({ type, where, count }) => [type, where, count]),
    [
      ['card', '/a', 1],
      ['email', '/a', 2],
      ['card', '/b/c', 1],
    ],
  );
  assert.ok(!JSON.stringify(findings).includes('ann@') && !JSON.stringify(findings).includes(card));
});

test('a place whose name holds personal data is told without it', () => {
  const [finding] = inspector.scan(new Document({ 'ann@example.com': { note: card } }).segments());
  assert.equal(finding?.where, '/[email]/note');
});

test('the name of a field helps to tell what its value is', () => {
  assert.equal(hintOf('/body/payment/cardNumber'), 'payment card_number');
  assert.equal(hintOf('/messages/0/content'), 'messages content');
  assert.equal(hintOf(''), '');
  const at = (name: string): number => inspector.scan(new Document({ [name]: '4222222222222' }).segments()).length;
  assert.equal(at('cardNumber'), 1);
  assert.equal(at('ean'), 0);
});

test('a copy for the records holds no finding, in strings, numbers or names', () => {
  const value: Json = {
    text: `pay ${card} for ann@example.com`,
    number: 4111111111111111,
    small: 42,
    time: 1732176000000,
    list: ['DE89370400440532013000', true, null],
    'ann@example.com': 1,
    'bob@example.com': 2,
    ['__proto__']: 'x',
  };
  const copy = inspector.redactedCopy(value);
  assert.deepEqual(JSON.parse(JSON.stringify(copy)), {
    text: 'pay [card] for [email]',
    number: '[card]',
    small: 42,
    time: 1732176000000,
    list: ['[iban]', true, null],
    '[email]': 1,
    '[email] 2': 2,
    ['__proto__']: 'x',
  });
});

test('a copy for the records ends at a depth, and leaves out what lies deeper', () => {
  let deep: Json = card;
  for (let level = 0; level < 10_000; level++) deep = [deep];
  const copy = JSON.stringify(inspector.redactedCopy(deep));
  assert.ok(copy.includes('[too deep]') && !copy.includes(card));
});

test('only the recognizers of the config run', () => {
  const emails = new Inspector({ recognizers: ['email'] });
  assert.deepEqual(
    emails.scanText(`${card} ann@example.com`).map(({ type }) => type),
    ['email'],
  );
  assert.deepEqual(new Inspector({ recognizers: [] }).scanText(`${card} ann@example.com`), []);
  assert.throws(() => new Inspector({ recognizers: ['phone'] }), /no recognizer phone/);
});

test('custom types are found in context and told beside built-in ones', () => {
  const own = new Inspector({
    custom: [
      { type: 'employee', pattern: 'E-\\d{6}', context: ['employee'] },
      { type: 'staff_mail', pattern: '[a-z]{1,20}@example\\.com', context: [] },
    ],
  });
  assert.deepEqual(
    own.scanText('employee E-123456').map(({ type, start, end }) => [type, start, end]),
    [['employee', 9, 17]],
  );
  assert.deepEqual(own.scanText('part E-123456'), []);
  assert.deepEqual(own.scanText('E-123456', 'employee number').length, 1);
  assert.deepEqual(new Set(own.scanText('ann@example.com').map(({ type }) => type)), new Set(['email', 'staff_mail']));
});
