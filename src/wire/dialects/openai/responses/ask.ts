/**
 * What a responses request asks of a model, read from its body: limits, tools, fields that act outside the gate, and an
 * upper bound of its prompt. The body is judged by `responsesFaults` before; here wrong types only mean "nothing".
 */
import type { Json, JsonObject, ModelAsk, ModelTool } from '../../../../call.ts';
import { type ObjectField, rowOf, stands } from '../../../field-class.ts';
import { listOf, objectOf, textOf } from '../../../json-value.ts';
import { type PromptBounds, promptBounds } from '../../../prompt-bounds.ts';
import { tierServices } from '../../../services.ts';
import {
  itemFields,
  partFields,
  partMembers,
  partTokens,
  requestFields,
  sourceFields,
  templateTokens,
  toolFields,
} from './fields.ts';
import { isReference, typeOf } from './ids.ts';

/** How many kinds of one request are told apart. */
const standingMax = 256;

/** Whether `ask` may lack kinds that its request has: no policy could deny them. */
export function isCutShort({ tools }: ModelAsk): boolean {
  return tools.length > standingMax && tools.filter(({ kind }) => kind.startsWith('field:')).length > standingMax;
}

/** What `body` asks for; `name` is the route, `named` what is known of the tokens that its references stand for. */
export function readAsk(name: string, body: JsonObject, named: number | null): ModelAsk {
  const items = listOf(body.input).map(objectOf);
  return {
    name,
    maxTokens: typeof body.max_output_tokens === 'number' ? body.max_output_tokens : null,
    tools: toolsAndFields(body, items),
    ...promptOf(body, items, named),
    ...tierServices(body.service_tier),
    // A conversation that is written down in short has two answers.
    choices:
      listOf(body.context_management).length > 0 || items.some(({ type }) => type === 'compaction_trigger') ? 2 : 1,
  };
}

/** The definitions of tools, also those that come along with items. */
function toolsOf(body: JsonObject, items: readonly JsonObject[]): readonly JsonObject[] {
  const carrying = items.filter(({ type }) => type === 'additional_tools' || type === 'tool_search_output');
  return [body, ...carrying].flatMap(({ tools }) => listOf(tools).map(objectOf));
}

function toolsAndFields(body: JsonObject, items: readonly JsonObject[]): readonly ModelTool[] {
  const found = new Found();
  for (const tool of toolsOf(body, items)) found.tool(tool);
  for (const [name, value] of Object.entries(body)) found.field(rowOf(requestFields, name), name, value);
  for (const item of items) found.item(item);
  const { variables } = objectOf(body.prompt);
  for (const value of Object.values(objectOf(variables))) found.part(objectOf(value as Json));
  return found.tools();
}

/** What stands in `tools`, as it is found: the tools in their order, then everything else that acts outside the gate. */
class Found {
  readonly #tools: ModelTool[] = [];
  /** By kind, each once. */
  readonly #standing = new Map<string, ModelTool>();

  tools(): readonly ModelTool[] {
    return [...this.#tools, ...this.#standing.values()];
  }

  tool(tool: JsonObject): void {
    const kind = textOf(tool.type);
    this.#members(rowOf(toolFields, kind), 'tools', tool);
    if (kind === 'namespace') for (const inner of listOf(tool.tools)) this.tool(objectOf(inner));
    else this.#tools.push({ name: textOf(tool.name) || textOf(tool.server_label) || kind, kind });
  }

  item(item: JsonObject): void {
    const type = typeOf(item);
    this.field(rowOf(itemFields, type), `input.${type}`, item);
    for (const name of partMembers) {
      const value = item[name];
      if (Array.isArray(value)) for (const part of value) this.part(objectOf(part as Json));
      else this.part(objectOf(value));
    }
  }

  /** A part of content; text in place of one has nothing to say here. */
  part(part: JsonObject): void {
    const type = textOf(part.type);
    if (type === '') return;
    this.field(rowOf(partFields, type), `input.content.${type}`, part);
    for (const [name, row] of Object.entries(sourceFields)) {
      const value = part[name] ?? null;
      if (stands(row, value) && !isInline(name, value)) this.#stand(`input.${name}`);
    }
  }

  /** A field by its row, and what is in it where that is known. */
  field(row: ObjectField | undefined, name: string, value: Json): void {
    if (stands(row, value)) this.#stand(name);
    else if (row !== undefined) this.#members(row, name, objectOf(value));
  }

  #members(row: ObjectField | undefined, name: string, value: JsonObject): void {
    if (row?.members === undefined) return;
    for (const [inner, given] of Object.entries(value)) {
      if (!row.members.includes(inner) && given !== null) this.#stand(`${name}.${inner}`);
    }
  }

