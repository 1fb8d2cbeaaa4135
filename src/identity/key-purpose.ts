/**
 * What the gate's keys are for, and how long each may be needed. A purpose binds its algorithm and the only `typ` it
 * signs, so that a token of one kind never passes for another.
 */
import { type AlgorithmName, algorithms } from './algorithms.ts';

/**
 * What a key may sign, with its algorithm, and the only `typ` it signs. `federation` is the assertion
 * that clouds exchange for their credentials: RS256, as Entra demands.
 */
export const keyPurposes = {
  task: { alg: 'ES256', typ: 'at+jwt' },
  txn: { alg: 'ES256', typ: 'txntoken+jwt' },
  federation: { alg: 'RS256', typ: 'JWT' },
  audit: { alg: 'Ed25519', typ: 'tollgate-checkpoint+jws' },
} as const satisfies Record<string, { alg: AlgorithmName; typ: string }>;

export type KeyPurpose = keyof typeof keyPurposes;
/** Audit checkpoints are for ever, and signed in a thread of their own: their key does not change while the gate runs. */
export type RotatingPurpose = Exclude<KeyPurpose, 'audit'>;

/** The longest life of a token of that purpose: a key that signed one verifies so much longer than it signs. */
export const tokenLifeMs: Readonly<Record<RotatingPurpose, number>> = {
  task: 3_600_000,
  txn: 60_000,
  federation: 300_000,
};

/**
 * Beyond the life of the last token: for verifiers whose clocks are late, and for a gateway that goes on signing with
 * the older key of a store until its next look.
 */
export const graceMs = 90_000;

/** Keys of one purpose that are alive at once; a rotation beyond it waits until the oldest has gone. */
export const livingKeysMax = 4;

export function isKeyPurpose(name: unknown): name is KeyPurpose {
  return typeof name === 'string' && Object.hasOwn(keyPurposes, name);
}

/** Whether a JWK is of the kind that the algorithm of `purpose` takes. */
export function isOfKind(purpose: KeyPurpose, { kty, crv }: { readonly kty?: string; readonly crv?: string }): boolean {
  const wanted = algorithms[keyPurposes[purpose].alg];
  return kty === wanted.kty && (wanted.crv === null || crv === wanted.crv);
}
