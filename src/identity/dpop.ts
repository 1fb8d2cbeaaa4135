/**
 * Reads a DPoP proof (RFC 9449 §4.3): a JWT by which a client shows, for one request, that it holds a private key. It
 * says who asks only together with a token that names the same key. That it is used once is `dpop-memory.ts`'.
 */
import { hash, type webcrypto } from 'node:crypto';
import type { Shown } from '../call.ts';
import { type AlgorithmName, algorithms } from './algorithms.ts';
import { readCarriedKey } from './jwk.ts';
import { idCharsMax, isPlainText, isSignedBy, parseProof } from './jwt.ts';
import { isRefusal, type Refusal, refuse } from './refusal.ts';

/** A proof that holds for its request. */
export interface Proof {
  /** JWK thumbprint of the key (RFC 7638), base64url SHA-256. */
  readonly jkt: string;
  readonly jti: string;
  /** Base64url SHA-256 of the token it is meant for; null where it names none. */
  readonly ath: string | null;
}

/** `dpop_signing_alg_values_supported` (RFC 9449 §5.1). */
export const proofAlgorithms = Object.keys(algorithms) as readonly AlgorithmName[];
/** How old a proof may be. */
export const proofSecondsMax = 60;
/** How far ahead of ours the clock of a client may be. */
export const proofSecondsAheadMax = 5;
/** A longer one holds a key that nobody needs. */
const proofCharsMax = 8192;
const htuCharsMax = 8192;

/**
 * The proof in the `DPoP` header of a request to `publicUrl`. Refuses `proof_invalid` (form, `typ`, algorithm, key,
 * signature, `jti`), `proof_wrong` (another method or URL), `proof_expired` (`iat` over 60 s old or 5 s ahead).
 */
export function readProof(
  proof: string,
  { method, path }: Pick<Shown, 'method' | 'path'>,
  publicUrl: string,
  nowMs: number,
): Proof | Refusal {
  if (proof.length > proofCharsMax) return refuse('proof_invalid');
  const jwt = parseProof(proof);
  if (isRefusal(jwt) || jwt.typ !== 'dpop+jwt' || jwt.jwk === null) return refuse('proof_invalid');
  const key = readCarriedKey(jwt.jwk);
  if (key === undefined || !isSignedBy(jwt, key)) return refuse('proof_invalid');
  const { jti, htm, htu, iat, ath } = jwt.claims;
  if (!isPlainText(jti, idCharsMax) || typeof htm !== 'string' || typeof htu !== 'string') {
    return refuse('proof_invalid');
  }
  if (typeof iat !== 'number' || !Number.isInteger(iat)) return refuse('proof_invalid');
  if (ath !== undefined && typeof ath !== 'string') return refuse('proof_invalid');
  const asked = normalUrl(`${publicUrl.replace(/\/$/, '')}${path}`);
  if (htm !== method || asked === undefined || normalUrl(htu) !== asked) return refuse('proof_wrong');
  const nowSeconds = nowMs / 1000;
  if (iat < nowSeconds - proofSecondsMax || iat > nowSeconds + proofSecondsAheadMax) return refuse('proof_expired');
  return { jkt: keyThumbprint(key.key.export({ format: 'jwk' })), jti, ath: ath ?? null };
}

/** The `ath` of a token (RFC 9449 §4.2). */
export function tokenHash(token: string): string {
  return hash('sha256', token, 'base64url');
}

/** The thumbprint of a public key (RFC 7638 §3): base64url SHA-256 of its required members in the order of their names. */
export function keyThumbprint({ kty, crv, x, y, n, e }: webcrypto.JsonWebKey): string {
  const required = kty === 'RSA' ? { e, kty, n } : kty === 'EC' ? { crv, kty, x, y } : { crv, kty, x };
  return hash('sha256', JSON.stringify(required), 'base64url');
}

/**
 * A URL without query and fragment as RFC 9449 §4.3 compares them: scheme and host in lower case, no default port, no
 * dot segments (RFC 3986 §6.2.2, §6.2.3), escapes in one spelling. Undefined for what is no http URL, or holds a
 * character that a URL may not: parsers disagree on those.
 */
function normalUrl(text: string): string | undefined {
  if (text.length > htuCharsMax || !/^https?:\/\/[!#-;=?-[\]_a-z~]+$/i.test(text) || !URL.canParse(text))
    return undefined;
  const { protocol, username, password, host, pathname } = new URL(text);
  if (username !== '' || password !== '') return undefined;
  const path = pathname.replaceAll(/%[0-9a-f]{2}/gi, (escaped) => {
    const character = String.fromCharCode(Number.parseInt(escaped.slice(1), 16));
    return /[A-Za-z0-9._~-]/.test(character) ? character : escaped.toUpperCase();
  });
  return `${protocol}//${host}${path}`;
}
