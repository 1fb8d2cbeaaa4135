/**
 * Keys that a signer of the operator's holds (a KMS, an HSM): the gate learns the public halves and has its tokens
 * signed over there. Nothing the signer says is believed: each key must be of its purpose's kind and strong, and every
 * signature is verified before it leaves. New keys are made over there; one that appears later begins to sign after
 * the lead of its purpose, like any other.
 */
import { createPublicKey, type KeyObject, type webcrypto } from 'node:crypto';
import type { Json, JsonObject } from '../../call.ts';
import type { Clock } from '../../clock.ts';
import { verifySignature } from '../algorithms.ts';
import { readKeySet } from '../jwk.ts';
import { printOf } from '../key-pair.ts';
import { isKeyPurpose, isOfKind, type KeyPurpose, keyPurposes, livingKeysMax } from '../key-purpose.ts';
import { decodeBase64url } from '../strict-json.ts';
import { SignerProcess, type SignerProcessOptions } from './command-lines.ts';
import { type Keeper, type KeptKey, KeyFault, SignerUnavailable } from './keeper.ts';

export interface CommandKeeperOptions extends SignerProcessOptions {
  /** `keys.name`: the prefix of every kid. */
  readonly name: string;
}

const handleCharsMax = 2048;

export class CommandKeeper implements Keeper {
  readonly fixed = 'The signer of keys.command holds these keys: make a new one there, and the gate takes it up.';
  readonly #name: string;
  readonly #clock: Clock;
  readonly #signer: SignerProcess;
  /** By kid; what the gate itself decided of them is gone with this process. */
  #known = new Map<string, KeptKey>();
  #opened = false;

  constructor({ name, ...options }: CommandKeeperOptions) {
    this.#name = name;
    this.#clock = options.clock;
    this.#signer = new SignerProcess(options);
  }

  /** Rejects with SignerUnavailable if it does not tell its keys, KeyFault if they cannot be used. */
  async open(): Promise<void> {
    this.#signer.open();
    await this.read();
    this.#opened = true;
  }

  async read(): Promise<readonly KeptKey[]> {
    const { keys } = await this.#signer.ask({ op: 'keys' });
    if (!Array.isArray(keys)) throw new KeyFault('the signer of keys.command told no list of keys');
    const known = new Map<string, KeptKey>();
    for (const member of keys as readonly Json[]) {
      const kept = this.#keptOf(member);
      known.set(kept.kid, kept);
    }
    for (const purpose of Object.keys(keyPurposes)) {
      const count = [...known.values()].filter((kept) => kept.purpose === purpose).length;
      if (count > livingKeysMax) throw new KeyFault(`the signer told more than ${livingKeysMax} keys for ${purpose}`);
    }
    this.#known = known;
    return [...known.values()];
  }

  async make(): Promise<undefined> {
    return undefined;
  }

  async schedule(kid: string, notBeforeMs: number): Promise<void> {
    const kept = this.#known.get(kid);
    if (kept?.notBeforeMs === null) this.#known.set(kid, { ...kept, notBeforeMs });
  }

  /** They are not the gate's to destroy. */
  async drop(): Promise<void> {}

  healthy(): boolean {
    return this.#signer.healthy;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#signer[Symbol.asyncDispose]();
    this.#known.clear();
  }

  #keptOf(member: Json): KeptKey {
    const { purpose, jwk, kid: ownKid, not_before_ms: told } = (member ?? {}) as JsonObject;
    if (!isKeyPurpose(purpose) || purpose === 'audit') {
      throw new KeyFault('the signer told a key for no purpose it may have: expected task, txn or federation');
    }
    const publicKey = publicKeyOf(purpose, jwk);
    if (publicKey === undefined) {
      throw new KeyFault(`the signer told a key for ${purpose} that is no public ${keyPurposes[purpose].alg} key`);
    }
    const kid = `${this.#name}.${purpose}.${printOf(publicKey)}`;
    const handle = ownKid ?? kid;
    if (typeof handle !== 'string' || handle.length > handleCharsMax) {
      throw new KeyFault(`the signer told a kid for ${purpose} that is not text of up to ${handleCharsMax} characters`);
    }
    const known = this.#known.get(kid);
    const nowMs = this.#clock.nowMs();
    // Those that are there from the start have been published before, as far as anybody knows; later ones never.
    const notBeforeMs = this.#opened ? null : Number.isSafeInteger(told) ? (told as number) : nowMs;
    return (
      known ?? {
        ...{ kid, purpose, publicKey, createdAtMs: nowMs, notBeforeMs },
        sign: (input) => this.#sign(handle, purpose, publicKey, input),
      }
    );
  }

  async #sign(handle: string, purpose: KeyPurpose, publicKey: KeyObject, input: string): Promise<Buffer> {
    const { alg } = keyPurposes[purpose];
    const question = { op: 'sign', kid: handle, alg, input: Buffer.from(input).toString('base64url') };
    const { signature } = await this.#signer.ask(question);
    const bytes = typeof signature === 'string' ? decodeBase64url(signature) : undefined;
    if (bytes === undefined || !verifySignature(alg, publicKey, input, bytes)) {
      throw new SignerUnavailable('the signer gave a signature that does not fit its key');
    }
    return bytes;
  }
}

/** The key if it is public, strong, and of the kind that its purpose takes. */
function publicKeyOf(purpose: KeyPurpose, jwk: Json | undefined): KeyObject | undefined {
  if (typeof jwk !== 'object' || jwk === null || Array.isArray(jwk)) return undefined;
  const { kty, crv, x, y, n, e, d } = jwk as JsonObject;
  if (d !== undefined) return undefined;
  const members = Object.entries({ kty, crv, x, y, n, e }).filter(([, value]) => value !== undefined);
  const bare = Object.fromEntries(members) as JsonObject;
  if (!isOfKind(purpose, bare as { kty?: string; crv?: string })) return undefined;
  if (readKeySet({ keys: [bare] })?.keys.length !== 1) return undefined;
  return createPublicKey({ key: bare as webcrypto.JsonWebKey, format: 'jwk' });
}
