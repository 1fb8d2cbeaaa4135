import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Shown } from '../../../src/call.ts';
import { deny } from '../../../src/denial.ts';
import { proofAlgorithms } from '../../../src/identity/dpop.ts';
import { type MetadataFacts, metadataDocuments, wwwAuthenticate } from '../../../src/identity/metadata.ts';
import { type RefusalReason, refuse } from '../../../src/identity/refusal.ts';
import { unauthenticated } from '../../../src/identity/unauthenticated.ts';

const url = 'https://gate.test';
const facts: MetadataFacts = {
  publicUrl: url,
  certificates: true,
  resources: [
    { path: '', dpopRequired: false },
    { path: '/v1', dpopRequired: false },
    { path: '/mcp', dpopRequired: false },
    { path: '/mcp/crm', dpopRequired: false },
    { path: '/tools/orders', dpopRequired: false },
    { path: '/tools/vault', dpopRequired: true },
  ],
  endpoints: { token: '/oauth/token', revocation: '/oauth/revoke', introspection: '/oauth/introspect' },
};
const documents = metadataDocuments(facts);
const algs = `algs="${proofAlgorithms.join(' ')}"`;
const metadata = (path = '') => `resource_metadata="${url}/.well-known/oauth-protected-resource${path}"`;
const bearer: Pick<Shown, 'path' | 'scheme' | 'proof'> = {
  path: '/tools/orders/refunds',
  scheme: 'bearer',
  proof: null,
};
const refused = (reason: RefusalReason) => unauthenticated(refuse(reason));

test('discovery and the metadata of the authorization server promise no login, and name what there is', () => {
  const openid = documents['/.well-known/openid-configuration']?.();
  assert.deepEqual([openid?.issuer, openid?.jwks_uri], [url, `${url}/.well-known/jwks.json`]);
  // OpenID Connect Discovery §4.2: no member may be empty.
  for (const [name, value] of Object.entries(openid ?? {})) assert.notDeepEqual(value, [], name);
  assert.deepEqual(openid?.id_token_signing_alg_values_supported, ['RS256', 'ES256']);
  const server = documents['/.well-known/oauth-authorization-server']?.() ?? {};
  assert.deepEqual(
    { ...server, token_endpoint_auth_signing_alg_values_supported: 0, dpop_signing_alg_values_supported: 0 },
    {
      issuer: url,
      jwks_uri: `${url}/.well-known/jwks.json`,
      token_endpoint: `${url}/oauth/token`,
      revocation_endpoint: `${url}/oauth/revoke`,
      introspection_endpoint: `${url}/oauth/introspect`,
      grant_types_supported: ['urn:ietf:params:oauth:grant-type:token-exchange'],
      response_types_supported: [],
      token_endpoint_auth_methods_supported: ['private_key_jwt', 'none'],
      token_endpoint_auth_signing_alg_values_supported: 0,
      dpop_signing_alg_values_supported: 0,
      tls_client_certificate_bound_access_tokens: true,
      authorization_details_types_supported: ['tollgate_task'],
    },
  );
  assert.ok(proofAlgorithms.length > 0 && proofAlgorithms.every((alg) => !alg.startsWith('HS')));
});

test('a resource promises no authorization server, and says which bound tokens it takes', () => {
  const resource = {
    resource_name: 'Tollgate',
    bearer_methods_supported: ['header'],
    dpop_signing_alg_values_supported: proofAlgorithms,
    tls_client_certificate_bound_access_tokens: true,
  };
  const of = (path: string) => documents[`/.well-known/oauth-protected-resource${path}`]?.();
  assert.deepEqual(of(''), { resource: url, ...resource });
  assert.deepEqual(of('/v1'), { resource: `${url}/v1`, ...resource });
  assert.deepEqual(of('/tools/vault'), {
    resource: `${url}/tools/vault`,
    ...resource,
    dpop_bound_access_tokens_required: true,
  });
  assert.equal(of('/tools/nowhere'), undefined);
});

test('a 401 is challenged: without an error where nothing was shown, with invalid_token where it was refused', () => {
  assert.equal(wwwAuthenticate(refused('token_missing'), bearer, facts), `Bearer ${metadata('/tools/orders')}`);
  assert.equal(
    wwwAuthenticate(refused('token_expired'), { ...bearer, path: '/tasks' }, facts),
    `Bearer error="invalid_token", error_description="The credential is not accepted", ${metadata()}`,
  );
});

test('the challenge names the resource that was asked for, and never one that only begins alike', () => {
  const paths = {
    '/mcp': '/mcp',
    '/mcp/crm': '/mcp/crm',
    '/mcp/crm2': '/mcp',
    '/v1/chat/completions': '/v1',
    '/v10': '',
    '/tools/orders': '/tools/orders',
    '/tools/orders2/x': '',
  };
  for (const [path, resource] of Object.entries(paths)) {
    assert.equal(
      wwwAuthenticate(refused('token_missing'), { ...bearer, path }, facts),
      `Bearer ${metadata(resource)}`,
      path,
    );
  }
});

test('DPoP is offered where it was used or would help, and alone where nothing else is taken', () => {
  const offered = `DPoP ${algs}, ${metadata('/tools/orders')}`;
  const said = 'error="invalid_token", error_description="The credential is not accepted"';
  const where = metadata('/tools/orders');
  const dpop = { ...bearer, scheme: 'dpop', proof: 'x' } as const;
  assert.equal(wwwAuthenticate(refused('binding_missing'), bearer, facts), `Bearer ${said}, ${where}, ${offered}`);
  assert.equal(
    wwwAuthenticate(refused('token_expired'), dpop, facts),
    `DPoP ${said}, ${algs}, ${where}, Bearer ${where}`,
  );
  for (const shown of [dpop, bearer]) {
    assert.match(wwwAuthenticate(refused('proof_replayed'), shown, facts) ?? '', /^DPoP error="invalid_dpop_proof"/);
  }
  const vault = { ...bearer, path: '/tools/vault/keys' };
  assert.equal(wwwAuthenticate(refused('token_missing'), vault, facts), `DPoP ${algs}, ${metadata('/tools/vault')}`);
});

test('a 403 for scope names the scope that is needed, if it can be said in a header', () => {
  const narrow = (scope: string) => deny('insufficient_scope', 'x', { scope });
  const where = metadata('/tools/orders');
  assert.equal(
    wwwAuthenticate(narrow('orders.create_refund'), bearer, facts),
    `Bearer error="insufficient_scope", scope="orders.create_refund", ${where}`,
  );
  for (const scope of ['a"b', 'a\\b', 'a b', 'é', 'a\r\nb']) {
    assert.equal(wwwAuthenticate(narrow(scope), bearer, facts), `Bearer error="insufficient_scope", ${where}`);
  }
});

test('no other denial is challenged, so that none starts an OAuth loop', () => {
  for (const code of ['policy_denied', 'task_expired', 'task_budget_exhausted', 'upstream_unavailable'] as const) {
    const reasons = [{ code: 'binding_required', message: 'x' }];
    assert.equal(wwwAuthenticate(deny(code, 'x', { reasons, scope: 'x' }), bearer, facts), undefined);
  }
});

test('an issuer that is away is 503 and retryable, every other refusal 401 and not', () => {
  const away = unauthenticated(refuse('issuer_unavailable'), 2_000);
  assert.deepEqual([away.status, away.retryable, away.details.retryAfterMs], [503, true, 2_000]);
  const wrong = unauthenticated(refuse('signature_invalid'), 2_000);
  assert.deepEqual([wrong.status, wrong.retryable, wrong.details.retryAfterMs], [401, false, undefined]);
});