  #stand(name: string): void {
    // One more than may be, so that it shows.
    if (this.#standing.size <= standingMax) this.#standing.set(name, { name, kind: `field:${name}` });
  }
}

function isInline(name: string, value: Json): boolean {
  return name === 'image_url' && /^data:image\//i.test(textOf(value));
}

/** The text of a prompt, and bounds for templates, media and what the provider adds of its own. */
function promptOf(body: JsonObject, items: readonly JsonObject[], named: number | null): PromptBounds {
  const texts: string[] = [];
  let otherTokens: number = templateTokens.request;
  for (const name of ['instructions', 'tools', 'text', 'tool_choice', 'prompt']) {
    const value = body[name] ?? null;
    if (value !== null) texts.push(typeof value === 'string' ? value : JSON.stringify(value));
  }
  if (typeof body.input === 'string') texts.push(body.input);
  for (const item of items) {
    otherTokens += templateTokens.item;
    for (const [name, value] of Object.entries(item)) {
      if (name === 'id' || name === 'status') continue;
      if (typeof value === 'string') {
        // What the provider encrypted has no more tokens than bytes; a picture has a bound of its own.
        if (name === 'result' && item.type === 'image_generation_call') otherTokens += partTokens.image;
        else texts.push(value);
      } else otherTokens += partsOf(name, value, texts);
    }
  }
  const tools = toolsOf(body, items);
  otherTokens += tools.length * templateTokens.tool;
  const refers = (body.previous_response_id ?? null) !== null || items.some(isReference);
  const isUnknown = readsKept(body, items, tools) || (refers && named === null);
  otherTokens += (isUnknown ? partTokens.kept : 0) + (refers ? (named ?? 0) : 0);
  return promptBounds({ texts, otherTokens });
}

/** Adds the text in a member of an item to `texts`; gives the bound for what is none. */
function partsOf(name: string, value: Json, texts: string[]): number {
  if (!partMembers.includes(name)) {
    texts.push(JSON.stringify(value));
    return 0;
  }
  let tokens = 0;
  for (const item of Array.isArray(value) ? value : [value]) {
    const part = objectOf(item as Json);
    const { text, ...rest } = part;
    const media = mediaTokensMax(part);
    if (media === undefined) texts.push(JSON.stringify(rest), textOf(text));
    else tokens += media;
  }
  return tokens;
}

/** Undefined for what is text. */
function mediaTokensMax(part: JsonObject): number | undefined {
  switch (part.type) {
    case 'input_image':
    case 'computer_screenshot':
      return partTokens.image;
    case 'input_audio':
      return Math.ceil(textOf(objectOf(part.input_audio).data).length / partTokens.audioBytesPerToken);
    case 'input_file':
      // Of a file the provider may read text and pictures of its pages; one that lies elsewhere can be of any length.
      return partTokens.kept;
    default:
      return undefined;
  }
}

/** Whether the provider adds to the prompt what nobody knows the length of. */
function readsKept(body: JsonObject, items: readonly JsonObject[], tools: readonly JsonObject[]): boolean {
  const given = (name: string): boolean => (body[name] ?? null) !== null;
  return (
    ['conversation', 'prompt'].some(given) ||
    items.some(({ type }) => type === 'mcp_approval_response') ||
    tools.some(({ type }) => rowOf(toolFields, textOf(type))?.class !== 'inert')
  );
}
