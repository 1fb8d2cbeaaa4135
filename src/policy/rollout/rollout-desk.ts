/**
 * The state of the rollout, one record for every gateway of a store: read each second and at each message, changed by
 * compare-and-set. What a reader would get wrong: while the store is away the last known state holds; a gateway that
 * never read one, or reads what it cannot understand, lets the bundle in force decide; and a roll-back by this gateway
 * itself counts here at once, before the store has it.
 */
import type { Json } from '../../call.ts';
import type { Clock, Timer } from '../../clock.ts';
import { type Denial, isDenial } from '../../denial.ts';
import { type Store, type Subscription, storeKey } from '../../store/store.ts';
import { updateRecord } from '../../store/update.ts';
import {
  finished,
  noRecord,
  parseRecord,
  type ReadRecord,
  type RolledOut,
  type RolloutReason,
  type RolloutRecord,
  type RolloutStage,
  type RolloutState,
  recordDocument,
  stepped,
  type Transition,
} from './rollout-state.ts';

/** Channel on which every gateway of a store hears that the rollout has changed. */
const rolloutChannel = 'tg:policy-rollout';
export const lookMs = 1_000;

const recordKey = storeKey('', 'policy-rollout');
/** Ten years: a rollout ends when somebody ends it. */
const keptMs = 10 * 365 * 24 * 3600_000;

/** Where a candidate stands. `foreign`: the rollout is about another one. Only `canary` and `full` let it decide. */
export interface Standing {
  readonly stage: 'none' | 'foreign' | RolloutStage;
  readonly percent: number;
  /** Of the rollout, for `bucketOf`; empty where there is none for this candidate. */
  readonly id: string;
}

export interface RolloutDeskParts {
  readonly store: Pick<Store, 'get' | 'compareAndSet' | 'publish' | 'subscribe'>;
  readonly clock: Clock;
  /** Told of what went wrong where nobody waits for an answer. */
  readonly faulted: (where: string, fault: unknown) => void;
  readonly log: (level: 'info' | 'warn' | 'error', message: string, fields?: Readonly<Record<string, unknown>>) => void;
}

/** The state after a change, and whether it was this one that made it. */
export interface Changed {
  readonly state: RolloutState;
  readonly changed: boolean;
}

/** Who changes, and what candidate they have loaded. */
export interface Changing {
  readonly by: string;
  readonly candidate: RolledOut | null;
}

const noCandidate: Standing = { stage: 'none', percent: 0, id: '' };
const foreign: Standing = { stage: 'foreign', percent: 0, id: '' };
const takenBack: Standing = { stage: 'rolled_back', percent: 0, id: '' };
const shadowed: Standing = { stage: 'shadow', percent: 0, id: '' };

export class RolloutDesk implements AsyncDisposable {
  readonly #parts: RolloutDeskParts;
  #record: RolloutRecord | null = null;
  /** Of the newest record that could be read; an older one does not replace it. */
  #atMs = 0;
  #standing: Standing = shadowed;
  /** The rollout that this gateway took back, and the store may not know it yet. */
  #heldBack: { readonly id: string; readonly by: string; readonly reason: RolloutReason } | null = null;
  #writing: Promise<boolean> | null = null;
  #subscription: Subscription | undefined;
  #timer: Timer | null = null;
  #looking: Promise<void> = Promise.resolve();
  #stopped = false;
  #away = false;
  readonly #listeners = new Set<() => void>();

  constructor(parts: RolloutDeskParts) {
    this.#parts = parts;
  }

  /** Reads the state, and follows it from now on; also where the store is away. Never rejects. */
  async open(): Promise<void> {
    await this.#follow();
    this.#arm();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    await this.#looking;
    await this.#subscription?.close();
  }

  /** The state as it was last seen here; null where there is none, or none that could be read. */
  get state(): RolloutState | null {
    return this.#record?.kind === 'read' ? this.#record.state : null;
  }

