/**
 * Which place of the input a term of Rego stands for, as far as its text tells: through variables, `some … in`, rules
 * that only name a place, and `object.get`. What a reader would get wrong: a list of places says what it *may* be; where
 * something else is possible too, `complete` is false. A function's arguments are not followed to where it is called.
 */
import type { Clause, Program } from './program.ts';
import { type Expression, isTerm, type Location, type SomeTerms, type Term, wordsOf } from './syntax.ts';

/** A step into the input; null stands for any. */
export type Step = string | number | null;
export type Place = readonly Step[];

export interface Resolved {
  readonly places: readonly Place[];
  readonly complete: boolean;
}

export interface Literal {
  readonly text: string;
  readonly file: string;
  readonly location: Location;
}

/** Texts that a term is, and texts that are in it. */
export interface Literals {
  readonly scalars: readonly Literal[];
  readonly members: readonly Literal[];
  /** It is none but these. */
  readonly complete: boolean;
}

export const nothing: Resolved = { places: [], complete: false };
export const noLiterals: Literals = { scalars: [], members: [], complete: false };
const wholeInput: Resolved = { places: [[]], complete: true };
const noPlace: Location = { row: 0, col: 0 };

interface Binding {
  readonly resolved: Resolved;
  readonly literals: Literals;
}

const unknownBinding: Binding = { resolved: nothing, literals: noLiterals };

/** The name of what a call calls: `equal`, `object.get`, `lib.reason`. */
export function calledName(term: Term | undefined): string {
  const reference = term?.type === 'ref' ? (term.value as readonly Term[]) : [];
  return reference.map(({ value }) => String(value)).join('.');
}

/** The terms of an expression that is a call. */
export function callOf({ terms }: Expression): readonly Term[] | undefined {
  return Array.isArray(terms) ? (terms as readonly Term[]) : undefined;
}

export function isSome(terms: Expression['terms']): terms is SomeTerms {
  return 'symbols' in terms;
}

export class Scope {
  readonly #program: Program;
  readonly #clause: Clause;
  readonly #parent: Scope | null;
  readonly #bindings = new Map<string, Binding>();
  /** Inside `with input as …` another document is read. */
  readonly #otherInput: boolean;

  private constructor(program: Program, clause: Clause, parent: Scope | null, otherInput: boolean) {
    this.#program = program;
    this.#clause = clause;
    this.#parent = parent;
    this.#otherInput = otherInput;
  }

  /** What holds in the body of a clause, and in its head. */
  static ofClause(program: Program, clause: Clause): Scope {
    const scope = new Scope(program, clause, null, false);
    for (const argument of clause.rule.head.args ?? []) scope.#declare(argument);
    scope.#bindBody(clause.rule.body);
    return scope;
  }

  get file(): string {
    return this.#clause.file;
  }

