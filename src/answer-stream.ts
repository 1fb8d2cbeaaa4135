/**
 * An answer while it flows, as the wire reads it: frames, what they mean, and the text in them. `payload.ts` hands these
 * types on.
 */
import type { Usage } from './payload.ts';
import type { Told } from './recall.ts';

export type StreamEvent =
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'reasoning'; readonly text: string }
  | {
      readonly type: 'tool_arguments';
      /** Which of the parallel proposals of this answer. */
      readonly index: number;
      readonly id?: string;
      readonly name?: string;
      readonly text: string;
    }
  | { readonly type: 'usage'; readonly usage: Usage }
  | { readonly type: 'end'; readonly reason: string };

/** Whether an answer passes while it flows: never, only what is longer than is read whole, or from its first byte on. */
export type AnswerFlow = 'never' | 'beyond' | 'always';

/** Text in a frame. What a frame says without a piece (ids, roles, the model) is not for inspection. */
export interface Piece {
  /** JSON pointer to where the whole text stands in a buffered answer. */
  readonly where: string;
  readonly text: string;
  /**
   * `flow`: goes on in the next piece of the same place. `json`: the same, and the whole is a JSON text whose own
   * strings are the texts. `whole`: complete in itself. `again`: the same, and pieces before it may have said it already,
   * so that what is found in it is not counted twice.
   */
  readonly reading: 'flow' | 'json' | 'whole' | 'again';
}

/** One piece of a stream on the wire with what it means; a frame without bytes is counted and not passed on. */
export interface Frame {
  readonly bytes: Uint8Array;
  readonly events: readonly StreamEvent[];
  /** As those of an `Answer`; one may come in several frames. */
  readonly givenIds?: readonly string[];
  /** All text in the frame, in its order. */
  pieces(): readonly Piece[];
  /** The frame with other texts in place of its pieces', in their order: encoded anew, its events with it. */
  rewrite(texts: readonly string[]): Frame;
}

/** Why the gate ends a stream early, as its agent is told: `{code, message}`. */
export interface StreamCut {
  readonly code: string;
  readonly message: string;
  /** What was counted, for an agent that asked for usage. */
  readonly usage: Usage;
  /** The answer tokens of the one more turn that the task has; left out where it has none. */
  readonly wrapUpTokens?: number | undefined;
}

/** An answer while it flows. Read once; leaving the loop early closes what it is read from. */
export interface AnswerStream extends AsyncIterable<Frame> {
  /** The number of the last event read, on a surface that numbers them. */
  readonly lastNumber?: number | undefined;
  /** Once it has ended: the whole answer as it went out, where a later request may name it. */
  readonly told?: Told | undefined;
  /** The bytes that end the answer properly where the gate cuts it at its limit, after the frames read so far. */
  cut(why: StreamCut): Uint8Array;
}
