/**
 * An upper bound of the prompt of a messages request: a token of a byte-level tokenizer is at least one byte, so the
 * UTF-8 bytes of everything that becomes prompt are one. Images, documents and what only the provider knows have bounds
 * of their own, as data.
 */
import type { Json, JsonObject } from '../../../call.ts';
import { rowOf } from '../../field-class.ts';
import { listOf, objectOf, textOf } from '../../json-value.ts';
import { type PromptBounds, promptBounds } from '../../prompt-bounds.ts';
import { toolFields } from './fields.ts';

/**
 * In tokens. An image: the largest published count is 4,784. A document in pages, or one that the provider fetches or
 * has: its text is packed or not here, and no prompt is longer than this. The same holds for what tools of the provider
 * read, and for a conversation that it keeps.
 */
export const partTokens = { image: 8_192, document: 1_048_576, beyond: 1_048_576 } as const;

/** What the provider adds around a request, a message, a tool, and for the use of tools at all, in tokens. */
export const templateTokens = { request: 64, message: 16, tool: 32, tools: 1_024, knownTool: 1_024 } as const;

/** Fields besides messages, system and tools whose text becomes prompt. */
const promptFields = ['tool_choice', 'output_config', 'output_format', 'compaction', 'mcp_servers'];

/** The text of the prompt of `body`, and bounds for what is no text or not in the request. */
export function promptOf(body: JsonObject): PromptBounds {
  const prompt = new Prompt();
  prompt.other(templateTokens.request);
  prompt.content(body.system ?? null);
  for (const name of promptFields) prompt.text(body[name] ?? null);
  const tools = listOf(body.tools);
  if (tools.length > 0) prompt.other(templateTokens.tools);
  for (const tool of tools) {
    prompt.other(templateTokens.tool + (typeOf(objectOf(tool)) === 'custom' ? 0 : templateTokens.knownTool));
    prompt.text(tool);
  }
  for (const item of listOf(body.messages)) {
    const { content = null, ...rest } = objectOf(item);
    prompt.other(templateTokens.message);
    prompt.text(rest);
    prompt.content(content);
  }
  const { texts, otherTokens } = prompt;
  const beyond = readsBeyond(body) ? partTokens.beyond : 0;
  if (!readTwice(body)) return promptBounds({ texts, otherTokens: otherTokens + beyond });
  return promptBounds({ texts: [...texts, ...texts], otherTokens: 2 * otherTokens + beyond });
}

/** Whether the provider reads the conversation a second time, to write it down in short. */
export function readTwice(body: JsonObject): boolean {
  if (typeof body.compaction === 'object' && body.compaction !== null) return true;
  return listOf(objectOf(body.context_management).edits).some((edit) =>
    textOf(objectOf(edit).type).startsWith('compact'),
  );
}

/** Whether something becomes prompt that is not in the request: what the provider keeps, or its own tools read. */
function readsBeyond(body: JsonObject): boolean {
  const isSet = (name: string): boolean => body[name] !== undefined && body[name] !== null;
  if (['thread', 'container', 'mcp_servers'].some(isSet)) return true;
  return listOf(body.tools).some((tool) => rowOf(toolFields, typeOf(objectOf(tool)))?.class !== 'inert');
}

function typeOf(tool: JsonObject): string {
  return textOf(tool.type) || 'custom';
}

/** What becomes prompt, as it is found. */
class Prompt {
  readonly texts: string[] = [];
  otherTokens = 0;

  other(tokens: number): void {
    this.otherTokens += tokens;
  }

  /** A text, or what is written as JSON in the prompt. */
  text(value: Json): void {
    if (value !== null) this.texts.push(typeof value === 'string' ? value : JSON.stringify(value));
  }

  /** A text, or blocks at any depth. */
  content(value: Json): void {
    if (Array.isArray(value)) for (const item of value) this.content(item as Json);
    else if (typeof value !== 'object' || value === null) this.text(value);
    else {
      const { content = null, source = null, text = null, ...rest } = value as JsonObject;
      this.other(templateTokens.message);
      this.text(rest);
      this.text(text);
      this.content(content);
      this.#source(textOf(rest.type), source);
    }
  }

  /** What `source` of a block of `type` holds; of a search result it is text. */
  #source(type: string, source: Json): void {
    const { type: from, content = null, data = null } = objectOf(source);
    if (from === undefined) this.text(source);
    else if (from === 'text') this.text(data);
    else if (from === 'content') this.content(content);
    else this.other(type === 'image' ? partTokens.image : partTokens.document);
  }
}
