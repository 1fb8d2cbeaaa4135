/**
 * Hidden instructions in the definition of a tool, or in any document of a server that agents read. What a reader would
 * get wrong: prose can lose a sentence, but a name, an allowed value or a pattern cannot be changed without being another
 * one; what is suspicious there makes the whole unfit to be shown.
 */
import type { Json, JsonObject, ToolDefinition } from '../../call.ts';
import { child } from '../../wire/pointer.ts';
import { cleanText, type Hidden, hiddenInValue } from './scan.ts';

export interface HiddenAt extends Hidden {
  /** JSON pointer. */
  readonly where: string;
}

/** A document without what was suspicious in its prose; `unfit` where something is that could not be taken out. */
export interface CleanedDocument<Document> {
  readonly document: Document;
  readonly hidden: readonly HiddenAt[];
  readonly unfit: boolean;
}

const hiddenMax = 64;
const depthMax = 64;
/** Members that are prose wherever they stand. */
const prose: ReadonlySet<string> = new Set([
  ...['description', 'title', '$comment', 'markdownDescription', 'summary', 'instructions', 'text'],
]);
/** Members that a schema can lose: they say nothing of what fits it. */
const spare: ReadonlySet<string> = new Set([
  'default',
  'example',
  'examples',
  'enumDescriptions',
  'x-enumDescriptions',
]);

/** The definition of a tool; links to `hosts` are its server's own. */
export function cleanDefinition(
  definition: ToolDefinition,
  hosts: readonly string[] = [],
): CleanedDocument<ToolDefinition> {
  const { document, hidden, unfit } = cleanDocument(definition as unknown as JsonObject, hosts);
  return { document: document as unknown as ToolDefinition, hidden, unfit };
}

/** Any document of a server: a list of prompts or resources, what it says of itself. */
export function cleanDocument<Document extends Json>(
  document: Document,
  hosts: readonly string[] = [],
): CleanedDocument<Document> {
  const hidden: HiddenAt[] = [];
  let unfit = false;
  const found = (where: string, some: readonly Hidden[]) => {
    for (const one of some) if (hidden.length < hiddenMax) hidden.push({ ...one, where });
  };
  const clean = (value: Json, where: string, member: string, isSpare: boolean, depth: number): Json | undefined => {
    if (typeof value === 'string') {
      if (prose.has(member) && !isSpare) {
        const cleaned = cleanText(value, hosts);
        found(where, cleaned.hidden);
        return cleaned.text;
      }
      const some = hiddenInValue(value);
      if (some.length === 0) return value;
      found(where, some);
      if (!isSpare) unfit = true;
      return isSpare ? undefined : value;
    }
    if (value === null || typeof value !== 'object') return value;
    if (depth === depthMax) {
      unfit = true;
      return value;
    }
    if (Array.isArray(value)) {
      const items = (value as readonly Json[]).map((item, index) =>
        clean(item, `${where}/${index}`, member, isSpare, depth + 1),
      );
      return items.some((item, index) => item !== value[index]) ? items.filter((item) => item !== undefined) : value;
    }
    const members: [string, Json][] = [];
    for (const [name, inner] of Object.entries(value)) {
      const at = child(where, name);
      const odd = hiddenInValue(name.replaceAll(/[_-]/g, ' '));
      if (odd.length > 0) {
        found(at, odd);
        unfit = true;
      }
      const kept = clean(inner, at, name, isSpare || (spare.has(name) && depth > 0), depth + 1);
      if (kept !== undefined) members.push([name, kept]);
    }
    return Object.fromEntries(members);
  };
  const cleaned = clean(document, '', '', false, 0) as Document;
  return { document: hidden.length === 0 && !unfit ? document : cleaned, hidden, unfit };
}
