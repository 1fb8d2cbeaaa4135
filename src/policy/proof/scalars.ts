/**
 * Texts and numbers of a generated input: those that mean something at their place before any others, and now and
 * then odd ones, which are where two evaluators part.
 */
import type { Chooser } from './chooser.ts';
import { type Group, type Literal, type Literals, singular } from './literals.ts';
import type { Schema } from './schema.ts';

const oddTexts = ['', ' ', 'Füße "x"\n', '\u0000😀', '\u2028', '__proto__', '*', 'a.b'] as const;
const oddNumbers = [0, 1, -1, 2, 0.5, 1e3, 1e-7, 2 ** 31, Number.MAX_SAFE_INTEGER, -Number.MAX_SAFE_INTEGER] as const;
/** Names that say what a thing has and not what it is: `agent.id` is an agent. */
const parts = new Set(['id', 'name', '*']);

/** What an input is filled from: the literals at hand, and what already stands in it. */
export interface Filling {
  readonly group: Group;
  readonly texts: string[];
  /** The texts at places that the rules in question read. */
  readonly near: readonly string[];
  readonly numbers: number[];
}

export class Scalars {
  readonly #literals: Literals;
  readonly #choose: Chooser;

  constructor(literals: Literals, choose: Chooser) {
    this.#literals = literals;
    this.#choose = choose;
  }

  text({ minLength = 0, maxLength = 10_000 }: Schema, filling: Filling, path: readonly string[]): string {
    const choose = this.#choose;
    const { strings } = choose.oneIn(3) ? this.#literals.groups[0] : filling.group;
    const meant = choose.oneIn(4) ? [] : this.#meant(filling, path, 'string');
    const way = choose.integer(12);
    let text: string;
    if (meant.length > 0) text = choose.of(meant);
    else if (way < 5 && strings.length > 0) text = choose.of(strings);
    else if (way < 7 && filling.near.length > 0) text = choose.of(filling.near);
    else if (way < 9 && filling.texts.length > 0) text = choose.of(filling.texts);
    else if (way === 9) text = choose.of(oddTexts);
    else text = `v${choose.integer(8)}`;
    const fitting = [...text].length < minLength ? 'x'.repeat(minLength) : text.slice(0, maxLength).toWellFormed();
    filling.texts.push(fitting);
    return fitting;
  }

  number(schema: Schema, filling: Filling, path: readonly string[]): number {
    const { minimum = -Number.MAX_SAFE_INTEGER, maximum = Number.MAX_SAFE_INTEGER } = schema;
    const drawn = this.#drawn(filling, path);
    const whole = schema.type === 'integer' ? Math.round(drawn) : drawn;
    const bounded = Math.min(Math.max(whole, minimum), maximum);
    // Beyond that, JSON and OPA have different ideas of a whole number.
    const safe = Number.isInteger(bounded) && !Number.isSafeInteger(bounded) ? Math.max(0, minimum) : bounded;
    filling.numbers.push(safe);
    return safe === 0 ? 0 : safe;
  }

  #drawn(filling: Filling, path: readonly string[]): number {
    const choose = this.#choose;
    const everything = this.#literals.groups[0].numbers;
    const numbers = filling.group.numbers.length === 0 || choose.oneIn(3) ? everything : filling.group.numbers;
    const meant = choose.oneIn(4) ? [] : this.#meant(filling, path, 'number');
    const known = meant.length > 0 ? meant : numbers;
    const way = choose.integer(16);
    if (way < 5 && known.length > 0) return choose.of(known) + choose.of([0, 0, 1, -1]);
    // Sums are compared with limits: a part of one is of more use than a number of its own.
    if (way < 8 && known.length > 0) return Math.floor((choose.of(known) * choose.integer(100)) / 100);
    if (way < 10 && filling.numbers.length > 0) return choose.of(filling.numbers) + choose.of([0, 0, 1, -1]);
    if (way < 15) return choose.integer(choose.of([4, 100, 100_000]));
    return choose.of(oddNumbers);
  }

  /** What rules compare this place with, or what the data has under its name: of the group first, else of anywhere. */
  #meant<Kind extends 'string' | 'number'>(
    { group }: Filling,
    path: readonly string[],
    kind: Kind,
  ): (Kind extends 'string' ? string : number)[] {
    const of = (literals: readonly Literal[] = []) => literals.filter((literal) => typeof literal === kind) as never[];
    const compared = of(this.#literals.compared.get(placeOf(path)));
    if (compared.length > 0 && this.#choose.oneIn(2)) return compared;
    const own = path.findLast((name) => !parts.has(name));
    if (own === undefined) return compared;
    const name = singular(own);
    const here = of(group.named.get(name));
    if (here.length > 0 && !this.#choose.oneIn(6)) return here;
    const anywhere = of(this.#literals.groups[0].named.get(name));
    return anywhere.length > 0 ? anywhere : compared;
  }
}

/** What a list is compared with is what its items may be. */
function placeOf(path: readonly string[]): string {
  return (path.at(-1) === '*' ? path.slice(0, -1) : path).join('/');
}
