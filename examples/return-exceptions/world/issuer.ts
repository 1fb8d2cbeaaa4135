/**
 * An OIDC issuer on `oidc-provider`, standing for the one of a cloud (Azure in this world): workloads get JWT access
 * tokens by client credentials (RFC 6749 §4.4, RFC 9068). Its keys are made at start and gone when it stops.
 */
import { randomBytes } from 'node:crypto';
import type { RequestListener } from 'node:http';
import { exportJWK, generateKeyPair } from 'jose';
// Not the package's main file: that one only adds a warning about Node versions it has not been told of.
import { Provider } from 'oidc-provider/lib/provider.js';
import { type Listening, listen } from './listen.ts';

export interface Workload {
  readonly clientId: string;
  readonly clientSecret: string;
}

interface IssuedToken {
  readonly resourceServer: { readonly accessTokenTTL: number };
}

const briefSeconds = 1;
const tokenSeconds = 3600;

/** The provider's storage. Tokens that are JWTs are not stored, and nothing else of client credentials outlives its request. */
class NoStorage {
  async upsert(): Promise<void> {}
  async find(): Promise<undefined> {}
  async findByUid(): Promise<undefined> {}
  async findByUserCode(): Promise<undefined> {}
  async consume(): Promise<void> {}
  async destroy(): Promise<void> {}
  async revokeByGrantId(): Promise<void> {}
}

export interface IssuerOptions {
  /** The audience of its tokens: the gate, as the issuer knows it. */
  readonly audience: string;
  readonly tenant: string;
  readonly preferredPort: number;
}

export class Issuer {
  readonly coordinator: Workload = { clientId: 'coordinator', clientSecret: randomBytes(24).toString('base64url') };
  /** Its tokens live for a second: a workload whose tokens are always about to expire. */
  readonly brief: Workload = { clientId: 'coordinator-brief', clientSecret: randomBytes(24).toString('base64url') };
  /** How many requests came in; nobody should ask an issuer that the gate does not know. */
  requests = 0;
  readonly #options: IssuerOptions;
  #listening: Listening | undefined;

  constructor(options: IssuerOptions) {
    this.#options = options;
  }

  get url(): string {
    if (this.#listening === undefined) throw new Error('the issuer is not open');
    return this.#listening.url;
  }

  get tokenEndpoint(): string {
    return `${this.url}/token`;
  }

  async open(): Promise<void> {
    let serve: RequestListener | undefined;
    this.#listening = await listen((request, response) => {
      this.requests++;
      if (serve === undefined) response.writeHead(503).end();
      else serve(request, response);
    }, this.#options.preferredPort);
    serve = await this.#provider(this.url);
  }

  async close(): Promise<void> {
    await this.#listening?.close();
  }

  async #provider(url: string): Promise<RequestListener> {
    const { audience, tenant } = this.#options;
    const { privateKey } = await generateKeyPair('RS256', { extractable: true });
    const key = { ...(await exportJWK(privateKey)), kid: randomBytes(8).toString('hex'), use: 'sig', alg: 'RS256' };
    const provider = new Provider(url, {
      adapter: NoStorage,
      ttl: { ClientCredentials: (_context: unknown, token: IssuedToken) => token.resourceServer.accessTokenTTL },
      jwks: { keys: [key] },
      clients: [this.coordinator, this.brief].map(({ clientId, clientSecret }) => ({
        client_id: clientId,
        client_secret: clientSecret,
        grant_types: ['client_credentials'],
        redirect_uris: [],
        response_types: [],
      })),
      features: {
        clientCredentials: { enabled: true },
        devInteractions: { enabled: false },
        resourceIndicators: {
          enabled: true,
          defaultResource: () => audience,
          getResourceServerInfo: (_context: unknown, _resource: string, client: { clientId: string }) => ({
            audience,
            scope: '',
            accessTokenFormat: 'jwt',
            accessTokenTTL: client.clientId === this.brief.clientId ? briefSeconds : tokenSeconds,
            jwt: { sign: { alg: 'RS256' } },
          }),
        },
      },
      // As Entra does: who the tenant is stands in `tid`.
      extraTokenClaims: () => ({ tid: tenant }),
    });
    return provider.callback();
  }
}
