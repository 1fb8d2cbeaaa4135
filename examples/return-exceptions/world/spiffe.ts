/**
 * A SPIFFE trust domain: agents get JWT-SVIDs, and whoever has to verify them fetches the bundle. It stands for SPIRE,
 * whose Workload API gives SVIDs over a local socket; here the world asks in process. As in SPIFFE, the tokens have no
 * `iss`: who vouches is told by the trust domain of `sub`.
 */
import { randomBytes } from 'node:crypto';
import { type CryptoKey, exportJWK, generateKeyPair, SignJWT } from 'jose';
import { type Listening, listen } from './listen.ts';

const algorithm = 'ES256';
const svidSeconds = 300;

export interface SpiffeDomainOptions {
  readonly trustDomain: string;
  readonly preferredPort: number;
}

export class SpiffeDomain {
  /** What the gate is called in `aud` of the SVIDs shown to it. */
  readonly audience = 'spiffe://edge.example.internal/tollgate';
  readonly #options: SpiffeDomainOptions;
  readonly #kid = randomBytes(8).toString('hex');
  #privateKey: CryptoKey | undefined;
  #listening: Listening | undefined;

  constructor(options: SpiffeDomainOptions) {
    this.#options = options;
  }

  get url(): string {
    if (this.#listening === undefined) throw new Error('the trust domain is not open');
    return this.#listening.url;
  }

  /** Where the bundle of the trust domain is. */
  get bundleUrl(): string {
    return `${this.url}/bundle`;
  }

  async open(): Promise<void> {
    const { publicKey, privateKey } = await generateKeyPair(algorithm, { extractable: true });
    this.#privateKey = privateKey;
    // SPIFFE Trust Domain and Bundle §4: `jwt-svid` says what a key may sign.
    const key = { ...(await exportJWK(publicKey)), kid: this.#kid, use: 'jwt-svid' };
    const bundle = JSON.stringify({ keys: [key], spiffe_sequence: 1, spiffe_refresh_hint: 60 });
    this.#listening = await listen((request, response) => {
      const known = request.method === 'GET' && request.url === '/bundle';
      response.writeHead(known ? 200 : 404, { 'content-type': 'application/json' });
      response.end(known ? bundle : '{}');
    }, this.#options.preferredPort);
  }

  /** The JWT-SVID of the workload `id`, a SPIFFE ID, for the gate. */
  svid(id: string): Promise<string> {
    if (this.#privateKey === undefined) throw new Error('the trust domain is not open');
    return new SignJWT({})
      .setProtectedHeader({ alg: algorithm, typ: 'JWT', kid: this.#kid })
      .setSubject(id)
      .setAudience([this.audience])
      .setIssuedAt()
      .setExpirationTime(`${svidSeconds} s`)
      .sign(this.#privateKey);
  }

  async close(): Promise<void> {
    await this.#listening?.close();
  }
}
