/**
 * Makes a key pair of the gate, and makes a stored one usable. Key generation and ECDSA nonces come from OpenSSL, the
 * one randomness that no Clock can own.
 */
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPair,
  type KeyObject,
  type webcrypto,
} from 'node:crypto';
import { promisify } from 'node:util';
import { algorithms, signInput } from './algorithms.ts';
import { type KeptKey, KeyFault } from './keepers/keeper.ts';
import { isOfKind, type KeyPurpose, keyPurposes } from './key-purpose.ts';

const makeKeyPair = promisify(generateKeyPair);

/** A private key as it is written down, in a file or sealed in the store. */
export interface StoredKey {
  readonly v: 1;
  readonly kid: string;
  readonly created_at_ms: number;
  /** When it begins to sign; null while it is not published. Absent: since it was made. */
  readonly not_before_ms?: number | null;
  readonly private_jwk: webcrypto.JsonWebKey;
}

/** A name for a public key: 96 bits of the SHA-256 of its SPKI. */
export function printOf(publicKey: KeyObject): string {
  const spki = publicKey.export({ type: 'spki', format: 'der' });
  return createHash('sha256').update(spki).digest('base64url').slice(0, 16);
}

/** A new key of `purpose` under `prefix`. RSA takes up to a second, off the event loop. */
export async function makeKey(
  purpose: KeyPurpose,
  prefix: string,
  times: { readonly createdAtMs: number; readonly notBeforeMs: number | null },
): Promise<StoredKey> {
  const { kty } = algorithms[keyPurposes[purpose].alg];
  const pair =
    kty === 'RSA'
      ? await makeKeyPair('rsa', { modulusLength: 2048 })
      : kty === 'EC'
        ? await makeKeyPair('ec', { namedCurve: 'P-256' })
        : await makeKeyPair('ed25519');
  return {
    v: 1,
    kid: `${prefix}.${purpose}.${printOf(pair.publicKey)}`,
    created_at_ms: times.createdAtMs,
    not_before_ms: times.notBeforeMs,
    private_jwk: pair.privateKey.export({ format: 'jwk' }),
  };
}

/** Whether `value` has the shape of a stored key. Whether the key in it is good, `holdKey` says. */
export function isStoredKey(value: unknown): value is StoredKey {
  if (typeof value !== 'object' || value === null) return false;
  const { v, kid, created_at_ms: createdAt, not_before_ms: notBefore, private_jwk: jwk } = value as Partial<StoredKey>;
  return (
    v === 1 &&
    typeof kid === 'string' &&
    Number.isSafeInteger(createdAt) &&
    (notBefore === undefined || notBefore === null || Number.isSafeInteger(notBefore)) &&
    typeof jwk === 'object' &&
    jwk !== null
  );
}

/** The usable form of a stored key. Throws KeyFault with `where` if it is of another kind than its purpose, or damaged. */
export function holdKey(purpose: KeyPurpose, stored: StoredKey, where: string): KeptKey {
  const { kid, created_at_ms: createdAtMs, not_before_ms: notBeforeMs = createdAtMs, private_jwk: jwk } = stored;
  if (!isOfKind(purpose, jwk)) throw new KeyFault(`${where} holds a key of another kind than the ${purpose} key is`);
  let privateKey: KeyObject;
  try {
    privateKey = createPrivateKey({ key: jwk, format: 'jwk' });
  } catch {
    throw new KeyFault(`${where} holds a damaged key; move it away and a new one is made`);
  }
  const { alg } = keyPurposes[purpose];
  const publicKey = createPublicKey(privateKey);
  const sign = (input: string) => signInput(alg, privateKey, input);
  return { kid, purpose, createdAtMs, notBeforeMs, publicKey, sign };
}
