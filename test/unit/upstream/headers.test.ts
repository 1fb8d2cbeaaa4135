/** Which headers pass, both ways. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { answerHeaders, requestHeaders, withConfigured } from '../../../src/upstream/headers.ts';

describe('headers to a target', () => {
  it('are what content and preconditions need, and nothing an agent says of itself or of the network', () => {
    const passing = {
      'content-type': 'application/json',
      accept: 'application/json',
      'if-none-match': '"a"',
      range: 'bytes=0-1',
    };
    const staying = {
      authorization: 'Bearer task-token',
      cookie: 'a=b',
      'x-api-key': 'task-token',
      'txn-token': 'forged',
      forwarded: 'for=10.0.0.1',
      'x-forwarded-for': '10.0.0.1',
      'x-real-ip': '10.0.0.1',
      'proxy-authorization': 'Basic x',
      te: 'trailers',
      connection: 'close, content-type',
      'transfer-encoding': 'chunked',
      host: 'elsewhere',
      'content-length': '3',
      'x-tollgate-task-id': 'task_1',
      traceparent: '00-1-1-01',
      baggage: 'a=b',
      'user-agent': 'agent',
      'accept-encoding': 'gzip',
      'x-anything': 'unknown',
    };
    assert.deepEqual(requestHeaders({ ...passing, ...staying }, {}), passing);
  });

  it('include those of the target, over those of the client, and beta features of both', () => {
    const configured = { 'openai-organization': 'org-1', 'anthropic-beta': 'b-2, a-1', authorization: 'Bearer x' };
    const headers = withConfigured(
      { accept: '*/*', 'anthropic-beta': 'a-1', 'openai-organization': 'mine' },
      configured,
    );
    assert.deepEqual(requestHeaders(headers, {}, configured), {
      ...{ accept: '*/*', 'anthropic-beta': 'a-1,b-2', 'openai-organization': 'org-1' },
    });
    assert.equal(requestHeaders({ 'openai-organization': 'mine' }, {})['openai-organization'], undefined);
    const untouched = { 'anthropic-beta': 'a-1, a-1' };
    assert.equal(withConfigured(untouched, undefined), untouched);
  });

  it('include the header arguments of the operation, except those only the gate may send', () => {
    const args = { headers: { 'X-Store': '7', authorization: 'Bearer x', 'x-forwarded-host': 'y' } };
    const encoded = { 'x-store': '7', authorization: 'Bearer x', 'x-forwarded-host': 'y' };
    assert.deepEqual(requestHeaders(encoded, args), { 'x-store': '7' });
  });

  it('never hold a line break', () => {
    assert.deepEqual(requestHeaders({ accept: 'a\r\nauthorization: x', 'accept-language': 'de' }, {}), {
      'accept-language': 'de',
    });
  });
});

describe('headers of an answer', () => {
  it('are about the content, never about the connection, the server or a session', () => {
    const passing = { 'content-type': 'text/plain', etag: '"a"', 'retry-after': '3', 'cache-control': 'no-store' };
    const staying = {
      connection: 'x-secret',
      'x-secret': '1',
      'keep-alive': 'timeout=5',
      'set-cookie': 'a=b',
      server: 'nginx',
      via: '1.1 x',
      'x-powered-by': 'y',
      'content-encoding': 'gzip',
      'content-length': '3',
      'transfer-encoding': 'chunked',
      'x-tollgate-call-id': 'forged',
      'www-authenticate': 'Bearer',
    };
    assert.deepEqual(answerHeaders({ ...passing, ...staying }), passing);
  });

  it('hold a location only inside the same service', () => {
    assert.deepEqual(answerHeaders({ location: '/orders/7' }), { location: '/orders/7' });
    for (const location of [
      'https://elsewhere/x',
      '//elsewhere/x',
      '/\\elsewhere',
      '\\\\elsewhere',
      'javascript:x',
      ' https://x',
    ]) {
      assert.deepEqual(answerHeaders({ location }), {}, location);
    }
  });
});
