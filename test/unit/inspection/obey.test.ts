import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Json, Obligations } from '../../../src/call.ts';
import { type Denial, isDenial } from '../../../src/denial.ts';
import { type Obeyed, obey } from '../../../src/inspection/obey.ts';
import { Inspector } from '../../../src/inspection/scan.ts';
import { EditableJson } from '../../../src/wire/segments.ts';
import { Document, decisionWith, digestKey, otherDigestKey } from './document.ts';
import { Generator } from './generate.ts';

const inspector = new Inspector();
const card = '4111 1111 1111 1111';
const iban = 'DE89 3704 0044 0532 0130 00';
const key = new Generator(21).apiKey();

function run(document: Document, obligations: Obligations, keyOfTask = digestKey): Obeyed | Denial {
  return obey(inspector, document, inspector.scan(document.segments()), decisionWith(obligations), keyOfTask);
}

/** What a document becomes; fails the test if it is refused. */
function obeyed(value: Json, obligations: Obligations, keyOfTask = digestKey): Json {
  const document = new Document(value);
  const result = run(document, obligations, keyOfTask);
  assert.ok(!isDenial(result), 'refused');
  return document.document();
}

test('redacts by type, by place, and by both', () => {
  const value = { a: `ann@example.com ${card}`, b: { c: 'bob@example.com' }, bc: 'eve@example.com' };
  assert.deepEqual(obeyed(value, { redact: [{ type: 'email' }] }), {
    a: `[redacted:email] ${card}`,
    b: { c: '[redacted:email]' },
    bc: '[redacted:email]',
  });
  assert.deepEqual(obeyed(value, { redact: [{ path: '/b' }] }), { ...value, b: { c: '[redacted:email]' } });
  assert.deepEqual(obeyed(value, { redact: [{ type: 'card', path: '/a' }] }), {
    ...value,
    a: 'ann@example.com [redacted:card]',
  });
  assert.deepEqual(obeyed(value, { redact: [{}] }), {
    a: '[redacted:email] [redacted:card]',
    b: { c: '[redacted:email]' },
    bc: '[redacted:email]',
  });
});

test('replaces the whole of a disguised finding', () => {
  assert.equal(obeyed('x ann%40example.com y', { redact: [{}] }), 'x [redacted:email] y');
  assert.equal(obeyed('x 4\u200b111111111111111\u200b y', { redact: [{}] }), 'x [redacted:card] y');
});

test('a number becomes a string', () => {
  assert.deepEqual(obeyed({ n: 4111111111111111 }, { redact: [{}] }), { n: '[redacted:card]' });
});

test('masks keep the last four, or the first letter and the domain', () => {
  assert.equal(
    obeyed(`${card}, ${iban}, ann.lee@example.com, ${key}`, { mask: [{}] }),
    ['************1111', '******************3000', 'a***@example.com', '[redacted:api_key]'].join(', '),
  );
});

test('hashes are equal for equal values of a task, and differ between tasks', () => {
  const [first, second, third] = obeyed([card, '4111-1111-1111-1111', '5555555555554444'], { hash: [{}] }) as string[];
  assert.match(first as string, /^\[card:[a-p]{16}\]$/);
  assert.equal(first, second);
  assert.notEqual(first, third);
  assert.notEqual(first, (obeyed([card], { hash: [{}] }, otherDigestKey) as string[])[0]);
  assert.equal(obeyed('Ann@Example.com', { hash: [{}] }), obeyed('ann@example.com', { hash: [{}] }));
});

