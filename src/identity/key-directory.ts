/**
 * The keys of all gateways on one store: each publishes its public keys there, and knows those of the others, so that
 * a task token of one is good at all of them and services see one JWKS. What a reader would get wrong: a lookup never
 * asks the store (it stands on the path of every call); changes come by message, and by a look every half minute.
 */
import { createPublicKey, type KeyObject, type webcrypto } from 'node:crypto';
import type { Json, JsonObject } from '../call.ts';
import type { Clock, Timer } from '../clock.ts';
import { isDenial } from '../denial.ts';
import { type Store, type Subscription, storeKey } from '../store/store.ts';
import { updateRecord } from '../store/update.ts';
import { type GateKeys, type KeyPurpose, keyPurposes } from './keys.ts';

const directoryKey = storeKey('', 'gate-keys');
const channel = 'tg:gate-keys';
const refreshMs = 30_000;
/** A gateway that has not been seen for so long is forgotten; no token of its keys can be alive any more. */
const forgottenMs = 7 * 24 * 3600_000;
const gatewaysMax = 1_000;
const keysMax = 16;

interface Published {
  readonly keys: readonly JsonObject[];
  readonly seenAtMs: number;
}
type Directory = Readonly<Record<string, Published>>;

export interface KeyDirectoryOptions {
  readonly keys: GateKeys;
  readonly gatewayId: string;
  readonly store: Store;
  readonly clock: Clock;
  /** Told when the store cannot be asked; what is known stays in use. */
  readonly faulted: (where: string, fault: unknown) => void;
}

export class KeyDirectory implements AsyncDisposable {
  readonly #options: KeyDirectoryOptions;
  #others = new Map<string, KeyObject>();
  #documents: readonly JsonObject[] = [];
  #subscription: Subscription | undefined;
  #timer: Timer | undefined;
  #closed = false;

  constructor(options: KeyDirectoryOptions) {
    this.#options = options;
  }

  /** Publishes the gate's own keys and reads those of the others. Rejects with `StoreUnavailable` if the store does. */
  async open(): Promise<void> {
    const { store } = this.#options;
    this.#subscription = await store.subscribe(channel, () => this.#soon(this.#read()));
    await this.publish();
    this.#arm();
  }

  /** Publishes again: when a key was made, and so that the others see that this gateway is still there. */
  async publish(): Promise<void> {
    const { store, clock, gatewayId, keys } = this.#options;
    const own: Published = { keys: (keys.jwks().keys as readonly JsonObject[]) ?? [], seenAtMs: clock.nowMs() };
    const written = await updateRecord<Directory>(store, directoryKey, forgottenMs, (current = {}) => {
      const seen = Object.entries(current).filter(([, { seenAtMs }]) => own.seenAtMs - seenAtMs < forgottenMs);
      return { ...Object.fromEntries(seen.slice(-gatewaysMax)), [gatewayId]: own };
    });
    if (isDenial(written)) throw new Error('the directory of keys kept changing');
    this.#adopt(written.value);
    await store.publish(channel, { gateway: gatewayId });
  }

  /** The public key of that id, own or another gateway's, if it was made for this purpose. */
  publicKey(kid: string, purpose: KeyPurpose): KeyObject | undefined {
    return this.#options.keys.publicKey(kid, purpose) ?? this.#others.get(`${purpose} ${kid}`);
  }

  sign(purpose: KeyPurpose, typ: string, claims: JsonObject): string {
    return this.#options.keys.sign(purpose, typ, claims);
  }

  /** The public keys of every gateway (RFC 7517), this one's first. */
  jwks(): JsonObject {
    return { keys: [...(this.#options.keys.jwks().keys as readonly Json[]), ...this.#documents] };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#timer?.cancel();
    await this.#subscription?.close();
  }

  #arm(): void {
    if (this.#closed) return;
    this.#timer = this.#options.clock.after(refreshMs, () => {
      this.#soon(this.publish());
      this.#arm();
    });
  }

  #soon(work: Promise<void>): void {
    work.catch((fault: unknown) => {
      if (!this.#closed) this.#options.faulted('identity', fault);
    });
  }

  async #read(): Promise<void> {
    const found = await this.#options.store.get(directoryKey);
    if (found !== undefined) this.#adopt(found.value as unknown as Directory);
  }

  #adopt(directory: Directory): void {
    const others = new Map<string, KeyObject>();
    const documents: JsonObject[] = [];
    for (const [gatewayId, { keys }] of Object.entries(directory)) {
      if (gatewayId === this.#options.gatewayId) continue;
      for (const jwk of keys.slice(0, keysMax)) {
        const purpose = purposeOf(gatewayId, jwk);
        if (purpose === undefined) continue;
        // Kept as an object, so that no token has to wait for a key to be read.
        others.set(
          `${purpose} ${String(jwk.kid)}`,
          createPublicKey({ key: jwk as webcrypto.JsonWebKey, format: 'jwk' }),
        );
        documents.push(jwk);
      }
    }
    this.#others = others;
    this.#documents = documents;
  }
}

/** What a published key is for: its kid names its gateway and purpose, and its algorithm must be that purpose's. */
function purposeOf(gatewayId: string, { kid, alg, d }: JsonObject): KeyPurpose | undefined {
  if (typeof kid !== 'string' || d !== undefined) return undefined;
  for (const purpose of Object.keys(keyPurposes) as KeyPurpose[]) {
    if (kid.startsWith(`${gatewayId}.${purpose}.`) && keyPurposes[purpose].alg === alg) return purpose;
  }
  return undefined;
}
