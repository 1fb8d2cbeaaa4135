/**
 * The tools that a task may call, as `tools/list` shows them: what its toolset, its token and its plan hold, of routes that
 * are not suspended, without those whose definition is blocked. What a reader would get wrong: what the policy denies by
 * the arguments, the state of the task or a finding cannot be told beforehand; such a tool is listed, and the call judged.
 */
import type { JsonObject, Operation, TaskRecord } from '../../call.ts';
import { inToolset, type Toolset } from '../../toolset.ts';
import { toolEntry } from '../../wire/dialects/mcp/tool-entry.ts';

/** Tools on one page, and their bytes; a page holds at least one. */
const pageTools = 200;
const pageBytes = 1_048_576;
const cursorCharsMax = 512;

/** Whether a task may call an operation at all, as far as that hangs on no arguments. */
export function mayCall(
  { tools, plan }: Pick<TaskRecord, 'tools' | 'plan'>,
  scope: Toolset,
  operation: Operation,
): boolean {
  if (operation.drift === 'blocked' || !inToolset(tools, operation) || !inToolset(scope, operation)) return false;
  return plan === undefined || plan.some((step) => inToolset([step.operation], operation));
}

/** The tools among `operations` as a client of `version` sees them, by name; `aggregated`: those of many routes. */
export function toolEntries(
  operations: readonly Operation[],
  shown: { readonly aggregated: boolean; readonly version: string },
): readonly JsonObject[] {
  const entries = operations.map((operation) => toolEntry(operation, shown)).filter((entry) => entry !== undefined);
  return entries.toSorted((one, other) => (String(one.name) < String(other.name) ? -1 : 1));
}

/**
 * The page behind `cursor`, and the cursor of the next. Names order the list, so that tools that come or go between two
 * pages move no other. Undefined for a cursor that is none of ours.
 */
export function toolPage(
  named: readonly JsonObject[],
  cursor: unknown,
): { readonly tools: readonly JsonObject[]; readonly nextCursor?: string } | undefined {
  const after = cursor === undefined ? '' : readCursor(cursor);
  if (after === undefined) return undefined;
  const rest = named.filter(({ name }) => after === '' || String(name) > after);
  const tools: JsonObject[] = [];
  let bytes = 0;
  for (const tool of rest) {
    bytes += Buffer.byteLength(JSON.stringify(tool));
    if (tools.length > 0 && (tools.length >= pageTools || bytes > pageBytes)) break;
    tools.push(tool);
  }
  const last = tools.at(-1);
  return tools.length === rest.length || last === undefined
    ? { tools }
    : { tools, nextCursor: cursorOf(String(last.name)) };
}

function cursorOf(name: string): string {
  return Buffer.from(JSON.stringify({ after: name })).toString('base64url');
}

function readCursor(cursor: unknown): string | undefined {
  if (typeof cursor !== 'string' || cursor.length > cursorCharsMax) return undefined;
  try {
    const { after } = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8')) as { after?: unknown };
    return typeof after === 'string' && after !== '' ? after : undefined;
  } catch {
    return undefined;
  }
}
