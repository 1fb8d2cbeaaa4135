/** The documents by which clients find their way, as they are served, and the challenges that lead to them. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { part } from '../parts.ts';
import { World } from './world.ts';

const resourcePath = '/.well-known/oauth-protected-resource';

describe('metadata', part('opa'), () => {
  let world: World;
  before(async () => {
    world = await World.open({
      rows: { orders: { binding: 'dpop' } },
      config: { audit: { refusals_per_second: 1000 } },
    });
  });
  after(async () => world?.[Symbol.asyncDispose]());

  const read = async (path: string) => {
    const response = await fetch(`${world.gate.url}${path}`);
    return { status: response.status, document: (await response.json()) as Record<string, unknown> };
  };

  test('[identity.metadata-says-what-works] there is a document for each part of the data plane, and for no other path', async () => {
    const found = {
      '': { resource: 'http://gate.test' },
      '/v1': { resource: 'http://gate.test/v1' },
      '/tools/orders': { resource: 'http://gate.test/tools/orders', dpop_bound_access_tokens_required: true },
    };
    for (const [path, expected] of Object.entries(found)) {
      const { status, document } = await read(`${resourcePath}${path}`);
      assert.equal(status, 200, path);
      assert.deepEqual({ ...document, ...expected }, document, path);
      assert.equal('dpop_bound_access_tokens_required' in document, path === '/tools/orders');
      assert.equal('authorization_servers' in document, false, 'nobody is sent to a login that is not there');
      assert.equal(document.tls_client_certificate_bound_access_tokens, false);
    }
    for (const path of [
      '/',
      '/mcp/nowhere',
      '/tools',
      '/tools/',
      '/tools/nowhere',
      '/tools/orders/orders',
      '/__proto__',
    ]) {
      const { status, document } = await read(`${resourcePath}${path}`);
      assert.deepEqual([status, document.code], [404, 'route_unknown'], path);
    }
  });

  test('[identity.metadata-says-what-works] every 401 leads to the document of what was asked for', async () => {
    const rows: readonly (readonly [string, string])[] = [
      ['/tools/orders/orders/O-1', '/tools/orders'],
      ['/tools/nowhere/x', ''],
      ['/v1/chat/completions', '/v1'],
      ['/v1/models', '/v1'],
      ['/tasks/task_1', ''],
    ];
    for (const [path, resource] of rows) {
      const method = path.endsWith('completions') ? 'POST' : 'GET';
      const init = method === 'POST' ? { body: '{"model":"gpt","messages":[]}' } : {};
      const headers = method === 'POST' ? { 'content-type': 'application/json' } : undefined;
      const response = await fetch(`${world.gate.url}${path}`, { method, ...init, ...(headers && { headers }) });
      await response.text();
      assert.equal(response.status, 401, path);
      const challenge = response.headers.get('www-authenticate') ?? '';
      assert.match(challenge, path.startsWith('/tools/orders') ? /^DPoP algs=/ : /^Bearer resource_metadata=/, path);
      const [, named = ''] = /resource_metadata="http:\/\/gate\.test([^"]*)"/.exec(challenge) ?? [];
      assert.equal(named, `${resourcePath}${resource}`, path);
      assert.equal((await read(named)).status, 200, path);
    }
    assert.equal(world.model.received.length + world.orders.received.length, 0);
  });

  test('[identity.metadata-says-what-works] every endpoint that is named answers', async () => {
    const { status, document } = await read('/.well-known/oauth-authorization-server');
    assert.equal(status, 200);
    assert.deepEqual(document.response_types_supported, []);
    for (const name of ['token_endpoint', 'revocation_endpoint', 'introspection_endpoint']) {
      const url = String(document[name]).replace('http://gate.test', world.gate.url);
      const response = await fetch(url, { method: 'POST', body: new URLSearchParams({ nothing: 'known' }) });
      const answer = (await response.json()) as { error?: string };
      assert.ok([400, 401].includes(response.status) && answer.error !== undefined, `${name}: ${response.status}`);
    }
    const jwks = await read(String(document.jwks_uri).replace('http://gate.test', ''));
    assert.equal(jwks.status, 200);
    assert.ok(Array.isArray(jwks.document.keys));
    const openid = await read('/.well-known/openid-configuration');
    assert.deepEqual([openid.document.issuer, openid.document.jwks_uri], [document.issuer, document.jwks_uri]);
  });
});
