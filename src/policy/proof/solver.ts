/**
 * Changes an input so that one rule comes out as wanted, by taking apart what the rule says: each condition is met, or
 * one of them broken, by putting the places of the input that it reads. What a reader would get wrong: this proves
 * nothing and need not be right. It knows a part of Rego only, and goes through a body from top to bottom without going
 * back; whether the rule fired is what the compiled bundle says afterwards.
 */
import type { Json, JsonObject } from '../../call.ts';
import type { Chooser } from './chooser.ts';
import { Conditions } from './conditions.ts';
import { Draft, type Step } from './draft.ts';
import { constant, type Growth, placed } from './held.ts';
import { copyOf, type InputMaker, type Made } from './inputs.ts';
import type { Group, Literals } from './literals.ts';
import type { RegoRule } from './rego.ts';
import type { Schema } from './schema.ts';
import { Walk } from './walk.ts';

export interface SolverOptions {
  readonly rules: readonly RegoRule[];
  /** The bundle's data. */
  readonly data: JsonObject;
  readonly literals: Literals;
  readonly schema: Schema;
  readonly maker: InputMaker;
  readonly choose: Chooser;
}

/** The rules of a bundle by their full names. */
export type RulesByName = ReadonlyMap<string, readonly RegoRule[]>;

export class Solver {
  readonly #options: SolverOptions;
  readonly #rules: RulesByName;

  constructor(options: SolverOptions) {
    this.#options = options;
    this.#rules = Map.groupBy(options.rules, ({ name }) => name);
  }

  /** A copy of `made` that was changed so that `rule` fires, or does not. */
  solve(rule: RegoRule, fired: boolean, { input, group }: Made): Made {
    const { schema, maker, choose, data } = this.#options;
    const draft = new Draft(copyOf(input) as JsonObject, schema, maker, group);
    const pick = (below: number): number => choose.integer(below);
    const growth: Growth = { pick, name: (path) => maker.name(group, path.map(String)) };
    const walk = new Walk({
      rules: this.#rules,
      choose,
      conditions: new Conditions(choose, (value) => this.#other(value, group)),
      input: placed(draft, [] as readonly Step[], growth),
      data: constant(data, pick),
      fresh: () => this.#other(undefined, group),
    });
    if (fired) walk.fire(rule);
    else walk.refute(rule);
    return { input: draft.input, group, changes: draft.changes };
  }

  /** A value of the same type, and not the same. */
  #other(value: Json | undefined, group: Group): Json {
    const { choose, literals } = this.#options;
    const from = choose.oneIn(2) ? group : literals.groups[0];
    switch (typeof value) {
      case 'number':
        return value + choose.of([1, -1, 1, -1, 2, 100]);
      case 'boolean':
        return !value;
      case 'string':
      case 'undefined': {
        const text = from.strings.length === 0 || choose.oneIn(3) ? `v${choose.integer(8)}` : choose.of(from.strings);
        return text === value ? `${text}x` : text;
      }
      default:
        return value === null ? choose.of<Json>(['v1', 1, {}]) : Array.isArray(value) ? [] : {};
    }
  }
}
