/** The dialer against real servers on loopback: hosts, addresses, time, size, and aborts. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { systemClock } from '../../../src/clock.ts';
import type { Resolve } from '../../../src/upstream/address.ts';
import { allowedHost, DialError, Dialer, type DialerOptions, type SendRequest } from '../../../src/upstream/dialer.ts';
import { FakeUpstream } from '../../fakes/upstream.ts';

const clock = systemClock();
const timeoutMs = { connect: 2_000, firstByte: 2_000, total: 5_000 };

function dialerTo(url: string, options: Partial<DialerOptions> = {}): Dialer {
  return new Dialer({ clock, allow: [allowedHost(url)], ...options });
}

function get(url: string, more: Partial<SendRequest> = {}): SendRequest {
  return { url, method: 'GET', headers: {}, body: null, signal: new AbortController().signal, timeoutMs, ...more };
}

async function text(body: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

async function failure(promise: Promise<unknown>): Promise<DialError> {
  const error = await promise.then(
    () => assert.fail('it did not fail'),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof DialError, String(error));
  return error;
}

async function until(condition: () => boolean, limitMs: number): Promise<number> {
  const start = performance.now();
  while (!condition()) {
    assert.ok(performance.now() - start < limitMs, `not so within ${limitMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  return performance.now() - start;
}

describe('the dialer', () => {
  let upstream: FakeUpstream;
  let dialer: Dialer;
  before(async () => {
    upstream = await FakeUpstream.open();
    dialer = dialerTo(upstream.url);
  });
  after(async () => {
    await dialer[Symbol.asyncDispose]();
    await upstream[Symbol.asyncDispose]();
  });
  const answering = (reply: FakeUpstream['reply']) => {
    upstream.received.length = 0;
    upstream.reply = reply;
  };

  it('sends method, path, headers and body as they are, and gives the answer as it came', async () => {
    answering((_request, response) => void response.writeHead(418, { 'X-Kind': 'teapot' }).end('short and stout'));
    const url = `${upstream.url}/a%2Fb//c;d?q='x'&n=12345678901234567890`;
    const body = Buffer.from('{"n": 12345678901234567890}');
    const answer = await dialer.send(
      get(url, { method: 'PUT', body, headers: { 'content-type': 'application/json' } }),
    );
    assert.equal(answer.status, 418);
    assert.equal(answer.headers['x-kind'], 'teapot');
    assert.equal(await text(answer.body), 'short and stout');
    const [received] = upstream.received;
    assert.equal(received?.method, 'PUT');
    assert.equal(received?.url, "/a%2Fb//c;d?q='x'&n=12345678901234567890");
    assert.deepEqual(received?.body, body);
  });

  it('refuses hosts, ports and schemes that are not configured, before a byte is sent [upstream.only-configured-hosts]', async () => {
    answering((_request, response) => void response.end());
    for (const url of [
      `http://localhost:${upstream.port}/`,
      `http://127.0.0.1:${upstream.port + 1}/`,
      `https://127.0.0.1:${upstream.port}/`,
    ]) {
      const error = await failure(dialer.send(get(url)));
      assert.equal(error.kind, 'refused_host');
      assert.equal(error.sent, false);
    }
    assert.equal(upstream.received.length, 0);
  });

  it('refuses paths that would be changed on the way: dot segments, spaces, line breaks, fragments', async () => {
    answering((_request, response) => void response.end());
    for (const path of ['/a/../b', '/a/%2e%2E/b', '/.', '/a b', '/a\r\nx: y', '/a#b', '/a\\b', '/ü', '/%zz']) {
      const error = await failure(dialer.send(get(upstream.url + path)));
      assert.equal(error.kind, 'protocol', path);
    }
    const user = await failure(dialer.send(get(`http://user:secret@127.0.0.1:${upstream.port}/`)));
    assert.equal(user.kind, 'protocol');
    assert.equal(upstream.received.length, 0);
  });

  it('refuses a configured name that resolves to a metadata, link-local, multicast or unspecified address [upstream.only-configured-hosts]', async () => {
    const forbidden = [
      '169.254.169.254',
      '169.254.1.1',
      '0.0.0.0',
      '224.0.0.1',
      '255.255.255.255',
      '100.100.100.200',
      'fe80::1',
      'ff02::1',
      '::',
      '::ffff:169.254.169.254',
      'fd00:ec2::254',
      '64:ff9b::a9fe:a9fe',
    ];
    for (const address of forbidden) {
      const resolve: Resolve = (_host, callback) =>
        callback(null, [{ address, family: address.includes(':') ? 6 : 4 }]);
      await using named = dialerTo('http://api.example:8080', { resolve });
      const error = await failure(named.send(get('http://api.example:8080/latest/meta-data')));
      assert.equal(error.kind, 'refused_host', address);
      assert.equal(error.sent, false);
    }
  });

  it('refuses a name that has a forbidden address among its good ones', async () => {
    answering((_request, response) => void response.end());
    const resolve: Resolve = (_host, callback) =>
      callback(null, [
        { address: '127.0.0.1', family: 4 },
        { address: '169.254.169.254', family: 4 },
      ]);
    const url = `http://api.example:${upstream.port}`;
    await using named = dialerTo(url, { resolve });
    assert.equal((await failure(named.send(get(`${url}/`)))).kind, 'refused_host');
    assert.equal(upstream.received.length, 0);
  });

  it('dials a configured name at a loopback address, judging each new connection by a fresh look-up', async () => {
    answering((_request, response) => void response.setHeader('connection', 'close').end('hello'));
    let address = '127.0.0.1';
    const resolve: Resolve = (_host, callback) => callback(null, [{ address, family: 4 }]);
    const url = `http://api.example:${upstream.port}`;
    await using named = dialerTo(url, { resolve });
    assert.equal(await text((await named.send(get(`${url}/`))).body), 'hello');
    address = '169.254.169.254'; // DNS rebinding: the name moves after it was found good
    assert.equal((await failure(named.send(get(`${url}/`)))).kind, 'refused_host');
  });

  it('follows no redirect [upstream.no-redirects]', async () => {
    answering((_request, response) => void response.writeHead(307, { location: `${upstream.url}/elsewhere` }).end());
    const answer = await dialer.send(get(`${upstream.url}/here`));
    assert.equal(answer.status, 307);
    await text(answer.body);
    assert.deepEqual(
      upstream.received.map(({ url }) => url),
      ['/here'],
    );
  });

  it('says that nothing was sent when nobody listens', async () => {
    const closed = createServer().listen(0, '127.0.0.1');
    await once(closed, 'listening');
    const url = `http://127.0.0.1:${(closed.address() as AddressInfo).port}`;
    closed.close();
    await using nobody = dialerTo(url);
    const error = await failure(nobody.send(get(`${url}/`)));
    assert.equal(error.kind, 'connect');
    assert.equal(error.sent, false);
  });

  it('gives up on a connection that is not there in time, and never sends the request later', async () => {
    answering((_request, response) => void response.end());
    let answerLookup = () => {};
    const resolve: Resolve = (_host, callback) => {
      answerLookup = () => callback(null, [{ address: '127.0.0.1', family: 4 }]);
    };
    const url = `http://api.example:${upstream.port}`;
    await using slow = dialerTo(url, { resolve });
    const error = await failure(slow.send(get(`${url}/`, { timeoutMs: { ...timeoutMs, connect: 50 } })));
    assert.equal(error.kind, 'connect');
    assert.equal(error.sent, false);
    answerLookup();
    await new Promise((done) => setTimeout(done, 50));
    assert.equal(upstream.received.length, 0);
  });

  it('times out when the head does not come, and says that the request may have been acted on', async () => {
    answering(() => undefined);
    const error = await failure(dialer.send(get(`${upstream.url}/`, { timeoutMs: { ...timeoutMs, firstByte: 50 } })));
    assert.equal(error.kind, 'timeout');
    assert.equal(error.sent, true);
  });

  it('ends a body that goes on beyond the total time', async () => {
    answering((_request, response) => void response.writeHead(200).write('first'));
    const answer = await dialer.send(get(`${upstream.url}/`, { timeoutMs: { ...timeoutMs, total: 100 } }));
    assert.equal((await failure(text(answer.body))).kind, 'timeout');
  });

  it('closes the connection within 200 ms of an abort before the head has come [upstream.abort-before-headers]', async () => {
    await using upstream = await FakeUpstream.open(() => undefined);
    await using fresh = dialerTo(upstream.url);
    const controller = new AbortController();
    const sending = failure(fresh.send(get(`${upstream.url}/`, { signal: controller.signal })));
    await until(() => upstream.received.length === 1, 2_000);
    assert.equal(upstream.sockets.size, 1);
    controller.abort();
    const error = await sending;
    assert.equal(error.kind, 'aborted');
    assert.equal(error.sent, true);
    await until(() => upstream.sockets.size === 0, 200);
  });

  it('closes the connection within 200 ms of an abort in the middle of a stream', async () => {
    await using upstream = await FakeUpstream.open((_request, response) => void response.writeHead(200).write('first'));
    await using fresh = dialerTo(upstream.url);
    const controller = new AbortController();
    const answer = await fresh.send(get(`${upstream.url}/`, { signal: controller.signal }));
    const reading = failure(text(answer.body));
    controller.abort();
    assert.equal((await reading).kind, 'aborted');
    await until(() => upstream.sockets.size === 0, 200);
  });

  it('closes the connection of an answer that is left in the middle, and of one that is closed unread', async () => {
    await using upstream = await FakeUpstream.open((_request, response) => void response.writeHead(200).write('first'));
    await using fresh = dialerTo(upstream.url);
    for await (const _chunk of (await fresh.send(get(`${upstream.url}/`))).body) break;
    (await fresh.send(get(`${upstream.url}/`))).close();
    await until(() => upstream.sockets.size === 0, 200);
  });

  it('sends nothing for a call that was aborted before', async () => {
    answering((_request, response) => void response.end());
    const error = await failure(dialer.send(get(`${upstream.url}/`, { signal: AbortSignal.abort() })));
    assert.equal(error.kind, 'aborted');
    assert.equal(error.sent, false);
    assert.equal(upstream.received.length, 0);
  });

  it('reports a connection that breaks off before the head, and in the middle of the body', async () => {
    answering((request) => void request.socket.destroy());
    const before = await failure(dialer.send(get(`${upstream.url}/`)));
    assert.equal(before.kind, 'reset');
    assert.equal(before.sent, true);
    answering((request, response) => {
      response
        .writeHead(200, { 'content-length': '100' })
        .write('half', () => setTimeout(() => request.socket.destroy(), 20));
    });
    const answer = await dialer.send(get(`${upstream.url}/`));
    const middle = await failure(text(answer.body));
    assert.ok(middle.kind === 'reset' || middle.kind === 'protocol', middle.kind);
  });

  it('refuses an answer that is larger than the bound, a head included', async () => {
    await using small = dialerTo(upstream.url, { bodyBytesMax: 1_000, headerBytesMax: 1_024 });
    answering((_request, response) => void response.end('x'.repeat(1_001)));
    assert.equal((await failure(small.send(get(`${upstream.url}/`)).then(({ body }) => text(body)))).kind, 'protocol');
    answering((_request, response) => void response.writeHead(200, { 'x-big': 'x'.repeat(2_000) }).end());
    assert.equal((await failure(small.send(get(`${upstream.url}/`)))).kind, 'protocol');
  });

  it('refuses what is not HTTP', async () => {
    const server = createServer((socket) => void socket.end('SSH-2.0-OpenSSH_9.2\r\n')).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    await using other = dialerTo(url);
    const error = await failure(other.send(get(`${url}/`)));
    server.close();
    assert.equal(error.kind, 'protocol');
  });

  it('makes a slow reader slow the target down, and loses nothing', async () => {
    const size = 24 * 1024 * 1024; // far more than the buffers of the kernel
    let written = 0;
    answering(async (_request, response) => {
      response.writeHead(200);
      for (let part = 0; part < 64; part++) {
        if (!response.write(Buffer.alloc(size / 64, part))) await once(response, 'drain');
        written += size / 64;
      }
      response.end();
    });
    const { body } = await dialer.send(get(`${upstream.url}/`));
    await new Promise((resolve) => setTimeout(resolve, 100));
    assert.ok(written < size, `all ${written} bytes were taken although nobody reads`);
    let bytes = 0;
    for await (const chunk of body) bytes += chunk.length;
    assert.equal(bytes, size);
  });

  it('refuses requests beyond the bound of one origin, and takes them again once there is room', async () => {
    const waiting: (() => void)[] = [];
    answering((_request, response) => void waiting.push(() => response.end('done')));
    await using narrow = dialerTo(upstream.url, { inFlightMax: 2 });
    const first = narrow.send(get(`${upstream.url}/1`));
    const controller = new AbortController();
    const second = failure(narrow.send(get(`${upstream.url}/2`, { signal: controller.signal })));
    const refused = await failure(narrow.send(get(`${upstream.url}/3`)));
    assert.equal(refused.kind, 'connect');
    assert.equal(refused.sent, false);
    await until(() => waiting.length === 2, 2_000);
    controller.abort();
    await second;
    answering((_request, response) => void response.end('fourth'));
    assert.equal(await text((await narrow.send(get(`${upstream.url}/4`))).body), 'fourth');
    for (const finish of waiting) finish();
    assert.equal(await text((await first).body), 'done');
  });

  it('takes the head that follows an early hint', async () => {
    answering((_request, response) => {
      response.writeEarlyHints({ link: '</style.css>; rel=preload' });
      response.writeHead(200).end('final');
    });
    const answer = await dialer.send(get(`${upstream.url}/`));
    assert.equal(answer.status, 200);
    assert.equal(await text(answer.body), 'final');
  });

  it('fetches JSON documents: 200, within the bound, and nothing else', async () => {
    const fetchJson = (maxBytes = 1_000) => dialer.fetchJson(`${upstream.url}/jwks`, { maxBytes, timeoutMs: 2_000 });
    answering(
      (_request, response) =>
        void response.writeHead(200, { 'content-type': 'application/jwk-set+json' }).end('{"keys":[]}'),
    );
    assert.deepEqual(await fetchJson(), { keys: [] });
    assert.equal((await failure(fetchJson(5))).kind, 'protocol');
    answering((_request, response) => void response.writeHead(200).end('<html>'));
    assert.equal((await failure(fetchJson())).kind, 'protocol');
    answering((_request, response) => void response.writeHead(200).end(Buffer.from([0x22, 0xff, 0x22])));
    assert.equal((await failure(fetchJson())).kind, 'protocol');
    answering((_request, response) => void response.writeHead(302, { location: `${upstream.url}/other` }).end('{}'));
    assert.match((await failure(fetchJson())).message, /HTTP 302/);
    answering((_request, response) => void response.writeHead(204).end());
    assert.match((await failure(fetchJson())).message, /HTTP 204/);
  });
});
