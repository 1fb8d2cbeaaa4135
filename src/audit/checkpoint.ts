/**
 * A checkpoint is the gate's signed word on how far its trail went and how it hashed: `{origin, seq, hash, time}` as a
 * compact JWS (RFC 7515 §7.1) under the audit key, `alg: Ed25519` (RFC 9864 §2.2). An auditor who keeps one notices any
 * later change of what it covers, whoever holds the key by then.
 */
import { createPrivateKey, createPublicKey, type KeyObject, sign, verify, type webcrypto } from 'node:crypto';

export const checkpointType = 'tollgate-checkpoint+jws';
const algorithm = 'Ed25519';
const jwsCharsMax = 4096;

export interface Checkpoint {
  /** The gateway that keeps the trail. */
  readonly origin: string;
  /** 0 with a hash of zeros: a trail that has no events yet. */
  readonly seq: number;
  readonly hash: string;
  readonly time: string;
}

/** The gate's audit key. It signs checkpoints and nothing else. */
export interface CheckpointSigner {
  readonly kid: string;
  readonly privateJwk: webcrypto.JsonWebKey;
}

/** A JSON Web Key Set (RFC 7517 §5). */
export interface Jwks {
  readonly keys: readonly (webcrypto.JsonWebKey & { readonly kid?: string })[];
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

/** Parses the private key once; the function it gives signs checkpoints. */
export function checkpointSigner(signer: CheckpointSigner): (checkpoint: Checkpoint) => string {
  const key = createPrivateKey({ key: signer.privateJwk, format: 'jwk' });
  if (key.asymmetricKeyType !== 'ed25519') throw new TypeError('the audit key must be an Ed25519 key');
  const head = encode({ alg: algorithm, kid: signer.kid, typ: checkpointType });
  return ({ origin, seq, hash, time }) => {
    const input = `${head}.${encode({ origin, seq, hash, time })}`;
    return `${input}.${sign(null, Buffer.from(input), key).toString('base64url')}`;
  };
}

/** The public half of the audit key as auditors get it. */
export function publicJwk(signer: CheckpointSigner): webcrypto.JsonWebKey & { readonly kid: string } {
  const { kty, crv, x } = createPublicKey({ key: signer.privateJwk, format: 'jwk' }).export({ format: 'jwk' });
  return { kty: kty as string, crv: crv as string, x: x as string, alg: algorithm, use: 'sig', kid: signer.kid };
}

// Buffer skips what is not base64url and ignores stray bits; two texts must never stand for one signature.
function decode(part: string): Buffer | undefined {
  const bytes = Buffer.from(part, 'base64url');
  return bytes.toString('base64url') === part ? bytes : undefined;
}

function object(bytes: Buffer | undefined): Record<string, unknown> | undefined {
  if (bytes === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(bytes.toString('utf8'));
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}

function keyFor(kid: unknown, keys: Jwks): KeyObject | undefined {
  const jwk = keys.keys.find((key) => typeof kid === 'string' && key.kid === kid);
  if (jwk === undefined || jwk.kty !== 'OKP' || jwk.crv !== 'Ed25519') return undefined;
  try {
    return createPublicKey({ key: jwk, format: 'jwk' });
  } catch {
    return undefined;
  }
}

function isCheckpoint(value: Record<string, unknown>): boolean {
  return (
    typeof value.origin === 'string' &&
    Number.isSafeInteger(value.seq) &&
    (value.seq as number) >= 0 &&
    typeof value.hash === 'string' &&
    /^[0-9a-f]{64}$/.test(value.hash) &&
    typeof value.time === 'string'
  );
}

/** The checkpoint in `jws` if a key of `keys` signed it, else what is wrong with it. Never throws. */
export function openCheckpoint(jws: string, keys: Jwks): Checkpoint | { readonly fault: string } {
  const parts = jws.trim().split('.');
  if (jws.length > jwsCharsMax || parts.length !== 3) return { fault: 'is not a compact JWS' };
  const [head, body, mark] = parts as [string, string, string];
  const header = object(decode(head));
  const claims = object(decode(body));
  const signature = decode(mark);
  if (header === undefined || claims === undefined || signature === undefined) return { fault: 'is not a compact JWS' };
  if (header.alg !== algorithm || header.typ !== checkpointType || header.crit !== undefined) {
    return { fault: `is not of type ${checkpointType}` };
  }
  const key = keyFor(header.kid, keys);
  if (key === undefined) return { fault: 'is signed by a key that is not among the given ones' };
  if (!verify(null, Buffer.from(`${head}.${body}`), key, signature))
    return { fault: 'has a signature that does not fit' };
  if (!isCheckpoint(claims)) return { fault: 'does not hold origin, seq, hash and time' };
  return claims as unknown as Checkpoint;
}
