/**
 * The definition of a tool as it is pinned: everything that a server says of it but `_meta`, which servers change at will
 * and which is never shown. What a reader would get wrong: two definitions are the same if their JCS forms are, so the
 * order of members and the spelling of numbers is no change.
 */
import { createHash } from 'node:crypto';
import type { Json, ToolDefinition } from '../call.ts';
import { canonical } from '../wire/canonical.ts';

/** Of its JCS form, in bytes. */
const definitionBytesMax = 65_536;
/** Tools of one route. */
export const toolsMax = 512;

/** A definition that can be pinned, with its hash. */
export interface Pinnable {
  readonly definition: ToolDefinition;
  /** Lower-case hex SHA-256 over its JCS form. */
  readonly hash: string;
}

/** The definition to pin; else why it cannot be: too large, or no JSON. */
export function pinnable(found: ToolDefinition): Pinnable | { readonly fault: string } {
  const { rest, ...said } = found;
  const { _meta, ...more } = rest ?? {};
  const definition: ToolDefinition = Object.keys(more).length === 0 ? said : { ...said, rest: more };
  try {
    const text = canonical(JSON.parse(JSON.stringify(definition)) as Json);
    const bytes = Buffer.byteLength(text);
    if (bytes > definitionBytesMax) {
      return { fault: `its definition has ${bytes} bytes, and ${definitionBytesMax} are the most` };
    }
    return { definition: JSON.parse(text) as ToolDefinition, hash: createHash('sha256').update(text).digest('hex') };
  } catch {
    return { fault: 'its definition is no JSON that can be compared' };
  }
}

/** By their names; what cannot be pinned is not there. */
export function pinnables(definitions: readonly ToolDefinition[]): ReadonlyMap<string, Pinnable> {
  return new Map(
    definitions.flatMap((definition) => {
      const one = pinnable(definition);
      return 'hash' in one ? [[definition.name, one] as const] : [];
    }),
  );
}
