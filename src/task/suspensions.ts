/**
 * Whom operators have suspended, for every gateway of a store. One record holds the list, and a small epoch stands
 * beside it: a call reads the epoch, and the record only when the epoch has changed. What a reader would get wrong: the
 * epoch is written first, and is the version that the record is about to have. So whoever finds an epoch other than the
 * version it knows reads the record, and a suspension that was acknowledged is never missed.
 */
import type { Json } from '../call.ts';
import type { Clock } from '../clock.ts';
import { type Denial, deny, isDenial } from '../denial.ts';
import { type Store, type Subscription, storeKey } from '../store/store.ts';
import { updateAttemptsMax, updateRecord } from '../store/update.ts';
import {
  type Acting,
  denyUnfit,
  keyOf,
  type Suspendable,
  type Suspension,
  SuspensionList,
  suspendableOf,
} from './suspended.ts';

export type { Acting, Suspendable, Suspension } from './suspended.ts';

/** Channel on which every gateway of a store hears that the list has changed. */
export const suspendedChannel = 'tg:suspended';
export const suspensionsMax = 10_000;

const recordKey = storeKey('', 'suspensions');
const epochKey = storeKey('', 'suspensions-epoch');
/** Ten years: a suspension ends when somebody ends it. */
const keptMs = 10 * 365 * 24 * 3600_000;

export interface SuspensionsParts {
  readonly store: Pick<Store, 'get' | 'compareAndSet' | 'publish' | 'subscribe'>;
  readonly clock: Clock;
  /** Told of what went wrong where nobody waits for an answer. */
  readonly faulted: (where: string, fault: unknown) => void;
}

export class Suspensions implements AsyncDisposable {
  readonly #parts: SuspensionsParts;
  #known = new SuspensionList(0, []);
  #reading: Promise<SuspensionList> | undefined;
  #subscription: Subscription | undefined;
  readonly #listeners = new Set<(list: SuspensionList) => void>();

  constructor(parts: SuspensionsParts) {
    this.#parts = parts;
  }

