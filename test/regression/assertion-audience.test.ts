/**
 * A credential could have the audience of task tokens: the cloud that was told to expect it would have taken the task
 * token of any agent for the gate's assertion, under a subject that the agent had named itself.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkAssertionAudiences } from '../../src/config/assertion-audiences.ts';
import type { Config } from '../../src/config/schema.ts';

function faultsOf(credential: Record<string, unknown>): string[] {
  const gateway = { listen: '127.0.0.1:8080', public_url: 'https://gate.example', trust_domain: 'example.internal' };
  const config = { gateway, credentials: { c: credential } } as unknown as Config;
  return checkAssertionAudiences(config).map(({ pointer }) => pointer);
}

test('the audience of what the gate shows to clouds is none of tokens that agents or services hold', () => {
  for (const audience of ['https://gate.example', 'https://gate.example/', 'example.internal']) {
    for (const kind of ['jwt-bearer', 'token-exchange', 'oauth-client-credentials', 'google-sts']) {
      assert.deepEqual(faultsOf({ kind, assertion_audience: audience }), ['/credentials/c/assertion_audience'], kind);
      assert.deepEqual(faultsOf({ kind, audience }), [], 'it is a parameter of the request');
    }
    for (const kind of ['aws-web-identity', 'azure-federated']) {
      assert.deepEqual(faultsOf({ kind, audience }), ['/credentials/c/audience'], kind);
    }
  }
  for (const audience of ['api://AzureADTokenExchange', 'sts.amazonaws.com', 'https://gate.example/clouds']) {
    assert.deepEqual(faultsOf({ kind: 'azure-federated', audience }), []);
  }
  assert.deepEqual(faultsOf({ kind: 'header', name: 'x', value: 'https://gate.example' }), []);
});
