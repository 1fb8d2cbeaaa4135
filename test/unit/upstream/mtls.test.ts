/** Client certificates towards targets: a TLS server says who connected, and others are never shown one. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { createServer, type Server, type TLSSocket } from 'node:tls';
import { systemClock } from '../../../src/clock.ts';
import { allowedHost, DialError, Dialer, type TlsIdentity } from '../../../src/upstream/dialer.ts';
import { CredentialBench } from '../../contract/credential.ts';
import { ManualClock } from '../../fakes/clock.ts';
import { FakeGate } from '../../fakes/clouds/federation.ts';
import { Authority, type Certified } from '../../gateway/certificates.ts';
import { part } from '../../parts.ts';

const timeoutMs = { connect: 5_000, firstByte: 5_000, total: 10_000 };

/** Answers with the name in the client's certificate, or `nobody`. */
class AskingServer implements AsyncDisposable {
  readonly #server: Server;
  /** One name a connection. */
  readonly connected: string[] = [];
  readonly port: number;

  private constructor(server: Server) {
    this.#server = server;
    this.port = (server.address() as AddressInfo).port;
    server.on('secureConnection', (socket: TLSSocket) => {
      const { subject } = socket.getPeerCertificate();
      const name = String(subject?.CN ?? 'nobody');
      this.connected.push(name);
      socket.on('error', () => undefined);
      socket.on('data', () => socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${name.length}\r\n\r\n${name}`));
    });
  }

  static async open({ cert, key }: Certified, ca: string, demand: boolean): Promise<AskingServer> {
    const server = createServer({ cert, key, ca, requestCert: true, rejectUnauthorized: demand });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    server.on('tlsClientError', () => undefined);
    return new AskingServer(server);
  }

  get url(): string {
    return `https://127.0.0.1:${this.port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
  }
}

describe('a client certificate', part('openssl'), () => {
  let authority: Authority;
  let server: Certified;
  let gate: Certified;
  let other: Certified;
  before(() => {
    authority = new Authority('inside');
    [server, gate, other] = ['server', 'gate', 'other'].map((name) => authority.issue(name)) as [
      Certified,
      Certified,
      Certified,
    ];
  });
  after(() => authority?.[Symbol.dispose]());

  const identity = ({ cert, key }: Certified): TlsIdentity => ({ cert, key, ca: authority.cert });
  const send = async (dialer: Dialer, url: string, as?: TlsIdentity) => {
    const { body } = await dialer.send({
      ...{ url, method: 'GET', headers: {}, body: null, signal: new AbortController().signal, timeoutMs },
      ...(as === undefined ? {} : { identity: as }),
    });
    const chunks: Uint8Array[] = [];
    for await (const chunk of body) chunks.push(chunk);
    return Buffer.concat(chunks).toString();
  };

  it('is what the target verifies, where its credential is of kind mtls', async () => {
    await using target = await AskingServer.open(server, authority.cert, true);
    const { certFile: cert, keyFile: key } = gate;
    const clock = new ManualClock();
    const config = { kind: 'mtls' as const, cert, key, ca: authority.certFile };
    const options = { config, targetUrl: target.url, clock, gate: new FakeGate() };
    await using bench = new CredentialBench({ ...options, identities: { it: identity(gate) } });
    assert.equal(await bench.outcome(), 200);
    assert.deepEqual(target.connected, ['gate']);
    const [, body] = readFileSync(key, 'utf8').split('\n');
    assert.equal(bench.told.join().includes(body ?? ''), false);
    assert.throws(() => new CredentialBench(options), /have not been read/);
  });

  it('has connections of its own: one certificate is never seen on those of another, or of none', async () => {
    await using target = await AskingServer.open(server, authority.cert, false);
    await using dialer = new Dialer({ clock: systemClock(), allow: [allowedHost(target.url)], ca: authority.cert });
    assert.equal(await send(dialer, target.url, identity(gate)), 'gate');
    assert.equal(await send(dialer, target.url), 'nobody');
    assert.equal(await send(dialer, target.url, identity(other)), 'other');
    assert.equal(await send(dialer, target.url, identity(gate)), 'gate');
    assert.equal(target.connected.length, 3, 'an equal certificate finds its connection warm');
  });

  it('does not help a target that is not certified by the authorities named with it', async () => {
    await using target = await AskingServer.open(server, authority.cert, false);
    using stranger = new Authority('outside');
    await using dialer = new Dialer({ clock: systemClock(), allow: [allowedHost(target.url)], ca: authority.cert });
    const { cert, key } = gate;
    await assert.rejects(
      send(dialer, target.url, { cert, key, ca: stranger.cert }),
      (error) => error instanceof DialError && !error.sent,
    );
    assert.deepEqual(target.connected.includes('gate'), false);
  });

  it('never goes over plain HTTP', async () => {
    const url = 'http://127.0.0.1:9';
    await using dialer = new Dialer({ clock: systemClock(), allow: [allowedHost(url)] });
    await assert.rejects(send(dialer, url, identity(gate)), { kind: 'protocol', sent: false });
  });

  it('is one of a bounded number that have connections', async () => {
    await using target = await AskingServer.open(server, authority.cert, false);
    await using dialer = new Dialer({ clock: systemClock(), allow: [allowedHost(target.url)] });
    // Different texts of one certificate are different identities to the dialer.
    const many = Array.from({ length: 70 }, (_, index) => ({
      ...identity(gate),
      cert: `${gate.cert}${'\n'.repeat(index)}`,
    }));
    for (const one of many) assert.equal(await send(dialer, target.url, one), 'gate');
    assert.equal(target.connected.length, 70);
    assert.equal(await send(dialer, target.url, many[68]), 'gate');
    assert.equal(target.connected.length, 70, 'a late one is still there');
    assert.equal(await send(dialer, target.url, many[0]), 'gate');
    assert.equal(target.connected.length, 71, 'the first was let go');
  });
});