  /** Reads the list, and hears of changes from now on. Rejects with `StoreUnavailable`. */
  async open(): Promise<void> {
    this.#subscription = await this.#parts.store.subscribe(suspendedChannel, () => {
      this.look().catch((fault: unknown) => this.#parts.faulted('suspensions', fault));
    });
    await this.look();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#subscription?.close();
  }

  /** The list as it was last seen here. For a call that has looked a moment ago. */
  get known(): SuspensionList {
    return this.#known;
  }

  /** Tells `listener` of every change of the list that this gateway sees, so that what runs can be ended. */
  onChange(listener: (list: SuspensionList) => void): void {
    this.#listeners.add(listener);
  }

  /** The list as it stands in the store now. One small read where nothing has changed. Rejects with `StoreUnavailable`. */
  async look(): Promise<SuspensionList> {
    const found = await this.#parts.store.get(epochKey);
    const epoch = (found?.value as number | undefined) ?? 0;
    if (epoch === this.#known.version) return this.#known;
    const list = await this.#read();
    // A read that was under way may have begun before this epoch was written.
    return list.version < epoch ? this.#readAnew() : list;
  }

  /** Looks, and judges. Rejects with `StoreUnavailable`: who cannot tell whether an agent is suspended lets nothing pass. */
  async denialOf(acting: Acting): Promise<Denial | undefined> {
    return (await this.look()).denialOf(acting, this.#parts.clock.nowMs());
  }

  /** All that is suspended now, the latest first. */
  async list(): Promise<readonly Suspension[]> {
    const { entries } = await this.look();
    return this.#standing(entries).toSorted((one, other) => other.atMs - one.atMs);
  }

  /**
   * Suspends, on every gateway of the store; what is suspended already gets the new reason and end. Denies
   * `args_invalid` for texts that are empty or too long, an end that has passed, and beyond 10,000 entries.
   */
  async suspend(what: Suspendable, why: Pick<Suspension, 'reason' | 'by' | 'untilMs'>): Promise<Suspension | Denial> {
    const atMs = this.#parts.clock.nowMs();
    const { reason, by, untilMs } = why;
    const entry = { ...suspendableOf(what), reason, by, atMs, ...(untilMs === undefined ? {} : { untilMs }) };
    const unfit = denyUnfit(entry);
    if (unfit !== undefined) return unfit;
    if (untilMs !== undefined && !(untilMs > atMs)) return deny('args_invalid', 'The end of a suspension lies ahead.');
    const written = await this.#write((entries) => {
      const others = entries.filter((other) => keyOf(other) !== keyOf(entry));
      if (others.length < suspensionsMax) return [...others, entry];
      return deny('args_invalid', `There are ${suspensionsMax} suspensions. Resume what need not be suspended.`, {
        reasons: [{ code: 'suspensions_full', message: `at most ${suspensionsMax}` }],
      });
    });
    return isDenial(written) ? written : entry;
  }

  /** Ends the suspension of exactly this; gives it, or undefined if there was none. Tasks that live go on. */
  async resume(what: Suspendable): Promise<Suspension | undefined | Denial> {
    const key = keyOf(what);
    let found: Suspension | undefined;
    const written = await this.#write((entries) => {
      found = entries.find((entry) => keyOf(entry) === key);
      return found === undefined ? entries : entries.filter((entry) => entry !== found);
    });
    return isDenial(written) ? written : found;
  }

  #standing(entries: readonly Suspension[]): readonly Suspension[] {
    const nowMs = this.#parts.clock.nowMs();
    return entries.filter(({ untilMs }) => untilMs === undefined || nowMs < untilMs);
  }

  /** Changes the record by compare-and-set, its epoch first. `change` may run several times. */
  async #write(
    change: (entries: readonly Suspension[]) => readonly Suspension[] | Denial,
  ): Promise<SuspensionList | Denial> {
    const { store } = this.#parts;
    const atFirst = this.#known;
    // Another writer may have been faster: what it has taught this gateway is not unlearnt.
    const learn = (version: number, entries: readonly Suspension[]) =>
      version > this.#known.version || this.#known === atFirst ? this.#learn(version, entries) : this.#known;
    let current = await store.get(recordKey);
    for (let attempt = 1; attempt <= updateAttemptsMax; attempt++) {
      const before = (current?.value as unknown as readonly Suspension[] | undefined) ?? [];
      const standing = this.#standing(before);
      const entries = change(standing);
      if (isDenial(entries)) return entries;
      const version = current?.version ?? 0;
      if (entries === standing && standing.length === before.length) return learn(version, before);
      const raised = await this.#raiseEpoch(version + 1);
      if (isDenial(raised)) return raised;
      const written = await store.compareAndSet(recordKey, version, entries as unknown as Json, keptMs);
      if (written.ok) {
        const list = learn(written.version, entries);
        // In force already: whoever misses the message finds the epoch.
        store
          .publish(suspendedChannel, { version: written.version })
          .catch((fault: unknown) => this.#parts.faulted('suspensions', fault));
        return list;
      }
      current = written.current;
    }
    return deny('task_conflict', 'The list of suspensions kept changing. Try again.');
  }

  /** Never back: a writer that lost its race has announced a version that another one made. */
  async #raiseEpoch(version: number): Promise<Denial | undefined> {
    const raised = await updateRecord<number>(this.#parts.store, epochKey, keptMs, (epoch) =>
      epoch !== undefined && epoch >= version ? epoch : version,
    );
    return isDenial(raised) ? raised : undefined;
  }

  /** One read for many calls that wait for it. */
  #read(): Promise<SuspensionList> {
    this.#reading ??= this.#readAnew().finally(() => {
      this.#reading = undefined;
    });
    return this.#reading;
  }

  async #readAnew(): Promise<SuspensionList> {
    const before = this.#known;
    const found = await this.#parts.store.get(recordKey);
    const version = found?.version ?? 0;
    if (version < before.version) return this.#restore(before);
    const entries = (found?.value as unknown as readonly Suspension[] | undefined) ?? [];
    return version < this.#known.version ? this.#known : this.#learn(version, entries);
  }

  /** A store that has lost what it had acknowledged is given it back by a gateway that still knows. */
  async #restore(before: SuspensionList): Promise<SuspensionList> {
    const restored = await this.#write((entries) => {
      const there = new Set(entries.map(keyOf));
      const lost = this.#standing(before.entries).filter((entry) => !there.has(keyOf(entry)));
      return lost.length === 0 ? entries : [...entries, ...lost].slice(0, suspensionsMax);
    });
    return isDenial(restored) ? before : restored;
  }

  #learn(version: number, entries: readonly Suspension[]): SuspensionList {
    if (version === this.#known.version) return this.#known;
    this.#known = new SuspensionList(version, entries);
    for (const listener of this.#listeners) listener(this.#known);
    return this.#known;
  }
}
