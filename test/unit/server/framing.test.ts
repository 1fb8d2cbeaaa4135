import assert from 'node:assert/strict';
import { test } from 'node:test';
import { denyFraming, type Head } from '../../../src/server/framing.ts';

const head = (change: Partial<Head> = {}, ...more: string[]): Head => ({
  method: 'POST',
  url: '/tools/orders/refunds?x=%20|{}',
  httpVersion: '1.1',
  rawHeaders: ['Host', 'gate.test:8080', ...more],
  ...change,
});

test('ordinary heads pass', () => {
  for (const good of [
    head(),
    head({}, 'Content-Length', '0'),
    head({}, 'Content-Length', '12'),
    head({}, 'transfer-encoding', 'chunked'),
    head({ httpVersion: '1.0' }, 'Content-Length', '12'),
    head({ method: 'GET' }, 'Content-Length', '0'),
    head({ rawHeaders: ['HOST', '[::1]:8080'] }),
    head({ rawHeaders: ['host', 'my_service'] }),
    head({}, 'Accept', 'a', 'Accept', 'b'),
  ]) {
    assert.equal(denyFraming(good), undefined, JSON.stringify(good));
  }
});

test('each thing that could be understood in two ways is refused', () => {
  for (const [bad, message] of [
    [head({ httpVersion: '0.9' }), /HTTP\/1\.1/],
    [head({ httpVersion: '2.0' }), /HTTP\/1\.1/],
    [head({ url: 'http://gate.test/' }), /target/],
    [head({ url: '*' }), /target/],
    [head({ url: '/a#b' }), /target/],
    [head({ url: '/\u00e9' }), /target/],
    [head({ rawHeaders: [] }), /Host/],
    [head({ rawHeaders: ['Host', 'a,b'] }), /Host/],
    [head({}, 'HOST', 'gate.test:8080'), /host came more than once/],
    [head({}, 'Content-Length', '1', 'content-length', '1'), /content-length came more than once/],
    [head({}, 'Content-Length', '01'), /plain number/],
    [head({}, 'Content-Length', '1', 'Transfer-Encoding', 'chunked'), /together/],
    [head({}, 'Transfer-Encoding', 'Chunked'), /must be: chunked/],
    [head({}, 'Transfer-Encoding', ''), /must be: chunked/],
    [head({ httpVersion: '1.0' }, 'Transfer-Encoding', 'chunked'), /HTTP\/1\.0/],
    [head({ method: 'GET' }, 'Content-Length', '1'), /no body/],
    [head({ method: 'HEAD' }, 'Transfer-Encoding', 'chunked'), /no body/],
    [head({}, 'Upgrade', 'websocket'), /Upgrades/],
    [head({}, ...Array.from({ length: 200 }, (_, index) => [`X-${index}`, '']).flat()), /200 headers/],
  ] as const) {
    const denial = denyFraming(bad);
    assert.equal(denial?.code, 'request_invalid', JSON.stringify(bad));
    assert.match(denial?.message ?? '', message);
  }
  const trace = denyFraming(head({ method: 'TRACE' }));
  assert.equal(trace?.code, 'method_not_allowed');
  assert.ok(trace?.details.allowed?.includes('POST'));
});
