/** Arguments that are one thing to the policy, and would be another one to whoever reads the query that is written of them. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { JsonObject } from '../../src/call.ts';
import { readDocument } from '../../src/wire/dialects/http/document.ts';
import { unwritable, writePlace } from '../../src/wire/dialects/http/place.ts';

const text = { type: 'string' };
const open = { type: 'object', additionalProperties: text };

function queryOf(...declared: readonly object[]) {
  const parameters = declared.map((one) => ({ in: 'query', ...one }));
  const pieces = readDocument({
    ...{ openapi: '3.1.0', info: { title: 'a service', version: '1' } },
    paths: { '/a': { get: { operationId: 'a', parameters } } },
  });
  for (;;) {
    const piece = pieces.next();
    if (piece.done === true) return piece.value.drafts[0]?.parameters ?? [];
  }
}

describe('a query', () => {
  test('in which a member of one parameter would be another parameter is not written', () => {
    for (const [parameters, values] of [
      [queryOf({ name: 'filter', schema: open }, { name: 'admin', schema: text }), { filter: { admin: 'true' } }],
      [
        queryOf({ name: 'filter', schema: open }, { name: 'admin', schema: text }),
        { filter: { admin: 'true' }, admin: 'false' },
      ],
      [queryOf({ name: 'f', style: 'deepObject', schema: open }, { name: 'f[x]', schema: text }), { f: { x: 'true' } }],
    ] as const) {
      assert.notDeepEqual(unwritable(parameters, values as JsonObject), []);
    }
    const apart = queryOf({ name: 'filter', schema: open }, { name: 'admin', schema: text });
    assert.deepEqual(unwritable(apart, { filter: { color: 'red' }, admin: 'no' }), []);
  });

  test('holds nothing of a parameter that was not given, whatever it is called', () => {
    const parameters = queryOf({ name: 'constructor', schema: text }, { name: 'toString', schema: text });
    assert.equal(writePlace(parameters, {}), '');
    assert.deepEqual(unwritable(parameters, {}), []);
    assert.equal(writePlace(parameters, { constructor: 'a' } as never), 'constructor=a');
  });

  test('has no semicolon as it is, which some servers take for the end of a parameter', () => {
    const parameters = queryOf({ name: 'q', allowReserved: true, schema: text });
    assert.equal(writePlace(parameters, { q: 'a;admin=true:/?' }), 'q=a%3Badmin%3Dtrue:/?');
  });
});
