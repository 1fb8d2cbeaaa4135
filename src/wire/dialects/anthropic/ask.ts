/**
 * What a messages request asks of a model, read from its body: limits, tools, fields that act outside the gate, and an
 * upper bound of its prompt. The body is judged by `messagesFaults` before; here wrong types only mean "nothing".
 */
import type { Json, JsonObject, ModelAsk, ModelTool } from '../../../call.ts';
import { rowOf, stands } from '../../field-class.ts';
import { listOf, objectOf, textOf } from '../../json-value.ts';
import { speedServices } from '../../services.ts';
import { betaFields } from './betas.ts';
import { promptOf, readTwice } from './bound.ts';
import {
  blockFields,
  editFields,
  furtherToolMembers,
  messageFields,
  nestingMembers,
  type ObjectField,
  requestFields,
  sourceFields,
  toolMembers,
} from './fields.ts';

/** How many kinds of one request are told apart. */
const standingMax = 256;

/** Whether `ask` may lack kinds that its request has: no policy could deny them. */
export function isCutShort({ tools }: ModelAsk): boolean {
  return tools.length > standingMax && tools.filter(({ kind }) => /^(?:field|beta):/.test(kind)).length > standingMax;
}

/** What `body` asks for; `name` is the route. The parameters that travel as headers stand among its members. */
export function readAsk(name: string, body: JsonObject): ModelAsk {
  return {
    name,
    maxTokens: typeof body.max_tokens === 'number' ? body.max_tokens : null,
    tools: toolsAndFields(body),
    ...promptOf(body),
    ...speedServices(body),
    // What a thread goes on from lies at the provider, and may have asked for it.
    cacheWrites: asksForCache(body) || (body.thread ?? null) !== null,
    // A conversation that is written down in short has two answers: the summary is another one, as long as it likes.
    choices: readTwice(body) ? 2 : 1,
  };
}

/** Whether a `cache_control` stands at any depth, also where it means nothing: then too much is held, never too little. */
function asksForCache(value: Json): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (Array.isArray(value)) return value.some(asksForCache);
  return Object.entries(value).some(([name, inner]) =>
    name === 'cache_control' ? inner !== null : asksForCache(inner),
  );
}

/** A count asks for the same, but nothing of it is billed: it has no bound. */
export function readCountAsk(name: string, body: JsonObject): ModelAsk {
  return { name, maxTokens: 0, tools: toolsAndFields(body), promptTokensMax: 0, choices: 1 };
}

function toolsAndFields(body: JsonObject): readonly ModelTool[] {
  const found = new Found();
  for (const tool of listOf(body.tools)) found.tool(objectOf(tool));
  for (const [name, value] of Object.entries(body)) found.field(rowOf(requestFields, name), name, value);
  for (const edit of listOf(objectOf(body.context_management).edits)) {
    const type = textOf(objectOf(edit).type);
    found.field(rowOf(editFields, type), `context_management.edits.${type}`, edit);
  }
  found.blocks(body.system ?? null, 'system');
  for (const item of listOf(body.messages)) {
    const message = objectOf(item);
    for (const [name, value] of Object.entries(message)) {
      found.field(rowOf(messageFields, name), `messages.${name}`, value);
    }
    found.blocks(message.content ?? null, 'messages.content');
  }
  for (const beta of listOf(body.betas)) found.beta(textOf(beta));
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

  /** A tool without a type is the client's own, and is called through the gate; any other stands by its type. */
  tool(tool: JsonObject): void {
    const type = textOf(tool.type) || 'custom';
    const kind = type === 'custom' ? 'function' : type;
    this.#tools.push({ name: textOf(tool.name) || textOf(tool.mcp_server_name) || kind, kind });
    const further = Object.entries(furtherToolMembers).filter(([beginning]) => type.startsWith(beginning));
    const known = new Set([...toolMembers, ...further.flatMap(([, members]) => members.split(' '))]);
    for (const [name, value] of Object.entries(tool)) {
      if (!known.has(name) && value !== null) this.#stand(`tools.${name}`, 'field');
    }
  }

  beta(name: string): void {
    if (stands(rowOf(betaFields, name), true)) this.#stand(name, 'beta');
  }

  /** A field by its row, and what is in it where that is known. */
  field(row: ObjectField | undefined, name: string, value: Json): void {
    if (stands(row, value)) this.#stand(name, 'field');
    else if (row?.members !== undefined) {
      for (const [inner, given] of Object.entries(objectOf(value))) {
        if (!row.members.includes(inner) && given !== null) this.#stand(`${name}.${inner}`, 'field');
      }
    }
  }

  /** Blocks of content at any depth; text that stands in place of them has nothing to say here. */
  blocks(value: Json, at: string): void {
    if (Array.isArray(value)) for (const item of value) this.blocks(item as Json, at);
    else if (typeof value === 'object' && value !== null) this.#block(value as JsonObject, at);
  }

  #block(block: JsonObject, at: string): void {
    const type = textOf(block.type);
    this.field(rowOf(blockFields, type), `${at}.${type}`, block);
    const source = objectOf(block.source);
    if (Object.keys(source).length > 0) {
      const from = textOf(source.type);
      this.field(rowOf(sourceFields, from), `${at}.${type}.${from}`, source);
      if (from === 'content') this.blocks(source.content ?? null, at);
    }
    if (type === 'tool_definition') this.tool(objectOf(block.definition));
    for (const name of nestingMembers) this.blocks(block[name] ?? null, at);
  }

  #stand(name: string, as: 'field' | 'beta'): void {
    const kind = `${as}:${name}`;
    // One more than may be, so that it shows.
    if (this.#standing.size <= standingMax) this.#standing.set(kind, { name, kind });
  }
}
