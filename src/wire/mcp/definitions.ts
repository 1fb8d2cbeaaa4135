/** Definitions of tools out of documents that others have written: a file of the configuration, a record of the store. */
import type { JsonObject, ToolDefinition } from '../../call.ts';

/** Whether `value` has the shape of a definition. */
export function isToolDefinition(value: unknown): value is ToolDefinition {
  if (!isObject(value)) return false;
  const { name, title, description, inputSchema, outputSchema, annotations, rest } = value;
  return (
    typeof name === 'string' &&
    name !== '' &&
    isObject(inputSchema) &&
    [title, description].every((text) => text === undefined || typeof text === 'string') &&
    [outputSchema, annotations, rest].every((one) => one === undefined || isObject(one))
  );
}

/** The tools of `{tools: [...]}` as a server lists them, each name once; else what is wrong. */
export function toolDefinitions(
  document: unknown,
): { readonly tools: readonly ToolDefinition[] } | { readonly fault: string } {
  const listed = isObject(document) ? document.tools : undefined;
  if (!Array.isArray(listed)) return { fault: 'there is no list `tools`' };
  const tools = listed.map((one: unknown) => (isObject(one) ? definitionOf(one as JsonObject) : one));
  const wrong = tools.findIndex((one) => !isToolDefinition(one));
  if (wrong !== -1) return { fault: `tools[${wrong}] is no definition with a name and an inputSchema` };
  const names = (tools as ToolDefinition[]).map(({ name }) => name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  return twice === undefined ? { tools: tools as ToolDefinition[] } : { fault: `${twice} is there twice` };
}

function definitionOf(listed: JsonObject): unknown {
  const { name, title, description, inputSchema, outputSchema, annotations, ...rest } = listed;
  const said = { name, title, description, inputSchema, outputSchema, annotations };
  const given = Object.fromEntries(Object.entries(said).filter(([, value]) => value !== undefined));
  return Object.keys(rest).length === 0 ? given : { ...given, rest };
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
