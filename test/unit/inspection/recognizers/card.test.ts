import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Inspector } from '../../../../src/inspection/scan.ts';

const inspector = new Inspector({ recognizers: ['card'] });

function found(text: string, hint = ''): string[] {
  return inspector.scanText(text, hint).map(({ start, end }) => text.slice(start, end));
}

test('finds the schemes by range and check digit, alone and in a sentence', () => {
  for (const number of [
    '4111111111111111',
    '5555555555554444',
    '2223003122003222',
    '378282246310005',
    '30569309025904',
    '6011111111111117',
    '3530111333300000',
    '6200000000000005',
    '6304000000000000',
  ]) {
    assert.deepEqual(found(number), [number]);
    assert.deepEqual(found(`I paid with ${number}, yesterday.`), [number]);
    assert.deepEqual(found(`{"n":${number}}`), [number]);
  }
});

test('finds numbers written in groups', () => {
  for (const number of [
    '4111 1111 1111 1111',
    '4111-1111-1111-1111',
    '4111.1111.1111.1111',
    '4111 - 1111 - 1111 - 1111',
    '3782 822463 10005',
    '41111111 11111111',
    '4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1',
    '4111\u00a01111\u20111111\u20131111',
  ]) {
    assert.deepEqual(found(`Card: ${number} ok`), [number]);
  }
  assert.deepEqual(found('2026-11-21 4111 1111 1111 1111 123'), ['4111 1111 1111 1111']);
  assert.deepEqual(found('4111111111111111 5555555555554444'), ['4111111111111111', '5555555555554444']);
});

test('sees through disguised digits and separators', () => {
  for (const number of [
    '４１１１１１１１１１１１１１１１',
    '4111%201111%201111%201111',
    '4111\u200b1111\u200b1111\u200b1111',
    '٤١١١١١١١١١١١١١١١',
    '𝟒𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏',
  ]) {
    assert.deepEqual(found(`(${number})`), [number]);
  }
});

test('needs a word about cards for lengths that other numbers have too', () => {
  assert.deepEqual(found('4222222222222 units of 4222222222222'), []);
  assert.deepEqual(found('my Visa 4222222222222 expires'), ['4222222222222']);
  assert.deepEqual(found('6759649826438453123', 'payment card_number'), []);
  assert.deepEqual(found('4222222222222', 'payment card_number'), ['4222222222222']);
  assert.deepEqual(found('3512016158312315'), ['3512016158312315'], 'a field that holds nothing else');
  assert.deepEqual(found('3512016158312315', 'order_id'), [], 'unless its name says what it is');
});

test('reports the certain ranges even under another name', () => {
  assert.deepEqual(found('"order_id": "4111111111111111"'), ['4111111111111111']);
  assert.deepEqual(found('"order_id": "3000053822764588"'), []);
});

test('leaves near misses alone', () => {
  for (const text of [
    '4111111111111112', // check digit
    '1234567890123452', // no range
    '41111111111111111111', // too long
    '899999996234917882863855',
    '0.4111111111111111',
    '4111111111111111.25',
    '6234917882863855suffix',
    'deadbeef4111111111111111',
    '4111a111-1111-4111-8111-411111111111',
    '00000000-0000-4111-1111-111111111111',
    '1732176000000',
    '1732176000000000000',
    '2026-11-21T07:57:09.123456Z',
    '192.168.100.200 10.10.10.10',
    '+4915123456789',
    '4006381333931', // GTIN-13
    '[4111, 1111, 1111, 1111]',
  ]) {
    assert.deepEqual(found(text), [], text);
  }
});
