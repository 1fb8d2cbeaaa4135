/** What a listener says of the certificate of its clients: in a fresh session, in a resumed one, in each mode. */
import assert from 'node:assert/strict';
import { createHash, X509Certificate } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { connect, type SecureVersion, type TLSSocket } from 'node:tls';
import { Listener } from '../../../src/server/listener.ts';
import type { TlsConfig } from '../../../src/server/section.ts';
import { ManualClock } from '../../fakes/clock.ts';
import { Authority, type Certified } from '../../gateway/certificates.ts';
import { part } from '../../parts.ts';

const options = part('openssl');
const bounds = { body_bytes: 1024, header_bytes: 8192, request_ms: 5000, idle_ms: 5000, connections: 64 };

describe('the certificate of a client', options, () => {
  let authority: Authority;
  let stranger: Authority;
  let server: Certified;
  let client: Certified;
  let other: Certified;
  let foreign: Certified;
  const opened: Listener[] = [];
  before(() => {
    authority = new Authority('our authority');
    stranger = new Authority('another authority');
    server = authority.issue('server');
    client = authority.issue('client');
    other = authority.issue('other');
    foreign = stranger.issue('client');
  });
  after(async () => {
    for (const listener of opened) await listener[Symbol.asyncDispose]();
    authority?.[Symbol.dispose]();
    stranger?.[Symbol.dispose]();
  });

  /** A listener that answers with the certificate it was told of. */
  async function open(mode: TlsConfig['client']): Promise<number> {
    const config: TlsConfig = { cert: '', key: '', client: mode, min_version: 'TLSv1.2' };
    const clientCa = mode === 'self_signed' ? null : Buffer.from(authority.cert);
    const listener = new Listener({
      host: '127.0.0.1',
      port: 0,
      bounds,
      tls: { config, files: { cert: Buffer.from(server.cert), key: Buffer.from(server.key), clientCa } },
      clock: new ManualClock(),
      enter: () => ({
        answer: async ({ certificate }) => ({
          status: 200,
          headers: {},
          body: Buffer.from(`[${certificate ?? 'none'}]`),
        }),
        leave: () => undefined,
      }),
      refuse: () => ({ status: 400, headers: {}, body: Buffer.alloc(0) }),
    });
    opened.push(listener);
    return (await listener.open()).port;
  }

  interface Seen {
    /** What each request of the connection was answered. */
    readonly said: readonly string[];
    readonly reused: boolean;
    readonly session: Buffer | undefined;
  }

  /** Two requests on one connection. */
  async function ask(
    port: number,
    shown: Pick<Certified, 'cert' | 'key'> | undefined,
    version: SecureVersion,
    session?: Buffer,
  ): Promise<Seen> {
    const identity = shown === undefined ? {} : { cert: shown.cert, key: shown.key };
    const socket: TLSSocket = connect({
      ...{ port, host: '127.0.0.1', ca: authority.cert, minVersion: version, maxVersion: version },
      ...identity,
      ...(session === undefined ? {} : { session }),
    });
    let latest: Buffer | undefined;
    socket.on('session', (ticket: Buffer) => {
      latest = ticket;
    });
    const said: string[] = [];
    await new Promise<void>((resolve, reject) => {
      const request = () => socket.write('GET / HTTP/1.1\r\nHost: gate\r\n\r\n');
      let text = '';
      socket.once('secureConnect', request);
      socket.on('data', (chunk: Buffer) => {
        text += chunk.toString();
        const [whole, answer] = /\[([^\]]+)\]/.exec(text) ?? [];
        if (whole === undefined || answer === undefined) return;
        text = '';
        said.push(answer);
        if (said.length === 2) resolve();
        else request();
      });
      socket.once('error', reject);
      socket.once('close', () => reject(new Error('closed')));
    });
    const reused = socket.isSessionReused();
    socket.destroy();
    return { said, reused, session: latest };
  }

  const thumbprint = ({ cert }: Certified) =>
    createHash('sha256').update(new X509Certificate(cert).raw).digest('base64url');

  test('is the SHA-256 of its DER, as openssl reckons it', () => {
    const hex = new X509Certificate(client.cert).fingerprint256.replaceAll(':', '');
    assert.equal(thumbprint(client), Buffer.from(hex, 'hex').toString('base64url'));
  });

  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    test(`is known for each request of a connection, by ${version}`, async () => {
      const port = await open('request');
      assert.deepEqual((await ask(port, client, version)).said, [thumbprint(client), thumbprint(client)]);
      assert.deepEqual((await ask(port, other, version)).said, [thumbprint(other), thumbprint(other)]);
      assert.deepEqual((await ask(port, undefined, version)).said, ['none', 'none']);
      await assert.rejects(ask(port, foreign, version));
    });

    test(`is that of the first handshake in a resumed session, whatever is shown then, by ${version}`, async () => {
      for (const mode of ['request', 'require', 'self_signed'] as const) {
        const port = await open(mode);
        const first = await ask(port, client, version);
        assert.ok(first.session !== undefined, `${mode}: a session to resume`);
        const again = await ask(port, other, version, first.session);
        assert.equal(again.reused, true, mode);
        assert.deepEqual(again.said, [thumbprint(client), thumbprint(client)], mode);
        const bare = await ask(port, undefined, version, again.session ?? first.session);
        assert.equal(bare.reused, true, mode);
        assert.deepEqual(bare.said, [thumbprint(client), thumbprint(client)], mode);
      }
    });

    test(`of a session that began without one is none, whatever is shown later, by ${version}`, async () => {
      const port = await open('self_signed');
      const first = await ask(port, undefined, version);
      const again = await ask(port, client, version, first.session);
      assert.equal(again.reused, true);
      assert.deepEqual(again.said, ['none', 'none']);
    });

    test(`with client: self_signed may be anybody's, by ${version}`, async () => {
      const port = await open('self_signed');
      assert.deepEqual((await ask(port, foreign, version)).said, [thumbprint(foreign), thumbprint(foreign)]);
      assert.deepEqual((await ask(port, undefined, version)).said, ['none', 'none']);
    });
  }
});
