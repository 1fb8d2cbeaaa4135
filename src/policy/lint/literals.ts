/**
 * Texts that can never be there: names of operations, routes, purposes and issuers that exist nowhere, and words that a
 * closed list does not hold. A rule that compares with one compiles, and is never true; or, under `not`, always is.
 */
import { matches } from '../../pattern.ts';
import { inputsOf, textsAt } from './contract.ts';
import type { Call, Comparison, Facts, Read } from './facts.ts';
import { type Found, hintOf, type LintCode } from './fault.ts';
import { shownPlace } from './input-paths.ts';
import type { Literal, Place } from './scope.ts';
import { type LintWorld, mayBeOffered, namesOperation } from './world.ts';

/** Names that a bundle may use; null where they are not known. */
export interface Vocabulary {
  readonly world: LintWorld | null;
  readonly purposes: readonly string[] | null;
}

type Kind = 'operation' | 'toolset' | 'route' | 'purpose' | 'issuer' | 'subjectIssuer';

/** Whose names stand where. `*` is any step. */
const kinds: readonly (readonly [string, Kind])[] = [
  ['call.operation', 'operation'],
  ['task.history.*.operation', 'operation'],
  ['task.plan.*.operation', 'toolset'],
  ['task.plan.*.after.*', 'operation'],
  ['task.tools.*', 'toolset'],
  ['call.route', 'route'],
  ['task.purpose', 'purpose'],
  ['task.parent.purpose', 'purpose'],
  ['agent.issuer', 'issuer'],
  ['task.parent.issuer', 'issuer'],
  ['subject.issuer', 'subjectIssuer'],
];

/** Which arguments of the functions in `lib` are patterns of operations. */
const patternArguments: Readonly<Record<string, readonly number[]>> = {
  'tollgate.lib.called': [0],
  'tollgate.lib.count_of': [0],
  'tollgate.lib.sum_of': [0],
  'tollgate.lib.never_after': [0, 1],
  'tollgate.lib.after': [0],
  'tollgate.lib.within_last': [0],
};

export function literalFaults(facts: Facts, words: Vocabulary): Found[] {
  return [
    ...facts.comparisons.flatMap((comparison) => comparedFaults(facts, comparison, words)),
    ...facts.calls.flatMap((call) => patternFaults(call, words)),
    ...facts.reads.flatMap((read) => countedFaults(facts, read, words)),
  ];
}

function comparedFaults({ clause }: Facts, { resolved, literals }: Comparison, words: Vocabulary): Found[] {
  const [place, ...others] = resolved.places;
  if (!resolved.complete || place === undefined || others.length > 0) return [];
  const kind = kindOf(place);
  if (kind !== undefined) return literals.flatMap((literal) => nameFaults(literal, kind, words));
  const texts = textsAt(inputsOf(clause.package), place);
  if (texts === null) return [];
  return literals
    .filter(({ text }) => !texts.includes(text))
    .map((literal) =>
      foundAt(
        literal,
        'literal_unknown',
        `${shownPlace(place)} is never ${shown(literal)}; ${hintOf(literal.text, texts)}`,
      ),
    );
}

/** `lib.called("orders.*")`, and `lib.matches("orders.*", input.call.operation)`. */
function patternFaults({ name, arguments: given }: Call, { world }: Vocabulary): Found[] {
  const [first, second] = given;
  const isMatch = name === 'tollgate.lib.matches' && second !== undefined && isOperation(second.resolved.places);
  const patterns = isMatch
    ? (first?.scalars ?? [])
    : (patternArguments[name] ?? []).flatMap((at) => given[at]?.scalars ?? []);
  if (world === null) return [];
  return patterns
    .filter(({ text }) => !world.operations.some((operation) => matches(text, operation.name)))
    .filter(({ text }) => !mayBeOffered(world, text))
    .map((literal) => foundAt(literal, 'operation_unknown', unknownName(literal, 'operation', namesOf(world))));
}

/** `input.task.counts["orders.get_order"]`. */
function countedFaults({ clause }: Facts, { resolved, steps, location }: Read, { world }: Vocabulary): Found[] {
  const [place] = resolved.places;
  const name = place?.[2];
  if (world === null || place === undefined || !resolved.complete || typeof name !== 'string') return [];
  const stands = steps[2 - (place.length - steps.length)];
  if (place[0] !== 'task' || place[1] !== 'counts' || stands === undefined) return [];
  const literal = { text: name, file: clause.file, location: stands ?? location };
  return nameFaults(literal, 'operation', { world, purposes: null });
}

function nameFaults(literal: Literal, kind: Kind, { world, purposes }: Vocabulary): Found[] {
  const { text } = literal;
  const tell = (code: LintCode, what: string, known: readonly string[]): Found[] =>
    known.includes(text) ? [] : [foundAt(literal, code, unknownName(literal, what, known))];
  if (kind === 'purpose') return purposes === null ? [] : tell('purpose_unknown', 'purpose', purposes);
  if (world === null || (kind === 'toolset' && namesOperation(world, text))) return [];
  if (kind === 'route') return tell('route_unknown', 'route', world.routes);
  if (kind === 'issuer') return tell('issuer_unknown', 'issuer of agents', world.issuers);
  if (kind === 'subjectIssuer') return tell('issuer_unknown', 'issuer of subjects', world.subjectIssuers);
  return mayBeOffered(world, text) ? [] : tell('operation_unknown', 'operation', namesOf(world));
}

export function namesOf({ operations }: LintWorld): string[] {
  return operations.map(({ name }) => name);
}

function kindOf(place: Place): Kind | undefined {
  return kinds.find(([pattern]) => {
    const steps = pattern.split('.');
    return steps.length === place.length && steps.every((step, index) => fits(step, place[index]));
  })?.[1];
}

function fits(step: string, found: Place[number] | undefined): boolean {
  return step === '*' ? typeof found !== 'string' : step === found;
}

function isOperation(places: readonly Place[]): boolean {
  return places.length > 0 && places.every((place) => kindOf(place) === 'operation');
}

function unknownName(literal: Literal, what: string, known: readonly string[]): string {
  return `there is no ${what} ${shown(literal)}; ${hintOf(literal.text, known)}`;
}

function shown({ text }: Literal): string {
  return JSON.stringify(text.length > 100 ? `${text.slice(0, 100)}…` : text);
}

function foundAt({ file, location }: Literal, code: LintCode, message: string): Found {
  return { file, line: location.row, column: location.col, code, message };
}
