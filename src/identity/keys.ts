/**
 * The gate's own keys: for each kind of thing it signs one that signs, and older ones that still verify. The kid says
 * which gateway (or `keys.name`) and which purpose, and the purpose is checked against the key, never read from a
 * token. Which key signs follows from the times its keeper knows and the clock alone, so no step can be forgotten.
 */
import assert from 'node:assert';
import type { KeyObject, webcrypto } from 'node:crypto';
import type { JsonObject } from '../call.ts';
import type { Clock } from '../clock.ts';
import { FilesKeeper } from './keepers/files.ts';
import { firstPurposes, type Keeper, type KeptKey, KeyFault, SignerUnavailable } from './keepers/keeper.ts';
import { graceMs, type KeyPurpose, keyPurposes, type RotatingPurpose, tokenLifeMs } from './key-purpose.ts';

export { type KeyPurpose, keyPurposes, type RotatingPurpose } from './key-purpose.ts';

export interface GateKeysOptions {
  readonly dataDir: string;
  readonly gatewayId: string;
  readonly clock: Clock;
  /** Who holds all keys but the audit key, which is a file in `dataDir`. Files too, if it is left out. */
  readonly keeper?: Keeper;
}

/** One key, as people see it. */
export interface KeyListing {
  readonly kid: string;
  readonly purpose: KeyPurpose;
  readonly alg: string;
  /** `next` will sign, `signing` does, `verifying` did: its tokens are still good. */
  readonly state: 'next' | 'signing' | 'verifying';
  readonly createdAtMs: number;
  /** Null while it is not published: when it begins to sign is not settled. */
  readonly signsFromMs: number | null;
  /** When the last of its tokens has expired and it is dropped; null while nothing comes after it. */
  readonly verifiesUntilMs: number | null;
}

interface Held extends KeptKey {
  readonly document: JsonObject;
  readonly verifiesUntilMs: number | null;
}

const gatewayIdForm = /^[A-Za-z0-9_-]{1,64}$/;
const purposes = Object.keys(keyPurposes) as KeyPurpose[];

export class GateKeys implements AsyncDisposable {
  readonly #options: GateKeysOptions;
  readonly #files: FilesKeeper;
  readonly #keeper: Keeper;
  /** By purpose, in the order in which they sign. */
  #held: ReadonlyMap<KeyPurpose, readonly Held[]> = new Map();

  constructor(options: GateKeysOptions) {
    this.#options = options;
    this.#files = new FilesKeeper(options);
    this.#keeper = options.keeper ?? this.#files;
  }

