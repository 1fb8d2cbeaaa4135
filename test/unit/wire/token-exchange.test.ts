/** The form of a token request, and the errors of its answers; whose the tokens are is not told here. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type DenialCode, denialMembers, denials, deny } from '../../../src/denial.ts';
import { type ExchangeManner, exchangeError, isExchangeFault, readExchange } from '../../../src/wire/token-exchange.ts';
import { rawRequest } from './request.ts';

const publicUrl = 'https://gate.example';
const type = 'urn:ietf:params:oauth:token-type:';
const grant = 'urn:ietf:params:oauth:grant-type:token-exchange';
const good = { grant_type: grant, subject_token: 's', subject_token_type: `${type}jwt` };

function read(form: Record<string, string> | string, contentType = 'application/x-www-form-urlencoded') {
  const body = typeof form === 'string' ? form : new URLSearchParams(form).toString();
  return readExchange(rawRequest('POST', '/oauth/token', body, { 'content-type': contentType }), publicUrl);
}

test('all that a form may say is read, and what it does not say is null', () => {
  assert.deepEqual(read(good), {
    subjectToken: 's',
    actorToken: null,
    clientAssertion: null,
    clientId: null,
    scope: null,
    details: null,
  });
  const full = read({
    ...good,
    actor_token: 'a',
    actor_token_type: `${type}access_token`,
    client_assertion: 'c',
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    client_id: 'me',
    scope: 'orders.*  gpt.chat',
    resource: `${publicUrl}/mcp/crm`,
    audience: publicUrl,
    requested_token_type: `${type}access_token`,
    authorization_details: '[{"type":"tollgate_task","purpose":"p"}]',
    something_else: 'is ignored (RFC 6749 §3.2)',
  });
  assert.deepEqual(full, {
    subjectToken: 's',
    actorToken: 'a',
    clientAssertion: 'c',
    clientId: 'me',
    scope: ['orders.*', 'gpt.chat'],
    details: { purpose: 'p' },
  });
});

test('a parameter without a value is as good as none', () => {
  const read_ = read({ ...good, scope: '', actor_token: '', actor_token_type: '', client_id: '' });
  assert.deepEqual(read_, read(good));
});

test('a form of another shape is a fault with the error of RFC 6749', () => {
  const rows: [string, ReturnType<typeof read>, string][] = [
    ['JSON', read(JSON.stringify(good), 'application/json'), 'invalid_request'],
    ['a parameter twice', read(`${new URLSearchParams(good)}&subject_token=t`), 'invalid_request'],
    ['an empty one beside it', read(`${new URLSearchParams(good)}&subject_token=`), 'invalid_request'],
    ['too many', read(`${new URLSearchParams(good)}${'&a'.repeat(40)}`), 'invalid_request'],
    ['no grant', read({ subject_token: 's' }), 'unsupported_grant_type'],
    ['no subject', read({ grant_type: grant }), 'invalid_request'],
    ['a resource that only begins alike', read({ ...good, resource: `${publicUrl}.evil/` }), 'invalid_target'],
    ['a resource with a query', read({ ...good, resource: `${publicUrl}/?x` }), 'invalid_target'],
    ['an audience below', read({ ...good, audience: `${publicUrl}/mcp` }), 'invalid_target'],
  ];
  for (const details of ['x', '{}', '[]', '[1]', '[{"type":"a"}]', '[{"type":"tollgate_task"},{}]']) {
    const fault = read({ ...good, authorization_details: details });
    rows.push([details, fault, 'invalid_authorization_details']);
  }
  for (const [what, got, error] of rows) assert.equal(isExchangeFault(got) && got.error, error, what);
});

test('every denial has an error that OAuth clients know, and the gate’s own faults stay faults', () => {
  const known = new Set([
    'invalid_request',
    'invalid_client',
    'invalid_scope',
    'unauthorized_client',
    'invalid_authorization_details',
    'temporarily_unavailable',
  ]);
  for (const code of Object.keys(denials) as DenialCode[]) {
    const denial = deny(code, 'no');
    const { status, document } = exchangeError(denial, denialMembers(denial, {}), { asClient: true, scoped: false });
    assert.ok(known.has(String(document.error)), code);
    // Whoever asks too often is told so by the status that clients wait upon (RFC 6585 §4).
    const kept = denial.status >= 500 || denial.status === 429;
    assert.equal(status, kept ? denial.status : code === 'unauthenticated' ? 401 : 400, code);
    assert.deepEqual([document.code, document.error_description], [code, 'no']);
  }
});

test('what a denial is about decides its error', () => {
  const errorOf = (code: DenialCode, reason: { code: string; path?: string }, manner: Partial<ExchangeManner> = {}) => {
    const denial = deny(code, 'no', { reasons: [{ message: 'no', ...reason }] });
    const { status, document } = exchangeError(denial, denialMembers(denial, {}), {
      asClient: false,
      scoped: false,
      ...manner,
    });
    return `${status} ${document.error}`;
  };
  const unauthenticated = (code: string) => errorOf('unauthenticated', { code });
  const asClient = { asClient: true };
  assert.equal(unauthenticated('token_expired'), '400 invalid_request');
  assert.equal(errorOf('unauthenticated', { code: 'token_expired' }, asClient), '401 invalid_client');
  const ofSubject = { code: 'token_expired', path: '/subject/token' };
  assert.equal(errorOf('unauthenticated', ofSubject, asClient), '400 invalid_request');
  assert.equal(unauthenticated('proof_replayed'), '400 invalid_dpop_proof');
  assert.equal(unauthenticated('binding_required'), '400 invalid_request');
  assert.equal(errorOf('unauthenticated', { code: 'binding_required' }, asClient), '400 invalid_request');
  assert.equal(errorOf('args_invalid', { code: 'not_in_task', path: '/tools' }, { scoped: true }), '400 invalid_scope');
  assert.equal(errorOf('args_invalid', { code: 'not_in_task', path: '/tools' }), '400 invalid_authorization_details');
  assert.equal(errorOf('args_invalid', { code: 'invalid', path: '/token' }), '400 invalid_authorization_details');
  const away = errorOf('upstream_unavailable', { code: 'issuer_unavailable', path: '/subject/token' });
  assert.equal(away, '503 temporarily_unavailable');
});
