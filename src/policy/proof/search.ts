/**
 * Searches inputs that make every rule fire and not fire. It keeps inputs that did something new and changes them
 * further, as fuzzers do; what it gives out is spread over the rarest outcomes, with allowed ones in between, because
 * an input that one rule denies says little about the others.
 */
import type { JsonObject } from '../../call.ts';
import type { ShapeCheck } from '../check.ts';
import type { LoadedBundle, Phase } from '../instance.ts';
import type { Chooser } from './chooser.ts';
import type { InputMaker, Made } from './inputs.ts';
import type { Place } from './literals.ts';
import type { ProbedRule } from './probes.ts';
import type { Solver } from './solver.ts';

const keptMax = 4_096;
const examplesMax = 48;
const recentKept = 32;
const triesMax = 6;
const fallbackTries = 200;
const nearestDraws = 12;
/** A rule is solved for so often before the search takes over; each time in a few goes at one input. */
const solvingsMax = 60;
const goesMax = 3;
const attemptsKept = 32;
/** From so many different inputs on, a rule's own examples are as good to start from as anything. */
const examplesEnough = 12;

/** How often a rule had a value, and how often not. */
export interface Tally {
  fired: number;
  not: number;
}

interface Kin {
  readonly index: number;
  readonly weight: number;
}

interface Tried extends Made {
  readonly fired: ReadonlySet<number>;
  readonly allowed: boolean;
}

export interface SearchOptions {
  readonly phase: Phase;
  readonly maker: InputMaker;
  readonly solver: Solver;
  readonly choose: Chooser;
  readonly check: ShapeCheck;
  /** The bundle with probes. */
  readonly probes: LoadedBundle;
  /** The rules that this package's decision depends on. */
  readonly rules: readonly ProbedRule[];
}

export class Search {
  readonly #options: SearchOptions;
  readonly #kept: Tried[] = [];
  readonly #signatures = new Set<string>();
  /** Inputs by outcome: a rule that fired (`7+`), one that did not (`7-`), and allowed ones. */
  readonly #examples = new Map<string, Tried[]>();
  readonly #kin = new Map<number, readonly Kin[]>();
  readonly tallies: ReadonlyMap<number, Tally>;
  /** What was solved for a rule and did not make it true, the last of it. */
  readonly #attempts = new Map<number, JsonObject[]>();
  #allowed = 0;

  constructor(options: SearchOptions) {
    this.#options = options;
    this.tallies = new Map(options.rules.map(({ index }) => [index, { fired: 0, not: 0 }]));
  }

