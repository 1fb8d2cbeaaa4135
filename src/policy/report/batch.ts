/**
 * Packs waiting events into uploads: JSON arrays that, compressed, keep within a bound. How well events compress is
 * learned from one upload to the next, so that an upload is seldom packed twice. The compressing is done by a thread.
 */
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { EventBuffer } from './event-buffer.ts';

const gzipAside = promisify(gzip);

const firstRatio = 4;
const ratioMax = 40;
/** A little less than what fitted the last time. */
const margin = 0.9;
/** What one upload takes in at most, before it is compressed, so that putting it together stays a matter of moments. */
const rawBytesMax = 4_194_304;

export type Batch =
  | { readonly events: readonly Buffer[]; readonly body: Buffer }
  /** One event that is too large alone. */
  | { readonly tooLarge: Buffer };

export class BatchPacker {
  readonly #bytesMax: number;
  #ratio = firstRatio;
  #packing = 0;

  /** `bytesMax` bounds what one upload holds, compressed. */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** Events that are being packed just now. */
  get packing(): number {
    return this.#packing;
  }

  /** Takes the oldest events out of `buffer`; null where none waits. What does not fit goes back. */
  async pack(buffer: EventBuffer): Promise<Batch | null> {
    let events = buffer.take(Math.min(rawBytesMax, this.#bytesMax * this.#ratio));
    while (events.length > 0) {
      const raw = arrayOf(events);
      this.#packing = events.length;
      const body = await gzipAside(raw).finally(() => {
        this.#packing = 0;
      });
      this.#ratio = Math.min(ratioMax, Math.max(1, (raw.length / body.length) * margin));
      if (body.length <= this.#bytesMax) return { events, body };
      const [first, ...others] = events as [Buffer, ...Buffer[]];
      if (others.length === 0) return { tooLarge: first };
      const fits = Math.floor(((events.length * this.#bytesMax) / body.length) * margin);
      const kept = Math.max(1, Math.min(fits, events.length - 1));
      buffer.putBack(events.slice(kept));
      events = events.slice(0, kept);
    }
    return null;
  }
}

function arrayOf(events: readonly Buffer[]): Buffer {
  const comma = Buffer.from(',');
  const parts = events.flatMap((event, index) => (index === 0 ? [event] : [comma, event]));
  return Buffer.concat([Buffer.from('['), ...parts, Buffer.from(']')]);
}