  /** Why `state` may not be what the store holds; null while it is. */
  get note(): 'unread' | 'unreadable' | 'store_away' | null {
    if (this.#record === null) return 'unread';
    if (this.#record.kind === 'unreadable') return 'unreadable';
    return this.#away ? 'store_away' : null;
  }

  /** Where the candidate of this content stands; `null`: none is loaded. Cheap, for every decision. */
  standing(content: string | null): Standing {
    if (content === null) return noCandidate;
    const record = this.#record;
    if (record === null) return shadowed;
    if (record.kind === 'unreadable') return foreign;
    if (record.state?.content === content) return this.#standing;
    if (record.takenBack.includes(content)) return takenBack;
    return record.state === null ? shadowed : foreign;
  }

  /** Tells `listener` of every change that this gateway sees; gives what ends it. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Goes a step, for every gateway of the store. Denies as `stepped` does, and `task_conflict` where others kept coming
   * first. Rejects with `StoreUnavailable`.
   */
  async change(asked: Transition, { by, candidate }: Changing): Promise<Changed | Denial> {
    const { clock } = this.#parts;
    const freshId = `rol_${clock.randomBytes(10).toString('hex')}`;
    const written = await this.#write((record) =>
      stepped(record, asked, { by, candidate, freshId, atMs: this.#afterMs(record) }),
    );
    if (isDenial(written)) return written;
    return { state: written.record.state as RolloutState, changed: written.changed };
  }

  /**
   * Takes the candidate back, here at once and then for every gateway; what the store does not take now it is given at
   * each look. True where it was this gateway that did it, or it cannot be known; false where it was done already.
   */
  async rollBack(id: string, by: string, reason: RolloutReason): Promise<boolean> {
    if (this.state?.id !== id || this.#standing.stage === 'rolled_back') return false;
    this.#heldBack = { id, by, reason };
    this.#stand();
    this.#tell();
    try {
      return await this.#writeHeldBack();
    } catch (fault) {
      this.#parts.faulted('rollout', fault);
      return true;
    }
  }

  /** Ends the rollout of `content`: it is in force everywhere. False where it is about another one, or has ended. */
  async finish(content: string): Promise<boolean> {
    const written = await this.#write((record) => finished(record, content, this.#afterMs(record)));
    return !isDenial(written) && written.changed;
  }

  /** Reads the record now. Rejects with `StoreUnavailable`. */
  async look(): Promise<void> {
    const found = await this.#parts.store.get(recordKey);
    const record = found === undefined ? null : parseRecord(found.value);
    if (record === null || (record.kind === 'read' && record.atMs < this.#atMs)) await this.#restore();
    else this.#learn(record);
  }

  async #follow(): Promise<void> {
    const { store, log } = this.#parts;
    try {
      this.#subscription ??= await store.subscribe(rolloutChannel, () => {
        this.look().catch((fault: unknown) => this.#parts.faulted('rollout', fault));
      });
      await this.look();
      if (this.#heldBack !== null) await this.#writeHeldBack();
      if (this.#away) log('info', 'the state of the policy rollout can be read again');
      this.#away = false;
    } catch (fault) {
      if (!this.#away) this.#parts.faulted('rollout', fault);
      this.#away = true;
    }
  }

  #arm(): void {
    if (this.#stopped) return;
    this.#timer = this.#parts.clock.after(lookMs, () => {
      this.#looking = this.#follow().finally(() => this.#arm());
    });
  }

  /** Records are in order by their time, whatever the clocks of gateways say. */
  #afterMs(record: RolloutRecord): number {
    return Math.max(this.#parts.clock.nowMs(), this.#atMs + 1, record.kind === 'read' ? record.atMs + 1 : 0);
  }

  /** Changes the record by compare-and-set, and tells the others. `change` may run several times. */
  async #write(
    change: (record: RolloutRecord) => RolloutRecord | Denial,
  ): Promise<{ readonly record: ReadRecord; readonly changed: boolean } | Denial> {
    const { store, faulted } = this.#parts;
    let made: { readonly record: ReadRecord; readonly changed: boolean } = { record: noRecord, changed: false };
    const written = await updateRecord<Json>(store, recordKey, keptMs, (current) => {
      const before = this.#current(current);
      const record = change(before);
      if (isDenial(record)) return record;
      if (record.kind === 'unreadable') return current as Json;
      made = { record, changed: record !== before };
      return record === before && current !== undefined ? current : recordDocument(record);
    });
    if (isDenial(written)) return written;
    if (made.changed) {
      this.#learn(made.record);
      store.publish(rolloutChannel, { at_ms: this.#atMs }).catch((fault: unknown) => faulted('rollout', fault));
    }
    return made;
  }

  /** What is to be changed: what the store holds, or what is known here where the store has lost it. */
  #current(value: Json | undefined): RolloutRecord {
    const found = value === undefined ? null : parseRecord(value);
    if (found !== null && (found.kind === 'unreadable' || found.atMs >= this.#atMs)) return found;
    if (this.#record?.kind === 'read') return this.#record;
    return found ?? noRecord;
  }

  /** One write, whoever waits for it: that which comes second would find it done, and nobody would have done it. */
  #writeHeldBack(): Promise<boolean> {
    this.#writing ??= this.#takeBack().finally(() => {
      this.#writing = null;
    });
    return this.#writing;
  }

  async #takeBack(): Promise<boolean> {
    const held = this.#heldBack;
    if (held === null) return false;
    const { id, by, reason } = held;
    const done = await this.change({ stage: 'rolled_back', id, reason }, { by, candidate: null });
    // Refused is: the rollout is another one by now, and needs no taking back.
    if (isDenial(done) && done.code === 'task_conflict') return true;
    this.#heldBack = null;
    this.#stand();
    return !isDenial(done) && done.changed;
  }

  /** A store that has lost what it had acknowledged is given it back by a gateway that still knows. */
  async #restore(): Promise<void> {
    const known = this.#record;
    if (known?.kind !== 'read' || known.atMs === 0) return this.#learn(noRecord);
    const { store, log } = this.#parts;
    let lost = false;
    const written = await updateRecord<Json>(store, recordKey, keptMs, (current) => {
      const found = current === undefined ? null : parseRecord(current);
      // A read that was under way while this gateway wrote looks like a loss, and is none.
      lost = found === null || (found.kind === 'read' && found.atMs < known.atMs);
      return lost ? recordDocument(known) : (current as Json);
    });
    if (isDenial(written)) return;
    if (lost)
      log('warn', 'the store had lost the state of the policy rollout; it was given back', { at_ms: known.atMs });
    else this.#learn(parseRecord(written.value));
  }

  #learn(record: RolloutRecord): void {
    const before = this.#record;
    if (record.kind === 'read') {
      if (before?.kind === 'read' && record.atMs <= before.atMs) return;
      if (record.atMs < this.#atMs) return;
      this.#atMs = record.atMs;
    } else {
      if (before?.kind === 'unreadable' && before.fault === record.fault) return;
      this.#parts.log('error', 'the state of the policy rollout cannot be read; the bundle in force decides', {
        fault: record.fault,
      });
    }
    this.#record = record;
    if (this.#heldBack !== null && this.state?.id !== this.#heldBack.id) this.#heldBack = null;
    this.#stand();
    this.#tell();
  }

  #stand(): void {
    const { state } = this;
    if (state === null) this.#standing = shadowed;
    else if (this.#heldBack?.id === state.id) this.#standing = { stage: 'rolled_back', percent: 0, id: state.id };
    else this.#standing = { stage: state.stage, percent: state.percent, id: state.id };
  }

  #tell(): void {
    for (const listener of this.#listeners) {
      try {
        listener();
      } catch (fault) {
        this.#parts.faulted('rollout', fault);
      }
    }
  }
}
