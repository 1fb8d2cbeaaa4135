/**
 * Walks the conditions of a rule and of what it refers to, and makes each come out as wanted. A name that a condition binds
 * stands for what `terms.ts` makes of it; so what a later condition asks of it is put where it comes from.
 */
import { isTypeTest, opposite } from './conditions.ts';
import type { Element, Held } from './held.ts';
import { patternText } from './pattern-text.ts';
import type { Clause, EveryTerms, Expression, RegoRule, SomeTerms, Term } from './rego.ts';
import { type ClauseWalk, isCall, nameOf, type Scope, Terms, type WalkOptions } from './terms.ts';

const depthMax = 16;
const stepsMax = 1_500;
const elementsMax = 8;

/** One attempt; it ends after so many steps, however far it came. */
export class Walk implements ClauseWalk {
  readonly #options: WalkOptions;
  readonly #terms: Terms;
  #steps = 0;

  constructor(options: WalkOptions) {
    this.#options = options;
    this.#terms = new Terms(options, this);
  }

  /** Makes a clause of `rule` true. */
  fire(rule: RegoRule): void {
    const scope = { rule, names: new Map(), depth: 0 };
    this.meet(this.branch(rule.clause, scope), scope);
  }

  /** Makes `rule` false or undefined. */
  refute(rule: RegoRule): void {
    for (const clause of clausesOf(rule.clause)) this.break(clause.body ?? [], { rule, names: new Map(), depth: 0 });
  }

  /** The clause itself or one behind its `else`, in which case those before are broken. */
  branch(clause: Clause, scope: Scope): Clause {
    const all = clausesOf(clause);
    const chosen = this.#options.choose.integer(all.length);
    for (const before of all.slice(0, chosen)) this.break(before.body ?? [], { ...scope, names: new Map(scope.names) });
    return all[chosen] as Clause;
  }

  meet({ body = [] }: Clause, scope: Scope): void {
    for (const expression of body) this.want(expression, true, scope);
  }

  /** Makes one condition of `body` false; those before it are met, so that they bind what it speaks of. */
  break(body: readonly Expression[], scope: Scope): void {
    if (body.length === 0 || this.spent(scope)) return;
    const at = this.#options.choose.integer(body.length);
    for (const expression of body.slice(0, at)) this.want(expression, true, scope);
    this.want(body[at] as Expression, false, scope);
  }

  spent({ depth }: Scope): boolean {
    this.#steps += 1;
    return this.#steps > stepsMax || depth > depthMax;
  }

  want({ negated = false, terms }: Expression, truth: boolean, scope: Scope): void {
    if (this.spent(scope)) return;
    const wanted = negated ? !truth : truth;
    if (isCall(terms)) this.#wantCall(terms, wanted, scope);
    else if ('symbols' in terms) this.#some(terms, wanted, scope);
    else if ('domain' in terms) this.#every(terms, wanted, scope);
    else this.#wantTerm(terms, wanted, scope);
  }

  #wantTerm(term: Term, wanted: boolean, scope: Scope): void {
    if (term.type === 'call') {
      this.#wantCall(term.value as readonly Term[], wanted, scope);
      return;
    }
    if (!wanted) {
      const rules = this.#terms.rulesOf(term, scope);
      if (rules !== undefined) {
        for (const rule of rules.found) this.refuteClauses(rule, [], scope);
        return;
      }
    }
    const held = this.#terms.hold(term, scope);
    const now = held.get();
    if (wanted) {
      if (now === undefined || now === false) held.put(true) || held.put(this.#options.fresh()) || held.element();
    } else if (now !== undefined && now !== false) held.drop() || held.put(false);
  }

