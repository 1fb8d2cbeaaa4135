/**
 * Ordered indexes of the memory store: members in byte order, each with the time it is gone. What is due is cleared away
 * when an index is touched, so a reader never meets it.
 */
import { ExpiryQueue } from '../expiry.ts';
import type { IndexRange } from '../store.ts';

interface Index {
  /** In ascending order. */
  readonly members: string[];
  readonly dueMs: Map<string, number>;
  readonly due: ExpiryQueue<string>;
}

export class MemoryIndexes {
  readonly #membersMax: number;
  readonly #indexes = new Map<string, Index>();

  /** `membersMax` bounds each index. */
  constructor(membersMax: number) {
    this.#membersMax = membersMax;
  }

  add(key: string, member: string, dueMs: number, nowMs: number): void {
    const index = this.#swept(key, nowMs) ?? { members: [], dueMs: new Map(), due: new ExpiryQueue<string>() };
    this.#indexes.set(key, index);
    const place = placeOf(index.members, member);
    if (index.members[place] !== member) index.members.splice(place, 0, member);
    index.dueMs.set(member, dueMs);
    index.due.push(member, dueMs);
    if (index.due.size > 2 * index.dueMs.size + 1024) {
      index.due.compact((other, otherMs) => index.dueMs.get(other) === otherMs);
    }
    if (index.members.length <= this.#membersMax) return;
    const lowest = index.members.shift();
    if (lowest !== undefined) index.dueMs.delete(lowest);
  }

  remove(key: string, member: string, nowMs: number): void {
    const index = this.#swept(key, nowMs);
    if (index !== undefined) this.#take(key, index, member);
  }

  range(key: string, { below, limit }: IndexRange, nowMs: number): readonly string[] {
    const members = this.#swept(key, nowMs)?.members ?? [];
    const end = below === undefined ? members.length : placeOf(members, below);
    return members.slice(Math.max(0, end - limit), end).reverse();
  }

  #swept(key: string, nowMs: number): Index | undefined {
    const index = this.#indexes.get(key);
    if (index === undefined) return undefined;
    for (let member = index.due.popDue(nowMs); member !== undefined; member = index.due.popDue(nowMs)) {
      // Renewed members stay in the queue under their old time as well.
      if ((index.dueMs.get(member) ?? Number.MAX_SAFE_INTEGER) <= nowMs) this.#take(key, index, member);
    }
    return this.#indexes.get(key);
  }

  #take(key: string, index: Index, member: string): void {
    const place = placeOf(index.members, member);
    if (index.members[place] === member) index.members.splice(place, 1);
    index.dueMs.delete(member);
    if (index.members.length === 0) this.#indexes.delete(key);
  }
}

/** Where `member` stands, or would stand. */
function placeOf(members: readonly string[], member: string): number {
  let [low, high] = [0, members.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((members[middle] as string) < member) low = middle + 1;
    else high = middle;
  }
  return low;
}
