/** Which hosts a configuration names, and what of a URL is sent. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { addressJudge, allowedHost, splitUrl } from '../../../src/upstream/address.ts';

describe('the hosts of a configuration', () => {
  it('are scheme, name and port together, with default ports and without brackets', () => {
    assert.deepEqual(allowedHost('https://API.example/v1'), { protocol: 'https:', host: 'api.example', port: 443 });
    assert.deepEqual(allowedHost('http://[::1]:8080/'), { protocol: 'http:', host: '::1', port: 8080 });
  });

  it('hold no user name, and no other scheme', () => {
    assert.throws(() => allowedHost('https://user:pass@api.example'), TypeError);
    assert.throws(() => allowedHost('file:///etc/passwd'), TypeError);
  });
});

describe('a URL that is sent', () => {
  it('keeps its path and query byte for byte', () => {
    for (const path of ['/', '/a%2Fb//c', "/?q='x'&r=%5B1", '/a;b=c,d(e)!$&*+', '/..a/b..']) {
      assert.equal(splitUrl(`http://h.example${path}`)?.path, path);
    }
    assert.equal(splitUrl('http://h.example')?.path, '/');
    assert.equal(splitUrl('http://h.example?a=b')?.path, '/?a=b');
    assert.equal(splitUrl('http://h.example:80/x')?.allowed.port, 80);
  });

  it('is none where a server could read it in two ways', () => {
    for (const path of ['/../x', '/x/..', '/%2e%2e/x', '/x/%2E', '/a b', '/a\tb', '/a\\b', '/a#b', '/%', '/\u00e9']) {
      assert.equal(splitUrl(`http://h.example${path}`), undefined, JSON.stringify(path));
    }
    for (const url of ['ftp://h.example/', 'h.example/x', '//h.example/x', 'http:///x', 'http://a@h.example/']) {
      assert.equal(splitUrl(url), undefined, url);
    }
  });
});

describe('an address that a name resolves to', () => {
  const forbidden = addressJudge();
  it('may be private or loopback, because the name is configured', () => {
    for (const address of [
      '127.0.0.1',
      '10.1.2.3',
      '192.168.0.1',
      '172.16.0.1',
      '::1',
      'fd12::1',
      '93.184.216.34',
      '2606:2800::1',
    ]) {
      assert.equal(forbidden(address), false, address);
    }
  });

  it('may not be what is no address at all, nor a link-local one with a zone', () => {
    for (const address of ['', 'localhost', 'fe80::1%eth0', '0.1.2.3', '::ffff:169.254.1.1']) {
      assert.equal(forbidden(address), true, address);
    }
  });
});
