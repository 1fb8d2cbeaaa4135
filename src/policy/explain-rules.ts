/**
 * Which rules of Rego sources fired in one evaluation, from OPA's parser and its report of coverage. What a reader would
 * get wrong: OPA reports the head of a rule as covered exactly when its body held, and an expression as covered when it
 * was evaluated, whatever came of it; so a rule whose body is covered and whose head is not was tried in vain.
 */

/** `fired`: it held, at least once; `tried`: its body was evaluated and did not hold; `untouched`: it was not asked. */
export type RuleOutcome = 'fired' | 'tried' | 'untouched';

/** A place in a source file, both counted from 1. */
interface Spot {
  readonly row: number;
  readonly col: number;
}

/** One clause of a rule; each `else` and each default is one of its own. */
export interface SourceRule {
  readonly file: string;
  /** Its package, without `data`. */
  readonly package: string;
  /** Its name within the package as far as it is static; an arm of a chain has that of the chain. */
  readonly name: string;
  readonly kind: 'rule' | 'function' | 'default' | 'else';
  readonly head: Spot;
  readonly start: Spot;
  /** Where the next arm begins, or the rule has ended. */
  readonly end: Spot;
  readonly text: string;
}

export interface ExplainedRule {
  readonly package: string;
  readonly name: string;
  readonly kind: SourceRule['kind'];
  readonly file: string;
  readonly line: number;
  readonly text: string;
  readonly outcome: RuleOutcome;
}

interface Location extends Spot {
  /** Base64 of the source text. */
  readonly text?: string;
}

interface Term {
  readonly type?: string;
  readonly value?: unknown;
}

interface ParsedRule {
  readonly default?: boolean;
  readonly location: Location;
  readonly head: { readonly ref: readonly Term[]; readonly args?: unknown; readonly location: Location };
  readonly else?: ParsedRule;
}

/** What `opa parse --format json --json-include locations` gives. */
export interface ParsedModule {
  readonly package: { readonly path: readonly Term[] };
  readonly rules?: readonly ParsedRule[];
}

/** What `opa eval --coverage --format json` says of each file. */
export interface Coverage {
  readonly files?: Readonly<Record<string, { readonly covered?: readonly { readonly start: Spot }[] }>>;
}

const textCharsMax = 2_000;
/** More are not shown; those that fired go first. */
export const rulesMax = 2_000;

/** The rules of one file, in its order. */
export function rulesOfModule(file: string, module: ParsedModule): SourceRule[] {
  const packageName = staticNames(module.package.path.slice(1)).join('.');
  return (module.rules ?? []).flatMap((rule) => armsOf(file, packageName, rule));
}

function staticNames(terms: readonly Term[]): string[] {
  const end = terms.findIndex(
    ({ type, value }, index) => index > 0 && (type !== 'string' || typeof value !== 'string'),
  );
  return terms.slice(0, end === -1 ? terms.length : end).map(({ value }) => String(value));
}

function armsOf(file: string, packageName: string, whole: ParsedRule): SourceRule[] {
  const arms: SourceRule[] = [];
  const name = staticNames(whole.head.ref).join('.');
  for (let rule: ParsedRule | undefined = whole; rule !== undefined; rule = rule.else) {
    const text = Buffer.from(rule.location.text ?? '', 'base64').toString('utf8');
    const next: Location | undefined = rule.else?.location;
    // The text of an arm goes on to the end of the chain; the next arm's text is its tail.
    const tail = next === undefined ? 0 : Buffer.from(next.text ?? '', 'base64').toString('utf8').length;
    const own = text.slice(0, text.length - tail).trimEnd();
    const { head } = rule;
    // The word `default` alone is the location of a default rule; the rest of its line is its head.
    const shown = rule.default === true ? `default ${textOf(head.location)}` : own;
    arms.push({
      ...{ file, package: packageName, name, head: spotOf(head.location), start: spotOf(rule.location) },
      kind: rule !== whole ? 'else' : rule.default === true ? 'default' : head.args === undefined ? 'rule' : 'function',
      end: next === undefined ? endOf(rule.location, text) : spotOf(next),
      text: shown.slice(0, textCharsMax),
    });
  }
  return arms;
}

function textOf({ text }: Location): string {
  return Buffer.from(text ?? '', 'base64').toString('utf8');
}

function spotOf({ row, col }: Spot): Spot {
  return { row, col };
}

function endOf({ row, col }: Spot, text: string): Spot {
  const lines = text.split('\n');
  const last = (lines.at(-1) as string).length;
  return lines.length === 1 ? { row, col: col + last } : { row: row + lines.length - 1, col: last + 1 };
}

function isBefore(left: Spot, right: Spot): boolean {
  return left.row < right.row || (left.row === right.row && left.col < right.col);
}

/**
 * The rules of the packages that the evaluation reached, and of `decided`, the package that was asked; in the order of
 * files and lines. `cut` where there were more than `rulesMax`.
 */
export function explainedRules(
  rules: readonly SourceRule[],
  coverage: Coverage,
  decided: string,
): { readonly rules: readonly ExplainedRule[]; readonly cut: boolean } {
  const covered = new Map<string, readonly Spot[]>();
  for (const [file, report] of Object.entries(coverage.files ?? {})) {
    covered.set(
      file.replace(/^\.?\//, ''),
      (report.covered ?? []).map(({ start }) => start),
    );
  }
  const byFile = Map.groupBy(rules, ({ file }) => file);
  const outcomes = new Map<SourceRule, RuleOutcome>();
  for (const [file, own] of byFile) {
    const spots = covered.get(file) ?? [];
    const starts = new Set(spots.map(({ row, col }) => `${row}:${col}`));
    for (const rule of own) outcomes.set(rule, outcomeOf(rule, spots, starts));
  }
  const reached = new Set([decided]);
  for (const [rule, outcome] of outcomes) if (outcome !== 'untouched') reached.add(rule.package);
  const found = rules.filter((rule) => reached.has(rule.package));
  const shown = new Set(
    found.length <= rulesMax ? found : ranked(found, (rule) => outcomes.get(rule) as RuleOutcome).slice(0, rulesMax),
  );
  return {
    cut: shown.size < found.length,
    rules: found
      .filter((rule) => shown.has(rule))
      .map((rule) => ({
        ...{ package: rule.package, name: rule.name, kind: rule.kind, file: rule.file, line: rule.head.row },
        ...{ text: rule.text, outcome: outcomes.get(rule) as RuleOutcome },
      })),
  };
}

const ranks: readonly RuleOutcome[] = ['fired', 'tried', 'untouched'];

function ranked(rules: readonly SourceRule[], outcomeOf: (rule: SourceRule) => RuleOutcome): readonly SourceRule[] {
  return rules.toSorted((left, right) => ranks.indexOf(outcomeOf(left)) - ranks.indexOf(outcomeOf(right)));
}

function outcomeOf(rule: SourceRule, spots: readonly Spot[], starts: ReadonlySet<string>): RuleOutcome {
  if (starts.has(`${rule.head.row}:${rule.head.col}`)) return 'fired';
  const inside = spots.some((spot) => !isBefore(spot, rule.start) && isBefore(spot, rule.end));
  return inside ? 'tried' : 'untouched';
}
