/**
 * Strict reading of signed JWTs (RFC 7519, RFC 7515 compact form; RFC 8725 is the checklist). Three steps, in this
 * order: `parseJwt` (the form), `isSignedBy` (the signature), `checkClaims` (what it says). Nothing that `parseJwt`
 * gives is true before the other two have passed: it may only be used to find the issuer and the key.
 */
import type { Json, JsonObject } from '../call.ts';
import { type AlgorithmName, algorithms, isAlgorithmName, verifySignature } from './algorithms.ts';
import type { VerificationKey } from './jwk.ts';
import { isRefusal, type Refusal, refuse } from './refusal.ts';
import { decodeBase64url, parseJsonObject } from './strict-json.ts';

export const tokenCharsMax = 16_384;
export const idCharsMax = 255;
const issuerCharsMax = 2048;
const audiencesMax = 32;
/** The last second of the year 9999: more is no time, and breaks arithmetic on dates. */
const latestSecond = 253_402_300_799;

/** A JWS in compact form that is well-formed, and not yet verified. */
export interface Jws {
  readonly alg: AlgorithmName;
  /** Lower-case, without `application/` (RFC 7515 §4.1.9); null where the header has none. */
  readonly typ: string | null;
  readonly kid: string | null;
  /** A key that the token brings along; never set but for `parseProof`. */
  readonly jwk: Json | null;
  readonly payload: Buffer;
  readonly signingInput: string;
  readonly signature: Buffer;
}

/** A JWS whose payload is a claims set. */
export interface Jwt extends Jws {
  readonly claims: JsonObject;
}

/**
 * Reads the form of a token. Refuses `token_missing`, `token_too_large`, `token_malformed`, `header_not_allowed`,
 * `alg_not_allowed` (also for `none` and `HS*`). URLs in the header (`jku`, `x5u`) are never looked at.
 */
export function parseJwt(token: string | null): Jwt | Refusal {
  return parse(token, false);
}

/** As `parseJwt`, for the one kind of token that brings its key along and is trusted for no more (RFC 9449 §4.2). */
export function parseProof(proof: string): Jwt | Refusal {
  return parse(proof, true);
}

function parse(token: string | null, bringsKey: boolean): Jwt | Refusal {
  const jws = parseJws(token, bringsKey);
  if (isRefusal(jws)) return jws;
  const claims = parseJsonObject(jws.payload);
  return claims === undefined ? refuse('token_malformed') : { ...jws, claims };
}

/** The form of a JWS with any payload; refuses as `parseJwt` does. */
export function parseJws(token: string | null, bringsKey = false): Jws | Refusal {
  if (typeof token !== 'string' || token === '') return refuse('token_missing');
  if (token.length > tokenCharsMax) return refuse('token_too_large');
  const parts = token.split('.', 4);
  const [headerPart, payloadPart, signaturePart] = parts;
  if (parts.length !== 3 || !headerPart || payloadPart === undefined || signaturePart === undefined) {
    return refuse('token_malformed');
  }
  const headerBytes = decodeBase64url(headerPart);
  const payload = decodeBase64url(payloadPart);
  const signature = decodeBase64url(signaturePart);
  if (!headerBytes || !payload || !signature) return refuse('token_malformed');
  const header = parseJsonObject(headerBytes);
  if (header === undefined) return refuse('token_malformed');

  // Extensions that change how a token is read, and a key that the token brings along (RFC 8725 §3.10).
  if ('crit' in header || 'b64' in header || 'jwk' in header !== bringsKey) return refuse('header_not_allowed');
  const { alg, typ = null, kid = null, jwk = null } = header;
  if (typ !== null && (typeof typ !== 'string' || typ === '')) return refuse('token_malformed');
  if (kid !== null && !isPlainText(kid, idCharsMax)) return refuse('token_malformed');
  if (typeof alg !== 'string') return refuse('token_malformed');
  if (!isAlgorithmName(alg)) return refuse('alg_not_allowed');
  return {
    alg,
    typ: typ === null ? null : normalTyp(typ),
    kid,
    jwk,
    payload,
    signingInput: token.slice(0, headerPart.length + 1 + payloadPart.length),
    signature,
  };
}

/** A `typ` as it is compared: media types ignore case, and `application/` may be left out (RFC 7515 §4.1.9). */
export function normalTyp(typ: string): string {
  return typ.toLowerCase().replace(/^application\/(?=[^/]+$)/, '');
}

