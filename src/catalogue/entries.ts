/**
 * What becomes of each tool of a route, from what its targets define, what was accepted and what the configuration says.
 * What a reader would get wrong: one definition is in force for all targets of a route, the accepted one as long as any of
 * them has it. A call goes to those that define it exactly so, and to no other.
 */
import type { OfferedTool, ToolDefinition } from '../call.ts';
import { type Pinnable, pinnable, toolsMax } from './definition.ts';
import type { CleanedDocument, HiddenAt } from './hidden/definition.ts';
import type { Pin, PinSet } from './pins.ts';

/**
 * `accepted`: offered as it was accepted. `drifted`: another one is found everywhere, and it is blocked; `flagged`: the
 * same, and it goes on. `away`: no target was found to define it, and some could not be asked. `gone`: no target defines
 * it any more. `hidden`: not offered for the instructions in it. `unlisted`: the tools file of the route does not have it.
 * `refused`: it cannot be offered at all.
 */
export type ToolState = 'accepted' | 'drifted' | 'flagged' | 'away' | 'gone' | 'hidden' | 'unlisted' | 'refused';

/** A definition that targets were found with. */
export interface FoundDefinition extends Pinnable {
  readonly targets: readonly string[];
}

export interface ToolEntry {
  readonly name: string;
  readonly state: ToolState;
  /** Why it is refused. */
  readonly fault?: string;
  readonly pin: Pin | null;
  readonly accepted: ToolDefinition | null;
  /** Targets that define it as it was accepted. */
  readonly targets: readonly string[];
  /** Definitions that are not the accepted one, in the order of the targets. */
  readonly others: readonly FoundDefinition[];
  /** Suspicious places of the definition in force. */
  readonly hidden: readonly HiddenAt[];
  /** What agents have of it; null for nothing. */
  readonly offered: OfferedTool | null;
}

/** What one target was found to define. */
export interface Listing {
  readonly tools: ReadonlyMap<string, Pinnable>;
  /** Tools that cannot be pinned, and why. */
  readonly refused: ReadonlyMap<string, string>;
}

/** What `found` says of one target. A tool that is defined twice is none. */
export function listingOf(found: readonly ToolDefinition[]): Listing {
  const tools = new Map<string, Pinnable>();
  const refused = new Map<string, string>();
  for (const definition of found.slice(0, toolsMax)) {
    const one = pinnable(definition);
    const { name } = definition;
    if ('fault' in one) refused.set(name, one.fault);
    else if (tools.has(name) || refused.has(name)) refused.set(name, 'its server defines it twice');
    else tools.set(name, one);
  }
  for (const name of refused.keys()) tools.delete(name);
  for (const { name } of found.slice(toolsMax, 2 * toolsMax)) {
    if (!tools.has(name)) refused.set(name, `its server has more than ${toolsMax} tools`);
  }
  return { tools, refused };
}

export interface EntryRules {
  readonly drift: 'block' | 'flag';
  readonly hidden: 'strip' | 'block' | 'flag';
  /** The accepted ones stand in the configuration: what is not there is not offered. */
  readonly configured: boolean;
}

export interface EntryParts {
  readonly rules: EntryRules;
  /** Names of the targets, in their order. */
  readonly targets: readonly string[];
  /** By target; a target that was never asked has none. */
  readonly listings: ReadonlyMap<string, Listing>;
  readonly pins: PinSet;
  readonly definitionOf: (hash: string) => ToolDefinition | undefined;
  readonly clean: (one: Pinnable) => CleanedDocument<ToolDefinition>;
}

/** All tools that are known of a route, by name. */
export function entriesOf(parts: EntryParts): readonly ToolEntry[] {
  const names = new Set(parts.pins.keys());
  for (const { tools, refused } of parts.listings.values()) {
    for (const name of [...tools.keys(), ...refused.keys()]) names.add(name);
  }
  return [...names].toSorted().map((name) => entryOf(name, parts));
}

function entryOf(name: string, parts: EntryParts): ToolEntry {
  const { rules, pins, listings } = parts;
  const pin = pins.get(name) ?? null;
  const found = foundOf(name, parts);
  const same = found.find(({ hash }) => hash === pin?.hash);
  const others = found.filter((one) => one !== same);
  const accepted = same?.definition ?? (pin === null ? null : (parts.definitionOf(pin.hash) ?? null));
  const known = { name, pin, accepted, targets: same?.targets ?? [], others };
  const without = (state: ToolState, more: Partial<ToolEntry> = {}): ToolEntry => ({
    ...{ ...known, state, hidden: [], offered: null },
    ...more,
  });
  if (found.length === 0) {
    const fault = [...listings.values()].flatMap(({ refused }) => refused.get(name) ?? [])[0];
    if (fault !== undefined) return without('refused', { fault });
    // A server that was not asked yet may still have it.
    if (parts.targets.every((target) => listings.has(target)) || accepted === null) return without('gone');
  }
  if (pin === null) {
    if (rules.configured) return without('unlisted');
    return without('refused', { fault: 'more tools were seen on this route than are remembered' });
  }
  const state: ToolState =
    same !== undefined ? 'accepted' : found.length === 0 ? 'away' : rules.drift === 'flag' ? 'flagged' : 'drifted';
  const inForce =
    state === 'flagged' ? others[0] : accepted === null ? undefined : { hash: pin.hash, definition: accepted };
  // The accepted one is lost, which changes nothing for a tool that is not called.
  const shown = inForce ?? (others[0] as FoundDefinition);
  const { document, hidden, unfit } = parts.clean(shown);
  const isHidden = hidden.length > 0 && (rules.hidden === 'block' || (rules.hidden === 'strip' && unfit));
  if (isHidden && state !== 'drifted') return without('hidden', { hidden });
  const offered: OfferedTool = {
    definition: rules.hidden === 'flag' ? shown.definition : document,
    hash: shown.hash,
    standing: (target) => standingOf(name, shown.hash, listings.get(target)),
    ...(state === 'drifted' ? { drift: 'blocked' } : state === 'flagged' ? { drift: 'flagged' } : {}),
  };
  return { ...known, state, hidden, offered };
}

function standingOf(name: string, hash: string, listing: Listing | undefined): ReturnType<OfferedTool['standing']> {
  if (listing === undefined) return 'away';
  const defined = listing.tools.get(name);
  if (defined === undefined) return 'missing';
  return defined.hash === hash ? 'offered' : 'drifted';
}

/** What the targets define by this name, equal ones together. */
function foundOf(name: string, { targets, listings }: EntryParts): readonly FoundDefinition[] {
  const found = new Map<string, FoundDefinition>();
  for (const target of targets) {
    const defined = listings.get(target)?.tools.get(name);
    if (defined === undefined) continue;
    const there = found.get(defined.hash);
    found.set(defined.hash, { ...defined, targets: [...(there?.targets ?? []), target] });
  }
  return [...found.values()];
}

/** Equal for entries that agents see no difference between. */
export function fingerprint(entries: readonly ToolEntry[]): string {
  return JSON.stringify(
    entries.map(({ name, state, targets, others, offered }) => [
      ...[name, state, targets, offered?.hash ?? null, others.map(({ hash, targets: found }) => [hash, found])],
    ]),
  );
}
