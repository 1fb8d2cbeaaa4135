/**
 * Counts the tokens of a prompt with the tokenizer of a target, before it is sent. Never more than the bytes, which are
 * a bound for every tokenizer. What a reader would get wrong: an encoder takes time that grows with the square of a word's
 * length, and seconds for a megabyte of made-up words, in which the gate does nothing else. So what is longer than any
 * word is counted by its bytes, and so is what a prompt has that is new beyond a bound; and as an agent sends the same
 * messages again and again, what was counted is remembered, piece by piece.
 */
import { createHash } from 'node:crypto';
import type { ModelAsk, PromptParts, Target, Tokenizer } from '../call.ts';
import { promptAt } from './estimate.ts';

type Encoding = Tokenizer['encoding'];
type Count = (text: string) => number;

/** Longer runs are no words: they are somebody's data, or somebody who wants the gate to be busy. */
const longRuns = /[\p{L}\p{M}\p{N}]{161,}|[^\p{L}\p{M}\p{N}\s]{161,}|\s{161,}/gu;
/** Pieces whose count is remembered, and from how many characters on. */
const rememberedMax = 20_000;
const rememberedCharsMin = 256;
/** The most characters that are counted at once: a piece of a text, cut where a new token begins in any case. */
const pieceChars = 4_096;
const space = /\s/;
const wordSign = /[\p{L}\p{N}]/u;
/** Where no token begins for sure, a piece may have so many fewer than its share of the whole. */
const cutTokens = 2;
/**
 * How much of one prompt may be new to the encoder, in UTF-8 bytes: 1 ms of prose, 70 ms of made-up words. What is beyond
 * it counts by its bytes, and by its tokens when it comes again. Not a time: what a call may cost must not hang on the load.
 */
const freshBytesMax = 32 * 1024;

/** By the names of encodings that targets use; loading one takes about 150 ms and 70 MB. */
const loaders: Readonly<
  Record<Encoding, () => Promise<{ readonly countTokens: (text: string, options: object) => number }>>
> = {
  o200k_base: () => import('gpt-tokenizer/encoding/o200k_base'),
  cl100k_base: () => import('gpt-tokenizer/encoding/cl100k_base'),
};

export class PromptTokens {
  readonly #counts: ReadonlyMap<Encoding, Count>;
  /** Tokens by digest of a piece, the one that was asked for last at the end. */
  readonly #known = new Map<string, number>();
  /** Of prompts that are being judged: a call asks for each target, and again when it is made smaller. */
  readonly #asked = new WeakMap<PromptParts, Map<Encoding, number>>();

  private constructor(counts: ReadonlyMap<Encoding, Count>) {
    this.#counts = counts;
  }

  /** With the encodings that `targets` use, and no other. Rejects if one cannot be loaded. */
  static async open(targets: readonly Pick<Target, 'tokenizer'>[]): Promise<PromptTokens> {
    const used = new Set(targets.flatMap(({ tokenizer }) => (tokenizer === undefined ? [] : [tokenizer.encoding])));
    const loaded = [...used].map(async (encoding): Promise<[Encoding, Count]> => {
      const { countTokens } = await loaders[encoding]();
      // What looks like a special token is text of somebody, and counted as that.
      return [encoding, (text) => countTokens(text, { disallowedSpecial: new Set() })];
    });
    return new PromptTokens(new Map(await Promise.all(loaded)));
  }

  /** Tokens that the prompt of `ask` has at `target`, at most. */
  of(ask: ModelAsk, target: Partial<Pick<Target, 'api' | 'tokenizer'>>): number {
    const { tokenizer } = target;
    const { prompt, promptTokensMax } = promptAt(ask, target);
    const count = tokenizer === undefined ? undefined : this.#counts.get(tokenizer.encoding);
    if (tokenizer === undefined || count === undefined || prompt === undefined) return promptTokensMax;
    const tokens = this.#promptTokens(tokenizer.encoding, count, prompt);
    const withMargin = Math.ceil((tokens * (100 + tokenizer.marginPercent)) / 100);
    return Math.min(promptTokensMax, withMargin + prompt.otherTokens);
  }

  /** Forgets what was counted. */
  [Symbol.dispose](): void {
    this.#known.clear();
  }

  #promptTokens(encoding: Encoding, count: Count, prompt: PromptParts): number {
    const asked = this.#asked.get(prompt) ?? new Map<Encoding, number>();
    let tokens = asked.get(encoding);
    if (tokens === undefined) {
      tokens = 0;
      const fresh = { bytes: freshBytesMax };
      for (const text of prompt.texts) tokens += this.#textTokens(encoding, count, text, fresh);
      this.#asked.set(prompt, asked.set(encoding, tokens));
    }
    return tokens;
  }

  #textTokens(encoding: Encoding, count: Count, text: string, fresh: Fresh): number {
    let tokens = 0;
    for (let from = 0; from < text.length; ) {
      const { end, clean } = pieceEnd(text, from);
      const piece = from === 0 && end === text.length ? text : text.slice(from, end);
      tokens += this.#pieceTokens(encoding, count, piece, fresh) + (clean ? 0 : cutTokens);
      from = end;
    }
    return tokens;
  }

  #pieceTokens(encoding: Encoding, count: Count, piece: string, fresh: Fresh): number {
    if (piece.length < rememberedCharsMin) return freshTokens(piece, count, fresh);
    const key = createHash('sha256').update(encoding).update(piece).digest('base64');
    const known = this.#known.get(key);
    if (known === undefined && fresh.bytes <= 0) return Buffer.byteLength(piece);
    const tokens = known ?? freshTokens(piece, count, fresh);
    if (known !== undefined) this.#known.delete(key);
    else if (this.#known.size >= rememberedMax) {
      const oldest = this.#known.keys().next();
      if (!oldest.done) this.#known.delete(oldest.value);
    }
    this.#known.set(key, tokens);
    return tokens;
  }
}

/** What of a prompt may still be counted that is not remembered. */
interface Fresh {
  bytes: number;
}

function freshTokens(piece: string, count: Count, fresh: Fresh): number {
  const bytes = Buffer.byteLength(piece);
  if (fresh.bytes <= 0) return bytes;
  fresh.bytes -= bytes;
  return tokensOf(piece, count);
}

/** Where the piece of `text` that begins at `from` ends; `clean` where a token begins there whatever stands before. */
function pieceEnd(text: string, from: number): { readonly end: number; readonly clean: boolean } {
  const end = from + pieceChars;
  if (end >= text.length) return { end: text.length, clean: true };
  for (let at = end; at > from + pieceChars / 2; at--) {
    if (space.test(text.charAt(at)) && wordSign.test(text.charAt(at - 1))) return { end: at, clean: true };
  }
  // Not in the middle of a pair of surrogates.
  return { end: /[\ud800-\udbff]/.test(text.charAt(end - 1)) ? end - 1 : end, clean: false };
}

function tokensOf(piece: string, count: Count): number {
  let tokens = 0;
  let from = 0;
  for (const run of piece.matchAll(longRuns)) {
    tokens += count(piece.slice(from, run.index)) + Buffer.byteLength(run[0]);
    from = run.index + run[0].length;
  }
  return tokens + count(from === 0 ? piece : piece.slice(from));
}
