/** TLS on both planes: who is let in, what is spoken, and how certificates are renewed. */
import assert from 'node:assert/strict';
import { cpSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { type RequestOptions, request } from 'node:https';
import { connect as connectTcp } from 'node:net';
import { after, before, test } from 'node:test';
import { connect, type PeerCertificate, type TLSSocket } from 'node:tls';
import { checkConfig } from '../../src/main.ts';
import { RawSocket } from '../fakes/raw_socket.ts';
import { part } from '../parts.ts';
import { Authority, type Certified } from './certificates.ts';
import { World } from './world.ts';

const options = { ...part('opa'), ...part('openssl') };
let authority: Authority;
let stranger: Authority;
let server: Certified;
let client: Certified;
let foreign: Certified;
const worlds: Partial<Record<'require' | 'request', World>> = {};

function open(mode: 'require' | 'request'): Promise<World> {
  const tls = { cert: server.certFile, key: server.keyFile, client_ca: authority.certFile, client: mode };
  const adminTls = { cert: server.certFile, key: server.keyFile, min_version: 'TLSv1.3' };
  return World.open({ config: { gateway: { tls, admin_tls: adminTls }, limits: { request_ms: 500 } } });
}
before(async () => {
  if (options.skip !== undefined) return;
  authority = new Authority('our authority');
  stranger = new Authority('another authority');
  server = authority.issue('server');
  client = authority.issue('client');
  foreign = stranger.issue('client');
  worlds.require = await open('require');
  worlds.request = await open('request');
});
after(async () => {
  for (const world of Object.values(worlds)) await world[Symbol.asyncDispose]();
  authority?.[Symbol.dispose]();
  stranger?.[Symbol.dispose]();
});
const world = (mode: 'require' | 'request'): World => worlds[mode] as World;

interface Answer {
  readonly status: number;
  readonly body: string;
  readonly certificate: PeerCertificate;
}

function call(
  url: string,
  shown?: Pick<Certified, 'cert' | 'key'>,
  more: RequestOptions = {},
  body = '',
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const made = request(url, { ca: authority.cert, ...shown, agent: false, ...more }, (response) => {
      const certificate = (response.socket as TLSSocket).getPeerCertificate();
      let text = '';
      response.on('data', (chunk: Buffer) => {
        text += chunk.toString();
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body: text, certificate }));
      response.on('error', reject);
    });
    made.on('error', reject);
    made.end(body);
  });
}

test(
  '[server.mtls] with client: require, only who shows a certificate of the authority gets an answer',
  options,
  async () => {
    const { url } = world('require').gate;
    assert.match(url, /^https:/);
    assert.equal((await call(`${url}/livez`, client)).status, 200);
    await assert.rejects(call(`${url}/livez`));
    await assert.rejects(call(`${url}/livez`, foreign));
  },
);

test('with client: request, a client may come without a certificate, and not with a foreign one', options, async () => {
  const { url } = world('request').gate;
  assert.equal((await call(`${url}/livez`)).status, 200);
  assert.equal((await call(`${url}/livez`, client)).status, 200);
  await assert.rejects(call(`${url}/livez`, foreign));
});

test('a call over TLS goes the same way as any other', options, async () => {
  const { gate, issuer, orders } = world('request');
  const open = { method: 'POST', headers: { authorization: `Bearer ${issuer.token('coordinator')}` } };
  const opened = await call(`${gate.url}/tasks`, undefined, open, JSON.stringify({ purpose: 'test' }));
  assert.equal(opened.status, 201);
  const { task_token: token } = JSON.parse(opened.body) as { task_token: string };
  orders.received.length = 0;
  const headers = { authorization: `Bearer ${token}` };
  assert.equal((await call(`${gate.url}/tools/orders/orders/O-1`, undefined, { headers })).status, 200);
  assert.equal(orders.received.length, 1);
});

test('plain HTTP on a TLS listener, an old version and HTTP/2 get no answer', options, async () => {
  const { gate } = world('request');
  await assert.rejects(fetch(gate.url.replace('https', 'http')));
  await assert.rejects(call(`${gate.url}/livez`, undefined, { maxVersion: 'TLSv1.1', minVersion: 'TLSv1' }));
  await assert.rejects(call(`${gate.adminUrl}/livez`, undefined, { maxVersion: 'TLSv1.2' }));
  assert.equal((await call(`${gate.adminUrl}/livez`)).status, 200);
  const { port } = new URL(gate.url);
  const h2 = connect({ host: '127.0.0.1', port: Number(port), ca: authority.cert, ALPNProtocols: ['h2'] });
  await assert.rejects(
    new Promise((resolve, reject) => {
      h2.on('secureConnect', () => resolve(h2.alpnProtocol));
      h2.on('error', reject);
    }),
  );
});

test('a handshake that does not go on is cut like a slow request', options, async () => {
  const raw = new RawSocket(world('request').gate.url);
  raw.write('\x16\x03\x01');
  assert.ok((await raw.closed) < 1000);
});

test('an idle connection is cut after its handshake, too', options, async () => {
  const { port } = new URL(world('request').gate.url);
  const tcp = connectTcp(Number(port), '127.0.0.1');
  const secured = connect({ socket: tcp, ca: authority.cert, host: '127.0.0.1' });
  secured.on('error', () => undefined);
  const start = performance.now();
  await new Promise((resolve) => tcp.once('close', resolve));
  assert.ok(performance.now() - start < 1500);
});

test('a renewed certificate is taken up by a reload, and connections go on', options, async () => {
  const fresh = await open('request');
  try {
    const before = await call(`${fresh.gate.url}/livez`);
    const renewed = authority.issue('renewed');
    cpSync(renewed.certFile, server.certFile);
    cpSync(renewed.keyFile, server.keyFile);
    assert.equal((await fresh.gate.reload('signal')).outcome, 'applied');
    const after = await call(`${fresh.gate.url}/livez`);
    assert.equal(before.certificate.subject.CN, 'server');
    assert.equal(after.certificate.subject.CN, 'renewed');
  } finally {
    await fresh[Symbol.asyncDispose]();
  }
});

test(
  'a key that does not fit, a file that is none, and mTLS without an authority are faults with a line',
  options,
  async () => {
    const { configFile } = world('request');
    const base = JSON.parse(await readFile(configFile, 'utf8')) as { gateway: Record<string, unknown> };
    const faultsOf = async (tls: object): Promise<string> => {
      const file = `${configFile}.other.json`;
      await writeFile(file, JSON.stringify({ ...base, gateway: { ...base.gateway, tls } }, null, 2));
      const checked = await checkConfig(file, {});
      assert.ok('faults' in checked);
      for (const { line } of checked.faults) assert.ok(line > 1);
      return checked.faults.map(({ pointer, message }) => `${pointer} ${message}`).join('\n');
    };
    assert.match(await faultsOf({ cert: server.certFile, key: foreign.keyFile }), /^\/gateway\/tls .*together/);
    assert.match(await faultsOf({ cert: configFile, key: server.keyFile }), /^\/gateway\/tls\/cert .*cannot be used/);
    const without = { cert: server.certFile, key: server.keyFile, client: 'require' };
    assert.match(await faultsOf(without), /^\/gateway\/tls\/client .*client_ca/);
  },
);
