import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isDenial } from '../../../src/denial.ts';
import { credentialOf, shownBy } from '../../../src/server/credential.ts';

type Headers = Readonly<Record<string, string | readonly string[]>>;
const read = (headers: Headers) =>
  credentialOf({ method: 'GET', path: '/', query: '', headers, body: Buffer.alloc(0) });

const credentials: readonly [string, Headers, string | null, string?][] = [
  ['a bearer token', { authorization: 'Bearer abc' }, 'abc', 'bearer'],
  ['a scheme in another case', { authorization: 'bEaReR abc' }, 'abc', 'bearer'],
  ['more than one space', { authorization: 'Bearer   abc' }, 'abc', 'bearer'],
  ['an API key', { 'x-api-key': 'abc' }, 'abc', 'key'],
  ['the same by both names', { authorization: 'Bearer abc', 'x-api-key': 'abc' }, 'abc', 'bearer'],
  ['a DPoP token', { authorization: 'DPoP abc' }, 'abc', 'dpop'],
  ['a DPoP token in another case', { authorization: 'dpop abc' }, 'abc', 'dpop'],
  ['a DPoP token, the same as API key', { authorization: 'DPoP abc', 'x-api-key': 'abc' }, 'abc', 'dpop'],
  ['nothing', {}, null],
  ['an empty API key', { 'x-api-key': '' }, null],
];
for (const [what, headers, credential, scheme] of credentials) {
  test(`${what} gives ${credential ?? 'no credential'}`, () => {
    const shown = read(headers);
    assert.ok(!isDenial(shown));
    assert.deepEqual([shown?.token ?? null, shown?.shown.scheme], [credential, scheme]);
  });
}

test('what else a request shows is its certificate, its one proof, and what it asks', () => {
  const show = (headers: Headers, certificate?: string) =>
    shownBy(
      {
        ...{ method: 'POST', path: '/a', query: 'b', headers, body: Buffer.alloc(0) },
        ...(certificate === undefined ? {} : { certificate }),
      },
      null,
    );
  const bare = { scheme: null, certificate: null, proof: null, method: 'POST', path: '/a' };
  assert.deepEqual(show({}), bare);
  assert.deepEqual(show({ dpop: 'p' }, 'c'), { ...bare, certificate: 'c', proof: 'p' });
  // Not null: then it would be as if none was shown, and nothing refused.
  assert.equal(show({ dpop: ['p', 'q'] }).proof, '');
  assert.equal(show({ dpop: '' }).proof, '');
});

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
