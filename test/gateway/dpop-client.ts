/** A client that holds a key and makes a DPoP proof for each request (RFC 9449), by jose and none of the gate's code. */
import { createHash, randomUUID } from 'node:crypto';
import { calculateJwkThumbprint, exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose';

export interface ProofChanges {
  readonly claims?: Record<string, unknown>;
  readonly header?: Record<string, unknown>;
}

export class DpopClient {
  readonly jkt: string;
  readonly #publicUrl: string;
  readonly #key: CryptoKey;
  readonly #jwk: JWK;

  private constructor(publicUrl: string, key: CryptoKey, jwk: JWK, jkt: string) {
    this.#publicUrl = publicUrl;
    this.#key = key;
    this.#jwk = jwk;
    this.jkt = jkt;
  }

  /** `publicUrl` is where clients think the gate is. */
  static async make(publicUrl = 'http://gate.test'): Promise<DpopClient> {
    const { publicKey, privateKey } = await generateKeyPair('ES256');
    const jwk = await exportJWK(publicKey);
    return new DpopClient(publicUrl, privateKey, jwk, await calculateJwkThumbprint(jwk));
  }

  /** A proof for one request; with `token`, for a resource (`ath`). */
  proof(method: string, path: string, token: string | null, { claims, header }: ProofChanges = {}): Promise<string> {
    const ath = token === null ? {} : { ath: createHash('sha256').update(token).digest('base64url') };
    const usual = { jti: randomUUID(), htm: method, htu: `${this.#publicUrl}${path}`, ...ath };
    return new SignJWT({ iat: Math.floor(Date.now() / 1000), ...usual, ...claims })
      .setProtectedHeader({ typ: 'dpop+jwt', alg: 'ES256', jwk: this.#jwk, ...header })
      .sign(this.#key);
  }

  /** The headers of a call: the token by its own scheme, and a fresh proof. */
  async headers(method: string, path: string, token: string, changes?: ProofChanges): Promise<Record<string, string>> {
    return { authorization: `DPoP ${token}`, dpop: await this.proof(method, path, token, changes) };
  }
}
