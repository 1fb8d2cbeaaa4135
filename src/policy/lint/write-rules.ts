/**
 * Rules that let a call write, and rest on nothing but what the agent says. Whoever can open a task could then let
 * itself through. How far each member of the input is to be trusted stands here, once.
 */
import type { Demand, Facts, Read } from './facts.ts';
import type { Found } from './fault.ts';
import { shownPlace } from './input-paths.ts';
import type { Place } from './scope.ts';
import type { LintWorld } from './world.ts';

/** The agent says so: its labels, what it asks for, and what it says of why. */
const asserted = [
  'task.labels',
  'thought',
  'call.arguments',
  'call.path',
  'call.provenance',
  'call.tools',
  'call.max_tokens',
  'call.stream',
];

/**
 * What is asked for, as the routing table describes it, where and when: true of everybody who asks for it, so it vouches
 * for nobody. What a task did so far, or what was found in a payload, is the gate's own word.
 */
const neutral = ['phase', 'gateway', 'time', 'agent.verified_at_ms', 'task.id', 'task.started_at_ms'].concat(
  ['task.expires_at_ms', 'call.id', 'call.kind', 'call.route', 'call.operation', 'call.effect', 'call.reads'],
  ['call.sends', 'call.method', 'call.model'],
);

const shownMax = 3;

type Trust = 'asserted' | 'neutral' | 'vouched';

function trustOf(place: Place): Trust {
  const lies = (names: readonly string[]) =>
    names.some((name) => name.split('.').every((word, index) => place[index] === word));
  if (lies(asserted)) return 'asserted';
  // All else the gate knows, or a token says; a whole that holds such a thing counts as it.
  return lies(neutral) ? 'neutral' : 'vouched';
}

/** The `allow` rules of `tollgate.call` that only assertions stand behind. `all` is the whole bundle. */
export function writeRuleFaults(all: readonly Facts[], world: LintWorld | null): Found[] {
  const byRule = Map.groupBy(all, ({ clause }) => clause.name);
  return (byRule.get('tollgate.call.allow') ?? []).flatMap((facts) => {
    const { clause } = facts;
    if (saysAsserted(facts) || readsOnly(facts, byRule, world)) return [];
    const places = readBy(facts, byRule);
    const said = places.filter((place) => trustOf(place) === 'asserted');
    if (said.length === 0 || places.some((place) => trustOf(place) === 'vouched')) return [];
    const shown = [...new Set(said.map(shownPlace))].slice(0, shownMax).join(', ');
    const message =
      `this rule can allow a write and rests only on what the agent says (${shown}): require the agent, a verified subject, ` +
      'the purpose or the history too, or `input.call.effect == "read"`; if it is meant, say `custom: {tollgate: ' +
      '{asserted: true}}` in its METADATA';
    const { row, col } = clause.rule.location;
    return [{ file: clause.file, line: row, column: col, code: 'asserted_only' as const, message }];
  });
}

function saysAsserted({ clause }: Facts): boolean {
  return clause.annotations.some(({ custom }) => {
    const own = custom?.tollgate;
    return typeof own === 'object' && own !== null && (own as { asserted?: unknown }).asserted === true;
  });
}

type Rules = ReadonlyMap<string, readonly Facts[]>;

/** The places that decide whether the rule holds, in the rules that it needs, too. Its message decides nothing. */
function readBy(facts: Facts, byRule: Rules): Place[] {
  const places: Place[] = [];
  const seen = new Set<string>();
  const take = ({ resolved, alias }: Read) => {
    if (!alias) places.push(...resolved.places);
  };
  const visit = (rule: string): void => {
    if (seen.has(rule)) return;
    seen.add(rule);
    for (const clause of byRule.get(rule) ?? []) {
      clause.reads.forEach(take);
      for (const name of clause.rules.keys()) visit(name);
    }
  };
  facts.reads.filter(({ where }) => where === 'body').forEach(take);
  for (const [name, where] of facts.rules) if (where === 'body') visit(name);
  return places;
}

/** Whether the clause demands an effect, or operations, that only read; by itself or by a rule that it demands. */
function readsOnly(facts: Facts, byRule: Rules, world: LintWorld | null, within: readonly string[] = []): boolean {
  return facts.demands.some(({ comparison, rule }) => {
    if (comparison !== null && comparesReads(comparison, world)) return true;
    if (rule === null || within.includes(rule)) return false;
    const clauses = byRule.get(rule) ?? [];
    return clauses.length > 0 && clauses.every((one) => readsOnly(one, byRule, world, [...within, rule]));
  });
}

function comparesReads(comparison: NonNullable<Demand['comparison']>, world: LintWorld | null): boolean {
  const { resolved, literals, allLiterals } = comparison;
  const [place, ...others] = resolved.places;
  // A list with more in it than texts may hold anything.
  if (!allLiterals) return false;
  if (place === undefined || others.length > 0 || !resolved.complete || place[0] !== 'call' || place.length !== 2)
    return false;
  if (place[1] === 'effect') return literals.every(({ text }) => text === 'read');
  if (place[1] !== 'operation' || world === null) return false;
  return literals.every(({ text }) => world.operations.some(({ name, effect }) => name === text && effect === 'read'));
}
