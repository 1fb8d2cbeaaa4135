/** Written events that wait to be sent, oldest first, within a bound of bytes. Who comes last stays: the oldest go. */
export class EventBuffer {
  readonly #bytesMax: number;
  #events: Buffer[] = [];
  /** Events before it are gone; they are let go in one piece, so that taking one costs no copy of the rest. */
  #first = 0;
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get size(): number {
    return this.#events.length - this.#first;
  }

  /** Takes an event in, and gives how many older ones had to go. One larger than the whole bound is not taken: -1. */
  push(event: Buffer): number {
    if (event.length > this.#bytesMax) return -1;
    let gone = 0;
    while (this.#bytes + event.length > this.#bytesMax) {
      this.#shift();
      gone++;
    }
    this.#events.push(event);
    this.#bytes += event.length;
    return gone;
  }

  /** The oldest events, at least one and together at most `bytes`; none where none waits. */
  take(bytes: number): Buffer[] {
    const taken: Buffer[] = [];
    let sum = 0;
    while (this.size > 0) {
      const next = this.#events[this.#first] as Buffer;
      if (taken.length > 0 && sum + next.length > bytes) break;
      sum += next.length;
      taken.push(this.#shift());
    }
    return taken;
  }

  /** Puts events back before all others; they were taken from here, and may overdraw the bound by as much. */
  putBack(events: readonly Buffer[]): void {
    this.#events = [...events, ...this.#events.slice(this.#first)];
    this.#first = 0;
    for (const { length } of events) this.#bytes += length;
  }

  #shift(): Buffer {
    const event = this.#events[this.#first++] as Buffer;
    this.#bytes -= event.length;
    if (this.#first > 1_024 && this.#first * 2 > this.#events.length) {
      this.#events = this.#events.slice(this.#first);
      this.#first = 0;
    }
    return event;
  }
}
