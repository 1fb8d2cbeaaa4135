/**
 * What terms of Rego stand for while an input is being solved: a place of the input, a value of the data, what is reckoned
 * of these, or what the head of a rule says, a clause of which is made true on the way.
 */
import type { Json } from '../../call.ts';
import type { Chooser } from './chooser.ts';
import type { Conditions } from './conditions.ts';
import { called } from './functions.ts';
import { composite, constant, derived, type Element, type Held, nothing } from './held.ts';
import type { Clause, Expression, RegoRule, Term } from './rego.ts';

const grownMax = 12;

/** What names stand for in one clause. */
export interface Scope {
  readonly rule: RegoRule;
  readonly names: Map<string, Held>;
  readonly depth: number;
}

export interface WalkOptions {
  readonly rules: ReadonlyMap<string, readonly RegoRule[]>;
  readonly choose: Chooser;
  readonly conditions: Conditions;
  readonly input: Held;
  readonly data: Held;
  /** Some word of the bundle. */
  readonly fresh: () => Json;
}

/** What a walk does with the clauses that terms lead to. */
export interface ClauseWalk {
  readonly branch: (clause: Clause, scope: Scope) => Clause;
  readonly meet: (clause: Clause, scope: Scope) => void;
  readonly break: (body: readonly Expression[], scope: Scope) => void;
  readonly want: (expression: Expression, truth: boolean, scope: Scope) => void;
  readonly refuteClauses: (rule: RegoRule, given: readonly Held[], scope: Scope) => void;
  /** Counts a step; true once there were enough. */
  readonly spent: (scope: Scope) => boolean;
}

export class Terms {
  readonly #options: WalkOptions;
  readonly #walk: ClauseWalk;

  constructor(options: WalkOptions, walk: ClauseWalk) {
    this.#options = options;
    this.#walk = walk;
  }

