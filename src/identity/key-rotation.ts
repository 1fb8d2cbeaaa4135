/**
 * How a key comes and goes: made, published, given the time from which it signs, and destroyed once its last token has
 * expired. Only what was published is given a time, and a key without one signs nothing: so a gate that dies between
 * two steps, or finds the store away, leaves a key that waits, and the next look takes it from there.
 */
import type { Clock } from '../clock.ts';
import { type Denial, deny } from '../denial.ts';
import { firstPurposes, KeyFault } from './keepers/keeper.ts';
import { livingKeysMax, type RotatingPurpose } from './key-purpose.ts';
import type { GateKeys, KeyListing, KeyPurpose } from './keys.ts';

export interface KeyRotationOptions {
  readonly keys: GateKeys;
  readonly clock: Clock;
  /** How long a new key is published before it signs; at once where it is left out. */
  readonly leadMs: Readonly<Record<RotatingPurpose, number>> | undefined;
  /** Shows the keys as they are now to whoever verifies. */
  readonly publish: () => Promise<void>;
  /** Tells the other gateways that something has changed. */
  readonly announce: () => Promise<void>;
}

/** A key that was made by a rotation, or was already waiting to sign. */
export interface Rotated {
  readonly kid: string;
  readonly signsFromMs: number;
}

const auditKeyStays =
  'The audit key is not rotated while the gate runs: it signs in the thread of the trail. Stop the gate, move ' +
  'data_dir/keys/audit.json away, and start it; auditors keep the old public key (data_dir/audit-keys.json).';

export class KeyRotation {
  readonly #options: KeyRotationOptions;

  constructor(options: KeyRotationOptions) {
    this.#options = options;
  }

  /** Everything that falls due: keys that went away, expired, or were made and not published when a gateway died. */
  async tend(): Promise<void> {
    const { keys, publish } = this.#options;
    let fault: unknown;
    try {
      await keys.refresh();
      for (const purpose of firstPurposes) {
        if (!keys.list().some((key) => key.purpose === purpose)) await keys.makeNext(purpose);
      }
      await keys.dropExpired();
    } catch (error) {
      // A signer that is away is no reason to be forgotten by the others.
      fault = error;
    }
    await publish();
    for (const key of this.#unscheduled()) await this.#schedule(key, this.#leadMs(key.purpose as RotatingPurpose));
    if (fault !== undefined) throw fault;
  }

  /** See `KeyDirectory.rotate`. */
  async rotate(purpose: KeyPurpose, leadMs: number | undefined): Promise<Rotated | Denial> {
    const { keys, clock, publish } = this.#options;
    if (purpose === 'audit') return deny('args_invalid', auditKeyStays);
    if (keys.fixed !== null) return deny('args_invalid', keys.fixed);
    await keys.refresh();
    const alive = keys.list().filter((key) => key.purpose === purpose);
    if (!alive.some(({ state }) => state === 'next')) {
      if (alive.length >= livingKeysMax) {
        const untilMs = alive[0]?.verifiesUntilMs ?? clock.nowMs();
        return deny('rate_limited', `There are as many keys for ${purpose} alive as there may be.`, {
          retryAfterMs: Math.max(0, untilMs - clock.nowMs()),
        });
      }
      await keys.makeNext(purpose);
    }
    const next = keys.list().find((key) => key.purpose === purpose && key.state === 'next');
    if (next?.signsFromMs === null) {
      await publish();
      await this.#schedule(next, leadMs ?? this.#leadMs(purpose));
    }
    // Where none waits any more, another gateway on the store rotated at the same moment, and its key signs already.
    const { kid } = next ?? keys.signing(purpose) ?? {};
    const signsFromMs = keys.list().find((key) => key.kid === kid)?.signsFromMs ?? null;
    if (kid === undefined || signsFromMs === null) throw new KeyFault('a new key went away while it was published');
    return { kid, signsFromMs };
  }

  /** Makes, publishes and puts to work the key of federation assertions. Throws KeyFault if there can be none. */
  async prepareFederation(): Promise<void> {
    const { keys, publish } = this.#options;
    const unscheduled = () => this.#unscheduled().filter(({ purpose }) => purpose === 'federation');
    if (unscheduled().length === 0) await keys.makeNext('federation');
    await publish();
    for (const key of unscheduled()) await this.#schedule(key, 0);
    if (keys.signing('federation') === undefined) throw new KeyFault('there is no key for federation assertions');
  }

  #unscheduled(): readonly KeyListing[] {
    return this.#options.keys.list().filter(({ signsFromMs }) => signsFromMs === null);
  }

  /** Only after it was published. Where nothing else signs, waiting would help nobody. */
  async #schedule({ kid, purpose }: KeyListing, leadMs: number): Promise<void> {
    const { keys, clock, announce } = this.#options;
    const before = keys.signing(purpose)?.notBeforeMs ?? null;
    // Never at the same moment as the one before: which of the two signs would be chance.
    const notBeforeMs = before === null ? clock.nowMs() : Math.max(clock.nowMs() + leadMs, before + 1);
    await keys.schedule(kid, notBeforeMs);
    await announce();
  }

  #leadMs(purpose: RotatingPurpose): number {
    return this.#options.leadMs?.[purpose] ?? 0;
  }
}
