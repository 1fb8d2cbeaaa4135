import assert from 'node:assert/strict';
import { test } from 'node:test';
import { requestFields } from '../../../src/wire/dialects/anthropic/fields.ts';
import { chatFields } from '../../../src/wire/dialects/openai/fields.ts';
import { rowOf, stands } from '../../../src/wire/field-class.ts';
import { speedServices, tierServices } from '../../../src/wire/services.ts';

test('what an answer says of how it was served counts, and what says nothing leaves it to what was asked', () => {
  assert.deepEqual(tierServices('priority'), { services: ['priority'] });
  assert.deepEqual(tierServices('default'), { services: [] });
  for (const silent of [undefined, null, 'auto', 7, 'turbo']) assert.deepEqual(tierServices(silent), {});
  assert.deepEqual(speedServices({ speed: 'fast', inference_geo: 'us' }), { services: ['fast', 'us'] });
  assert.deepEqual(speedServices({ speed: 'standard', inference_geo: null }), { services: [] });
  assert.deepEqual(speedServices({ speed: null }), {});
});

test('a way of being served that has no price stands before the policy', () => {
  for (const [fields, name, priced] of [
    [chatFields, 'service_tier', 'priority'],
    [requestFields, 'service_tier', 'standard_only'],
    [requestFields, 'speed', 'fast'],
  ] as const) {
    const row = rowOf(fields, name);
    assert.deepEqual(
      [stands(row, priced), stands(row, null), stands(row, 'turbo'), stands(row, 1)],
      [false, false, true, true],
    );
  }
});
