/**
 * Federation assertions: what the gate shows to a cloud's token service in exchange for that cloud's own credentials
 * (RFC 7523 §2.2, AWS AssumeRoleWithWebIdentity, Google STS). RS256, as Entra demands. They are `typ: JWT` of a key of
 * their own: no other verifier of the gate's takes one.
 */
import assert from 'node:assert';
import type { JsonObject } from '../call.ts';
import type { Clock } from '../clock.ts';
import { idCharsMax, isPlainText } from './jwt.ts';
import { type GateKeys, keyPurposes } from './keys.ts';

export interface FederationOptions {
  /** `prepareFederation` resolves once there is a key and it is published. */
  readonly keys: Pick<GateKeys, 'sign' | 'prepareFederation'>;
  readonly publicUrl: string;
  readonly clock: Clock;
}

export interface FederationRequest {
  /** `sub`: fixed for a credential, as clouds match it exactly. */
  readonly subject: string;
  /** `aud`: what the cloud expects, `api://AzureADTokenExchange` for one. */
  readonly audience: string;
  /** Further claims, AWS session tags for one; the registered ones win. */
  readonly claims?: JsonObject;
}

/** Long enough for clocks that differ, short enough to be worth nothing when it is found in a log. */
export const federationSeconds = 300;

export class FederationAssertions {
  readonly #options: FederationOptions;

  constructor(options: FederationOptions) {
    this.#options = options;
  }

  /**
   * A fresh assertion, valid for five minutes; each has a `jti` of its own. The first one may wait up to a second for
   * its key to be made and published. Rejects with SignerUnavailable, KeyFault or `StoreUnavailable` if none can be had.
   */
  async mint({ subject, audience, claims = {} }: FederationRequest): Promise<string> {
    const { keys, publicUrl, clock } = this.#options;
    assert(isPlainText(subject, idCharsMax), 'a federation subject is plain text of 1 to 255 characters');
    await keys.prepareFederation();
    const iat = Math.floor(clock.nowMs() / 1000);
    return keys.sign('federation', keyPurposes.federation.typ, {
      ...claims,
      iss: publicUrl,
      sub: subject,
      aud: audience,
      iat,
      nbf: iat,
      exp: iat + federationSeconds,
      jti: clock.randomBytes(16).toString('base64url'),
    });
  }
}
