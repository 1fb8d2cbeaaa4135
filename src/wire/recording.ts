/**
 * Takes down an answer while it passes, byte for byte and up to a bound; whoever reads it notices nothing. An answer is
 * whole only once it was read to its end: one that was left, or was too long, was never taken down.
 */
import type { AnswerHead, Target, UpstreamAnswer } from '../call.ts';

/** A whole answer as its target sent it. */
export interface Recorded {
  readonly target: Target;
  readonly head: AnswerHead;
  readonly body: Buffer;
}

export class Recording {
  readonly #bytesMax: number;
  #whole: Recorded | null = null;
  #overflowed = false;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** What was taken down last; null where no answer came to its end within the bound. */
  get whole(): Recorded | null {
    return this.#whole;
  }

  /** Whether the last answer was longer than the bound. */
  get overflowed(): boolean {
    return this.#overflowed;
  }

  /** The same answer, taken down while it is read. One that was begun before is forgotten. */
  of(answer: UpstreamAnswer): UpstreamAnswer {
    this.#whole = null;
    this.#overflowed = false;
    return { ...answer, body: this.#read(answer) };
  }

  async *#read({ target, head, body }: UpstreamAnswer): AsyncGenerator<Uint8Array> {
    let chunks: Uint8Array[] = [];
    let bytes = 0;
    for await (const chunk of body) {
      bytes += chunk.length;
      if (bytes <= this.#bytesMax) chunks.push(chunk);
      else {
        chunks = [];
        this.#overflowed = true;
      }
      yield chunk;
    }
    if (bytes <= this.#bytesMax) this.#whole = { target, head, body: Buffer.concat(chunks) };
  }
}
