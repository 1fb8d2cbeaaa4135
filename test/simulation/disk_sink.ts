/**
 * The trail of one simulated gateway: the part of a sink that survives it. What is being written when the gateway dies
 * is there or is not, as the seed says; a write that failed may be there all the same.
 */
import type { AuditEvent } from '../../src/audit/event.ts';
import type { Draft, EventQuery, OpenIntent, Reserved, Sink, Written } from '../../src/audit/sinks/sink.ts';
import type { ManualClock } from '../fakes/clock.ts';
import type { Draw, Life } from './far_store.ts';

const ends: readonly string[] = ['outcome', 'interrupted'];

/** What lies on the disk of a machine, over all lives of its gateway. */
export class Disk {
  readonly events: AuditEvent[] = [];
  readonly #reserved = new Map<string, Reserved>();
  readonly #ids = new Set<string>();

  keep(batch: readonly Draft[]): Written[] {
    return batch.map(({ event, reserved }) => {
      const seq = this.events.length + 1;
      // The same event again changes nothing.
      if (this.#ids.has(event.id)) return { id: event.id, seq, hash: '' };
      this.#ids.add(event.id);
      if (reserved !== undefined && event.call !== null) this.#reserved.set(event.call, reserved);
      const chained = { task_seq: null, proposed_commitment: null, sent_commitment: null, intent_hash: null };
      this.events.push({ ...event, ...chained, seq, prev_hash: '', hash: '' });
      return { id: event.id, seq, hash: '' };
    });
  }

  /** The end of a call, where it has one here. */
  endOf(call: string): AuditEvent | undefined {
    return this.events.find((event) => event.call === call && ends.includes(event.type));
  }

  hasIntent(call: string): boolean {
    return this.events.some((event) => event.call === call && event.type === 'intent');
  }

  openIntents(): OpenIntent[] {
    return this.events.flatMap((event) => {
      if (event.type !== 'intent' || event.call === null || this.endOf(event.call) !== undefined) return [];
      const reserved = this.#reserved.get(event.call);
      return [{ event, ...(reserved === undefined ? {} : { reserved }) }];
    });
  }
}

export interface DiskSinkParts {
  readonly disk: Disk;
  readonly clock: ManualClock;
  readonly life: Life;
  readonly draw: Draw;
  /** Of a thousand writes, how many fail. */
  readonly failsPerMille: () => number;
}

export class DiskSink implements Sink {
  readonly #parts: DiskSinkParts;

  constructor(parts: DiskSinkParts) {
    this.#parts = parts;
  }

  async open(): Promise<{ readonly openIntents: readonly OpenIntent[] }> {
    return { openIntents: this.#parts.disk.openIntents() };
  }

  write(batch: readonly Draft[]): Promise<readonly Written[]> {
    const { disk, clock, life, draw, failsPerMille } = this.#parts;
    return new Promise((resolve, reject) => {
      clock.after(1 + draw(5), () => {
        const fails = draw(1000) < failsPerMille();
        const reaches = life.alive ? !fails || draw(2) === 0 : draw(2) === 0;
        const written = reaches ? disk.keep(batch) : [];
        life.after(1 + draw(3), () => (fails ? reject(new Error('the disk is full')) : resolve(written)));
      });
    });
  }

  async probe(): Promise<void> {}
  async [Symbol.asyncDispose](): Promise<void> {}

  async events({ filter, limit }: EventQuery): Promise<readonly AuditEvent[]> {
    return this.#parts.disk.events.filter(({ call }) => call === filter.call).slice(0, limit);
  }

  erase = () => this.#unused();
  payloads = () => this.#unused();
  checkpoints = () => this.#unused();
  head = () => this.#unused();

  async #unused(): Promise<never> {
    throw new Error('nobody asks this of a simulated trail');
  }
}