  /** Tries inputs without giving them out: `min` of them, and up to `max` while a rule has come out one way only. */
  explore(min: number, max: number): void {
    const { choose, rules } = this.#options;
    for (let tries = 0; tries < fallbackTries && this.#kept.length === 0; tries++)
      this.#try(this.#options.maker.fresh());
    if (this.#kept.length > 0) for (const rule of rules) for (const fired of [true, false]) this.#settle(rule, fired);
    for (let tried = 0; tried < max; tried++) {
      const rule = this.#unseen();
      if (rule === null && tried >= min) break;
      const unseen = choose.oneIn(4) ? null : rule;
      if (this.#kept.length === 0 || choose.oneIn(6)) this.#try(this.#options.maker.fresh());
      else if (unseen !== null) this.#try(this.#change(this.#nearest(unseen), unseen.places));
      else this.#try(this.#change(choose.oneIn(2) ? choose.of(this.#kept) : choose.of(this.#kept.slice(-recentKept))));
    }
  }

  /** Solves for an outcome until there are some examples of it, or it seems that there are none. */
  #settle(rule: ProbedRule, fired: boolean): void {
    const outcome = outcomeOf(rule.index, fired);
    for (let tries = 0; tries < solvingsMax && (this.#examples.get(outcome)?.length ?? 0) < examplesEnough; tries++) {
      this.#solve(rule, fired, this.#start(rule, fired));
    }
  }

  /**
   * What to start from. A rule is broken where it fired: then one condition alone keeps it from firing, and a fault in
   * that one shows.
   */
  #start({ index }: ProbedRule, fired: boolean): Tried {
    const { choose } = this.#options;
    const firing = fired ? undefined : this.#examples.get(outcomeOf(index, true));
    return firing === undefined ? choose.of(this.#kept) : choose.of(firing);
  }

  /** The last of a few goes at one input; null where none of them fits the schema. */
  #solve({ index, rule }: ProbedRule, fired: boolean, from: Made): Tried | null {
    let made = from;
    let tried: Tried | null = null;
    for (let goes = 0; goes < goesMax; goes++) {
      made = this.#options.solver.solve(rule, fired, made);
      tried = this.#try(made);
      if (tried?.fired.has(index) === fired) return tried;
    }
    if (fired && tried !== null) {
      const attempts = this.#attempts.get(index) ?? [];
      this.#attempts.set(index, [...attempts.slice(1 - attemptsKept), tried.input]);
    }
    return tried;
  }

  /** A rule that has come out only one way so far; null if there is none. */
  #unseen(): ProbedRule | null {
    const rules = this.#options.rules.filter(
      ({ index, places }) =>
        // What looks at the phase alone comes out one way here, and the other on another package's input.
        places.some((place) => place[0] !== 'phase') &&
        !(this.#examples.has(`${index}+`) && this.#examples.has(`${index}-`)),
    );
    return rules.length === 0 ? null : this.#options.choose.of(rules);
  }

  /** Of a few inputs, the one on which most rules fire that depend on what `rule` depends on. */
  #nearest(rule: ProbedRule): Tried {
    const { choose } = this.#options;
    const weights = this.#kinOf(rule);
    const score = ({ fired }: Tried): number =>
      weights.reduce((sum, { index, weight }) => sum + (fired.has(index) ? weight : 0), 0);
    const drawn = Array.from({ length: choose.of([1, 4, nearestDraws]) }, () => choose.of(this.#kept));
    return drawn.reduce((best, next) => (score(next) > score(best) ? next : best));
  }

  /** How much each other rule depends on the same as `rule`, from 0 to 1. */
  #kinOf(rule: ProbedRule): readonly Kin[] {
    const known = this.#kin.get(rule.index);
    if (known !== undefined) return known;
    const kin = this.#options.rules
      .filter(({ index }) => index !== rule.index)
      .map(({ index, needs }) => ({
        index,
        weight: needs.intersection(rule.needs).size / needs.union(rule.needs).size,
      }));
    this.#kin.set(rule.index, kin);
    return kin;
  }

  /** An input that this package is asked about, counted. */
  next(number: number): JsonObject {
    const wanted = number % 3 === 0 && this.#examples.has('allow') ? 'allow' : this.#rarest();
    let found: Tried | null = null;
    for (let tries = 0; tries < triesMax; tries++) {
      const tried = this.#towards(wanted, tries);
      if (tried === null) continue;
      found = tried;
      if (wanted === null || outcomes(tried, this.#options.rules).includes(wanted)) break;
    }
    const given = found ?? this.#kept[0];
    if (given === undefined) throw new Error(`no input of ${this.#options.phase} fits its schema`);
    this.count(given.fired);
    if (given.allowed) this.#allowed += 1;
    return given.input;
  }

  /** An input that may have the outcome `wanted`: solved for, or a change of one that has it; at times any. */
  #towards(wanted: string | null, tries: number): Tried | null {
    const { maker, choose, rules } = this.#options;
    const examples = wanted === null || choose.oneIn(16) ? undefined : this.#examples.get(wanted);
    if (examples === undefined) return this.#try(maker.fresh());
    const sought = rules.find(({ index }) => `${index}` === wanted?.slice(0, -1));
    const solving = tries > 1 || examples.length < examplesEnough ? choose.oneIn(2) : choose.oneIn(3);
    if (sought === undefined || !solving) return this.#try(this.#change(choose.of(examples)));
    const fired = wanted === outcomeOf(sought.index, true);
    return this.#solve(sought, fired, choose.oneIn(2) ? choose.of(examples) : this.#start(sought, fired));
  }

  /** An input that was tried, for another package. */
  example(): JsonObject {
    const { choose, phase } = this.#options;
    if (this.#kept.length === 0) throw new Error(`no input of ${phase} fits its schema`);
    return this.#change(choose.of(this.#kept)).input;
  }

  /** Counts an input that was decided, by the rules that fired. */
  count(fired: ReadonlySet<number>): void {
    for (const [index, tally] of this.tallies) {
      if (fired.has(index)) tally.fired += 1;
      else tally.not += 1;
    }
  }

  /** Inputs that were to make the rule true, and did not. */
  attempts(index: number): readonly JsonObject[] {
    return this.#attempts.get(index) ?? [];
  }

  get allowed(): number {
    return this.#allowed;
  }

  /** The rules that fire on the JSON text `bytes`; none where the bundle with probes throws. */
  fired(bytes: ArrayBuffer): { readonly fired: ReadonlySet<number>; readonly allowed: boolean } {
    let said: unknown;
    try {
      said = this.#options.probes.evaluate(this.#options.phase, bytes);
    } catch {
      said = [];
    }
    const names = Array.isArray(said) ? (said as readonly unknown[]) : [];
    return { fired: new Set(names.filter((name) => typeof name === 'number')), allowed: names.includes('allow') };
  }

  #change(from: Tried, places?: readonly Place[]): Made {
    const { maker, choose } = this.#options;
    return maker.changed(from, choose.of(this.#kept).input, places);
  }

  /** Null for an input that does not fit the schema. */
  #try(made: Made): Tried | null {
    const { maker, check, phase, choose, rules } = this.#options;
    const checked = check.input(phase, made.input);
    if ('problem' in checked) return null;
    const tried = { ...made, ...this.fired(checked.bytes) };
    const signature = [...tried.fired].sort((left, right) => left - right).join() + tried.allowed;
    if (!this.#signatures.has(signature) && this.#kept.length < keptMax) {
      this.#signatures.add(signature);
      this.#kept.push(tried);
      maker.remember(made);
    }
    for (const outcome of outcomes(tried, rules)) {
      const examples = this.#examples.get(outcome);
      if (examples === undefined) this.#examples.set(outcome, [tried]);
      else if (examples.length < examplesMax) examples.push(tried);
      // What came early is not what is kept: later inputs went further.
      else if (choose.oneIn(8)) examples[choose.integer(examplesMax)] = tried;
    }
    return tried;
  }

  /** Of the outcomes that were seen, the one that was given out least; null while there is none. */
  #rarest(): string | null {
    let least: string | null = null;
    let count = Number.POSITIVE_INFINITY;
    for (const [index, { fired, not }] of this.tallies) {
      for (const [outcome, given] of [
        [`${index}+`, fired],
        [`${index}-`, not],
      ] as const) {
        if (given < count && this.#examples.has(outcome)) {
          least = outcome;
          count = given;
        }
      }
    }
    return least;
  }
}

function outcomeOf(index: number, fired: boolean): string {
  return `${index}${fired ? '+' : '-'}`;
}

function outcomes({ fired, allowed }: Tried, rules: readonly ProbedRule[]): string[] {
  const names = rules.map(({ index }) => outcomeOf(index, fired.has(index)));
  return allowed ? [...names, 'allow'] : names;
}
