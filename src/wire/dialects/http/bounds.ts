/**
 * Bounds for what judges the values that agents send: patterns that some texts take exponentially long, and schemas of
 * alternatives in alternatives. What a reader would get wrong: nearly all values are judged as if there were no bounds.
 * Only what may take long is given up, and done again where it can be interrupted, which starts a thread.
 */
import { type Context, createContext, Script } from 'node:vm';

/** Steps after which it is doubtful that there is an end; one is a value held against a schema that others refer to. */
const stepsMax = 10_000;
/** How many ways through a text a pattern may have to try. */
const waysMax = 2_000_000;
/** A text so short is matched quickly by any pattern that people write. */
const shortChars = 12;
const interruptMs = 500;
const interruptMsMax = 2_000;
/** Many values may take longer: so many more for each further millisecond. */
const valuesPerMs = 200;

/** What is done may take too long to be done without being interrupted. */
class Doubt extends Error {}

export class Bounds {
  readonly #script = new Script('judge()');
  #context: Context | undefined;
  #careful = false;
  #steps = 0;

  /**
   * What `judge` gives of something with `values()` parts; undefined where that takes longer than it may. `isFirst`: the
   * second time it is enough to find one fault.
   */
  within<T>(judge: (isFirst: boolean) => T, values: () => number): T | undefined {
    try {
      this.#careful = true;
      this.#steps = 0;
      return judge(true);
    } catch (fault) {
      if (!(fault instanceof Doubt)) throw fault;
    } finally {
      this.#careful = false;
    }
    const room = this.#context ?? createContext({ judge: undefined });
    this.#context = room;
    room.judge = () => judge(false);
    try {
      const timeout = Math.min(interruptMsMax, interruptMs + Math.ceil(values() / valuesPerMs));
      return this.#script.runInContext(room, { timeout }) as T;
    } catch (fault) {
      if ((fault as NodeJS.ErrnoException).code === 'ERR_SCRIPT_EXECUTION_TIMEOUT') return undefined;
      throw fault;
    } finally {
      room.judge = undefined;
    }
  }

  /** One more step. */
  step(): void {
    this.#steps += 1;
    if (this.#careful && this.#steps > stepsMax) throw new Doubt('too many steps');
  }

  /** `regExp` for use by what runs within these bounds. */
  pattern(regExp: RegExp): { test: (text: string) => boolean; toString: () => string } {
    const effort = effortOf(regExp.source);
    return {
      test: (text: string) => {
        if (this.#careful && isDoubtful(effort, text.length)) throw new Doubt('a pattern may take long');
        return regExp.test(text);
      },
      toString: () => String(regExp),
    };
  }
}

/** What it takes to match a pattern, from its look. */
interface Effort {
  /** A repeated group that has ways to choose from inside. */
  readonly nested: boolean;
  /** Repetitions without a bound, and the start where the pattern is not tied to that of the text. */
  readonly unbounded: number;
  /** The product of all other choices. */
  readonly choices: number;
}

function isDoubtful({ nested, unbounded, choices }: Effort, chars: number): boolean {
  if (nested) return chars > shortChars;
  return choices * (chars + 1) ** unbounded > waysMax;
}

const quantifier = /[*+?]|\{(\d+)(?:(,)(\d*))?\}/y;

function effortOf(source: string): Effort {
  let nested = false;
  let unbounded = source.startsWith('^') ? 0 : 1;
  let choices = 1;
  /** Of each open group: whether it has choices inside. Alternatives cost what they have: each fails, or goes on. */
  const groups = [{ chooses: false }];
  const chosen = () => {
    for (const group of groups) group.chooses = true;
  };
  for (let at = 0; at < source.length; ) {
    const char = source[at] as string;
    let closed: { readonly chooses: boolean } | undefined;
    if (char === '\\') at += 2;
    else if (char === '[') at = endOfClass(source, at);
    else {
      at += 1;
      if (char === '(') {
        groups.push({ chooses: false });
        if (source[at] === '?') at += 1;
        continue;
      }
      if (char === '|') {
        choices += 1;
        chosen();
        continue;
      }
      if (char === ')' && groups.length > 1) closed = groups.pop();
    }
    quantifier.lastIndex = at;
    const found = quantifier.exec(source);
    if (found === null) continue;
    at = quantifier.lastIndex;
    if (source[at] === '?') at += 1;
    const [sign, least = '0', comma, most = ''] = found;
    const isOpen = sign === '*' || sign === '+' || (comma !== undefined && most === '');
    const repeats = sign === '?' ? 1 : isOpen ? Infinity : Number(comma === undefined ? least : most);
    if (closed?.chooses === true && repeats > 1) nested = true;
    if (isOpen) unbounded += 1;
    else choices *= sign === '?' ? 2 : comma === undefined ? 1 : Number(most) - Number(least) + 1;
    if (isOpen || sign === '?' || comma !== undefined) chosen();
  }
  return { nested, unbounded, choices };
}

function endOfClass(source: string, from: number): number {
  let at = from + 1;
  while (at < source.length && source[at] !== ']') at += source[at] === '\\' ? 2 : 1;
  return at + 1;
}
