/**
 * The signature algorithms the gate knows (RFC 7518 §3, RFC 8037, RFC 9864), each bound to one kind of key, so that a
 * token never chooses how its key is used (RFC 8725 §3.1). `none` and every `HS*` are not in the table, hence unknown.
 */
import { constants, type KeyObject, sign, verify } from 'node:crypto';

export interface Algorithm {
  readonly kty: 'RSA' | 'EC' | 'OKP';
  /** The only curve that goes with it; null for RSA. */
  readonly crv: string | null;
  readonly digest: string | null;
  readonly pss: boolean;
  /** Exact length of an EC or Ed25519 signature; null for RSA, where it is the modulus'. */
  readonly signatureBytes: number | null;
}

const rsa = (digest: string, pss: boolean): Algorithm => ({ kty: 'RSA', crv: null, digest, pss, signatureBytes: null });
const ec = (crv: string, digest: string, signatureBytes: number): Algorithm => ({
  kty: 'EC',
  crv,
  digest,
  pss: false,
  signatureBytes,
});
const edwards: Algorithm = { kty: 'OKP', crv: 'Ed25519', digest: null, pss: false, signatureBytes: 64 };

export const algorithms = {
  RS256: rsa('sha256', false),
  RS384: rsa('sha384', false),
  RS512: rsa('sha512', false),
  PS256: rsa('sha256', true),
  PS384: rsa('sha384', true),
  PS512: rsa('sha512', true),
  ES256: ec('P-256', 'sha256', 64),
  ES384: ec('P-384', 'sha384', 96),
  ES512: ec('P-521', 'sha512', 132),
  EdDSA: edwards,
  Ed25519: edwards,
} as const satisfies Record<string, Algorithm>;

export type AlgorithmName = keyof typeof algorithms;

export function isAlgorithmName(name: unknown): name is AlgorithmName {
  return typeof name === 'string' && Object.hasOwn(algorithms, name);
}

/** Whether `signature` over `input` was made with the private half of `key`. Never throws on what a token can hold. */
export function verifySignature(name: AlgorithmName, key: KeyObject, input: string, signature: Buffer): boolean {
  const algorithm = algorithms[name];
  if (algorithm.signatureBytes !== null && signature.length !== algorithm.signatureBytes) return false;
  try {
    return verify(algorithm.digest, Buffer.from(input), keyInput(algorithm, key), signature);
  } catch {
    return false;
  }
}

/** The JWS signature of `input`; EC signatures are r‖s (RFC 7518 §3.4), not the DER that OpenSSL gives by default. */
export function signInput(name: AlgorithmName, key: KeyObject, input: string): Buffer {
  const algorithm = algorithms[name];
  return sign(algorithm.digest, Buffer.from(input), keyInput(algorithm, key));
}

function keyInput(algorithm: Algorithm, key: KeyObject) {
  if (algorithm.kty === 'EC') return { key, dsaEncoding: 'ieee-p1363' as const };
  if (algorithm.pss) {
    return { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST };
  }
  return { key };
}
