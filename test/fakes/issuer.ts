/** An OIDC issuer on loopback with one ES256 key: enough for agents of gateway tests; the real one is in the example. */
import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { FakeUpstream } from './upstream.ts';

export class FakeIssuer implements AsyncDisposable {
  readonly audience = 'api://tollgate';
  readonly #server: FakeUpstream;
  readonly #key: KeyObject;

  private constructor(server: FakeUpstream, key: KeyObject) {
    this.#server = server;
    this.#key = key;
  }

  static async open(): Promise<FakeIssuer> {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const jwk = { ...publicKey.export({ format: 'jwk' }), kid: 'one', alg: 'ES256', use: 'sig' };
    const server = await FakeUpstream.open((request, response) => {
      const url = server.url;
      const documents: Record<string, object> = {
        '/.well-known/openid-configuration': { issuer: url, jwks_uri: `${url}/jwks` },
        '/jwks': { keys: [jwk] },
      };
      const document = documents[request.url ?? ''];
      response.writeHead(document === undefined ? 404 : 200, { 'content-type': 'application/json' });
      response.end(JSON.stringify(document ?? {}));
    });
    return new FakeIssuer(server, privateKey);
  }

  get url(): string {
    return this.#server.url;
  }

  /** A workload token; `claims` go over the usual ones. */
  token(agent: string, claims: Record<string, unknown> = {}): string {
    const now = Math.floor(Date.now() / 1000);
    const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString('base64url');
    const usual = { iss: this.url, aud: this.audience, sub: agent, tid: 'acme', iat: now, exp: now + 300 };
    const input = `${encode({ alg: 'ES256', typ: 'JWT', kid: 'one' })}.${encode({ ...usual, ...claims })}`;
    const signature = sign('sha256', Buffer.from(input), { key: this.#key, dsaEncoding: 'ieee-p1363' });
    return `${input}.${signature.toString('base64url')}`;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#server[Symbol.asyncDispose]();
  }
}
