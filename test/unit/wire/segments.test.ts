import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Json } from '../../../src/call.ts';
import { parseAnswerJson } from '../../../src/wire/json.ts';
import { EditableJson } from '../../../src/wire/segments.ts';

const pieces = (document: EditableJson) => document.segments().map(({ where, text }) => [where, text]);

function write(document: EditableJson, where: string, text: string): void {
  const segment = document.segments().find((candidate) => candidate.where === where);
  assert.ok(segment, `there is a segment at ${where}`);
  segment.write(text);
}

describe('pieces of text', () => {
  test('are all strings, and numbers of twelve digits or more', () => {
    const document = new EditableJson({
      a: 'x',
      b: ['y', { 'c/d': 'z' }],
      card: 4111111111111111,
      n: 12345678901,
      t: true,
      e: '',
    });
    assert.deepEqual(pieces(document), [
      ['/a', 'x'],
      ['/b/0', 'y'],
      ['/b/1/c~1d', 'z'],
      ['/card', '4111111111111111'],
    ]);
    write(document, '/card', '[card]');
    assert.deepEqual((document.value as { card: Json }).card, '[card]');
  });

  test('of large numbers have all their digits', () => {
    const read = parseAnswerJson(Buffer.from('{"card":6304000000000000001,"other":99999999999999999999}'));
    const document = new EditableJson(read?.exact as Json);
    assert.deepEqual(pieces(document), [
      ['/card', '6304000000000000001'],
      ['/other', '99999999999999999999'],
    ]);
    write(document, '/card', '[card]');
    assert.equal(JSON.stringify(document.value), '{"card":"[card]","other":99999999999999999999}');
  });

  test('are names of members that could be data, and such names stand in no pointer', () => {
    const document = new EditableJson({
      customers: { 'ann@example.com': { plan: 'gold' }, '4111111111111111': 'x', address_2: 'y' },
    });
    assert.deepEqual(pieces(document), [
      ['/customers/{0}', 'ann@example.com'],
      ['/customers/{0}/plan', 'gold'],
      ['/customers/{1}', '4111111111111111'],
      ['/customers/{1}', 'x'],
      ['/customers/address_2', 'y'],
    ]);
    for (const segment of document.segments()) segment.write('[gone]');
    assert.deepEqual(document.value, {
      customers: { address_2: '[gone]', '[gone]': { plan: '[gone]' }, '[gone]_2': '[gone]' },
    });
  });

  test('inside JSON text are found behind their escapes', () => {
    const document = new EditableJson({ arguments: '{"to":"ann\\u0040example.com","n":1}' }, (_text, key) =>
      key === 'arguments' ? 'json' : 'text',
    );
    assert.deepEqual(pieces(document), [['/arguments', 'ann@example.com']]);
    write(document, '/arguments', '[email]');
    assert.deepEqual(document.value, { arguments: '{"to":"[email]","n":1}' });
  });

  test('of JSON text that is not JSON are the text', () => {
    const document = new EditableJson({ arguments: '{"to":' }, () => 'json');
    assert.deepEqual(pieces(document), [['/arguments', '{"to":']]);
  });

  test('of a document that is a string are that string', () => {
    const document = new EditableJson('all of it');
    assert.deepEqual(pieces(document), [['', 'all of it']]);
    write(document, '', 'less');
    assert.equal(document.value, 'less');
  });
});

describe('changes', () => {
  test('do not reach what was handed out before', () => {
    const document = new EditableJson({ a: { b: ['x', 'y'] } });
    const before = document.value;
    write(document, '/a/b/0', 'changed');
    const between = document.value;
    document.drop('/a/b/1');
    assert.deepEqual(before, { a: { b: ['x', 'y'] } });
    assert.deepEqual(between, { a: { b: ['changed', 'y'] } });
    assert.deepEqual(document.value, { a: { b: ['changed'] } });
  });

  test('name places as the document came, also after something was dropped', () => {
    const document = new EditableJson({ list: ['a', 'b', 'c', 'd'], n: [1, 2, 3] });
    document.drop('/list/0');
    document.drop('/list/1');
    document.drop('/list/1');
    document.drop('/n/0');
    document.drop('/n/1');
    write(document, '/list/3', 'D');
    write(document, '/list/0', 'must not come back');
    assert.deepEqual(document.value, { list: ['c', 'D'], n: [3] });
  });

  test('that a pointer with stars names go all at once, as the document came', () => {
    const items = ['a', 'b', 'c'].map((id) => ({ id, owner: { email: id, 'e/m': id, '*': id, keep: 1 } }));
    const document = new EditableJson({ items, by: { x: [1, 2], y: [3], z: 'text' }, '*': 1, list: [[1, 2], [3], 4] });
    document.drop('/items/1');
    for (const where of ['/items/*/owner/email', '/items/*/owner/e~1m', '/items/*/owner/~2', '/items/*/none/*']) {
      document.drop(where);
    }
    document.drop('/by/*/0');
    document.drop('/list/*/*');
    document.drop('/list/1');
    write(document, '/items/2/id', 'C');
    write(document, '/items/2/owner/email', 'must not come back');
    document.drop('/items/*/id/*');
    document.drop('/~2');
    assert.deepEqual(document.value, {
      items: [
        { id: 'a', owner: { keep: 1 } },
        { id: 'C', owner: { keep: 1 } },
      ],
      by: { x: [2], y: [], z: 'text' },
      list: [[], 4],
    });
    assert.deepEqual(items[0]?.owner.email, 'a');
    const odd = new EditableJson({ 'ann@example.com': { plan: 1, keep: 2 }, b: { plan: 3 } });
    odd.drop('/*/plan');
    assert.deepEqual([odd.value, odd.changedIn('b')], [{ 'ann@example.com': { keep: 2 }, b: {} }, true]);
    odd.drop('/*');
    assert.deepEqual(odd.value, {});
  });

  test('that a pointer with stars names take time that grows with their number', () => {
    const many = new EditableJson({ items: Array.from({ length: 20_000 }, (_item, id) => ({ id, secret: 'x' })) });
    const startMs = performance.now();
    many.drop('/items/*/secret');
    many.drop('/items/*');
    assert.ok(performance.now() - startMs < 4_000);
    assert.deepEqual(many.value, { items: [] });
  });

  test('below what was dropped do nothing, and dropping what is not there neither', () => {
    const document = new EditableJson({ a: { b: 'x' }, c: 'y' });
    const [inner] = document.segments();
    document.drop('/a');
    inner?.write('back');
    for (const where of ['/none', '', '/c/0', 'c', '/constructor']) document.drop(where);
    assert.deepEqual(document.value, { c: 'y' });
  });

  test('are known by the outermost member they are in', () => {
    const document = new EditableJson({ body: { a: 'x' }, query: { q: 'y' } });
    assert.equal(document.changed, false);
    write(document, '/body/a', 'z');
    assert.deepEqual([document.changedIn('body'), document.changedIn('query')], [true, false]);
  });

  test('of many pieces take time that grows with their number, not its square', () => {
    const document = new EditableJson(Array.from({ length: 50_000 }, () => 'ann@example.com'));
    const before = performance.now();
    for (const segment of document.segments()) segment.write('[email]');
    assert.equal((document.value as string[])[49_999], '[email]');
    assert.ok(performance.now() - before < 3000, 'writing takes a fraction of a second');
  });
});
