/**
 * An answer on its way to the agent, frame by frame: counted, inspected, remembered, and stopped where it must not go
 * on. What a reader would get wrong: what is remembered is what the agent got, not what the target sent, so that the
 * calls it makes of it are known again; only usage is taken from the target's own frames.
 */
import type { AnswerFlow, AnswerHead, AnswerStream, Finding, Frame, Payload, Usage } from './call.ts';
import { type Denial, deny } from './denial.ts';
import type { Settlement } from './settlement.ts';
import { StreamRecord } from './wire/stream-record.ts';

/** Inspection of an answer that flows. */
export interface FlowInspection {
  /** Takes a frame in; gives those whose text may go out, in their order. */
  push(frame: Frame): readonly Frame[];
  /** Gives what is left. */
  end(): readonly Frame[];
  /** Set once something was found that may not pass: nothing more goes out. */
  readonly denial: Denial | undefined;
  findings(): readonly Finding[];
}

/** The running count of an answer that flows. */
export interface FlowCount {
  /** Counts a frame as it came; true where its text is more than was reserved. */
  over(frame: Frame): boolean;
  counted(): Usage;
  /** The answer tokens of the turn that the task has once this answer is cut; undefined for none. */
  readonly wrapUpTokens?: number | undefined;
  /** What to settle; null for the whole reservation. */
  settled(complete: boolean): Usage | null;
}

/** The gate itself failed over a frame; its `cause` says how. What the target or the connection did is never this. */
export class FlowFault extends Error {
  override readonly name = 'FlowFault';
}

export class Flow {
  readonly stream: AnswerStream;
  readonly #inspection: FlowInspection;
  readonly #count: FlowCount;
  readonly #record = new StreamRecord();
  #ending = false;
  /** Whether the target's answer came to its end. */
  complete = false;
  /** Why the gate stops the answer here; nothing more is read. */
  stopped: Denial | null = null;
  /** The same where the answer, though stopped, is ended properly: its last bytes are in `held`. */
  cut: Denial | null = null;
  /** From the frame on that ends the answer: what goes out once the call is settled. */
  readonly held: Uint8Array[] = [];

  /** Throws where a room gave something else than was asked for. */
  constructor(stream: AnswerStream, inspection: FlowInspection, count: FlowCount) {
    for (const run of [inspection.push, inspection.end, inspection.findings, count.over, count.settled]) {
      if (typeof run !== 'function') throw new Error('a room gave nothing that a stream could pass through');
    }
    this.stream = stream;
    this.#inspection = inspection;
    this.#count = count;
  }

  /** Takes a frame from the target; gives the bytes that may go out now. Throws FlowFault. */
  take(frame: Frame): Uint8Array[] {
    return this.#guarded(() => {
      if (this.#count.over(frame)) {
        this.#ending = true;
        this.#pass(this.#inspection.end());
        if (this.stopped === null) this.#cutHere();
        return [];
      }
      const ready = this.#pass(this.#inspection.push(frame));
      return ends(frame) ? [...ready, ...this.#pass(this.#inspection.end())] : ready;
    });
  }

  /** The target has said all; gives the bytes that may go out now. Throws FlowFault. */
  end(): Uint8Array[] {
    return this.#guarded(() => {
      const ready = this.#pass(this.#inspection.end());
      this.complete = this.stopped === null;
      return ready;
    });
  }

  /** Hands over what the agent heard and what was found in it. A fault on the way keeps no call from being settled. */
  tell(settlement: Pick<Settlement, 'heard' | 'answerFindings'>, faulted: (fault: unknown) => void): void {
    try {
      const { text, proposals, givenIds } = this.#record.summary();
      // What was stopped on its way nobody has got; what was cut ends properly, and its agent may go on from it.
      const told = this.complete || (this.cut !== null && this.stopped === this.cut) ? this.stream.told : undefined;
      settlement.heard({ text, proposals, givenIds, told, usage: this.#count.settled(this.complete) });
      settlement.answerFindings = this.#inspection.findings();
    } catch (fault) {
      faulted(fault);
    }
  }

  #pass(frames: readonly Frame[]): Uint8Array[] {
    const now: Uint8Array[] = [];
    for (const frame of frames) {
      this.#record.add(frame);
      this.#ending ||= ends(frame);
      if (frame.bytes.length > 0) (this.#ending ? this.held : now).push(frame.bytes);
    }
    this.stopped ??= this.#inspection.denial ?? null;
    return now;
  }

  #guarded(step: () => Uint8Array[]): Uint8Array[] {
    try {
      return step();
    } catch (fault) {
      throw new FlowFault('the gate failed over a frame', { cause: fault });
    }
  }

  #cutHere(): void {
    const message = 'The answer was cut: it came to the end of what was reserved for it.';
    this.cut = deny('task_budget_exhausted', message);
    this.stopped = this.cut;
    const { wrapUpTokens } = this.#count;
    this.held.push(this.stream.cut({ code: this.cut.code, message, usage: this.#count.counted(), wrapUpTokens }));
  }
}

/** The gate ends an answer whose surface has no way to say so: whoever sends it must break off. */
export class CutOff extends Error {
  override readonly name = 'CutOff';
}

/** Whether an answer passes while it flows; `whole`: what becomes of it is only known of all of it. */
export function flowOf(payload: Pick<Payload, 'flows' | 'stream'>, head: AnswerHead, whole = false): AnswerFlow {
  if (whole) return 'never';
  if (payload.flows !== undefined) return payload.flows(head);
  return payload.stream && (head.headers['content-type'] ?? '').startsWith('text/event-stream') ? 'always' : 'never';
}

/** Whether a denial says that an obligation cannot be met on a stream. */
export function isUnmet({ details }: Denial): boolean {
  return details.reasons?.some(({ code }) => code === 'obligation_unmet') === true;
}

/**
 * A body of which up to `bytesMax` bytes are read before anybody else does; `whole` where that is all. What it throws is
 * passed on, at once or to who reads on.
 */
export async function beginOf(
  source: AsyncIterable<Uint8Array>,
  bytesMax: number,
): Promise<{ readonly whole: boolean; readonly body: AsyncIterable<Uint8Array> }> {
  const rest = source[Symbol.asyncIterator]();
  const chunks: Uint8Array[] = [];
  for (let bytes = 0; bytes <= bytesMax; ) {
    const { done, value } = await rest.next();
    if (done === true) return { whole: true, body: begunWith(chunks) };
    chunks.push(value);
    bytes += value.length;
  }
  return { whole: false, body: begunWith(chunks, rest) };
}

async function* begunWith(chunks: readonly Uint8Array[], rest?: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield* chunks;
    if (rest !== undefined) yield* { [Symbol.asyncIterator]: () => rest };
  } finally {
    // Whoever stops before the rest was begun closes it all the same.
    await rest?.return?.();
  }
}

/** The bytes of an answer that is read whole, or a denial beyond `bytesMax`. What `body` throws is passed on. */
export async function readWhole(body: AsyncIterable<Uint8Array>, bytesMax: number): Promise<Buffer | Denial> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    if (bytes > bytesMax) {
      return deny('upstream_error', `The target answered with more than ${bytesMax} bytes.`, { retryable: false });
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function ends(frame: Frame): boolean {
  return frame.events.some(({ type }) => type === 'end');
}
