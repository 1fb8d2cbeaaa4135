/**
 * The patterns that operators write into the config, and the check that they are safe. V8's regular expressions
 * backtrack, so a pattern is only taken if what it can cost at one position is bounded: no `*` or `+`, no
 * repetition of something that itself varies, no references and no look-around. Refusing a harmless pattern is
 * cheap, since the operator sees why at start; taking a harmful one lets any agent stop the gate.
 */
import type { Span } from './recognizer.ts';

/** Steps the engine may need at one position, and characters a match may have. */
const costMax = 512;
const matchMax = 1024;
const patternMax = 512;
const depthMax = 8;
const contextReach = 64;

/** What one piece of a pattern can be: ways to match at one position, and lengths. */
interface Piece {
  readonly ways: number;
  readonly min: number;
  readonly max: number;
}

class Unsafe extends Error {}

class PatternReader {
  readonly #pattern: string;
  #at = 0;

  constructor(pattern: string) {
    this.#pattern = pattern;
  }

  read(): Piece {
    const piece = this.#alternatives(0);
    if (this.#at < this.#pattern.length) throw new Unsafe('it has a closing parenthesis too many');
    return piece;
  }

  #alternatives(depth: number): Piece {
    if (depth > depthMax) throw new Unsafe(`its groups are nested deeper than ${depthMax}`);
    let whole = this.#sequence(depth);
    while (this.#pattern[this.#at] === '|') {
      this.#at++;
      const next = this.#sequence(depth);
      whole = { ways: whole.ways + next.ways, min: Math.min(whole.min, next.min), max: Math.max(whole.max, next.max) };
    }
    return whole;
  }

  #sequence(depth: number): Piece {
    let ways = 1;
    let min = 0;
    let max = 0;
    while (this.#at < this.#pattern.length && !'|)'.includes(this.#pattern[this.#at] as string)) {
      const piece = this.#quantified(this.#atom(depth));
      ways *= piece.ways;
      min += piece.min;
      max += piece.max;
      if (ways > costMax) throw new Unsafe(`one position of a text may cost more than ${costMax} steps`);
      if (max > matchMax) throw new Unsafe(`a match may be longer than ${matchMax} characters`);
    }
    return { ways, min, max };
  }

  #atom(depth: number): Piece {
    const char = this.#pattern[this.#at++] as string;
    if (char === '(') return this.#group(depth);
    if (char === '[') return this.#class();
    if ('*+?{'.includes(char)) throw new Unsafe('a quantifier stands where nothing can be repeated');
    if (char === '^' || char === '$') return { ways: 1, min: 0, max: 0 };
    if (char !== '\\') return { ways: 1, min: 1, max: 1 };
    const escaped = this.#pattern[this.#at++] ?? '';
    if (/[1-9k]/.test(escaped)) throw new Unsafe('it holds a back-reference');
    if (escaped === 'b' || escaped === 'B') return { ways: 1, min: 0, max: 0 };
    if (/[a-zA-Z0-9]/.test(escaped) && !/[dDwWsSnrt]/.test(escaped)) throw new Unsafe(`\\${escaped} is not supported`);
    return { ways: 1, min: 1, max: 1 };
  }

  #group(depth: number): Piece {
    if (this.#pattern[this.#at] === '?') {
      if (this.#pattern[this.#at + 1] !== ':') throw new Unsafe('look-around and named groups are not supported');
      this.#at += 2;
    }
    const piece = this.#alternatives(depth + 1);
    if (this.#pattern[this.#at++] !== ')') throw new Unsafe('a group is not closed');
    return piece;
  }

  #class(): Piece {
    while (this.#at < this.#pattern.length && this.#pattern[this.#at] !== ']') {
      this.#at += this.#pattern[this.#at] === '\\' ? 2 : 1;
    }
    if (this.#pattern[this.#at++] !== ']') throw new Unsafe('a character class is not closed');
    return { ways: 1, min: 1, max: 1 };
  }

  #quantified(piece: Piece): Piece {
    const char = this.#pattern[this.#at];
    if (char === '*' || char === '+') throw new Unsafe(`${char} has no upper bound; write {0,20} or {1,20}`);
    let [low, high] = [1, 1];
    if (char === '?') {
      [low, high] = [0, 1];
      this.#at++;
    } else if (char === '{') {
      const match = /^\{([0-9]{1,4})(?:,([0-9]{1,4})?)?\}/.exec(this.#pattern.slice(this.#at));
      if (match === null) throw new Unsafe('a { is not part of a quantifier; write \\{');
      if (match[0].endsWith(',}')) throw new Unsafe(`${match[0]} has no upper bound`);
      low = Number(match[1]);
      high = Number(match[2] ?? match[1]);
      this.#at += match[0].length;
    }
    if (low === 1 && high === 1) return piece;
    if ('?*+{'.includes(this.#pattern[this.#at] ?? ' ')) throw new Unsafe('a quantifier is itself quantified');
    if (piece.ways > 1 && high > 1) throw new Unsafe('something that varies is repeated (nested quantifiers)');
    return { ways: piece.ways * (high - low + 1), min: piece.min * low, max: piece.max * high };
  }
}

/** Why a pattern is refused, as the end of a sentence; undefined if it is safe. */
export function unsafePattern(pattern: string): string | undefined {
  if (pattern.length > patternMax) return `it is longer than ${patternMax} characters`;
  try {
    if (new PatternReader(pattern).read().min === 0) return 'it matches the empty text';
    new RegExp(pattern, 'g');
    return undefined;
  } catch (error) {
    if (error instanceof Unsafe) return error.message;
    return 'it is not a regular expression';
  }
}

/** A configured pattern, ready to search. */
export class CustomPattern {
  readonly type: string;
  readonly #expression: RegExp;
  readonly #context: readonly string[];
  /** How far from the end of a text that goes on a match may begin, or change, or come to stand near its context. */
  readonly undecided: number;

  /** Throws where the pattern is unsafe; the config check has said so before, with its place. */
  constructor(type: string, pattern: string, context: readonly string[] = []) {
    const fault = unsafePattern(pattern);
    if (fault !== undefined) throw new Error(`pattern of ${type} is refused: ${fault}`);
    this.type = type;
    this.#expression = new RegExp(pattern, 'g');
    this.#context = context.map((word) => word.toLowerCase());
    this.undecided = new PatternReader(pattern).read().max + 1 + (context.length === 0 ? 0 : contextReach);
  }

  /** Every match, or with context words only those within 64 characters of one of them (or of such a field name). None begins before `from`. */
  *find(text: string, hint: string, from = 0): Generator<Span> {
    const expression = new RegExp(this.#expression);
    expression.lastIndex = from;
    for (let match = expression.exec(text); match !== null; match = expression.exec(text)) {
      const start = match.index;
      const end = start + match[0].length;
      if (this.#about(text, start, end, hint)) yield { start, end, type: this.type, confidence: 0.8 };
    }
  }

  #about(text: string, start: number, end: number, hint: string): boolean {
    if (this.#context.length === 0) return true;
    const around = `${hint} ${text.slice(Math.max(0, start - contextReach), end + contextReach)}`.toLowerCase();
    return this.#context.some((word) => around.includes(word));
  }
}