  /** What holds inside a comprehension or an `every`. */
  inside(body: readonly Expression[], bound: readonly (readonly [Term, Term | null])[] = []): Scope {
    const scope = new Scope(this.#program, this.#clause, this, this.#otherInput);
    for (const [name, collection] of bound) {
      if (name.type !== 'var') scope.#declare(name);
      else
        scope.#bindings.set(name.value as string, collection === null ? unknownBinding : this.#elementOf(collection));
    }
    scope.#bindBody(body);
    return scope;
  }

  /** What holds under `with input as …`. */
  withOtherInput(): Scope {
    return new Scope(this.#program, this.#clause, this, true);
  }

  /** The places that `term` may stand for. */
  resolve(term: Term): Resolved {
    if (term.type === 'var') return this.#reference([term]);
    if (term.type === 'ref') return this.#reference(term.value as readonly Term[]);
    if (term.type !== 'call') return nothing;
    const [called, from, keys] = term.value as readonly Term[];
    if (calledName(called) !== 'object.get' || from === undefined || keys === undefined) return nothing;
    const steps = keys.type === 'array' ? (keys.value as readonly Term[]) : [keys];
    const { places } = below(this.resolve(from), steps.map(stepOf));
    // The default is something else that it may be.
    return { places, complete: false };
  }

  /** The texts that `term` is, or holds as a set or list. */
  literals(term: Term): Literals {
    const literal = (one: Term): Literal[] =>
      one.type === 'string'
        ? [{ text: one.value as string, file: this.#clause.file, location: one.location ?? noPlace }]
        : [];
    switch (term.type) {
      case 'string':
        return { scalars: literal(term), members: [], complete: true };
      case 'set':
      case 'array':
        return {
          scalars: [],
          members: (term.value as readonly Term[]).flatMap(literal),
          complete: (term.value as readonly Term[]).every(({ type }) => type === 'string'),
        };
      case 'var': {
        const bound = this.#lookup(term.value as string);
        if (bound !== undefined) return bound.literals;
        return this.#literalsOfRule([term]);
      }
      case 'ref':
        return this.#literalsOfRule(term.value as readonly Term[]);
      default:
        return noLiterals;
    }
  }

  /**
   * Words from `data` of what the reference names outside of the input and of local variables; undefined for what is
   * neither a rule nor data.
   */
  named(reference: readonly Term[]): readonly string[] | undefined {
    const [root, ...rest] = reference;
    if (root?.type !== 'var' || this.#lookup(root.value as string) !== undefined) return undefined;
    const name = root.value as string;
    const imported = this.#clause.imports.get(name);
    if (imported !== undefined) return this.#outside([...imported, ...rest]);
    return this.#outside(reference);
  }

  /** How many steps into the input an import of that name stands for; 0 for any other name. */
  importedSteps(name: string): number {
    const imported = this.#lookup(name) === undefined ? this.#clause.imports.get(name) : undefined;
    return imported?.[0]?.value === 'input' ? imported.length - 1 : 0;
  }

  #outside(reference: readonly Term[]): readonly string[] | undefined {
    const [root, ...rest] = reference;
    if (root?.value === 'data') return wordsOf(rest);
    if (root?.value === 'input') return undefined;
    const words = [...this.#clause.package, root?.value as string, ...wordsOf(rest)];
    return this.#program.ruleAt(words) === undefined ? undefined : words;
  }

  #reference(reference: readonly Term[]): Resolved {
    const [root, ...rest] = reference;
    if (root?.type !== 'var') return nothing;
    const name = root.value as string;
    const bound = this.#lookup(name);
    if (bound !== undefined) return below(bound.resolved, rest.map(stepOf));
    const imported = this.#clause.imports.get(name);
    if (imported !== undefined && imported[0]?.value === 'input') return this.#fromInput([...imported, ...rest]);
    if (name === 'input') return this.#fromInput(reference);
    const words = this.named(reference);
    const rule = words === undefined ? undefined : this.#program.ruleAt(words);
    if (words === undefined || rule === undefined) return nothing;
    const value = this.#program.valueOf(rule.name);
    if (value === null || this.#otherInput) return nothing;
    // All words of the name stand in the reference, so what follows them does, too.
    const full = imported === undefined ? reference : [...imported, ...rest];
    const before = full[0]?.value === 'data' ? 1 : -this.#clause.package.length;
    const after = full.slice(before + rule.length).map(stepOf);
    if (!value.isSet) return below(value.resolved, after);
    return after.length === 0 ? nothing : below(value.resolved, after.slice(1));
  }

  #fromInput([, ...steps]: readonly Term[]): Resolved {
    return this.#otherInput ? nothing : below(wholeInput, steps.map(stepOf));
  }

  #literalsOfRule(reference: readonly Term[]): Literals {
    const words = this.named(reference);
    const rule = words === undefined ? undefined : this.#program.ruleAt(words);
    if (words === undefined || rule === undefined || rule.length !== words.length) return noLiterals;
    const value = this.#program.valueOf(rule.name);
    if (value === null) return noLiterals;
    return value.isSet ? { ...value.literals, scalars: [], members: value.literals.scalars } : value.literals;
  }

  #lookup(name: string): Binding | undefined {
    return this.#bindings.get(name) ?? (this.#parent === null ? undefined : this.#parent.#lookup(name));
  }

  #bindBody(body: readonly Expression[]): void {
    for (const expression of body) {
      if (expression.negated === true) continue;
      const scope = replacesInput(expression) ? this.withOtherInput() : this;
      const { terms } = expression;
      const call = callOf(expression);
      if (call !== undefined) this.#bindCall(call, scope);
      else if (!isTerm(terms) && isSome(terms as SomeTerms)) {
        for (const symbol of (terms as SomeTerms).symbols) this.#bindSymbol(symbol, scope);
      }
    }
  }

  #bindCall([called, left, right]: readonly Term[], scope: Scope): void {
    const name = calledName(called);
    if (left === undefined || right === undefined) return;
    if (name === 'assign') this.#bind(left, right, scope);
    if (name !== 'eq') return;
    if (this.#isNew(left)) this.#bind(left, right, scope);
    else if (this.#isNew(right)) this.#bind(right, left, scope);
  }

  #bindSymbol(symbol: Term, scope: Scope): void {
    if (symbol.type !== 'call') {
      this.#declare(symbol);
      return;
    }
    const [called, ...parts] = symbol.value as readonly Term[];
    const collection = parts.at(-1);
    const value = parts.at(-2);
    if (collection === undefined || value === undefined) return;
    if (calledName(called) === 'internal.member_3' && parts[0] !== undefined) this.#declare(parts[0]);
    if (value.type === 'var') this.#bindings.set(value.value as string, scope.#elementOf(collection));
    else this.#declare(value);
  }

  #isNew(term: Term): boolean {
    if (term.type !== 'var') return false;
    const name = term.value as string;
    return this.#lookup(name) === undefined && name !== 'input' && this.named([term]) === undefined;
  }

