/**
 * The contract of a recognizer: it finds one type of personal data or secret in a text. The scanner walks each text
 * once and asks a recognizer only where one of its triggers stands, so a recognizer judges locally: it looks a
 * bounded way left and right, and never searches the whole text. That is what keeps hostile input linear.
 */

/** Something found. Offsets are UTF-16 code units, `end` exclusive. */
export interface Span {
  readonly start: number;
  readonly end: number;
  readonly type: string;
  /** 0 to 1: how sure the recognizer is; a check digit or a vendor's prefix is worth more than a shape. */
  readonly confidence: number;
}

/** Where a recognizer wants to be asked. All three may be given; each is about one ASCII character. */
export interface Triggers {
  /** At each of these characters. */
  readonly anywhere?: string;
  /** At these letters and digits where no letter or digit stands before them. */
  readonly tokenStart?: string;
  /** At a digit with no digit before it. */
  readonly digitRun?: boolean;
}

export interface Recognizer {
  /** As it is named in tollgate.yaml; for the built-in ones also the type of what it finds. */
  readonly name: string;
  readonly triggers: Triggers;
  /** The longest match in characters of folded text: what a stream may have to hold back for this recognizer. */
  readonly longestMatch: number;
  /**
   * Judges the trigger at `at`. `hint` is lower-case words from where the text stands (`payment card_number`), for
   * types that only a name tells from other numbers. A number instead of a span is a miss, and promises that there
   * is nothing to be asked about before that index.
   */
  readonly examine: (text: string, at: number, hint: string) => Span | number | undefined;
  /**
   * Of a text that goes on: whether what `examine` says about the trigger at `at` may still change, and then where the
   * match would begin. Undefined promises that it says the same whatever follows. May err on the side of waiting.
   */
  readonly open: (text: string, at: number) => number | undefined;
  /** Of a text that goes on: where a match may already have begun whose trigger is yet to come. */
  readonly begun?: (text: string) => number;
  /** Judges a text as a whole, once; for values that only the name of their field gives away. */
  readonly whole?: (text: string, hint: string) => Span | undefined;
}
