/**
 * What one clause says, in a list: which places of the input it reads, what it compares them with, what it calls, and
 * which rules and data it names. The checks look at these, and never at the syntax again.
 */
import type { Clause, Program } from './program.ts';
import { calledName, callOf, isSome, type Literal, type Resolved, replacesInput, Scope } from './scope.ts';
import { type EveryTerms, type Expression, isTerm, type Location, type Term } from './syntax.ts';

export interface Read {
  readonly resolved: Resolved;
  /** Where each of the last steps stands; the first ones of a place that a variable names have none. */
  readonly steps: readonly (Location | undefined)[];
  readonly location: Location;
  readonly where: 'head' | 'body';
  /** It only gives the place another name. */
  readonly alias: boolean;
}

export interface Comparison {
  readonly resolved: Resolved;
  readonly literals: readonly Literal[];
  /** It is compared with nothing else. */
  readonly allLiterals: boolean;
}

/** A call of a function that is a rule, or of a built-in. */
export interface Call {
  /** Words from `data` of a rule; of a built-in its name alone. */
  readonly name: string;
  readonly arguments: readonly { readonly resolved: Resolved; readonly scalars: readonly Literal[] }[];
}

/** One expression of the body that must hold. */
export interface Demand {
  readonly comparison: Comparison | null;
  /** The rule that the expression is. */
  readonly rule: string | null;
}

export interface Facts {
  readonly clause: Clause;
  readonly reads: readonly Read[];
  readonly comparisons: readonly Comparison[];
  readonly calls: readonly Call[];
  /** Rules that it needs, by full name. */
  readonly rules: ReadonlyMap<string, 'head' | 'body'>;
  readonly demands: readonly Demand[];
}

const equalities = new Set(['equal', 'neq', 'eq']);
const memberships = new Set(['internal.member_2', 'internal.member_3']);

export function factsOf(program: Program, clause: Clause): Facts {
  return new Walk(program, clause).facts();
}

class Walk {
  readonly #program: Program;
  readonly #clause: Clause;
  readonly #reads: Read[] = [];
  readonly #comparisons: Comparison[] = [];
  readonly #calls: Call[] = [];
  readonly #rules = new Map<string, 'head' | 'body'>();
  readonly #demands: Demand[] = [];
  #where: 'head' | 'body' = 'body';

  constructor(program: Program, clause: Clause) {
    this.#program = program;
    this.#clause = clause;
  }

  facts(): Facts {
    const { rule } = this.#clause;
    const scope = Scope.ofClause(this.#program, this.#clause);
    for (const expression of rule.body) {
      this.#expression(expression, scope);
      if (expression.negated !== true && expression.with === undefined) this.#demand(expression, scope);
    }
    this.#where = 'head';
    const { ref, args = [], key, value } = rule.head;
    for (const term of ref.slice(1)) this.#term(term, scope);
    for (const term of args) this.#term(term, scope);
    for (const term of [key, value]) if (term !== undefined) this.#term(term, scope, isReference(term));
    return {
      clause: this.#clause,
      reads: this.#reads,
      comparisons: this.#comparisons,
      calls: this.#calls,
      rules: this.#rules,
      demands: this.#demands,
    };
  }

  #demand(expression: Expression, scope: Scope): void {
    const call = callOf(expression);
    const { terms } = expression;
    if (call !== undefined) {
      const [called, left, right] = call;
      const name = calledName(called);
      const member = name === 'internal.member_2';
      const comparison = name === 'equal' || member ? compared(left, right, member, scope) : null;
      const rule = called?.type === 'ref' ? this.#ruleOf(called.value as readonly Term[], scope) : undefined;
      this.#demands.push({ comparison, rule: rule ?? null });
    } else if (isTerm(terms) && isReference(terms)) {
      const reference = terms.type === 'var' ? [terms] : (terms.value as readonly Term[]);
      this.#demands.push({ comparison: null, rule: this.#ruleOf(reference, scope) ?? null });
    }
  }

