/**
 * Keys in the shared store, sealed under `keys.secret`, so that all gateways on it sign with the same ones. They lie in
 * one sealed record that is changed by compare-and-set: made once, rotated once for all. What a reader would get
 * wrong: a record that does not open is never overwritten, whatever the reason; with it would go everybody's keys.
 */
import type { Json, JsonObject } from '../../call.ts';
import type { Clock } from '../../clock.ts';
import { isDenial } from '../../denial.ts';
import { type Store, storeKey } from '../../store/store.ts';
import { updateRecord } from '../../store/update.ts';
import { holdKey, isStoredKey, makeKey, type StoredKey } from '../key-pair.ts';
import { isKeyPurpose, type KeyPurpose } from '../key-purpose.ts';
import { KeySeal } from '../key-seal.ts';
import { type Keeper, type KeptKey, KeyFault, type Making, mayMake } from './keeper.ts';

export interface StoreKeeperOptions {
  readonly store: Pick<Store, 'get' | 'compareAndSet'>;
  /** `keys.name`: the prefix of every kid, and the name of the record. */
  readonly name: string;
  readonly secret: string;
  readonly clock: Clock;
}

/** A record that expires would take the keys with it: each write gives it ten years. */
const keptMs = 10 * 365 * 24 * 3600_000;

type Ring = readonly StoredKey[];

export class StoreKeeper implements Keeper {
  readonly fixed = null;
  readonly #options: StoreKeeperOptions;
  readonly #recordKey: string;
  readonly #label: string;
  readonly #seal: KeySeal;
  #held = new Map<string, KeptKey>();

  constructor(options: StoreKeeperOptions) {
    this.#options = options;
    this.#recordKey = storeKey('', 'gate-key-ring', options.name);
    this.#label = `tollgate key ring ${options.name}`;
    this.#seal = new KeySeal(options.secret, options.clock);
  }

  /** Throws KeyFault if the record does not open, `StoreUnavailable` if the store is away. */
  async open(): Promise<void> {
    await this.read();
  }

  async read(): Promise<readonly KeptKey[]> {
    const found = await this.#options.store.get(this.#recordKey);
    const held = this.#ringOf(found?.value).map((stored) => this.#hold(stored));
    this.#held = new Map(held.map((kept) => [kept.kid, kept]));
    return held;
  }

  async make(making: Making): Promise<string | undefined> {
    const { clock, name } = this.#options;
    const createdAtMs = clock.nowMs();
    if (!mayMake(await this.read(), making, createdAtMs)) return undefined;
    const { purpose, notBeforeMs } = making;
    const made = await makeKey(purpose, name, { createdAtMs, notBeforeMs });
    const allowed = (ring: Ring) => mayMake(ring.map(timesOf), making, clock.nowMs());
    const ring = await this.#change((current) => (allowed(current) ? [...current, made] : current));
    return ring.some(({ kid }) => kid === made.kid) ? made.kid : undefined;
  }

  async schedule(kid: string, notBeforeMs: number): Promise<void> {
    const due = (key: StoredKey) => key.kid === kid && key.not_before_ms === null;
    await this.#change((ring) =>
      ring.some(due) ? ring.map((key) => (due(key) ? { ...key, not_before_ms: notBeforeMs } : key)) : ring,
    );
  }

  async drop(kids: readonly string[]): Promise<void> {
    const gone = ({ kid }: StoredKey) => kids.includes(kid);
    await this.#change((ring) => (ring.some(gone) ? ring.filter((key) => !gone(key)) : ring));
  }

  healthy(): boolean {
    return true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#held.clear();
  }

  /** Gives the ring that stands afterwards. */
  async #change(change: (ring: Ring) => Ring): Promise<Ring> {
    const { store } = this.#options;
    const written = await updateRecord<Json>(store, this.#recordKey, keptMs, (current) => {
      const ring = this.#ringOf(current);
      const next = change(ring);
      if (next === ring && current !== undefined) return current;
      return { v: 1, sealed: this.#seal.close(this.#label, next as unknown as Json) };
    });
    if (isDenial(written)) throw new KeyFault('the keys in the store kept changing; try again');
    return this.#ringOf(written.value);
  }

  #ringOf(record: Json | undefined): Ring {
    if (record === undefined) return [];
    const { v, sealed } = (record ?? {}) as JsonObject;
    const ring = v === 1 && typeof sealed === 'string' ? this.#seal.open(this.#label, sealed) : undefined;
    if (!Array.isArray(ring) || !ring.every(isStoredKey)) {
      throw new KeyFault(
        `keys.secret does not open the keys named "${this.#options.name}" in the store; nothing was changed. ` +
          'Give every gateway on the store the same secret, or another keys.name',
      );
    }
    return ring;
  }

  #hold(stored: StoredKey): KeptKey {
    const { purpose, notBeforeMs } = timesOf(stored);
    const known = this.#held.get(stored.kid);
    return known?.notBeforeMs === notBeforeMs ? known : holdKey(purpose, stored, `"${stored.kid}" in the store`);
  }
}

function timesOf({ kid, created_at_ms: createdAtMs, not_before_ms: notBeforeMs = createdAtMs }: StoredKey): {
  readonly purpose: KeyPurpose;
  readonly notBeforeMs: number | null;
} {
  const purpose = kid.split('.')[1];
  if (!isKeyPurpose(purpose)) throw new KeyFault(`"${kid}" in the store is no key of the gate`);
  return { purpose, notBeforeMs };
}
