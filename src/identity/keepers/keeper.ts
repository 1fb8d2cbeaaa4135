/**
 * The contract of a keeper: who holds the gate's private keys, and since when each of them signs. A keeper only keeps;
 * which key signs now and how long an older one verifies is worked out from the times (`keys.ts`), so that a crash
 * between two steps of a rotation leaves nothing half done.
 */
import type { KeyObject } from 'node:crypto';
import type { KeyPurpose, RotatingPurpose } from '../key-purpose.ts';

export interface KeptKey {
  /** `prefix.purpose.print`: unique over all gateways. */
  readonly kid: string;
  readonly purpose: KeyPurpose;
  readonly createdAtMs: number;
  /** When it begins to sign; null while it is not published. */
  readonly notBeforeMs: number | null;
  readonly publicKey: KeyObject;
  /** The JWS signature of `input`. Throws or rejects when the key cannot be reached. */
  sign(input: string): Buffer | Promise<Buffer>;
}

export interface Making {
  readonly purpose: KeyPurpose;
  /** `first`: only where there is no key of this purpose. `next`: only while no other one waits to sign. */
  readonly place: 'first' | 'next';
  /** When it begins to sign; null until `schedule` says so. */
  readonly notBeforeMs: number | null;
}

/** The keys cannot be kept or read as they stand. The message says what to do. */
export class KeyFault extends Error {
  override readonly name: string = 'KeyFault';
}

/** Who holds the private keys does not answer, so nothing is signed. */
export class SignerUnavailable extends Error {
  override readonly name = 'SignerUnavailable';
}

export interface Keeper extends AsyncDisposable {
  /** Why `make` with place `next` is not for this keeper; null where it is. */
  readonly fixed: string | null;
  /** Throws KeyFault if the keys cannot be kept safely, `StoreUnavailable` or SignerUnavailable if they are away. */
  open(): Promise<void>;
  /** All keys as they stand, the oldest first. */
  read(): Promise<readonly KeptKey[]>;
  /** Makes a key and gives its kid; undefined where `place` forbids it, since another came first. */
  make(making: Making): Promise<string | undefined>;
  /** Sets when a key begins to sign, unless that is set. */
  schedule(kid: string, notBeforeMs: number): Promise<void>;
  /** Destroys keys that are needed no longer. Those it does not know are none. */
  drop(kids: readonly string[]): Promise<void>;
  /** Whether it could sign now, as far as is known without asking. */
  healthy(): boolean;
}

/** Whether `place` allows another key of `purpose` beside those that there are. */
export function mayMake(
  keys: readonly { readonly purpose: KeyPurpose; readonly notBeforeMs: number | null }[],
  { purpose, place }: Making,
  nowMs: number,
): boolean {
  const others = keys.filter((key) => key.purpose === purpose);
  if (place === 'first') return others.length === 0;
  return others.every(({ notBeforeMs }) => notBeforeMs !== null && notBeforeMs <= nowMs);
}

/** Purposes that every gate has a key for from the start; the RSA key of `federation` takes long to make. */
export const firstPurposes: readonly RotatingPurpose[] = ['task', 'txn'];
