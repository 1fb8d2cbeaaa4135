/**
 * What has changed between two definitions, member by member, for a person who is to accept it. Texts come as texts, with
 * what is invisible written out; everything else as JSON.
 */
import type { Json, ToolDefinition } from '../call.ts';
import { child } from '../wire/pointer.ts';
import { visible } from './hidden/characters.ts';

/** A member that is another now; null: it is not there. */
export interface Change {
  /** JSON pointer into the definition. */
  readonly where: string;
  readonly before: string | null;
  readonly after: string | null;
}

const changesMax = 200;
const textCharsMax = 8_000;
const depthMax = 32;

/** All changes from `before` to `after`, at most 200; none if they are equal. */
export function changesBetween(before: ToolDefinition, after: ToolDefinition): readonly Change[] {
  const changes: Change[] = [];
  compare(shown(before), shown(after), '', 0, changes);
  return changes.slice(0, changesMax);
}

/** What came beside the known members stands beside them, as its server wrote it. */
function shown({ rest = {}, ...said }: ToolDefinition): Json {
  return { ...rest, ...said } as unknown as Json;
}

function compare(
  before: Json | undefined,
  after: Json | undefined,
  where: string,
  depth: number,
  changes: Change[],
): void {
  if (changes.length >= changesMax) return;
  if (depth < depthMax && isTree(before) && isTree(after) && Array.isArray(before) === Array.isArray(after)) {
    const [one, other] = [Object.entries(before), Object.entries(after)].map(
      (members) => new Map<string, Json>(members),
    );
    for (const name of new Set([...(one as Map<string, Json>).keys(), ...(other as Map<string, Json>).keys()])) {
      compare(one?.get(name), other?.get(name), child(where, name), depth + 1, changes);
    }
    return;
  }
  const [from, to] = [textOf(before), textOf(after)];
  if (JSON.stringify(before) !== JSON.stringify(after)) changes.push({ where, before: from, after: to });
}

function isTree(value: Json | undefined): value is Exclude<Json, null | boolean | number | string> {
  return typeof value === 'object' && value !== null;
}

function textOf(value: Json | undefined): string | null {
  if (value === undefined) return null;
  const text = visible(typeof value === 'string' ? value : JSON.stringify(value, null, 2));
  return text.length > textCharsMax ? `${text.slice(0, textCharsMax)}…` : text;
}
