/**
 * The keys of all gateways on one store: each publishes its public keys there, and knows those of the others, so that
 * a task token of one is good at all of them and services see one JWKS. It also rotates: a new key is published before
 * it signs. What a reader would get wrong: a lookup never asks the store (it stands on the path of every call); changes
 * come by message, and by a look every half minute.
 */
import type { KeyObject } from 'node:crypto';
import type { Json, JsonObject } from '../call.ts';
import type { Clock, Timer } from '../clock.ts';
import { type Denial, isDenial } from '../denial.ts';
import { type Store, type Subscription, storeKey } from '../store/store.ts';
import { updateRecord } from '../store/update.ts';
import {
  type ForeignKey,
  foreignKeys,
  forgottenMs,
  type Published,
  publish,
  readPublished,
} from './key-publication.ts';
import type { RotatingPurpose } from './key-purpose.ts';
import { KeyRotation, type Rotated } from './key-rotation.ts';
import { KeyMark } from './key-seal.ts';
import type { GateKeys, KeyPurpose } from './keys.ts';

const directoryKey = storeKey('', 'gate-keys');
const channel = 'tg:gate-keys';
const refreshMs = 30_000;
const gatewaysMax = 1_000;

type Directory = Readonly<Record<string, Json>>;

export interface KeyDirectoryOptions {
  readonly keys: GateKeys;
  readonly gatewayId: string;
  readonly store: Store;
  readonly clock: Clock;
  /**
   * Told when the store cannot be asked; what is known stays in use. Also of another gateway that runs under this id
   * with other keys: the two take each other's keys off the store in turn, so that one of them must get another id.
   */
  readonly faulted: (where: string, fault: unknown) => void;
  /** `keys.name`: kids that begin with it are nobody's own. */
  readonly name?: string;
  /** `keys.secret`: with it, published keys that lack its mark are not taken. */
  readonly secret?: string | undefined;
  /** How long a new key is published before it signs; at once where it is left out. */
  readonly leadMs?: Readonly<Record<RotatingPurpose, number>>;
}

export type { Rotated } from './key-rotation.ts';

export class KeyDirectory implements AsyncDisposable {
  readonly #options: KeyDirectoryOptions;
  readonly #mark: KeyMark | null;
  readonly #rotation: KeyRotation;
  readonly #instance: string;
  #others = new Map<string, ForeignKey>();
  #subscription: Subscription | undefined;
  #timer: Timer | undefined;
  #closed = false;
  /** The keys that the others were told of last. */
  #published = '';
  /** Gateways and instances that were complained of: each once. */
  readonly #told = new Set<string>();
  /** What reads and changes the keys goes one after the other: a late reader must not bring back an older state. */
  #turn: Promise<unknown> = Promise.resolve();
  #preparing: Promise<void> | undefined;

