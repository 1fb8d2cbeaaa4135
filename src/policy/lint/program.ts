/**
 * The rules of a bundle by name, and what a rule stands for where it is no more than another name: for a place in the
 * input, or for texts. What a reader would get wrong: `complete` is false as soon as one clause may give something else,
 * and then nothing may be said against what is done with it.
 */
import { type Literals, noLiterals, nothing, type Place, type Resolved, Scope } from './scope.ts';
import { type ParsedRule, type RegoFile, type Term, wordsOf } from './syntax.ts';

export type RuleKind = 'set' | 'object' | 'value' | 'function' | 'default';

/** One clause of a rule; each `else` is one of its own. */
export interface Clause {
  readonly file: string;
  /** Words of its package, without `data`. */
  readonly package: readonly string[];
  /** Full name without `data`, for example `tollgate.call.deny`. */
  readonly name: string;
  readonly kind: RuleKind;
  readonly rule: ParsedRule;
  /** What its file imports, by the name that it is used under. */
  readonly imports: ReadonlyMap<string, readonly Term[]>;
  readonly annotations: NonNullable<ParsedRule['annotations']>;
}

/** What a rule without arguments stands for. */
export interface RuleValue {
  readonly isSet: boolean;
  /** Of a set: its elements. */
  readonly resolved: Resolved;
  readonly literals: Literals;
}

export class Program {
  readonly clauses: readonly Clause[];
  readonly #byName: ReadonlyMap<string, readonly Clause[]>;
  readonly #values = new Map<string, RuleValue | null>();

  constructor(files: readonly RegoFile[]) {
    this.clauses = files.flatMap(clausesOf);
    this.#byName = Map.groupBy(this.clauses, ({ name }) => name);
  }

  /** The clauses of the rule; none where there is no such rule. */
  of(name: string): readonly Clause[] {
    return this.#byName.get(name) ?? [];
  }

  /** The rule that the words lead to, and how many of them name it; the longest name counts. */
  ruleAt(words: readonly string[]): { readonly name: string; readonly length: number } | undefined {
    for (let length = words.length; length > 0; length--) {
      const name = words.slice(0, length).join('.');
      if (this.#byName.has(name)) return { name, length };
    }
    return undefined;
  }

  /** Null for functions, for objects, and for a rule that needs itself. */
  valueOf(name: string): RuleValue | null {
    const known = this.#values.get(name);
    if (known !== undefined) return known;
    this.#values.set(name, null);
    const value = this.#work(this.of(name));
    this.#values.set(name, value);
    return value;
  }

  #work(clauses: readonly Clause[]): RuleValue | null {
    if (clauses.length === 0 || clauses.some(({ kind }) => kind === 'function' || kind === 'object')) return null;
    const isSet = clauses.some(({ kind }) => kind === 'set');
    const places: Place[] = [];
    const literals = { scalars: [...noLiterals.scalars], members: [...noLiterals.members] };
    let complete = true;
    let allLiterals = true;
    for (const clause of clauses) {
      const { head } = clause.rule;
      const term = isSet ? head.key : head.value;
      const scope = Scope.ofClause(this, clause);
      const resolved = term === undefined ? nothing : scope.resolve(term);
      places.push(...resolved.places);
      complete &&= resolved.complete;
      const said = term === undefined ? noLiterals : scope.literals(term);
      literals.scalars.push(...said.scalars);
      literals.members.push(...said.members);
      allLiterals &&= said.complete;
    }
    return { isSet, resolved: { places, complete }, literals: { ...literals, complete: allLiterals } };
  }
}

function clausesOf({ file, module }: RegoFile): Clause[] {
  const packageWords = wordsOf(module.package.path.slice(1));
  const imports = new Map<string, readonly Term[]>();
  for (const { path, alias } of module.imports ?? []) {
    const reference = path.value as readonly Term[];
    const name = alias ?? reference.at(-1)?.value;
    if (typeof name === 'string' && reference[0]?.value !== 'rego') imports.set(name, reference);
  }
  const clauses: Clause[] = [];
  for (const top of module.rules ?? []) {
    const { head, annotations = [] } = top;
    const name = [...packageWords, head.ref[0]?.value as string, ...wordsOf(head.ref.slice(1))].join('.');
    for (let rule: ParsedRule | undefined = top; rule !== undefined; rule = rule.else) {
      clauses.push({ file, package: packageWords, name, kind: kindOf(top), rule, imports, annotations });
    }
  }
  return clauses;
}

function kindOf({ default: isDefault, head }: ParsedRule): RuleKind {
  if (head.args !== undefined) return 'function';
  if (isDefault === true) return 'default';
  if (head.key !== undefined) return head.value === undefined ? 'set' : 'value';
  return head.ref.slice(1).some(({ type }) => type !== 'string') ? 'object' : 'value';
}
