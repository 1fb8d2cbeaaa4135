/**
 * Choices made from a source of random bytes that is handed in, so that one seed gives the same inputs everywhere.
 * Not for secrets: `seededBytes` is short and well mixed, and nothing more.
 */
import type { Clock } from '../../clock.ts';

/** Where randomness comes from; a Clock is one. */
export type RandomBytes = Pick<Clock, 'randomBytes'>;

const pageBytes = 4_096;

/** The same bytes in the same order for the same `seed`, of which the lowest 32 bits count. */
export function seededBytes(seed: number): RandomBytes {
  let state = seed >>> 0;
  // splitmix32: its whole state is one integer.
  const next = (): number => {
    state = (state + 0x9e3779b9) >>> 0;
    let mixed = state;
    mixed = Math.imul(mixed ^ (mixed >>> 16), 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    return (mixed ^ (mixed >>> 15)) >>> 0;
  };
  return {
    randomBytes(length) {
      const bytes = Buffer.alloc(length);
      for (let index = 0; index < length; index++) bytes[index] = next() & 0xff;
      return bytes;
    },
  };
}

export class Chooser {
  readonly #source: RandomBytes;
  #page: Buffer = Buffer.alloc(0);
  #at = 0;

  constructor(source: RandomBytes) {
    this.#source = source;
  }

  /** A whole number from 0 to `below` - 1; 0 where `below` is less than 1. */
  integer(below: number): number {
    if (this.#at + 4 > this.#page.length) {
      this.#page = this.#source.randomBytes(pageBytes);
      this.#at = 0;
    }
    const value = this.#page.readUInt32LE(this.#at);
    this.#at += 4;
    return below < 1 ? 0 : value % below;
  }

  /** True once in `times`. */
  oneIn(times: number): boolean {
    return this.integer(times) === 0;
  }

  /** One of `items`, which must not be empty. */
  of<Item>(items: readonly Item[]): Item {
    return items[this.integer(items.length)] as Item;
  }
}
