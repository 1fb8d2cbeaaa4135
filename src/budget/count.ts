/**
 * The running count of an answer that flows. A target that keeps to the limit it was sent never comes near it here, so
 * the count must never be higher than the truth, or an honest answer would be cut: it is the provider's own count where
 * that comes along, else what the text cannot have less of.
 *
 * Without the provider's count: a model writes at least a token in every chunk, so chunks are counted, unless they are
 * shorter than two characters on average, as when somebody on the way cuts text into characters. And in any script a
 * token stands for fewer than eight characters on average once runs of one sign, such as the dashes of a table, count
 * once (o200k_base: English prose 4, English of long words 6.7, German 5.6, Russian 4.8, Hindi 3.6, Japanese 1.5; bytes
 * would not do, of which Hindi has 9.6 to a token). That bound also holds where many tokens come in one chunk.
 */
import type { Frame, ModelAsk, ReservationFact, Usage } from '../call.ts';

const charsPerTokenMax = 8;
const charsPerChunkMin = 2;
const runOfOneSign = /([^\p{L}\p{N}])\1+/gu;

export class RunningCount {
  /** Tokens that all answers together may have: what was reserved, without the prompt. */
  readonly #limit: number;
  readonly #reservedTokens: number;
  readonly #promptTokensMax: number;
  #chunks = 0;
  #chars = 0;
  /** Characters without those that repeat the sign before them; and the last character. */
  #different = 0;
  #last = '';
  #usage: Usage | null = null;
  /** Whether text came after the usage that is known: then it speaks of less than there is. */
  #outdated = false;
  /** Whether the usage came by itself behind text, as the count of a whole answer does; others go on while it is written. */
  #summed = false;
  /** The target ended the answer with an error, in the middle of what it wrote. */
  #brokeOff = false;
  /** The answer tokens of the turn that its task has once this answer is cut; undefined where it has none. */
  readonly wrapUpTokens: number | undefined;

  constructor(
    reservation: Pick<ReservationFact['reservation'], 'tokens' | 'answerTokens'>,
    ask: ModelAsk | null,
    wrapUpTokens?: number,
  ) {
    this.wrapUpTokens = wrapUpTokens;
    this.#reservedTokens = reservation.tokens;
    this.#promptTokensMax = Math.max(0, reservation.tokens - reservation.answerTokens);
    // Only models write tokens; everything else is paid by the call.
    this.#limit = ask === null ? Number.POSITIVE_INFINITY : reservation.answerTokens;
  }

  /** Counts `frame`; true where its text is more than what was reserved. Without text, nothing is ever too much. */
  over(frame: Frame): boolean {
    let text = '';
    let usage: Usage | null = null;
    for (const event of frame.events) {
      if (event.type === 'usage') usage = event.usage;
      else if (event.type !== 'end') text += event.text;
      else if (event.reason === 'error') this.#brokeOff = true;
    }
    // What the error says is no text of the model.
    if (this.#brokeOff) text = '';
    if (text !== '') {
      this.#chunks++;
      this.#chars += text.length;
      this.#different += (this.#last + text).replace(runOfOneSign, '$1').length - this.#last.length;
      this.#last = text.slice(-1);
      this.#outdated = true;
    }
    if (usage !== null) {
      this.#usage = usage;
      this.#outdated = false;
      this.#summed = text === '' && this.#chunks > 0;
    }
    return text !== '' && this.#tokens > this.#limit;
  }

  /** The fewest tokens that what came so far can have. */
  get #tokens(): number {
    const chunks = this.#chars >= this.#chunks * charsPerChunkMin ? this.#chunks : 0;
    return Math.max(this.#usage?.outputTokens ?? 0, chunks, Math.floor(this.#different / charsPerTokenMax));
  }

  /** For an agent that asked what a cut answer has cost: the provider's count, or the bounds it was cut at. */
  counted(): Usage {
    const outputTokens = Math.max(this.#usage?.outputTokens ?? 0, Math.min(this.#tokens, this.#limit));
    return {
      inputTokens: this.#usage?.inputTokens ?? this.#promptTokensMax,
      outputTokens,
      cachedInputTokens: this.#usage?.cachedInputTokens ?? 0,
    };
  }

  /**
   * What to settle: the provider's count where it is the last word on this answer, or more than was reserved; null,
   * and so the whole reservation, where the answer was left before its end, or ended in an error. A count at the
   * beginning, or one that goes on with the text, says nothing of what is written until the target notices.
   */
  settled(complete: boolean): Usage | null {
    const usage = this.#usage;
    if (usage === null || (complete && !this.#brokeOff)) return usage;
    if (!this.#outdated && (this.#brokeOff || this.#summed)) return usage;
    return usage.inputTokens + usage.outputTokens > this.#reservedTokens ? usage : null;
  }
}
