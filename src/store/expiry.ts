/**
 * What falls due when: a binary heap of keys by time. Nothing fires by itself; the owner asks what is due and must
 * check it, because a key that was renewed or taken away stays in the heap until its old time has come.
 */

interface Entry<Key> {
  readonly key: Key;
  readonly dueMs: number;
}

export class ExpiryQueue<Key> {
  #heap: Entry<Key>[] = [];

  get size(): number {
    return this.#heap.length;
  }

  push(key: Key, dueMs: number): void {
    this.#heap.push({ key, dueMs });
    this.#rise(this.#heap.length - 1);
  }

  /** Takes out the key that has been due the longest at `nowMs`; undefined if none is. */
  popDue(nowMs: number): Key | undefined {
    const first = this.#heap[0];
    if (first === undefined || first.dueMs > nowMs) return undefined;
    const last = this.#heap.pop();
    if (last !== undefined && this.#heap.length > 0) {
      this.#heap[0] = last;
      this.#sink(0);
    }
    return first.key;
  }

  /** Drops what `isCurrent` no longer knows; the owner calls it when the heap outgrows what is alive. */
  compact(isCurrent: (key: Key, dueMs: number) => boolean): void {
    this.#heap = this.#heap.filter((entry) => isCurrent(entry.key, entry.dueMs));
    for (let index = (this.#heap.length >> 1) - 1; index >= 0; index--) this.#sink(index);
  }

  #rise(from: number): void {
    let index = from;
    const entry = this.#at(index);
    while (index > 0) {
      const parent = (index - 1) >> 1;
      const above = this.#at(parent);
      if (above.dueMs <= entry.dueMs) break;
      this.#heap[index] = above;
      index = parent;
    }
    this.#heap[index] = entry;
  }

  #sink(from: number): void {
    let index = from;
    const entry = this.#at(index);
    const { length } = this.#heap;
    while (true) {
      let child = 2 * index + 1;
      if (child >= length) break;
      if (child + 1 < length && this.#at(child + 1).dueMs < this.#at(child).dueMs) child++;
      if (this.#at(child).dueMs >= entry.dueMs) break;
      this.#heap[index] = this.#at(child);
      index = child;
    }
    this.#heap[index] = entry;
  }

  #at(index: number): Entry<Key> {
    return this.#heap[index] as Entry<Key>;
  }
}
