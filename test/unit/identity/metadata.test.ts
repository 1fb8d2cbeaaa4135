import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deny } from '../../../src/denial.ts';
import { openidConfiguration, protectedResource, wwwAuthenticate } from '../../../src/identity/metadata.ts';
import { refuse } from '../../../src/identity/refusal.ts';
import { unauthenticated } from '../../../src/identity/unauthenticated.ts';

const url = 'https://gate.test';

test('discovery names the keys under the public URL, with or without a slash at its end', () => {
  assert.equal(openidConfiguration(url).jwks_uri, 'https://gate.test/.well-known/jwks.json');
  assert.equal(openidConfiguration(`${url}/`).jwks_uri, 'https://gate.test/.well-known/jwks.json');
  assert.equal(openidConfiguration(`${url}/`).issuer, `${url}/`);
});

test('the resource promises no authorization server and no flow that does not work', () => {
  assert.deepEqual(protectedResource(url), {
    resource: url,
    resource_name: 'Tollgate',
    bearer_methods_supported: ['header'],
  });
  assert.deepEqual(openidConfiguration(url).response_types_supported, []);
});

test('a 401 is challenged: without an error where nothing was shown, with invalid_token where it was refused', () => {
  const metadata = 'resource_metadata="https://gate.test/.well-known/oauth-protected-resource"';
  assert.equal(wwwAuthenticate(unauthenticated(refuse('token_missing')), url), `Bearer ${metadata}`);
  assert.equal(
    wwwAuthenticate(unauthenticated(refuse('token_expired')), url),
    `Bearer error="invalid_token", error_description="The credential is not accepted", ${metadata}`,
  );
  assert.match(wwwAuthenticate(deny('insufficient_scope', 'x'), url) ?? '', /^Bearer error="insufficient_scope"/);
});

test('no other denial is challenged, so that none starts an OAuth loop', () => {
  for (const code of ['policy_denied', 'task_expired', 'task_budget_exhausted', 'upstream_unavailable'] as const) {
    assert.equal(wwwAuthenticate(deny(code, 'x'), url), undefined);
  }
});

test('an issuer that is away is 503 and retryable, every other refusal 401 and not', () => {
  const away = unauthenticated(refuse('issuer_unavailable'), 2_000);
  assert.deepEqual([away.status, away.retryable, away.details.retryAfterMs], [503, true, 2_000]);
  const refused = unauthenticated(refuse('signature_invalid'), 2_000);
  assert.deepEqual([refused.status, refused.retryable, refused.details.retryAfterMs], [401, false, undefined]);
});