  /**
   * Reads the keys, and makes those that are not there; the federation key, which takes long, only when it is asked
   * for. Throws KeyFault if they cannot be kept safely or are another gateway's, and what its keeper throws.
   */
  async open(): Promise<void> {
    assert(gatewayIdForm.test(this.#options.gatewayId), 'a gateway id has 1 to 64 letters, digits, "-" or "_"');
    await this.#files.open();
    if (this.#keeper !== this.#files) await this.#keeper.open();
    // Nobody has a token of theirs yet, so they sign at once: whoever opens the gate publishes them first.
    const first = { place: 'first', notBeforeMs: this.#options.clock.nowMs() } as const;
    await this.#files.make({ ...first, purpose: 'audit' });
    for (const purpose of firstPurposes) await this.#keeper.make({ ...first, purpose });
    await this.refresh();
    for (const purpose of [...firstPurposes, 'audit'] as const) {
      if (!this.#held.has(purpose)) throw new KeyFault(`there is no key for ${purpose}, and none can be made`);
    }
  }

  /** Makes the RSA key of federation assertions if it is not there yet: up to a second, off the event loop. */
  async prepareFederation(): Promise<void> {
    if (this.signing('federation') !== undefined) return;
    await this.#keeper.make({ purpose: 'federation', place: 'first', notBeforeMs: this.#options.clock.nowMs() });
    await this.refresh();
  }

  /** Reads the keys anew: another gateway, or an operator, may have changed them. What is held stays if that fails. */
  async refresh(): Promise<void> {
    const files = await this.#files.read();
    const audit = files.filter(({ purpose }) => purpose === 'audit');
    const others = this.#keeper === this.#files ? files : await this.#keeper.read();
    const all = [...audit, ...others.filter(({ purpose }) => purpose !== 'audit')];
    const held = new Map<KeyPurpose, readonly Held[]>();
    for (const purpose of purposes) {
      const kept = all.filter((key) => key.purpose === purpose).sort(inOrderOfSigning);
      if (kept.length > 0) held.set(purpose, kept.map(withEnd));
    }
    this.#held = held;
  }

  /** Why keys of this keeper are not rotated by the gate; null where they are. */
  get fixed(): string | null {
    return this.#keeper.fixed;
  }

  /** Makes a key that signs nothing yet. Gives its kid; undefined if another one waits already. */
  async makeNext(purpose: RotatingPurpose): Promise<string | undefined> {
    const kid = await this.#keeper.make({ purpose, place: 'next', notBeforeMs: null });
    await this.refresh();
    return kid;
  }

  /** Lets a key that has been published sign from then on. */
  async schedule(kid: string, notBeforeMs: number): Promise<void> {
    await this.#keeper.schedule(kid, notBeforeMs);
    await this.refresh();
  }

  /** Destroys the keys whose last token has expired. Gives how many. */
  async dropExpired(): Promise<number> {
    const nowMs = this.#options.clock.nowMs();
    const expired = [...this.#held.values()].flat().filter((key) => !isAlive(key, nowMs));
    if (expired.length === 0) return 0;
    await this.#keeper.drop(expired.map(({ kid }) => kid));
    await this.refresh();
    return expired.length;
  }

  /** Every key that signs or verifies, or will, by purpose and the oldest first. */
  list(): readonly KeyListing[] {
    const nowMs = this.#options.clock.nowMs();
    return purposes.flatMap((purpose) => {
      const signing = this.signing(purpose)?.kid;
      return this.#alive(purpose, nowMs).map(({ kid, createdAtMs, notBeforeMs, verifiesUntilMs }): KeyListing => {
        const waits = notBeforeMs === null || notBeforeMs > nowMs;
        const state = kid === signing ? 'signing' : waits ? 'next' : 'verifying';
        const { alg } = keyPurposes[purpose];
        return { kid, purpose, alg, state, createdAtMs, signsFromMs: notBeforeMs, verifiesUntilMs };
      });
    });
  }

  /** The public keys as a JWKS (RFC 7517), for `/.well-known/jwks.json` and for auditors. */
  jwks(): JsonObject {
    const nowMs = this.#options.clock.nowMs();
    return { keys: purposes.flatMap((purpose) => this.#alive(purpose, nowMs).map(({ document }) => document)) };
  }

  /** The key of `purpose` that signs now. */
  signing(purpose: KeyPurpose): KeptKey | undefined {
    const nowMs = this.#options.clock.nowMs();
    const keys = this.#held.get(purpose);
    const due = keys?.findLast(({ notBeforeMs }) => notBeforeMs !== null && notBeforeMs <= nowMs);
    // Where no time has come the clock was set back: to wait until it is there again would help nobody.
    return due ?? keys?.find(({ notBeforeMs }) => notBeforeMs !== null);
  }

  /**
   * A compact JWS (RFC 7515 §7.1) of `claims`. A purpose signs its own `typ` and no other. Rejects with
   * SignerUnavailable where no key signs, or who holds it does not answer.
   */
  async sign(purpose: KeyPurpose, typ: string, claims: JsonObject): Promise<string> {
    const { alg, typ: ownTyp } = keyPurposes[purpose];
    assert.equal(typ, ownTyp, `the ${purpose} key signs ${ownTyp} only`);
    const key = this.signing(purpose);
    if (key === undefined) throw new SignerUnavailable(`there is no ${purpose} key that signs`);
    const input = `${encode({ alg, typ, kid: key.kid })}.${encode(claims)}`;
    return `${input}.${(await key.sign(input)).toString('base64url')}`;
  }

  /** The public key of that id, if it is this gateway's, made for this purpose, and its tokens can still be good. */
  publicKey(kid: string, purpose: KeyPurpose): KeyObject | undefined {
    const key = this.#held.get(purpose)?.find((held) => held.kid === kid);
    return key !== undefined && isAlive(key, this.#options.clock.nowMs()) ? key.publicKey : undefined;
  }

  /** The audit key in full: the audit trail signs its heads in a thread of its own. */
  auditSigner(): { readonly kid: string; readonly privateJwk: webcrypto.JsonWebKey } {
    const { kid } = this.signing('audit') ?? {};
    const privateJwk = kid === undefined ? undefined : this.#files.privateJwk(kid);
    assert(kid !== undefined && privateJwk !== undefined, 'the audit key is not open');
    return { kid, privateJwk };
  }

  /** Whether there is a key that signs for each purpose a call needs, and its keeper is there. For `/readyz`. */
  healthy(): boolean {
    return this.#keeper.healthy() && firstPurposes.every((purpose) => this.signing(purpose) !== undefined);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#held = new Map();
    await this.#keeper[Symbol.asyncDispose]();
    await this.#files[Symbol.asyncDispose]();
  }

  #alive(purpose: KeyPurpose, nowMs: number): readonly Held[] {
    return (this.#held.get(purpose) ?? []).filter((key) => isAlive(key, nowMs));
  }
}

function inOrderOfSigning({ notBeforeMs: left }: KeptKey, { notBeforeMs: right }: KeptKey): number {
  if (left === right) return 0;
  return (left ?? Number.POSITIVE_INFINITY) - (right ?? Number.POSITIVE_INFINITY);
}

/** A key verifies until the last token it can have signed has expired: from when the next one signs. */
function withEnd(key: KeptKey, index: number, keys: readonly KeptKey[]): Held {
  const followedAtMs = keys[index + 1]?.notBeforeMs ?? null;
  const { purpose } = key;
  const ends = purpose !== 'audit' && followedAtMs !== null;
  const { kty, crv, x, y, n, e } = key.publicKey.export({ format: 'jwk' });
  const members = Object.entries({ kty, crv, x, y, n, e }).filter(([, value]) => value !== undefined);
  const { alg } = keyPurposes[purpose];
  return {
    ...key,
    document: { ...(Object.fromEntries(members) as JsonObject), kid: key.kid, alg, use: 'sig' },
    verifiesUntilMs: ends ? followedAtMs + tokenLifeMs[purpose] + graceMs : null,
  };
}

function isAlive({ verifiesUntilMs }: Held, nowMs: number): boolean {
  return verifiesUntilMs === null || nowMs < verifiesUntilMs;
}

function encode(value: JsonObject): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}
