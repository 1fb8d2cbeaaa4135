/**
 * The public keys that bundles are signed under, and one JWS signature checked against one of them. The algorithm is
 * the one configured for the key, never the one that a token asks for; keys that both sides would have to keep secret
 * (HS256) are not taken, because whoever can check with one can also sign.
 */
import { constants, createPublicKey, type KeyObject, verify } from 'node:crypto';

interface Scheme {
  readonly hash: string;
  readonly kind: 'rsa' | 'ec';
  readonly curve?: string;
  readonly pss?: true;
}

const schemes = {
  RS256: { hash: 'sha256', kind: 'rsa' },
  RS384: { hash: 'sha384', kind: 'rsa' },
  RS512: { hash: 'sha512', kind: 'rsa' },
  PS256: { hash: 'sha256', kind: 'rsa', pss: true },
  PS384: { hash: 'sha384', kind: 'rsa', pss: true },
  PS512: { hash: 'sha512', kind: 'rsa', pss: true },
  ES256: { hash: 'sha256', kind: 'ec', curve: 'prime256v1' },
  ES384: { hash: 'sha384', kind: 'ec', curve: 'secp384r1' },
  ES512: { hash: 'sha512', kind: 'ec', curve: 'secp521r1' },
} as const satisfies Record<string, Scheme>;

export type SigningAlgorithm = keyof typeof schemes;
export const signingAlgorithms = Object.keys(schemes) as readonly SigningAlgorithm[];

const modulusBitsMin = 2_048;

export interface SigningKey {
  readonly kid: string;
  readonly algorithm: SigningAlgorithm;
  /** PEM of the public key, or of a certificate of it. */
  readonly public_key: string;
  readonly scope?: string;
}

/** The key, or in words what is wrong with it; the words hold nothing of the key. */
export function publicKeyOf({ algorithm, public_key: pem }: SigningKey): KeyObject | string {
  if (/PRIVATE KEY/.test(pem)) return 'this is a private key: expected the public one';
  let key: KeyObject;
  try {
    key = createPublicKey(pem);
  } catch {
    return 'expected a public key in PEM';
  }
  const scheme: Scheme = schemes[algorithm];
  const { modulusLength = 0, namedCurve } = key.asymmetricKeyDetails ?? {};
  if (key.asymmetricKeyType !== scheme.kind) return `expected a key for ${algorithm}`;
  if (scheme.curve !== undefined && namedCurve !== scheme.curve) return `expected a key for ${algorithm}`;
  if (scheme.kind === 'rsa' && modulusLength < modulusBitsMin) return `expected at least ${modulusBitsMin} bits`;
  return key;
}

/** Whether `signature` over `signed` was made with the private half of `key` (RFC 7515 §5.2). */
export function isSignedWith(key: SigningKey, signed: string, signature: Buffer): boolean {
  const found = publicKeyOf(key);
  if (typeof found === 'string') return false;
  const { hash, pss }: Scheme = schemes[key.algorithm];
  const padding = pss ? { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST } : {};
  return verify(hash, Buffer.from(signed), { key: found, dsaEncoding: 'ieee-p1363', ...padding }, signature);
}
