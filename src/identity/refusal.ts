/**
 * Why a token is not accepted: one closed table of reasons, shared by everything that verifies. A refusal is a value,
 * and knows nothing of the gate's denials, because `verify.ts` gives it to services that are not the gate.
 */

/** Stable reason codes (they stand in the audit trail) with their public texts, which never hold a part of a token. */
export const refusals = {
  token_missing: 'No token was shown',
  token_too_large: 'The token is too long',
  token_malformed: 'The token is not a well-formed JWT',
  token_kind: 'The token is of a kind that is not accepted here',
  token_expired: 'The token has expired',
  token_not_yet_valid: 'The token is not valid yet',
  token_lifetime: 'The token is valid for too long a time',
  token_replayed: 'The token was used before',
  header_not_allowed: 'The header of the token holds a member that is not allowed',
  alg_not_allowed: 'The algorithm of the token is not allowed',
  typ_not_allowed: 'The type of the token is not allowed',
  issuer_unknown: 'The issuer of the token is not trusted',
  audience_wrong: 'The token is meant for another audience',
  claim_missing: 'A claim that is needed is missing',
  claim_invalid: 'A claim has a value that is not allowed',
  key_unknown: 'The key of the token is not known',
  key_weak: 'The key of the token is too weak',
  signature_invalid: 'The signature does not match',
  binding_missing: 'The token belongs to a key, and the request does not prove that it holds it',
  binding_wrong: 'The token belongs to another key than the one that was proved',
  binding_required: 'Only a token that belongs to a key is accepted here, or a request that proves a key for one',
  proof_invalid: 'The DPoP proof is not well-formed, or its key or signature is not fit',
  proof_wrong: 'The DPoP proof was made for another request or another token',
  proof_expired: 'The DPoP proof was made too long ago, or lies in the future',
  proof_replayed: 'The DPoP proof was used before',
  actor_wrong: 'The token names another agent as the one that may act for its subject',
  tenant_wrong: 'The token is for another tenant',
  condition_failed: 'A condition that the configuration sets for this issuer does not hold',
  operation_wrong: 'The token is for another operation',
  request_changed: 'The request is not the one the token was made for',
  issuer_unavailable: 'The keys of the issuer cannot be fetched',
  memory_full: 'Too many tokens are in use to tell a new one from a repeated one',
  memory_unavailable: 'It cannot be told now whether the token was used before',
} as const;

export type RefusalReason = keyof typeof refusals;

/** A token was not accepted. `message` is public. */
export class Refusal {
  readonly reason: RefusalReason;

  constructor(reason: RefusalReason) {
    this.reason = reason;
  }

  get message(): string {
    return refusals[this.reason];
  }
}

export function refuse(reason: RefusalReason): Refusal {
  return new Refusal(reason);
}

export function isRefusal(value: unknown): value is Refusal {
  return value instanceof Refusal;
}
