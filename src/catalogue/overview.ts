/**
 * The catalogue of a route as the admin plane shows it. Texts of servers come with everything that is not seen written
 * out; whoever shows them must still take them for hostile.
 */
import type { JsonObject, Operation } from '../call.ts';
import { changesBetween } from './difference.ts';
import type { ToolEntry } from './entries.ts';
import { visible } from './hidden/characters.ts';
import type { RouteTools } from './route-tools.ts';

const descriptionCharsMax = 4_000;

/** The document of a route; `operationOf` finds what a tool is to the routing table. */
export function overviewOf(
  tools: RouteTools,
  operationOf: (name: string) => Operation | undefined,
): JsonObject & { readonly route: string } {
  const { route, rules, entries } = tools;
  return {
    route,
    drift: rules.drift,
    hidden_instructions: rules.hidden,
    accepted_by: rules.configured ? 'config' : 'first_seen',
    targets: tools.standings().map(({ name, listedAtMs, fault }) => ({ name, listed_at: timeOf(listedAtMs), fault })),
    tools: entries.map((entry) => toolOf(entry, operationOf(`${route}.${entry.name}`), `${route}.${entry.name}`)),
  };
}

function toolOf(entry: ToolEntry, operation: Operation | undefined, named: string): JsonObject {
  const { name, state, fault, pin, accepted, targets, others, hidden } = entry;
  const shown = accepted ?? others[0]?.definition ?? null;
  return {
    tool: visible(name),
    operation: named,
    state,
    // What the catalogue offers and the table cannot: a schema that nobody can judge by.
    callable: operation !== undefined && operation.drift !== 'blocked',
    ...(fault === undefined ? {} : { fault }),
    effect: operation?.effect ?? null,
    description: shown?.description === undefined ? null : visible(shown.description).slice(0, descriptionCharsMax),
    accepted: pin === null ? null : { hash: pin.hash, at: timeOf(pin.atMs || null), by: pin.by, targets },
    found: others.map((other) => ({
      hash: other.hash,
      targets: other.targets,
      changes: accepted === null ? [] : changesBetween(accepted, other.definition).map((change) => ({ ...change })),
    })),
    hidden: hidden.map(({ kind, where, excerpt }) => ({ kind, where, excerpt })),
  };
}

function timeOf(ms: number | null): string | null {
  return ms === null ? null : new Date(ms).toISOString();
}