  #expression(expression: Expression, outer: Scope): void {
    for (const { target, value } of expression.with ?? []) {
      const isInput = target.type === 'var' || (target.value as readonly Term[]).length === 1;
      if (!isInput) this.#term(target, outer, true);
      this.#term(value, outer);
    }
    const scope = replacesInput(expression) ? outer.withOtherInput() : outer;
    const { terms } = expression;
    const call = callOf(expression);
    if (call !== undefined) this.#call(call, scope);
    else if (isTerm(terms)) this.#term(terms, scope);
    else if (isSome(terms as Expression['terms'])) {
      for (const symbol of (terms as { readonly symbols: readonly Term[] }).symbols) {
        if (symbol.type === 'call') this.#call(symbol.value as readonly Term[], scope, true);
      }
    } else this.#every(terms as EveryTerms, scope);
  }

  #every({ domain, key, value, body }: EveryTerms, scope: Scope): void {
    this.#term(domain, scope);
    const bound = [[value, domain] as const, ...(key === null ? [] : [[key, null] as const])];
    const inner = scope.inside(body, bound);
    for (const expression of body) this.#expression(expression, inner);
  }

  #call([called, ...given]: readonly Term[], scope: Scope, binds = false): void {
    const name = calledName(called);
    const [left, right] = given.length === 3 && memberships.has(name) ? given.slice(1) : given;
    if (equalities.has(name) || memberships.has(name)) {
      const found = compared(left, right, memberships.has(name), scope);
      if (found !== null) this.#comparisons.push(found);
    }
    if (name === 'object.get' && this.#get(given, scope)) return;
    const rule = called?.type === 'ref' ? this.#ruleOf(called.value as readonly Term[], scope) : undefined;
    const arguments_ = given.map((term) => ({ resolved: scope.resolve(term), scalars: scope.literals(term).scalars }));
    if (rule !== undefined) this.#note(rule);
    this.#calls.push({ name: rule ?? name, arguments: arguments_ });
    const aliases = name === 'assign' || name === 'eq';
    for (const [index, term] of given.entries()) {
      if (binds && index < given.length - 1 && term.type === 'var') continue;
      this.#term(term, scope, aliases && isReference(term));
    }
  }

  /** `object.get` with keys that stand there reads one place, and not all of what it looks into. */
  #get([from, keys, fallback]: readonly Term[], scope: Scope): boolean {
    if (from === undefined || keys === undefined) return false;
    const base = scope.resolve(from);
    const steps = keys.type === 'array' ? (keys.value as readonly Term[]) : [keys];
    if (base.places.length === 0 || steps.length === 0) return false;
    const { places } = scope.resolve({ type: 'call', value: [objectGet, from, keys] });
    this.#read({ places, complete: base.complete }, steps, keys.location ?? from.location);
    for (const step of steps) if (step.type !== 'string') this.#term(step, scope);
    if (fallback !== undefined) this.#term(fallback, scope);
    return true;
  }

  #term(term: Term, scope: Scope, alias = false): void {
    const { type, value } = term;
    switch (type) {
      case 'var':
        this.#reference([term], term, scope, alias);
        return;
      case 'ref':
        this.#reference(value as readonly Term[], term, scope, alias);
        return;
      case 'call':
        this.#call(value as readonly Term[], scope);
        return;
      case 'array':
      case 'set':
        for (const item of value as readonly Term[]) this.#term(item, scope);
        return;
      case 'object':
        for (const pair of value as readonly (readonly Term[])[]) for (const item of pair) this.#term(item, scope);
        return;
      case 'arraycomprehension':
      case 'setcomprehension':
      case 'objectcomprehension':
        this.#comprehension(value as Comprehension, scope);
        return;
      case 'templatestring':
        for (const part of (value as { readonly parts: readonly (Term | Expression)[] }).parts) {
          if ('terms' in part) this.#expression(part, scope);
          else this.#term(part, scope);
        }
        return;
      default:
    }
  }

  #comprehension({ term, key, value, body }: Comprehension, scope: Scope): void {
    const inner = scope.inside(body);
    for (const expression of body) this.#expression(expression, inner);
    for (const one of [term, key, value]) if (one !== undefined) this.#term(one, inner);
  }

  #reference(reference: readonly Term[], term: Term, scope: Scope, alias: boolean): void {
    const [root, ...steps] = reference;
    // What is called or computed may be looked into, too: `f(x).y`.
    if (root !== undefined && root.type !== 'var') this.#term(root, scope);
    const resolved = scope.resolve(term);
    if (resolved.places.length > 0) {
      const before = root?.type === 'var' ? scope.importedSteps(root.value as string) : 0;
      const imported = Array.from({ length: before }, () => undefined);
      this.#read(resolved, [...imported, ...steps], term.location, alias);
    }
    const rule = this.#ruleOf(reference, scope);
    if (rule !== undefined) this.#note(rule);
    for (const step of steps) if (step.type !== 'string' && step.type !== 'number') this.#term(step, scope);
  }

  #read(resolved: Resolved, steps: readonly (Term | undefined)[], location: Location | undefined, alias = false): void {
    this.#reads.push({
      resolved,
      steps: steps.map((step) => step?.location),
      location: location ?? this.#clause.rule.location,
      where: this.#where,
      alias,
    });
  }

  #note(rule: string): void {
    if (this.#rules.get(rule) !== 'body') this.#rules.set(rule, this.#where);
  }

  #ruleOf(reference: readonly Term[], scope: Scope): string | undefined {
    const words = scope.named(reference);
    return words === undefined ? undefined : this.#program.ruleAt(words)?.name;
  }
}

interface Comprehension {
  readonly term?: Term;
  readonly key?: Term;
  readonly value?: Term;
  readonly body: readonly Expression[];
}

const objectGet: Term = {
  type: 'ref',
  value: [
    { type: 'var', value: 'object' },
    { type: 'string', value: 'get' },
  ],
};

function isReference({ type }: Term): boolean {
  return type === 'var' || type === 'ref';
}

/** A place of the input and the texts that it is compared with, whichever side each stands on. */
function compared(left: Term | undefined, right: Term | undefined, member: boolean, scope: Scope): Comparison | null {
  if (left === undefined || right === undefined) return null;
  const [first, second] = [scope.literals(left), scope.literals(right)];
  const ways = member
    ? [
        way(scope.resolve(left), second.members, second.complete),
        way(elements(scope.resolve(right)), first.scalars, first.complete),
      ]
    : [
        way(scope.resolve(left), second.scalars, second.complete),
        way(scope.resolve(right), first.scalars, first.complete),
      ];
  return ways.find(({ resolved, literals }) => resolved.places.length > 0 && literals.length > 0) ?? null;
}

function way(resolved: Resolved, literals: readonly Literal[], allLiterals: boolean): Comparison {
  return { resolved, literals, allLiterals };
}

function elements({ places, complete }: Resolved): Resolved {
  return { places: places.map((place) => [...place, null]), complete };
}