  constant(value: Json): Held {
    return constant(value, (below) => this.#options.choose.integer(below));
  }

  isUnbound({ type, value }: Term, { names, rule }: Scope): boolean {
    if (type === 'array')
      return (value as readonly Term[]).some((each) => this.isUnbound(each, { names, rule, depth: 0 }));
    if (type !== 'var' || value === 'input' || value === 'data' || names.has(value as string)) return false;
    return !rule.aliases.has(value as string) && !this.#options.rules.has([...rule.package, value as string].join('.'));
  }

  /** Binds the names of `term` to what `held` is, and makes what is bound already equal to it. */
  unify(term: Term, held: Held, scope: Scope): void {
    if (term.type === 'array') {
      for (const [index, each] of (term.value as readonly Term[]).entries())
        this.unify(each, held.member(index), scope);
    } else if (term.type === 'object') {
      for (const [name, each] of term.value as readonly (readonly [Term, Term])[]) {
        const key = this.hold(name, scope).get();
        if (typeof key === 'string') this.unify(each, held.member(key), scope);
      }
    } else if (term.type === 'var' && !scope.names.has(term.value as string) && this.isUnbound(term, scope)) {
      scope.names.set(term.value as string, held);
    } else this.#options.conditions.compare('equal', this.hold(term, scope), held);
  }

  /** What `term` stands for. Where it goes through a rule, a clause of that is made true. */
  hold(term: Term, scope: Scope): Held {
    if (this.#walk.spent(scope)) return nothing;
    switch (term.type) {
      case 'string':
      case 'boolean':
        return this.constant(term.value as Json);
      case 'number':
        return this.constant(Number(term.value));
      case 'null':
        return this.constant(null);
      case 'var':
        return this.#reference([term], scope);
      case 'ref':
        return this.#reference(term.value as readonly Term[], scope);
      case 'array':
      case 'set':
        return composite(
          (term.value as readonly Term[]).map((each) => this.hold(each, scope)),
          (below) => this.#options.choose.integer(below),
        );
      case 'object': {
        const members = (term.value as readonly (readonly [Term, Term])[]).map(
          ([name, value]) => [this.hold(name, scope).get(), this.hold(value, scope)] as const,
        );
        const get = () => Object.fromEntries(members.map(([name, held]) => [String(name), held.get() ?? null])) as Json;
        return {
          ...derived(get, () => false),
          member: (step) => members.find(([name]) => name === step)?.[1] ?? nothing,
        };
      }
      case 'call':
        return this.#call(term.value as readonly Term[], scope);
      case 'arraycomprehension':
      case 'setcomprehension':
      case 'objectcomprehension':
        return this.#comprehension(term.value as Comprehension, scope);
      default:
        return nothing;
    }
  }

  #call([name, ...terms]: readonly Term[], scope: Scope): Held {
    const args = terms.map((term) => this.hold(term, scope));
    const rules = this.rulesOf(name as Term, scope);
    if (rules === undefined) return called(nameOf(name as Term), args) ?? nothing;
    return this.clauseOf(rules.found, args, scope)?.value ?? nothing;
  }

  /** Makes a clause of one of `rules` true, and gives what its head says. */
  clauseOf(rules: readonly RegoRule[], args: readonly Held[], scope: Scope): Element | undefined {
    const { choose } = this.#options;
    const plain = rules.filter(({ kind }) => kind !== 'default');
    const rule = choose.of(plain.length === 0 ? rules : plain);
    if (rule === undefined || this.#walk.spent(scope)) return undefined;
    const inner: Scope = { rule, names: new Map(), depth: scope.depth + 1 };
    this.bindArgs(rule.clause, args, inner, true);
    const clause = this.#walk.branch(rule.clause, inner);
    this.bindArgs(clause, args, inner, true);
    this.#walk.meet(clause, inner);
    const { head } = clause;
    const value = head.value === undefined ? this.constant(true) : this.hold(head.value, inner);
    const key = head.key === undefined ? this.constant(0) : this.hold(head.key, inner);
    return rule.kind === 'set' ? { key, value: key } : { key, value };
  }

  /** False where the arguments are not those of the clause, and `wanted` does not make them so. */
  bindArgs({ head }: Clause, given: readonly Held[], scope: Scope, wanted: boolean): boolean {
    for (const [index, term] of (head.args ?? []).entries()) {
      const held = given[index];
      if (held === undefined) continue;
      if (
        !wanted &&
        term.type !== 'var' &&
        JSON.stringify(this.hold(term, scope).get()) !== JSON.stringify(held.get())
      ) {
        return false;
      }
      this.unify(term, held, scope);
    }
    return true;
  }

  /** The rules that `term` names, and what stands behind their name. */
  rulesOf(term: Term, { rule, names }: Scope): { found: readonly RegoRule[]; rest: readonly Term[] } | undefined {
    const terms = term.type === 'ref' ? (term.value as readonly Term[]) : [term];
    const [root, ...below] = terms;
    const word = root?.value as string;
    if (root?.type !== 'var' || word === 'input' || names.has(word)) return undefined;
    const alias = rule.aliases.get(word);
    let path: readonly Term[] = [
      ...rule.package.map((value) => ({ type: 'string', value })),
      { type: 'string', value: word },
    ];
    if (alias !== undefined) path = alias.slice(1);
    else if (word === 'data') path = [];
    const all = [...path, ...below];
    const steps: string[] = [];
    for (const [index, { type, value }] of all.entries()) {
      if (type !== 'string') break;
      steps.push(value as string);
      const found = this.#options.rules.get(steps.join('.'));
      if (found !== undefined) return { found, rest: all.slice(index + 1) };
    }
    return undefined;
  }

  #reference(terms: readonly Term[], scope: Scope): Held {
    const [root, ...rest] = terms as [Term, ...Term[]];
    const word = root.value as string;
    const known = scope.names.get(word);
    if (known !== undefined) return this.#below(known, rest, scope);
    if (word === 'input') return this.#below(this.#options.input, rest, scope);
    const rules = this.rulesOf({ type: 'ref', value: terms }, scope);
    if (rules !== undefined) return this.#through(rules.found, rules.rest, scope);
    if (word === 'data') return this.#below(this.#options.data, rest, scope);
    const alias = scope.rule.aliases.get(word);
    if (alias === undefined) return nothing;
    const [start, ...path] = alias;
    const base = start?.value === 'input' ? this.#options.input : this.#options.data;
    return this.#below(base, [...path, ...rest], scope);
  }

  /** The value of rules, or of a member of what they make. */
  #through(rules: readonly RegoRule[], rest: readonly Term[], scope: Scope): Held {
    const [rule] = rules as [RegoRule];
    const makesMany = rules.some(({ kind }) => kind === 'set' || kind === 'object');
    if (!makesMany) {
      const element = this.clauseOf(rules, [], scope);
      return element === undefined ? nothing : this.#below(element.value, rest, scope);
    }
    const many = this.#many(
      () => this.clauseOf(rules, [], scope),
      () => {
        for (const each of rules) this.#walk.refuteClauses(each, [], scope);
        return true;
      },
    );
    const [first, ...further] = rest;
    if (first === undefined) return many;
    const element = many.element();
    if (element === undefined) return nothing;
    this.unify(first, rule.kind === 'set' ? element.value : element.key, scope);
    return this.#below(element.value, further, scope);
  }

  #below(base: Held, rest: readonly Term[], scope: Scope): Held {
    let held = base;
    for (const term of rest) {
      if (term.type === 'string' || term.type === 'number') {
        held = held.member(term.type === 'number' ? Number(term.value) : (term.value as string));
        continue;
      }
      if (this.isUnbound(term, scope)) {
        const element = held.element();
        if (element === undefined) return nothing;
        this.unify(term, element.key, scope);
        held = element.value;
      } else held = this.#keyed(held, this.hold(term, scope));
    }
    return held;
  }

  /** The member that `key` names. A key that leads nowhere in what cannot change is made one that does, if it can be. */
  #keyed(held: Held, key: Held): Held {
    const at = (): Held => {
      const step = key.get();
      return typeof step === 'string' || typeof step === 'number' ? held.member(step) : nothing;
    };
    const found = at();
    if (found !== nothing && !(found.fixed === true && this.#options.choose.oneIn(3))) return found;
    const element = held.element();
    if (element !== undefined) this.#options.conditions.compare('equal', key, element.key);
    return at();
  }

  #comprehension({ term, key, value, body }: Comprehension, scope: Scope): Held {
    const inside = (): Scope => ({ ...scope, names: new Map(scope.names), depth: scope.depth + 1 });
    return this.#many(
      () => {
        const inner = inside();
        this.#walk.meet({ head: { ref: [] }, body }, inner);
        const held = this.hold((term ?? value) as Term, inner);
        return { key: key === undefined ? held : this.hold(key, inner), value: held };
      },
      () => {
        const first = body.find(
          ({ terms }) => !isCall(terms) && 'symbols' in terms && terms.symbols[0]?.type === 'call',
        );
        if (first !== undefined) this.#walk.want(first, false, inside());
        else this.#walk.break(body, inside());
        return true;
      },
    );
  }

  /** What is made of elements that can be made one by one. */
  #many(element: () => Element | undefined, clear: () => boolean): Held {
    return {
      ...nothing,
      element,
      clear,
      drop: () => false,
      resize: (count) => {
        if (count > grownMax) return false;
        if (count === 0 || this.#options.choose.oneIn(2)) clear();
        for (let left = count; left > 0; left--) element();
        return true;
      },
      amount: (sum) => {
        if (sum <= 0 || this.#options.choose.oneIn(2)) clear();
        return sum <= 0 || (element()?.value.put(sum) ?? false);
      },
    };
  }
}

interface Comprehension {
  readonly term?: Term;
  readonly key?: Term;
  readonly value?: Term;
  readonly body: readonly Expression[];
}

/** A list of terms is a call, its function first. */
export function isCall(terms: Expression['terms']): terms is readonly Term[] {
  return Array.isArray(terms);
}

/** The name of a built-in or of what may be one. */
export function nameOf({ type, value }: Term): string {
  return type === 'ref' ? (value as readonly Term[]).map((each) => String(each.value)).join('.') : String(value);
}