test('of several obligations the strictest holds', () => {
  assert.equal(obeyed(card, { mask: [{}], hash: [{}], redact: [{ type: 'card' }] }), '[redacted:card]');
  assert.match(obeyed(card, { mask: [{}], hash: [{}] }) as string, /^\[card:/);
  const document = new Document(card);
  const result = run(document, { redact: [{}], block: [{ type: 'card' }] });
  assert.ok(isDenial(result));
  assert.equal(document.document(), card, 'nothing is changed on the way to a denial');
});

test('overlapping findings are replaced together', () => {
  const token = `${'gh'}p_${'aB3dE5gH7jK9mN1pQ3sT5vW7yZ9bC1eF3hJ5'}`;
  assert.equal(obeyed(`git://${token}@example.com/x`, { redact: [{ type: 'email' }] }), 'git://[redacted:email]/x');
  assert.equal(
    obeyed(`git://${token}@example.com/x`, { mask: [{ type: 'email' }], redact: [{ type: 'api_key' }] }),
    'git://[redacted:api_key]/x',
  );
});

test('a block names types and places, never values', () => {
  const result = run(new Document({ to: 'ann@example.com', note: { 'bob@example.com': card } }), { block: [{}] });
  assert.ok(isDenial(result));
  assert.equal(result.code, 'pii_blocked');
  assert.equal(result.message, 'This may not pass here: email at /to, card at /note/[email]');
  assert.deepEqual(
    result.reasons.map(({ code, path }) => [code, path]),
    [
      ['pii_blocked', '/to'],
      ['pii_blocked', '/note/[email]'],
    ],
  );
});

test('a block of secrets alone has its own code', () => {
  const document = new Document({ k: key, m: 'ann@example.com' });
  const secret = run(document, { block: [{ type: 'api_key' }] });
  const both = run(document, { block: [{}] });
  assert.ok(isDenial(secret) && isDenial(both));
  assert.equal(secret.code, 'secret_blocked');
  assert.equal(both.code, 'pii_blocked');
  assert.ok(!secret.message.includes(key));
});

test('a denial names twenty places and counts the rest', () => {
  const result = run(new Document(Array.from({ length: 30 }, () => card)), { block: [{}] });
  assert.ok(isDenial(result));
  assert.equal(result.reasons.length, 20);
  assert.match(result.message, /, and 10 more$/);
});

test('drops after replacing, later items of an array first', () => {
  const document = new Document({
    list: ['ann@example.com', 'x', 'bob@example.com', ...Array(9).fill('y'), 'z'],
    card,
  });
  const result = run(document, { redact: [{ path: '/list/2' }], drop: ['/list/0', '/card', '/list/12', '/list/1'] });
  assert.ok(!isDenial(result));
  assert.deepEqual(document.document(), { list: ['[redacted:email]', ...Array(9).fill('y')] });
  assert.deepEqual(result, { changed: true, unhandled: [] });
});

test('what goes by a pointer with a star was spoken of', () => {
  const list = [{ mail: 'ann@example.com' }, { mail: 'bob@example.com' }];
  const document = new EditableJson({ list, note: 'eve@example.com' });
  const findings = inspector.scan(document.segments());
  const result = obey(inspector, document, findings, decisionWith({ drop: ['/list/*/mail'] }), digestKey);
  assert.ok(!isDenial(result));
  assert.deepEqual(document.value, { list: [{}, {}], note: 'eve@example.com' });
  assert.deepEqual(
    result.unhandled.map(({ where }) => where),
    ['/note'],
  );
});

test('what no obligation speaks of passes, and is told', () => {
  const document = new Document({ a: `ann@example.com ${card}`, b: key });
  const result = run(document, { redact: [{ type: 'email' }], block: [{ type: 'jwt' }] });
  assert.ok(!isDenial(result));
  assert.equal(result.changed, true);
  assert.deepEqual(
    result.unhandled.map(({ type, where }) => [type, where]),
    [
      ['card', '/a'],
      ['api_key', '/b'],
    ],
  );
  assert.deepEqual(run(new Document('ann@example.com'), {}), {
    changed: false,
    unhandled: [{ type: 'email', count: 1, where: '', confidence: 0.95 }],
  });
});

test('a document without findings is not touched', () => {
  assert.deepEqual(run(new Document({ a: 'hello' }), { redact: [{}], block: [{}] }), { changed: false, unhandled: [] });
});

test('refuses where a replacement did not take the finding away', () => {
  const ignoring = new Document({ a: card }, { distort: () => card });
  const ignored = run(ignoring, { redact: [{}] });
  assert.ok(isDenial(ignored));
  assert.equal(ignored.code, 'pii_blocked');
  assert.equal(ignored.message, 'This could not be taken out: card at /a');

  const uncovering = new Document({ a: card }, { distort: (text) => `${text} ann@example.com` });
  assert.ok(isDenial(run(uncovering, { redact: [{}] })), 'another type that an obligation speaks of');
});

test('no placeholder is itself found', () => {
  const generator = new Generator(22);
  for (let round = 0; round < 300; round++) {
    const values = [
      generator.card('4', 16),
      generator.iban(),
      generator.email(),
      generator.apiKey(),
      generator.jwt(),
      generator.privateKey(),
    ];
    for (const action of ['redact', 'hash', 'mask'] as const) {
      const replaced = obeyed(values.join(' '), { [action]: [{}] }) as string;
      assert.deepEqual(inspector.scanText(replaced), [], replaced);
    }
  }
});
