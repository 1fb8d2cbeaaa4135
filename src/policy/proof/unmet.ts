/**
 * Says why a rule came out one way only: the first of its conditions that no input met together with those before it. It
 * takes one more build, with a rule for each beginning of a body, and is asked only where there is such a rule.
 */
import { join } from 'node:path';
import { type BuildOptions, buildBundle } from '../build.ts';
import { readBundle } from '../bundle.ts';
import { LoadedBundle } from '../instance.ts';
import type { OpaAccess } from '../rego-files.ts';
import { BundleError, type SourceFile } from '../sources.ts';
import { type Probe, type ProbedRule, probedSources } from './probes.ts';
import type { Question } from './reference.ts';
import type { Expression, RegoRule } from './rego.ts';

const charsMax = 120;

export interface Unmet {
  readonly row: number;
  readonly text: string;
}

export interface UnmetOptions extends OpaAccess {
  readonly files: readonly SourceFile[];
  readonly rules: readonly RegoRule[];
  readonly folder: string;
  /** Those that never came out true. */
  readonly never: readonly ProbedRule[];
  /** What was tried. */
  readonly questions: readonly Question[];
}

/** The first unmet condition, by the rule's index; a rule is not in it where it cannot be told. */
export async function unmetConditions(options: UnmetOptions): Promise<ReadonlyMap<number, Unmet>> {
  const unmet = new Map<number, Unmet>();
  const probes: Probe[] = [];
  const at: { readonly rule: ProbedRule; readonly condition: Expression }[] = [];
  for (const rule of options.never) {
    const { body = [] } = rule.rule.clause;
    for (const [index, condition] of body.entries()) {
      const beginning = body.slice(0, index + 1).map(textOf);
      probes.push({
        ...{ file: rule.rule.file, package: rule.rule.package, phases: rule.phases, label: at.length },
        text: (name) => `${name} if {\n\t${beginning.join('\n\t')}\n}`,
        held: 'true',
      });
      at.push({ rule, condition });
    }
  }
  const met = await metBy(options, probes);
  for (const [label, { rule, condition }] of at.entries()) {
    if (met === null || met.has(label) || unmet.has(rule.index)) continue;
    const text = textOf(condition).replaceAll(/\s+/g, ' ');
    const shown = text.length > charsMax ? `${text.slice(0, charsMax)}…` : text;
    unmet.set(rule.index, { row: condition.location?.row ?? rule.rule.row, text: shown });
  }
  return unmet;
}

/** The labels of the probes that fired on any input; null where what was cut out is no Rego by itself. */
async function metBy(options: UnmetOptions, probes: readonly Probe[]): Promise<ReadonlySet<number> | null> {
  const { files, rules, folder, questions } = options;
  const build: BuildOptions = {
    files: probedSources(files, rules, probes),
    dataDir: join(folder, 'unmet'),
    opa: async () => options.opa,
    clock: options.clock,
    signal: options.signal,
  };
  let bundle: LoadedBundle;
  try {
    bundle = await LoadedBundle.load(await readBundle((await buildBundle(build)).file));
  } catch (fault) {
    if (fault instanceof BundleError) return null;
    throw fault;
  }
  const met = new Set<number>();
  for (const { phase, text } of questions) {
    try {
      const said = bundle.evaluate(phase, new TextEncoder().encode(text).buffer);
      for (const label of Array.isArray(said) ? said : []) if (typeof label === 'number') met.add(label);
    } catch {
      // An input on which the policy fails meets nothing; the comparison tells of it.
    }
  }
  return met;
}

function textOf({ location, terms, negated = false }: Expression): string {
  const text = Buffer.from(location?.text ?? '', 'base64').toString('utf8');
  // The parser's text of `some x in xs` begins behind the word.
  const declares = 'symbols' in terms && !/^some\b/.test(text);
  return `${negated && !/^not\b/.test(text) ? 'not ' : ''}${declares ? 'some ' : ''}${text}`;
}
