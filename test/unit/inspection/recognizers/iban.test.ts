import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ibanStructures } from '../../../../src/inspection/iban_structures.ts';
import { Inspector } from '../../../../src/inspection/scan.ts';
import { Generator } from '../generate.ts';

const inspector = new Inspector({ recognizers: ['iban'] });

function found(text: string): string[] {
  return inspector.scanText(text).map(({ start, end }) => text.slice(start, end));
}

test('finds IBANs of every country, compact and in groups', () => {
  const generator = new Generator(1);
  for (const country of ibanStructures.keys()) {
    const iban = generator.iban(country);
    assert.deepEqual(found(`to ${iban}.`), [iban]);
    const grouped = iban.replace(/(.{4})(?=.)/g, '$1 ');
    assert.deepEqual(found(`to ${grouped} today`), [grouped]);
  }
});

test('finds small letters, dashes, glued labels and disguises', () => {
  for (const iban of [
    'de89370400440532013000',
    'DE89-3704-0044-0532-0130-00',
    'ＤＥ89 3704 0044 0532 0130 00',
    'DE89%20370400440532013000',
  ]) {
    assert.deepEqual(found(`IBAN: ${iban};`), [iban]);
  }
  assert.deepEqual(found('IBANDE89370400440532013000'), ['DE89370400440532013000']);
  assert.deepEqual(found('GB29 NWBK 6016 1331 9268 19 X marks'), ['GB29 NWBK 6016 1331 9268 19']);
});

test('leaves near misses alone', () => {
  for (const text of [
    'DE89370400440532013001', // check
    'DE8937040044053201300', // too short
    'DE893704004405320130000', // too long
    'xDE89370400440532013000',
    'dE89370400440532013000',
    'GB29NWBK60161331926819A',
    'GI75 aWBK 0000 0000 7099 453',
    'ZZ89370400440532013000',
    'D E89 3704 0044 0532 0130 00',
    'SD 20241 440-600-5124',
  ]) {
    assert.deepEqual(found(text), [], text);
  }
});
