/**
 * A second build of a bundle that says which rules fired. Each rule that depends on the input is there once more under
 * a name of its own, and each package's `decision` tells which of these have a value. It steers the search for inputs
 * and counts; what is proved is the bundle as it was written.
 */
import type { Phase } from '../instance.ts';
import type { SourceFile } from '../sources.ts';
import { distinct, type Place } from './literals.ts';
import type { RegoRule } from './rego.ts';

export const phases = ['task', 'call', 'response'] as const satisfies readonly Phase[];

export interface ProbedRule {
  /** Position in the list of probed rules. */
  readonly index: number;
  readonly rule: RegoRule;
  /** The packages whose decision depends on it. */
  readonly phases: readonly Phase[];
  /** What it and the rules it depends on read of the input. */
  readonly places: readonly Place[];
  /** It, and the rules and functions it depends on. */
  readonly needs: ReadonlySet<RegoRule>;
}

const prefix = 'tollgate_proof_';

/** What depends on what, by the names of rules: a reference to a package or a member of a rule counts. */
function closure(rules: readonly RegoRule[], start: readonly RegoRule[]): ReadonlySet<RegoRule> {
  const byName = Map.groupBy(rules, ({ name }) => name);
  const byPackage = new Map<string, RegoRule[]>();
  for (const rule of rules) {
    const steps = rule.name.split('.');
    for (let length = 1; length < steps.length; length++) {
      const above = steps.slice(0, length).join('.');
      const list = byPackage.get(above);
      if (list === undefined) byPackage.set(above, [rule]);
      else list.push(rule);
    }
  }
  const reached = new Set(start);
  for (const rule of reached) {
    for (const reference of rule.references) {
      const steps = reference.split('.');
      for (let length = 1; length <= steps.length; length++) {
        for (const found of byName.get(steps.slice(0, length).join('.')) ?? []) reached.add(found);
      }
      for (const found of byPackage.get(reference) ?? []) reached.add(found);
    }
  }
  return reached;
}

/** The rules of `rules` that can come out differently for different inputs, and can be asked for by themselves. */
export function probedRules(rules: readonly RegoRule[]): ProbedRule[] {
  const reached = phases.map((phase) => ({
    phase,
    rules: closure(
      rules,
      rules.filter(({ name }) => name === `tollgate.${phase}.decision`),
    ),
  }));
  const found: ProbedRule[] = [];
  for (const rule of rules) {
    if (rule.kind === 'function' || rule.kind === 'default' || isDecision(rule)) continue;
    const of = reached.filter((entry) => entry.rules.has(rule)).map(({ phase }) => phase);
    const needs = closure(rules, [rule]);
    const below = [...needs];
    if (of.length === 0 || !below.some(({ usesInput }) => usesInput)) continue;
    const places = distinct(below.flatMap((each) => each.places));
    found.push({ index: found.length, rule, phases: of, places, needs });
  }
  return found;
}

function isDecision({ name }: RegoRule): boolean {
  return phases.some((phase) => name === `tollgate.${phase}.decision`);
}

/** A rule beside the others of its package that nothing but the search asks for. */
export interface Probe {
  readonly file: string;
  readonly package: readonly string[];
  readonly phases: readonly Phase[];
  /** What is told where it has a value. */
  readonly label: number;
  /** Its text under the name `name`. */
  readonly text: (name: string) => string;
  /** When `value` counts as one, in Rego. */
  readonly held: string;
}

/** A probe that is the rule itself once more. */
export function probeOf({ index, rule, phases: of }: ProbedRule): Probe {
  return {
    ...{ file: rule.file, package: rule.package, phases: of, label: index },
    text: (name) => `${name}${rule.text.slice(rule.headChars)}`,
    held: rule.kind === 'set' ? 'value != set()' : rule.kind === 'object' ? 'value != {}' : 'true',
  };
}

/** The sources with `probes` in them. */
export function probedSources(
  files: readonly SourceFile[],
  rules: readonly RegoRule[],
  probes: readonly Probe[],
): SourceFile[] {
  const present = phases.filter((phase) => rules.some(({ name }) => name === `tollgate.${phase}.decision`));
  const sources = files.map(({ path, content }) => {
    if (path === '.manifest') return { path, content: widened(content) };
    if (!path.endsWith('.rego')) return { path, content };
    let text = content.toString('utf8');
    const lines = text.split('\n');
    for (const rule of rules) {
      if (rule.file !== path || !isDecision(rule)) continue;
      const line = lines[rule.row - 1] ?? '';
      const start = line.indexOf('decision', rule.kind === 'default' ? 'default'.length : 0);
      if (start >= 0) lines[rule.row - 1] = `${line.slice(0, start)}${prefix}${line.slice(start)}`;
    }
    text = lines.join('\n');
    const own = probes.filter(({ file }) => file === path);
    const copies = own.map((probe) => probe.text(`${prefix}rule_${probe.label}`));
    return { path, content: Buffer.from(`${text}\n\n${copies.join('\n\n')}\n`) };
  });
  for (const phase of present) {
    const lines = probes
      .filter((probe) => probe.phases.includes(phase))
      .map((probe) => {
        const words = probe.package.map((word) => `[${JSON.stringify(word)}]`).join('');
        const name = `data${words}.${prefix}rule_${probe.label}`;
        return `${prefix}fired contains ${probe.label} if {\n\tvalue := ${name}\n\t${probe.held}\n}`;
      });
    const text = [
      `package tollgate.${phase}`,
      `${prefix}fired contains "allow" if ${prefix}decision.allow == true`,
      ...lines,
      `decision := ${prefix}fired`,
    ];
    sources.push({ path: `tollgate_proof_${phase}.rego`, content: Buffer.from(`${text.join('\n\n')}\n`) });
  }
  return sources;
}

/** The manifest without roots: probes stand beside everything. */
function widened(content: Buffer): Buffer {
  return Buffer.from(JSON.stringify({ ...(JSON.parse(content.toString('utf8')) as object), roots: [''] }));
}
