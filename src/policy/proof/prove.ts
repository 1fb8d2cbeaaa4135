/**
 * Proves a compiled bundle: makes inputs out of the input contract and the bundle's own words, has the WASM and
 * `opa eval` decide each, and says which rules were seen to fire and not to fire. A few inputs of each package are
 * those of another one, so that rules which refuse a wrong document are tried too.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { JsonObject } from '../../call.ts';
import { buildBundle, writeSources } from '../build.ts';
import { readBundle } from '../bundle.ts';
import { ShapeCheck } from '../check.ts';
import { LoadedBundle, type Phase } from '../instance.ts';
import type { OpaAccess } from '../rego-files.ts';
import { callInputSchema, responseInputSchema, taskInputSchema } from '../schemas.ts';
import type { SourceFile } from '../sources.ts';
import { Chooser, type RandomBytes } from './chooser.ts';
import { type Compared, compare } from './compare.ts';
import { InputMaker } from './inputs.ts';
import { joinedLiterals, type Literals, literalsOf } from './literals.ts';
import { type ProbedRule, phases, probedRules, probedSources, probeOf } from './probes.ts';
import { askOpa, type Question } from './reference.ts';
import { parseRules, type RegoRule } from './rego.ts';
import type { Schema } from './schema.ts';
import { Search, type Tally } from './search.ts';
import { Solver } from './solver.ts';
import { type Unmet, unmetConditions } from './unmet.ts';

/** Tried before the first input is given out. */
const exploredMin = 1_500;
const exploredMax = 6_000;
const crossedOneIn = 24;
/** Inputs that are looked through for why a rule was never true, besides those that were made for it. */
const explainedMax = 1_000;

const schemas: Readonly<Record<Phase, unknown>> = {
  task: taskInputSchema,
  call: callInputSchema,
  response: responseInputSchema,
};

export interface ProofOptions extends OpaAccess {
  /** The sources of the bundle. */
  readonly files: readonly SourceFile[];
  /** A folder for what is made on the way; the caller takes it away. */
  readonly folder: string;
  /** Inputs a package. */
  readonly inputs: number;
  readonly random: RandomBytes;
}

/** How often each rule came out which way. */
export interface RuleCount extends Tally {
  readonly rule: RegoRule;
  readonly phases: readonly Phase[];
  /** Why it came out one way only: a condition that nothing met. Only where that was looked for, and could be told. */
  readonly unmet?: Unmet;
}

export interface PackageCount {
  readonly phase: Phase;
  readonly inputs: number;
  readonly allowed: number;
}

export interface Questions {
  readonly questions: readonly Question[];
  readonly packages: readonly PackageCount[];
  readonly rules: readonly RuleCount[];
  /** Inputs that were to make a rule true which never was, by the rule's place in `rules`. */
  readonly attempts: ReadonlyMap<number, readonly Question[]>;
}

export interface Proof extends Compared, Questions {}

/** A bundle with all that inputs are made from. */
export interface Studied {
  readonly files: readonly SourceFile[];
  readonly rules: readonly RegoRule[];
  readonly literals: Literals;
  /** The data document that was compiled with them. */
  readonly data: JsonObject;
  readonly probed: readonly ProbedRule[];
  readonly probes: LoadedBundle;
}

/** Reads the rules and literals of `files`, of which `compiled` was made, and builds it once more with probes. */
export async function study(
  access: OpaAccess & { readonly folder: string; readonly files: readonly SourceFile[] },
  compiled: string,
): Promise<Studied> {
  const { files, folder } = access;
  const rules = await parseRules(access, files, join(folder, 'parsed'));
  const probed = probedRules(rules);
  const built = await buildBundle({
    files: probedSources(files, rules, probed.map(probeOf)),
    dataDir: join(folder, 'probes'),
    opa: async () => access.opa,
    clock: access.clock,
    signal: access.signal,
  });
  const data = JSON.parse((await readBundle(compiled)).data.toString('utf8')) as JsonObject;
  const literals = literalsOf(rules, data);
  return { files, rules, literals, data, probed, probes: await LoadedBundle.load(await readBundle(built.file)) };
}

