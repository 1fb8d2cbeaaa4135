/**
 * An upper bound of the prompt of a messages request: a token of a byte-level tokenizer is at least one byte, so the
 * UTF-8 bytes of everything that becomes prompt are one. Images, documents and what only the provider knows have bounds
 * of their own, as data.
 */
import type { Json, JsonObject } from '../../../call.ts';
import { rowOf } from '../../field-class.ts';
import { listOf, objectOf, textOf } from '../../json-value.ts';
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

/** Never less than the tokens of the prompt of `body`. */
export function promptTokensMax(body: JsonObject): number {
  let tokens = templateTokens.request + contentTokens(body.system ?? null);
  for (const name of promptFields) {
    const value = body[name];
    if (value !== undefined && value !== null) tokens += bytesOf(value);
  }
  const tools = listOf(body.tools);
  if (tools.length > 0) tokens += templateTokens.tools;
  for (const tool of tools) tokens += toolTokens(objectOf(tool));
  for (const item of listOf(body.messages)) {
    const { content = null, ...rest } = objectOf(item);
    tokens += templateTokens.message + bytesOf(rest) + contentTokens(content);
  }
  if (readTwice(body)) tokens *= 2;
  return tokens + (readsBeyond(body) ? partTokens.beyond : 0);
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

function toolTokens(tool: JsonObject): number {
  return templateTokens.tool + (typeOf(tool) === 'custom' ? 0 : templateTokens.knownTool) + bytesOf(tool);
}

/** Of a text, or of blocks at any depth. */
function contentTokens(value: Json): number {
  if (Array.isArray(value)) return value.reduce((sum: number, item: Json) => sum + contentTokens(item), 0);
  if (typeof value !== 'object' || value === null) return bytesOf(value);
  const block = value as JsonObject;
  const { content = null, source = null, ...rest } = block;
  return templateTokens.message + bytesOf(rest) + contentTokens(content) + sourceTokens(textOf(block.type), source);
}

/** What `source` of a block of `type` holds; of a search result it is text. */
function sourceTokens(type: string, source: Json): number {
  const { type: from, content = null, data = null } = objectOf(source);
  if (from === undefined) return bytesOf(source);
  if (from === 'text') return bytesOf(data);
  if (from === 'content') return contentTokens(content);
  return type === 'image' ? partTokens.image : partTokens.document;
}

function bytesOf(value: Json): number {
  if (value === null) return 0;
  return Buffer.byteLength(typeof value === 'string' ? value : JSON.stringify(value));
}