  constructor(options: KeyDirectoryOptions) {
    this.#options = options;
    this.#mark = options.secret === undefined ? null : new KeyMark(options.secret);
    this.#instance = options.clock.randomBytes(12).toString('base64url');
    this.#rotation = new KeyRotation({
      ...{ keys: options.keys, clock: options.clock, leadMs: options.leadMs },
      publish: () => this.#publish(),
      announce: () => this.#announce(),
    });
  }

  /** Publishes the gate's own keys and reads those of the others. Rejects with `StoreUnavailable` if the store does. */
  async open(): Promise<void> {
    const { store } = this.#options;
    this.#subscription = await store.subscribe(channel, (message) => {
      if ((message as JsonObject).instance !== this.#instance) this.#soon(this.#inTurn(() => this.#look()));
    });
    await this.#inTurn(() => this.#tend());
    this.#arm();
  }

  /** Publishes again, so that the others see what this gateway has now, and that it is still there. */
  publish(): Promise<void> {
    return this.#inTurn(() => this.#publish());
  }

  /**
   * Makes a new key for `purpose`, publishes it, and lets it sign after its lead (or `leadMs`); the one before verifies
   * until its last token has expired. While a new key waits already, gives that one. Denies `args_invalid` for `audit`
   * and for keys that somebody else rotates, `rate_limited` while too many are alive. Rejects with what the store or
   * the keeper does; a key that was not published by then is at the next look.
   */
  rotate(purpose: KeyPurpose, { leadMs }: { readonly leadMs?: number } = {}): Promise<Rotated | Denial> {
    return this.#inTurn(() => this.#rotation.rotate(purpose, leadMs));
  }

  /** Makes the key of federation assertions, once, if it is not there, and publishes it. Rejects if none can be had. */
  prepareFederation(): Promise<void> {
    if (this.#options.keys.signing('federation') !== undefined) return Promise.resolve();
    this.#preparing ??= this.#inTurn(() => this.#rotation.prepareFederation()).finally(() => {
      this.#preparing = undefined;
    });
    return this.#preparing;
  }

  /** The public key of that id, own or another gateway's, if it was made for this purpose. */
  publicKey(kid: string, purpose: KeyPurpose): KeyObject | undefined {
    return this.#options.keys.publicKey(kid, purpose) ?? this.#others.get(`${purpose} ${kid}`)?.publicKey;
  }

  sign(purpose: KeyPurpose, typ: string, claims: JsonObject): Promise<string> {
    return this.#options.keys.sign(purpose, typ, claims);
  }

  /** The public keys of every gateway (RFC 7517), this one's first. */
  jwks(): JsonObject {
    const own = this.#options.keys.jwks().keys as readonly JsonObject[];
    const kids = new Set(own.map(({ kid }) => kid));
    const others = [...this.#others.values()].filter(({ kid }) => !kids.has(kid));
    return { keys: [...own, ...others.map(({ document }) => document)] };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#timer?.cancel();
    await this.#subscription?.close();
    await this.#turn;
  }

  #arm(): void {
    if (this.#closed) return;
    this.#timer = this.#options.clock.after(refreshMs, () => {
      this.#soon(this.#inTurn(() => this.#tend()));
      this.#arm();
    });
  }

  #soon(work: Promise<void>): void {
    work.catch((fault: unknown) => {
      if (!this.#closed) this.#options.faulted('identity', fault);
    });
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => undefined);
    return done;
  }

  async #look(): Promise<void> {
    const { keys, store } = this.#options;
    if (this.#closed) return;
    const found = await store.get(directoryKey);
    if (found !== undefined) this.#adopt(found.value as Directory);
    await keys.refresh();
  }

  async #tend(): Promise<void> {
    if (!this.#closed) await this.#rotation.tend();
  }

  async #publish(): Promise<void> {
    const { store, clock, gatewayId, keys } = this.#options;
    const nowMs = clock.nowMs();
    const documents = keys.jwks().keys as readonly JsonObject[];
    const own = publish(gatewayId, { keys: documents, seenAtMs: nowMs, instance: this.#instance }, this.#mark);
    let replaced: Json | undefined;
    const written = await updateRecord<Directory>(store, directoryKey, forgottenMs, (current = {}) => {
      replaced = current[gatewayId];
      const seen = Object.entries(current).filter(([, entry]) => nowMs - seenAt(entry) < forgottenMs);
      return { ...Object.fromEntries(seen.slice(-gatewaysMax)), [gatewayId]: own as unknown as Json };
    });
    if (isDenial(written)) throw new Error('the directory of keys kept changing');
    if (this.#published !== '') this.#noticeTwin(replaced, own);
    this.#adopt(written.value);
    const published = JSON.stringify(documents);
    if (published === this.#published) return;
    await this.#announce();
    this.#published = published;
  }

  /** The others look at once. One that misses it looks within half a minute. */
  async #announce(): Promise<void> {
    await this.#options.store.publish(channel, { instance: this.#instance });
  }

  /** An entry under the own id that came after the own one, with other keys, is of another gateway that lives. */
  #noticeTwin(entry: Json | undefined, own: Published): void {
    const { gatewayId, clock } = this.#options;
    const twin = readPublished(gatewayId, entry, this.#mark, clock.nowMs());
    if (twin === undefined || twin === 'unmarked') return;
    if (twin.instance === '' || twin.instance === this.#instance) return;
    const kids = new Set(own.keys.map(({ kid }) => kid));
    // The process that takes over at a restart has the same keys.
    if (twin.keys.every(({ kid }) => kids.has(kid))) return;
    this.#tell(
      twin.instance,
      `another gateway on the store runs as gateway.id "${gatewayId}" with other keys; give one of them another id`,
    );
  }

  #tell(about: string, message: string): void {
    if (this.#told.has(about) || this.#told.size >= gatewaysMax) return;
    this.#told.add(about);
    this.#options.faulted('identity', new Error(message));
  }

  #adopt(directory: Directory): void {
    const { clock, gatewayId: own, name } = this.#options;
    const nowMs = clock.nowMs();
    const others = new Map<string, ForeignKey>();
    for (const [gatewayId, entry] of Object.entries(directory)) {
      if (gatewayId === own) continue;
      const published = readPublished(gatewayId, entry, this.#mark, nowMs);
      if (published === 'unmarked') {
        this.#tell(gatewayId, `the keys that gateway "${gatewayId}" published lack the mark of keys.secret: not taken`);
      }
      if (published === undefined || published === 'unmarked') continue;
      const prefixes = name === undefined ? [gatewayId] : [gatewayId, name];
      const found = foreignKeys(published, prefixes, nowMs, (document) => this.#known(document));
      for (const key of found) others.set(`${key.purpose} ${key.kid}`, key);
    }
    this.#others = others;
  }

  #known(document: JsonObject): ForeignKey | undefined {
    const [, purpose] = String(document.kid).split('.');
    const known = this.#others.get(`${purpose} ${String(document.kid)}`);
    return known !== undefined && JSON.stringify(known.document) === JSON.stringify(document) ? known : undefined;
  }
}

function seenAt(entry: Json): number {
  const { seenAtMs } = (entry ?? {}) as JsonObject;
  return typeof seenAtMs === 'number' ? seenAtMs : Number.NEGATIVE_INFINITY;
}
