/**
 * The words and numbers that a bundle speaks of, in groups that belong together: the literals of one rule, or those of
 * one part of the data, each also under the names they stand by there. An input whose agent, purpose and operation come
 * from one group, and from `agents`, `purposes` and `operations` of it, gets further into the rules than one whose
 * values come from everywhere.
 */
import type { Json, JsonObject } from '../../call.ts';
import type { RegoRule } from './rego.ts';

const charsMax = 200;
/** A longer text with spaces is one for people. */
const phraseCharsMax = 40;
const groupsMax = 2_000;
const perGroupMax = 500;
const perPlaceMax = 64;
const dataDepthMax = 6;

export type Literal = string | number;
/** Words of a path below `input`. */
export type Place = readonly string[];

export interface Group {
  readonly strings: readonly string[];
  readonly numbers: readonly number[];
  /** Those of the strings that look like a path (`body.amount_cents`) and stand as values, not as names. */
  readonly paths: readonly string[];
  /** By the singular of the member they stand in, and by the last word of that. */
  readonly named: ReadonlyMap<string, readonly Literal[]>;
}

export interface Literals {
  /** At least one; the first holds everything. */
  readonly groups: readonly [Group, ...Group[]];
  /** Paths below `input` that rules name. */
  readonly places: readonly Place[];
  /** What rules compare a path with, by the path's words joined by `/`. */
  readonly compared: ReadonlyMap<string, readonly Literal[]>;
}

const lone: readonly string[] = ['a', 'b'];

/** `Agents` and `agent` are one name. */
export function singular(name: string): string {
  return name.toLowerCase().replace(/s$/, '');
}

/** A pattern with `*` also as texts that it fits. */
function spelled(literal: Literal): Literal[] {
  return typeof literal === 'string' && literal.includes('*') ? [literal, literal.replaceAll('*', 'x')] : [literal];
}

function isLiteral(value: Literal): boolean {
  if (typeof value === 'number') return !Number.isInteger(value) || Number.isSafeInteger(value);
  return value !== '' && value.length <= (/\s/.test(value) ? phraseCharsMax : charsMax);
}

interface Named {
  readonly name: string;
  readonly literal: Literal;
  /** It is the name of a member. */
  readonly key?: boolean;
}

const dotted = /^[\w-]+(?:\.[\w-]+)+$/;

function groupOf(found: readonly Named[]): Group {
  const all = found.flatMap(({ name, literal }) =>
    isLiteral(literal) ? spelled(literal).map((each) => ({ name: singular(name), literal: each })) : [],
  );
  const named = new Map<string, Set<Literal>>();
  for (const { name, literal } of all) {
    for (const key of new Set([name, name.split('_').at(-1) as string])) {
      const held = named.get(key) ?? new Set();
      if (held.size < perGroupMax) held.add(literal);
      named.set(key, held);
    }
  }
  const keys = new Set(found.filter(({ key }) => key === true).map(({ literal }) => literal));
  const literals = [...new Set(all.map(({ literal }) => literal))];
  const strings = literals.filter((literal) => typeof literal === 'string').slice(0, perGroupMax);
  return {
    strings,
    paths: strings.filter((literal) => dotted.test(literal) && !keys.has(literal)),
    numbers: literals.filter((literal) => typeof literal === 'number').slice(0, perGroupMax),
    named: new Map([...named].map(([name, held]) => [name, [...held]])),
  };
}

/** The literals of `rules` and of the data documents `data`. */
export function literalsOf(rules: readonly RegoRule[], data: JsonObject): Literals {
  const found: Named[][] = rules.map((rule) =>
    [...rule.strings, ...rule.numbers].map((literal) => ({ name: '', literal })),
  );
  const visit = (value: Json, keys: readonly string[]): readonly Named[] => {
    const name = keys.at(-1) ?? '';
    if (typeof value === 'string' || typeof value === 'number') return [{ name, literal: value }];
    if (value === null || typeof value !== 'object') return [];
    if (Array.isArray(value)) return (value as readonly Json[]).flatMap((item) => visit(item, keys));
    const own: Named[] = [];
    for (const [key, member] of Object.entries(value)) {
      own.push({ name, literal: key, key: true });
      for (const each of visit(member as Json, [...keys, key])) own.push(each);
    }
    if (keys.length > 0 && keys.length <= dataDepthMax) {
      // What leads here belongs to it: the operation's name to its limits, the purpose's name to both.
      const way = keys.map((literal, index) => ({ name: keys[index - 1] ?? '', literal, key: true }));
      found.push([...way, ...own]);
    }
    return own;
  };
  visit(data, []);
  const filled = found.filter((group) => group.length > 1).slice(0, groupsMax);
  const everything = filled.flat();
  const some = everything.some(({ literal }) => typeof literal === 'string');
  const all = groupOf(some ? everything : [...everything, ...lone.map((literal) => ({ name: '', literal }))]);
  return {
    groups: [all, ...filled.map(groupOf)],
    places: distinct(rules.flatMap((rule) => rule.places)),
    compared: comparedOf(rules),
  };
}

function comparedOf(rules: readonly RegoRule[]): ReadonlyMap<string, readonly Literal[]> {
  const compared = new Map<string, Literal[]>();
  for (const { place, literals } of rules.flatMap((rule) => rule.compared)) {
    const key = place.join('/');
    const held = compared.get(key) ?? [];
    for (const literal of literals.filter(isLiteral)) {
      if (held.length < perPlaceMax && !held.includes(literal)) held.push(literal);
    }
    compared.set(key, held);
  }
  return compared;
}

/** Both bundles' literals, for inputs that are to tell them apart. */
export function joinedLiterals(left: Literals, right: Literals): Literals {
  const compared = new Map(left.compared);
  for (const [key, literals] of right.compared) {
    compared.set(key, [...new Set([...(compared.get(key) ?? []), ...literals])]);
  }
  return {
    groups: [...left.groups, ...right.groups],
    places: distinct([...left.places, ...right.places]),
    compared,
  };
}

export function distinct(places: readonly Place[]): readonly Place[] {
  return [...new Map(places.map((place) => [place.join('/'), place])).values()];
}