/** Makes `inputs` questions for each package of `studied`; `others` lends its literals. */
export function questionsFor(studied: Studied, inputs: number, random: RandomBytes, others?: Studied): Questions {
  const choose = new Chooser(random);
  const check = new ShapeCheck();
  const { probed, probes } = studied;
  const literals = others === undefined ? studied.literals : joinedLiterals(studied.literals, others.literals);
  const searches = phases
    .filter((phase) => probes.has(phase))
    .map((phase) => {
      const rules = probed.filter((entry) => entry.phases.includes(phase));
      const schema = schemas[phase] as Schema;
      const maker = new InputMaker(schema, literals, choose);
      const solver = new Solver({ rules: studied.rules, data: studied.data, literals, schema, maker, choose });
      return { phase, search: new Search({ phase, maker, solver, choose, check, probes, rules }) };
    });
  for (const { search } of searches) search.explore(exploredMin, exploredMax);
  const questions: Question[] = [];
  for (const { phase, search } of searches) {
    for (let number = 0; number < inputs; number++) {
      const crossed = searches.length > 1 && choose.oneIn(crossedOneIn);
      const from = crossed ? choose.of(searches.filter((other) => other.phase !== phase)).search : search;
      const input = crossed ? from.example() : from.next(number);
      const text = JSON.stringify(input);
      if (crossed) search.count(search.fired(new TextEncoder().encode(text).buffer).fired);
      questions.push({ phase, text });
    }
  }
  return {
    questions,
    packages: searches.map(({ phase, search }) => ({ phase, inputs, allowed: search.allowed })),
    rules: probed.map(({ index, rule, phases: of }) => {
      const tallies = searches.flatMap(({ search }) => search.tallies.get(index) ?? []);
      const fired = tallies.reduce((sum, tally) => sum + tally.fired, 0);
      return { rule, phases: of, fired, not: tallies.reduce((sum, tally) => sum + tally.not, 0) };
    }),
    attempts: new Map(
      probed.map(({ index }) => [
        index,
        searches.flatMap(({ phase, search }) =>
          search.attempts(index).map((input) => ({ phase, text: JSON.stringify(input) })),
        ),
      ]),
    ),
  };
}

/**
 * Proves the bundle file `compiled` against `opa eval` on the sources. Deterministic for equal sources, inputs and
 * random bytes. Throws BundleError where OPA cannot read the sources at all.
 */
export async function prove(options: ProofOptions, compiled: string): Promise<Proof> {
  const { files, folder, inputs, random } = options;
  const studied = await study(options, compiled);
  const made = questionsFor(studied, inputs, random);
  const sources = join(folder, 'sources');
  await mkdir(sources, { recursive: true });
  await writeSources(sources, files);
  const answers = await askOpa(options, sources, made.questions);
  const bundle = await LoadedBundle.load(await readBundle(compiled));
  const rules = await explained(options, studied, made);
  return { ...made, rules, ...compare(bundle, new ShapeCheck(), made.questions, answers) };
}

/** The counts of `made`; those of rules that were never true with the condition that stands in the way. */
async function explained(options: ProofOptions, studied: Studied, made: Questions): Promise<readonly RuleCount[]> {
  const never = studied.probed.filter(({ index }) => made.rules[index]?.fired === 0);
  if (never.length === 0) return made.rules;
  const questions = [
    ...made.questions.slice(0, explainedMax),
    ...never.flatMap(({ index }) => made.attempts.get(index) ?? []),
  ];
  const unmet = await unmetConditions({ ...options, rules: studied.rules, never, questions });
  return made.rules.map((count, index) => {
    const condition = unmet.get(index);
    return condition === undefined ? count : { ...count, unmet: condition };
  });
}