/** Whether `key` may be used with the algorithm that the token names. */
export function fits(key: VerificationKey, alg: AlgorithmName): boolean {
  const { kty, crv } = algorithms[alg];
  return key.kty === kty && (crv === null || key.crv === crv) && (key.alg === null || key.alg === alg);
}

/** Whether the token was signed by `key`; false also if the key is not for the token's algorithm. */
export function isSignedBy(jws: Jws, key: VerificationKey): boolean {
  return fits(key, jws.alg) && verifySignature(jws.alg, key.key, jws.signingInput, jws.signature);
}

export interface ClaimRules {
  /** The exact `iss`; null where the token need not have one, because its issuer was found otherwise. */
  readonly issuer: string | null;
  /** The token must name at least one of them. */
  readonly audiences: readonly string[];
  readonly nowMs: number;
  /** How long after `exp` a token still counts. */
  readonly expiredToleranceSeconds: number;
  /** How far ahead `iat` and `nbf` may lie. */
  readonly futureToleranceSeconds: number;
  /** The longest time between `iat` and `exp`; if set, `iat` is required. */
  readonly lifetimeSecondsMax?: number;
}

/** The registered claims of a token that has passed. Times are seconds since 1970, as in the token. */
export interface RegisteredClaims {
  readonly sub: string;
  readonly aud: readonly string[];
  readonly exp: number;
}

/**
 * Judges the registered claims (RFC 7519 §4.1) against `rules`. Refuses `issuer_unknown`, `audience_wrong`,
 * `claim_missing`, `claim_invalid`, `token_expired`, `token_not_yet_valid`, `token_lifetime`.
 */
export function checkClaims(claims: JsonObject, rules: ClaimRules): RegisteredClaims | Refusal {
  const { iss, sub, aud } = claims;
  const nameless = iss === undefined && rules.issuer === null;
  if ((iss === undefined && !nameless) || sub === undefined || aud === undefined) return refuse('claim_missing');
  if (!(nameless || isPlainText(iss, issuerCharsMax)) || !isPlainText(sub, idCharsMax)) return refuse('claim_invalid');
  if (iss !== rules.issuer && rules.issuer !== null) return refuse('issuer_unknown');
  const named: unknown = typeof aud === 'string' ? [aud] : aud;
  if (!Array.isArray(named) || named.length > audiencesMax || !named.every((one) => isPlainText(one, issuerCharsMax))) {
    return refuse('claim_invalid');
  }
  if (!named.some((audience) => rules.audiences.includes(audience))) return refuse('audience_wrong');
  if (claims.jti !== undefined && !isPlainText(claims.jti, idCharsMax)) return refuse('claim_invalid');
  const exp = checkTimes(claims, rules);
  return isRefusal(exp) ? exp : { sub, aud: named, exp };
}

function checkTimes(claims: JsonObject, rules: ClaimRules): number | Refusal {
  const { exp, nbf, iat } = claims;
  if (exp === undefined) return refuse('claim_missing');
  if (!isSecond(exp)) return refuse('claim_invalid');
  if (nbf !== undefined && !isSecond(nbf)) return refuse('claim_invalid');
  if (iat !== undefined && !isSecond(iat)) return refuse('claim_invalid');
  const nowSeconds = rules.nowMs / 1000;
  if (nowSeconds >= exp + rules.expiredToleranceSeconds) return refuse('token_expired');
  const latestStart = nowSeconds + rules.futureToleranceSeconds;
  if ((nbf ?? 0) > latestStart || (iat ?? 0) > latestStart) return refuse('token_not_yet_valid');
  // A token that ends before it begins was never meant to be valid: its issuer is confused.
  if ((iat ?? 0) >= exp || (nbf ?? 0) >= exp) return refuse('claim_invalid');
  if (rules.lifetimeSecondsMax !== undefined) {
    if (iat === undefined) return refuse('claim_missing');
    if (exp - iat > rules.lifetimeSecondsMax) return refuse('token_lifetime');
  }
  return exp;
}

function isSecond(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= latestSecond;
}

/** A non-empty string without control characters or broken surrogates, of at most `charsMax` UTF-16 units. */
export function isPlainText(value: unknown, charsMax: number): value is string {
  if (typeof value !== 'string' || value === '' || value.length > charsMax || !value.isWellFormed()) return false;
  return !/\p{Cc}/u.test(value);
}
