import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isDenial } from '../../../src/denial.ts';
import { credentialOf } from '../../../src/server/credential.ts';

type Headers = Readonly<Record<string, string | readonly string[]>>;
const read = (headers: Headers) =>
  credentialOf({ method: 'GET', path: '/', query: '', headers, body: Buffer.alloc(0) });

const credentials: readonly [string, Headers, string | null][] = [
  ['a bearer token', { authorization: 'Bearer abc' }, 'abc'],
  ['a scheme in another case', { authorization: 'bEaReR abc' }, 'abc'],
  ['more than one space', { authorization: 'Bearer   abc' }, 'abc'],
  ['an API key', { 'x-api-key': 'abc' }, 'abc'],
  ['the same by both names', { authorization: 'Bearer abc', 'x-api-key': 'abc' }, 'abc'],
  ['nothing', {}, null],
  ['an empty API key', { 'x-api-key': '' }, null],
];
for (const [what, headers, credential] of credentials) {
  test(`${what} gives ${credential ?? 'no credential'}`, () => assert.equal(read(headers), credential));
}

const refusals: readonly [string, Headers, string][] = [
  ['two different credentials', { authorization: 'Bearer abc', 'x-api-key': 'abd' }, 'two_credentials'],
  ['an empty API key beside a token', { authorization: 'Bearer abc', 'x-api-key': '' }, 'two_credentials'],
  ['another scheme', { authorization: 'Basic YTpi' }, 'scheme_unknown'],
  ['a scheme alone', { authorization: 'Bearer' }, 'scheme_unknown'],
  ['a token without a scheme', { authorization: 'abc' }, 'scheme_unknown'],
  ['two tokens in one header', { authorization: 'Bearer abc def' }, 'scheme_unknown'],
  ['another scheme beside a good API key', { authorization: 'Basic YTpi', 'x-api-key': 'abc' }, 'scheme_unknown'],
];
for (const [what, headers, reason] of refusals) {
  test(`${what} is unauthenticated`, () => {
    const denial = read(headers);
    assert.ok(isDenial(denial));
    assert.deepEqual([denial.code, denial.reasons[0]?.code], ['unauthenticated', reason]);
    assert.doesNotMatch(denial.message, /abc|YTpi/);
  });
}
