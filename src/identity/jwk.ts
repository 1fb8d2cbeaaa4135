/**
 * Reads a JWKS (RFC 7517) and lets only keys through that are worth trusting: the checks that OpenSSL and the JOSE
 * libraries leave to the caller. A key that fails is left out and remembered by its kid, so that a token which names
 * it is told `key_weak`; a set that is not a JWKS is refused whole.
 */
import { createPublicKey, type KeyObject, type webcrypto } from 'node:crypto';
import type { Json, JsonObject } from '../call.ts';
import { type AlgorithmName, algorithms, isAlgorithmName } from './algorithms.ts';
import { isFactorable } from './roca.ts';
import { decodeBase64url } from './strict-json.ts';

export interface VerificationKey {
  readonly kid: string | null;
  /** The only algorithm the key may be used with, where the JWK says so. */
  readonly alg: AlgorithmName | null;
  readonly kty: 'RSA' | 'EC' | 'OKP';
  readonly crv: string | null;
  readonly key: KeyObject;
  /** The members that make the key what it is: equal for the same key in a later set. */
  readonly fingerprint: string;
}

export interface KeySet {
  readonly keys: readonly VerificationKey[];
  /** Kids of keys that were left out because they are weak; null stands for a key without one. */
  readonly weak: ReadonlySet<string | null>;
  /** How long the publisher of a SPIFFE bundle wants it kept, in milliseconds; null where it does not say. */
  readonly refreshHintMs: number | null;
}

/** Values of `use` (RFC 7517 §4.2) of the keys that are wanted; null for a key without one. */
export type KeyUses = ReadonlySet<string | null>;

const signatureUses: KeyUses = new Set(['sig', null]);

/** The gate's own JWKS has those of all its gateways, and services read it by this page. */
const keysMax = 512;
const kidCharsMax = 255;
const modulusBitsMin = 2048;
// Beyond this a verification takes milliseconds: a set could slow the gate down.
const modulusBitsMax = 8192;
const exponentBytesMax = 8;
const coordinateBytes: Readonly<Record<string, number>> = { 'P-256': 32, 'P-384': 48, 'P-521': 66, Ed25519: 32 };

/** The usable keys of a JWKS document; undefined if it is no JWKS, or holds over 512 keys. */
export function readKeySet(document: Json, uses: KeyUses = signatureUses): KeySet | undefined {
  if (typeof document !== 'object' || document === null || !('keys' in document)) return undefined;
  const members = document.keys;
  if (!Array.isArray(members) || members.length > keysMax) return undefined;
  const keys: VerificationKey[] = [];
  const weak = new Set<string | null>();
  for (const member of members) {
    const read = readKey(member, uses);
    if (read === 'other') continue;
    if ('weak' in read) weak.add(read.weak);
    else keys.push(read);
  }
  // SPIFFE Trust Domain and Bundle §4.1.2: whole seconds.
  const hint = (document as JsonObject).spiffe_refresh_hint;
  const refreshHintMs = typeof hint === 'number' && Number.isSafeInteger(hint) && hint > 0 ? hint * 1000 : null;
  return { keys, weak, refreshHintMs };
}

const privateMembers = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'];

/**
 * The key that a proof brings along in its header (RFC 9449 §4.2 `jwk`), with the checks of a published one; undefined
 * if it is weak, holds a private member, or is none that could be used. It proves nothing but itself.
 */
export function readCarriedKey(jwk: Json): VerificationKey | undefined {
  if (typeof jwk !== 'object' || jwk === null || privateMembers.some((member) => member in jwk)) return undefined;
  const read = readKey(jwk, signatureUses);
  return read === 'other' || 'weak' in read ? undefined : read;
}

/** One key; `other` for keys that are not for our signatures (RFC 7517 §5: ignore what is not understood). */
function readKey(jwk: Json, uses: KeyUses): VerificationKey | { readonly weak: string | null } | 'other' {
  if (typeof jwk !== 'object' || jwk === null || Array.isArray(jwk)) return 'other';
  const members = jwk as JsonObject;
  const { kty, use, alg } = members;
  if (kty !== 'RSA' && kty !== 'EC' && kty !== 'OKP') return 'other';
  if (use === undefined ? !uses.has(null) : typeof use !== 'string' || !uses.has(use)) return 'other';
  const kid = members.kid ?? null;
  if (kid !== null && (typeof kid !== 'string' || kid === '' || kid.length > kidCharsMax)) return 'other';
  if (alg !== undefined && !isAlgorithmName(alg)) return 'other';
  if (!mayVerify(members.key_ops)) return 'other';

  const parts = publicParts(kty, members);
  // A private member that is published makes the key everybody's (RFC 7517 §9.2).
  if (parts === undefined || 'd' in members) return { weak: kid };
  const crv = kty === 'RSA' ? null : (members.crv as string);
  if (alg !== undefined && (algorithms[alg].kty !== kty || algorithms[alg].crv !== crv)) return { weak: kid };
  try {
    // OpenSSL refuses points that are not on their curve when it imports them.
    const key = createPublicKey({ key: parts, format: 'jwk' });
    return { kid, alg: alg ?? null, kty, crv, key, fingerprint: JSON.stringify([kid, alg ?? null, parts]) };
  } catch {
    return { weak: kid };
  }
}

function mayVerify(keyOps: Json | undefined): boolean {
  if (keyOps === undefined) return true;
  if (!Array.isArray(keyOps) || new Set(keyOps).size !== keyOps.length) return false;
  return keyOps.includes('verify');
}

function publicParts(kty: 'RSA' | 'EC' | 'OKP', members: JsonObject): webcrypto.JsonWebKey | undefined {
  if (kty === 'RSA') {
    const { n, e } = members;
    if (typeof n !== 'string' || typeof e !== 'string' || !isStrongRsa(n, e)) return undefined;
    return { kty, n, e };
  }
  const { crv, x, y } = members;
  const curveIsOurs = kty === 'EC' ? crv !== 'Ed25519' : crv === 'Ed25519';
  if (typeof crv !== 'string' || !curveIsOurs || !Object.hasOwn(coordinateBytes, crv)) return undefined;
  const length = coordinateBytes[crv];
  if (typeof x !== 'string' || decodeBase64url(x)?.length !== length) return undefined;
  if (kty === 'OKP') return { kty, crv, x };
  if (typeof y !== 'string' || decodeBase64url(y)?.length !== length) return undefined;
  return { kty, crv, x, y };
}

function isStrongRsa(n: string, e: string): boolean {
  const modulusBytes = decodeBase64url(n);
  const exponentBytes = decodeBase64url(e);
  if (modulusBytes === undefined || exponentBytes === undefined) return false;
  if (modulusBytes.length > modulusBitsMax / 8 + 1) return false;
  if (exponentBytes.length === 0 || exponentBytes.length > exponentBytesMax) return false;
  const modulus = toInteger(modulusBytes);
  const bits = modulus.toString(2).length;
  if (bits < modulusBitsMin || bits > modulusBitsMax) return false;
  const exponent = toInteger(exponentBytes);
  return exponent >= 3n && exponent % 2n === 1n && !isFactorable(modulus);
}

function toInteger(bytes: Buffer): bigint {
  return bytes.length === 0 ? 0n : BigInt(`0x${bytes.toString('hex')}`);
}
