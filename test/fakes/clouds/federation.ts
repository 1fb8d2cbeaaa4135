/**
 * A gate as clouds see it: an issuer with one RSA key, whose assertions they verify. It signs by the gate's own
 * `FederationAssertions`, and verifies by jose, so that neither vouches for itself.
 */
import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { createLocalJWKSet, type JWTPayload, jwtVerify } from 'jose';
import type { Clock } from '../../../src/clock.ts';
import { FederationAssertions } from '../../../src/identity/federation.ts';

export class FakeGate {
  readonly url = 'https://gate.example';
  readonly #key: KeyObject;
  readonly #keySet: ReturnType<typeof createLocalJWKSet>;
  /** Every assertion that was made. */
  readonly made: string[] = [];

  constructor() {
    const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    this.#key = privateKey;
    const jwk = publicKey.export({ format: 'jwk' }) as { kty: string };
    this.#keySet = createLocalJWKSet({ keys: [{ ...jwk, kid: 'fed-1', alg: 'RS256', use: 'sig' }] });
  }

  assertions(clock: Clock): FederationAssertions {
    const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString('base64url');
    const keys = {
      prepareFederation: async () => undefined,
      sign: async (_purpose: string, typ: string, claims: object) => {
        const input = `${encode({ alg: 'RS256', typ, kid: 'fed-1' })}.${encode(claims)}`;
        const assertion = `${input}.${sign('sha256', Buffer.from(input), this.#key).toString('base64url')}`;
        this.made.push(assertion);
        return assertion;
      },
    };
    return new FederationAssertions({ keys, publicUrl: this.url, clock });
  }

  /** The claims of an assertion that a cloud would take; throws on any other. */
  async verify(
    assertion: string | null,
    expected: { readonly audience: string; readonly subject: string; readonly nowMs: number },
  ): Promise<JWTPayload> {
    const { audience, subject, nowMs } = expected;
    const { payload } = await jwtVerify(assertion ?? '', this.#keySet, {
      ...{ issuer: this.url, audience, subject, typ: 'JWT', algorithms: ['RS256'] },
      ...{ currentDate: new Date(nowMs), requiredClaims: ['exp', 'iat', 'nbf', 'jti'], maxTokenAge: 300 },
    });
    if ((payload.exp ?? 0) - (payload.iat ?? 0) > 600) throw new Error('the assertion lives too long');
    if (Array.isArray(payload.aud)) throw new Error('more than one audience');
    return payload;
  }
}