  #wantCall([name, ...args]: readonly Term[], wanted: boolean, scope: Scope): void {
    const { conditions } = this.#options;
    const op = nameOf(name as Term);
    const [left, right] = args as [Term, Term];
    if (op === 'assign' || ((op === 'eq' || op === 'equal') && wanted && this.#terms.isUnbound(left, scope))) {
      if (wanted) this.#terms.unify(left, this.#terms.hold(right, scope), scope);
      else this.#wantTerm(right, false, scope);
    } else if ((op === 'eq' || op === 'equal') && wanted && this.#terms.isUnbound(right, scope)) {
      this.#terms.unify(right, this.#terms.hold(left, scope), scope);
    } else if (op in opposite) {
      conditions.compare(
        wanted ? op : (opposite[op] as string),
        this.#terms.hold(left, scope),
        this.#terms.hold(right, scope),
      );
    } else if (op === 'internal.member_2') {
      conditions.member(this.#terms.hold(left, scope), this.#terms.hold(right, scope), wanted);
    } else if (op === 'startswith' || op === 'endswith' || op === 'contains') {
      conditions.text(op, this.#terms.hold(left, scope), this.#terms.hold(right, scope), wanted);
    } else if (op === 'glob.match' || op === 'regex.match') {
      const pattern = this.#terms.hold(left, scope).get();
      const text = this.#terms.hold((op === 'glob.match' ? args[2] : right) as Term, scope);
      if (!wanted) conditions.compare('neq', text, text);
      else if (typeof pattern === 'string') text.put(patternText(op, pattern, this.#options.choose));
    } else if (isTypeTest(op)) conditions.type(op, this.#terms.hold(left, scope), wanted);
    else {
      const term = { type: 'call', value: [name, ...args] };
      const rules = wanted ? undefined : this.#terms.rulesOf(name as Term, scope);
      if (rules !== undefined) {
        const given = args.map((arg) => this.#terms.hold(arg, scope));
        for (const rule of rules.found) this.refuteClauses(rule, given, scope);
        return;
      }
      const held = this.#terms.hold(term, scope);
      const now = held.get();
      if (wanted ? now === undefined || now === false : now !== undefined && now !== false) held.put(wanted);
    }
  }

  refuteClauses(rule: RegoRule, given: readonly Held[], scope: Scope): void {
    if (rule.kind === 'default' || this.spent(scope)) return;
    for (const clause of clausesOf(rule.clause)) {
      const inner = { rule, names: new Map<string, Held>(), depth: scope.depth + 1 };
      // A clause for other arguments is none to break.
      if (this.#terms.bindArgs(clause, given, inner, false)) this.break(clause.body ?? [], inner);
    }
  }

  #some({ symbols }: SomeTerms, wanted: boolean, scope: Scope): void {
    const [call] = symbols;
    if (call?.type !== 'call') return;
    const [, ...terms] = call.value as readonly Term[];
    const domain = this.#terms.hold(terms.at(-1) as Term, scope);
    if (!wanted) {
      domain.clear();
      return;
    }
    const element = domain.element();
    if (element === undefined) return;
    if (terms.length === 3) this.#terms.unify(terms[0] as Term, element.key, scope);
    this.#terms.unify(terms.at(-2) as Term, element.value, scope);
  }

  #every({ key, value, domain: term, body }: EveryTerms, wanted: boolean, scope: Scope): void {
    const domain = this.#terms.hold(term, scope);
    const within = ({ key: name, value: held }: Element): Scope => {
      const names = new Map(scope.names);
      const inner = { ...scope, names, depth: scope.depth + 1 };
      if (key !== null) this.#terms.unify(key, name, inner);
      this.#terms.unify(value, held, inner);
      return inner;
    };
    if (!wanted) {
      const element = domain.element();
      if (element !== undefined) this.break(body, within(element));
      return;
    }
    if (this.#options.choose.oneIn(4) && domain.clear()) return;
    const all = domain.get();
    const keys = typeof all === 'object' && all !== null ? Object.keys(all).slice(0, elementsMax) : [];
    for (const each of keys) {
      const step = Array.isArray(all) ? Number(each) : each;
      const inner = within({ key: this.#terms.constant(step), value: domain.member(step) });
      for (const expression of body) this.want(expression, true, inner);
    }
  }
}

function clausesOf(clause: Clause): Clause[] {
  const all: Clause[] = [];
  for (let each: Clause | undefined = clause; each !== undefined; each = each.else) all.push(each);
  return all;
}
