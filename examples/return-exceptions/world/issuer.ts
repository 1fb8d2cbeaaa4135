/**
 * An OIDC issuer on `oidc-provider`, standing for the one of a cloud: workloads get JWT access tokens by client
 * credentials (RFC 6749 §4.4, RFC 9068), customers by signing in to one of its clients. Its keys are made at start and
 * gone when it stops; no two issuers share one.
 */
import { randomBytes } from 'node:crypto';
import type { RequestListener } from 'node:http';
import { type CryptoKey, exportJWK, generateKeyPair, SignJWT } from 'jose';
// Not the package's main file: that one only adds a warning about Node versions it has not been told of.
import { Provider } from 'oidc-provider/lib/provider.js';
import type { Workload } from '../agent.ts';
import { type Listening, listen } from './listen.ts';

interface IssuedToken {
  readonly resourceServer: { readonly accessTokenTTL: number };
}

const algorithm = 'RS256';
const lifetime = (_context: unknown, token: IssuedToken) => token.resourceServer.accessTokenTTL;
export const tokenSeconds = 3600;

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
  /** The audience of its tokens: the gate, as this issuer knows it. */
  readonly audience: string;
  /** What stands in its tokens beside the registered claims: every cloud says in its own way who the tenant is. */
  readonly claims: Readonly<Record<string, unknown>>;
  /** Client ids, with the lifetime of their tokens in seconds. */
  readonly clients: Readonly<Record<string, number>>;
  readonly preferredPort: number;
}

export class Issuer {
  /** How many requests came in; nobody should ask an issuer that the gate does not know. */
  requests = 0;
  readonly #options: IssuerOptions;
  readonly #secrets: ReadonlyMap<string, string>;
  readonly #kid = randomBytes(8).toString('hex');
  #privateKey: CryptoKey | undefined;
  #provider: Provider | undefined;
  #listening: Listening | undefined;

  constructor(options: IssuerOptions) {
    this.#options = options;
    this.#secrets = new Map(Object.keys(options.clients).map((id) => [id, randomBytes(24).toString('base64url')]));
  }

  get url(): string {
    if (this.#listening === undefined) throw new Error('the issuer is not open');
    return this.#listening.url;
  }

  /** What the workload `clientId` is given to get its tokens with. */
  workload(clientId: string): Workload {
    const clientSecret = this.#secrets.get(clientId);
    if (clientSecret === undefined) throw new Error(`the issuer has no client ${clientId}`);
    return { tokenEndpoint: `${this.url}/token`, clientId, clientSecret, audience: this.#options.audience };
  }

  /** A token with any claims, as only whoever holds the keys of this issuer can make one. */
  sign(claims: Readonly<Record<string, unknown>>): Promise<string> {
    if (this.#privateKey === undefined) throw new Error('the issuer is not open');
    return new SignJWT(claims)
      .setProtectedHeader({ alg: algorithm, typ: 'at+jwt', kid: this.#kid })
      .sign(this.#privateKey);
  }

  /**
   * The access token that a person has once they signed in to the client `clientId`. The sign-in itself is left out: this
   * is what the provider's token endpoint makes at its end, by the same code.
   */
  async signedIn(person: string, clientId: string): Promise<string> {
    const client = await this.#provider?.Client.find(clientId);
    if (this.#provider === undefined || client === undefined) throw new Error(`the issuer has no client ${clientId}`);
    const { AccessToken, ResourceServer } = this.#provider;
    const { audience, clients } = this.#options;
    const token = new AccessToken({ accountId: person, client, grantId: 'signed-in', gty: 'authorization_code' });
    token.resourceServer = new ResourceServer(audience, {
      ...{ audience, scope: '', accessTokenFormat: 'jwt', jwt: { sign: { alg: algorithm } } },
      accessTokenTTL: clients[clientId] ?? tokenSeconds,
    });
    return token.save();
  }

  async open(): Promise<void> {
    let serve: RequestListener | undefined;
    this.#listening = await listen((request, response) => {
      this.requests++;
      if (serve === undefined) response.writeHead(503).end();
      else serve(request, response);
    }, this.#options.preferredPort);
    this.#provider = await this.#makeProvider(this.url);
    serve = this.#provider.callback();
  }

  async close(): Promise<void> {
    await this.#listening?.close();
  }

  async #makeProvider(url: string): Promise<Provider> {
    const { audience, claims, clients } = this.#options;
    const { privateKey } = await generateKeyPair(algorithm, { extractable: true });
    this.#privateKey = privateKey;
    const key = { ...(await exportJWK(privateKey)), kid: this.#kid, use: 'sig', alg: algorithm };
    return new Provider(url, {
      adapter: NoStorage,
      ttl: { ClientCredentials: lifetime, AccessToken: lifetime },
      jwks: { keys: [key] },
      clients: [...this.#secrets].map(([clientId, clientSecret]) => ({
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
            accessTokenTTL: clients[client.clientId] ?? tokenSeconds,
            jwt: { sign: { alg: algorithm } },
          }),
        },
      },
      extraTokenClaims: () => claims,
    });
  }
}
