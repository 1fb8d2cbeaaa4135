/**
 * What the admin plane says of the tools of MCP servers, as text. What a reader would get wrong: every text in it was
 * written by a server that may be hostile; what is not seen comes written out, and the terminal obeys nothing of it.
 */

export interface Change {
  readonly where: string;
  readonly before: string | null;
  readonly after: string | null;
}

export interface Found {
  readonly hash: string;
  readonly targets: readonly string[];
  readonly changes: readonly Change[];
}

export interface CatalogueTool {
  readonly tool: string;
  readonly operation: string;
  readonly state: string;
  readonly fault?: string;
  readonly accepted: {
    readonly hash: string;
    readonly at: string | null;
    readonly by: string;
    readonly targets: readonly string[];
  } | null;
  readonly found: readonly Found[];
  readonly hidden: readonly { readonly kind: string; readonly where: string; readonly excerpt: string }[];
}

export interface CatalogueRoute {
  readonly route: string;
  readonly drift: string;
  readonly hidden_instructions: string;
  readonly targets: readonly {
    readonly name: string;
    readonly listed_at: string | null;
    readonly fault: string | null;
  }[];
  readonly tools: readonly CatalogueTool[];
}

export interface CatalogueDocument {
  readonly routes: readonly CatalogueRoute[];
}

/** Whether a definition was found that is not the accepted one. */
export function isDrifted({ accepted, found }: CatalogueTool): boolean {
  return accepted !== null && found.length > 0;
}

/** What has changed of a tool, and how to accept it. */
export function diffOf({ route, drift }: CatalogueRoute, { tool, accepted, found }: CatalogueTool): string {
  const blocked = drift === 'block' ? 'calls are denied' : 'calls go on, the policy is told';
  const stands = (accepted?.targets.length ?? 0) > 0 ? `still so at ${accepted?.targets.join(', ')}` : blocked;
  const since = accepted?.at === null || accepted?.at === undefined ? '' : `, ${accepted.at}`;
  const lines = [`${route} ${tool}: ${stands}`, `  accepted ${accepted?.hash ?? '-'} (${accepted?.by ?? '-'}${since})`];
  for (const { hash, targets, changes } of found) {
    lines.push(`  found    ${hash} at ${targets.join(', ')}`);
    for (const change of changes) lines.push(...changeLines(change));
    if (changes.length === 0)
      lines.push('    what was accepted is not known any more; look at the whole definition: --json');
  }
  return lines.join('\n');
}

/** Lines that both have stand once; of texts without any, both stand whole. */
function changeLines({ where, before, after }: Change): string[] {
  const [old, now] = [linesOf(before), linesOf(after)];
  const [oldSet, nowSet] = [new Set(old), new Set(now)];
  const removed = old.filter((line) => !nowSet.has(line));
  const added = now.filter((line) => !oldSet.has(line));
  const isMoved = removed.length === 0 && added.length === 0;
  const [shownOld, shownNow] = isMoved ? [old, now] : [removed, added];
  return [`    ${where}`, ...shownOld.map((line) => `      - ${line}`), ...shownNow.map((line) => `      + ${line}`)];
}

function linesOf(text: string | null): string[] {
  return text === null ? [] : text.split('\n');
}

/** Suspicious places of the definition in force. */
export function hiddenLines({ hidden_instructions: does }: CatalogueRoute, { tool, hidden }: CatalogueTool): string[] {
  return hidden.map(({ kind, where, excerpt }) => `  ${tool} ${where}: ${kind} (${does}): ${excerpt}`);
}