  #bind(name: Term, term: Term, scope: Scope): void {
    if (name.type !== 'var') {
      this.#declare(name);
      return;
    }
    this.#bindings.set(name.value as string, { resolved: scope.resolve(term), literals: scope.literals(term) });
  }

  #elementOf(collection: Term): Binding {
    const { members, complete } = this.literals(collection);
    const words = collection.type === 'ref' || collection.type === 'var' ? this.#setOf(collection) : undefined;
    const resolved = words ?? below(this.resolve(collection), [null]);
    return { resolved, literals: { scalars: members, members: [], complete } };
  }

  /** What the elements of a rule that is a set stand for. */
  #setOf(collection: Term): Resolved | undefined {
    const words = this.named(collection.type === 'var' ? [collection] : (collection.value as readonly Term[]));
    const rule = words === undefined ? undefined : this.#program.ruleAt(words);
    if (rule === undefined || rule.length !== words?.length || this.#otherInput) return undefined;
    const value = this.#program.valueOf(rule.name);
    return value?.isSet === true ? value.resolved : undefined;
  }

  /** Every variable in a pattern is one of its own, of which nothing is known. */
  #declare(pattern: Term): void {
    if (pattern.type === 'var') this.#bindings.set(pattern.value as string, unknownBinding);
    else if (pattern.type === 'array') for (const item of pattern.value as readonly Term[]) this.#declare(item);
    else if (pattern.type === 'object') {
      for (const [, value] of pattern.value as readonly (readonly [Term, Term])[]) this.#declare(value);
    }
  }
}

/** Whether the whole input is another one in the expression. */
export function replacesInput({ with: changes = [] }: Expression): boolean {
  return changes.some(({ target }) => {
    const reference = target.type === 'ref' ? (target.value as readonly Term[]) : [target];
    return reference.length === 1 && reference[0]?.value === 'input';
  });
}

function stepOf({ type, value }: Term): Step {
  return type === 'string' || type === 'number' ? (value as string | number) : null;
}

function below({ places, complete }: Resolved, steps: readonly Step[]): Resolved {
  return steps.length === 0 ? { places, complete } : { places: places.map((place) => [...place, ...steps]), complete };
}
