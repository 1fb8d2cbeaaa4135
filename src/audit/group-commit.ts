/**
 * The queue before a sink. Whatever comes while one commit runs goes into the next, so that an fsync is shared by all
 * who wait for it. What a reader would get wrong: after a failed write an event that somebody waits for is refused and
 * dropped (its call is denied), while one that nobody waits for is kept and written again, because what it tells of
 * has happened already.
 */
import type { Clock, Timer } from '../clock.ts';
import type { Log } from '../telemetry/log.ts';
import type { Draft, Sink, Written } from './sinks/sink.ts';

/** The trail cannot take this event now. Callers fail closed: what is not recorded does not happen. */
export class AuditUnavailable extends Error {
  override readonly name = 'AuditUnavailable';
}

export interface GroupCommitSettings {
  readonly sink: Sink;
  readonly clock: Clock;
  readonly log: Log;
  /** How many events may wait; what must not be lost has as much room again. */
  readonly queueMax: number;
}

export interface QueueOptions {
  /** Resolve only when the event is on disk. */
  readonly durable: boolean;
  /** It tells of what has happened: take it while the sink is away, and from the reserve when the queue is full. */
  readonly reserve: boolean;
}

interface Waiting {
  readonly draft: Draft;
  readonly settle: { readonly resolve: () => void; readonly reject: (error: Error) => void } | null;
}

const batchMax = 512;
const retryMs = 500;
const lingerMs = 50;
const stalledMs = 5_000;

export class GroupCommit {
  readonly #settings: GroupCommitSettings;
  readonly #barriers = new Set<{ readonly count: number; readonly resolve: () => void }>();
  #queue: Waiting[] = [];
  #inFlight = 0;
  #sinceMs: number | null = null;
  #failing = false;
  #closed = false;
  #retry: Timer | undefined;
  #lingering: Timer | undefined;
  #accepted = 0;
  #done = 0;

  constructor(settings: GroupCommitSettings) {
    this.#settings = settings;
  }

  get #depth(): number {
    return this.#queue.length + this.#inFlight;
  }

  /** Events that are not written yet. */
  get waiting(): number {
    return this.#depth;
  }

  /** False while the sink fails, hangs, or has fallen behind by a whole queue. */
  healthy(): boolean {
    const stalled = this.#sinceMs !== null && this.#settings.clock.monotonicMs() - this.#sinceMs > stalledMs;
    return !this.#failing && !this.#closed && !stalled && this.#depth < this.#settings.queueMax;
  }

  /** Takes an event in. Rejects with AuditUnavailable where it cannot, or, if durable, where the write failed. */
  push(draft: Draft, options: QueueOptions): Promise<void> {
    if (this.#closed) return Promise.reject(new AuditUnavailable('the audit trail is closed'));
    const room = this.#settings.queueMax * (options.reserve ? 2 : 1);
    if (this.#depth >= room) return Promise.reject(new AuditUnavailable('too many events wait for the audit trail'));
    if (this.#failing && !options.reserve)
      return Promise.reject(new AuditUnavailable('the audit trail cannot be written'));
    this.#accepted++;
    const pushed = new Promise<void>((resolve, reject) => {
      this.#queue.push({ draft, settle: options.durable ? { resolve, reject } : null });
      if (!options.durable) resolve();
    });
    if (!this.#failing) this.#startOrLinger(options.durable);
    return pushed;
  }

  /** Resolves when everything taken in before is written, or cannot be for now. */
  settled(): Promise<void> {
    if (this.#failing || this.#done >= this.#accepted) return Promise.resolve();
    return new Promise((resolve) => {
      this.#barriers.add({ count: this.#accepted, resolve });
      this.#start();
    });
  }

  /** What nobody waits for may wait for company: a commit and its message cost as much for one event as for fifty. */
  #startOrLinger(durable: boolean): void {
    if (durable || this.#closed || this.#queue.length >= batchMax) {
      this.#start();
      return;
    }
    if (this.#lingering !== undefined || this.#inFlight > 0) return;
    this.#lingering = this.#settings.clock.after(lingerMs, () => {
      if (!this.#failing) this.#start();
    });
  }

  #start(): void {
    this.#lingering?.cancel();
    this.#lingering = undefined;
    if (this.#inFlight > 0) return;
    this.#pump().catch((error: unknown) => this.#settings.log('error', 'audit queue', { error }));
  }

  async #pump(): Promise<void> {
    while (this.#queue.length > 0) {
      const batch = this.#queue.splice(0, batchMax);
      this.#inFlight = batch.length;
      this.#sinceMs = this.#settings.clock.monotonicMs();
      try {
        this.#written(batch, await this.#settings.sink.write(batch.map(({ draft }) => draft)));
      } catch (error) {
        this.#failed(batch, error);
        return;
      } finally {
        this.#inFlight = 0;
        this.#sinceMs = null;
      }
      this.#release();
    }
  }

  #written(batch: readonly Waiting[], written: readonly Written[]): void {
    this.#done += batch.length;
    for (const [index, { draft, settle }] of batch.entries()) {
      const result = written[index];
      if (result !== undefined && !('refused' in result)) {
        settle?.resolve();
        continue;
      }
      const why = result?.refused ?? 'the sink gave no answer for it';
      this.#settings.log('error', 'audit event refused', { event: draft.event.id, type: draft.event.type, why });
      settle?.reject(new AuditUnavailable(`the audit trail refused the event: ${why}`));
    }
  }

  #failed(batch: readonly Waiting[], error: unknown): void {
    this.#failing = true;
    this.#settings.log('error', 'audit trail cannot be written', { error, waiting: this.#depth });
    const kept: Waiting[] = [];
    for (const waiting of [...batch, ...this.#queue]) {
      if (waiting.settle === null) kept.push(waiting);
      else {
        this.#done++;
        waiting.settle.reject(new AuditUnavailable('the audit trail cannot be written'));
      }
    }
    this.#queue = kept;
    this.#release();
    if (!this.#closed) this.#scheduleProbe();
  }

  #scheduleProbe(): void {
    this.#retry = this.#settings.clock.after(retryMs, () => {
      this.#settings.sink.probe().then(
        () => {
          if (this.#closed) return;
          this.#failing = false;
          this.#settings.log('info', 'audit trail can be written again', { waiting: this.#queue.length });
          this.#start();
        },
        () => {
          if (!this.#closed) this.#scheduleProbe();
        },
      );
    });
  }

  #release(): void {
    for (const barrier of this.#barriers) {
      if (!this.#failing && barrier.count > this.#done) continue;
      this.#barriers.delete(barrier);
      barrier.resolve();
    }
  }

  /** Writes what waits, once; then takes nothing more. What could not be written is logged by number. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#retry?.cancel();
    if (this.#failing && this.#queue.length > 0) {
      this.#failing = false;
      this.#start();
    }
    await this.settled();
    if (this.#queue.length > 0) this.#settings.log('error', 'audit events lost', { events: this.#queue.length });
  }
}
