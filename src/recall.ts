/**
 * What a client takes for kept at the provider, and the gate keeps in its place: whole answers and their items, which a
 * later request of the task names by an id. What a reader would get wrong: by the time a request is decided on, what it
 * names is in it; an id that is still there was not remembered.
 */
import type { Denial } from './denial.ts';
import type { Json, JsonObject } from './payload.ts';

/** An answer as its agent got it. */
export interface Told {
  readonly id: string;
  readonly items: readonly JsonObject[];
}

/** What of earlier answers a request names. */
export interface Wanted {
  /** The answer that it goes on from; null for none. */
  readonly answer: string | null;
  /** Single items. */
  readonly items: readonly string[];
}

/** What of it is remembered. */
export interface Recalled {
  /** All that was said until then, that answer with it; null where not all of it is there. */
  readonly conversation: readonly Json[] | null;
  /** Every item of an answer that was found, those of the conversation with them, by its id. */
  readonly items: ReadonlyMap<string, JsonObject>;
}

export interface Recall {
  /** Null where it names nothing. */
  wanted(): Wanted | null;
  /**
   * Puts what was found in the place of its id, before anything else reads the payload; what was not found stays. Gives
   * how many items that were. Denies `too_large` beyond `bytesMax`, and `args_invalid`.
   */
  fill(found: Recalled, bytesMax: number): number | Denial;
  /** Whether its answer is to be remembered. */
  readonly remembers: boolean;
  /**
   * All that is sent, as obligations left it, item by item, with an `item_reference` for what was put in place; null where
   * some of it lies at the provider.
   */
  conversation(): readonly Json[] | null;
}
