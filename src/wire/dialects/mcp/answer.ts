/**
 * What a server answered to one request, and what its client is told. The body that a policy sees, and that pointers are
 * into, is the `result`; of an error `{error}`. What a reader would get wrong: structured content often stands in the text
 * as well. Such a text is not looked at for itself: it is written anew from what it repeats, so that what is taken out of
 * one is not left in the other.
 */
import type { Answer, AnswerHead, Json, JsonObject, Segment } from '../../../call.ts';
import { parseAnswerJson, parseAnswerText, rawNumber } from '../../json.ts';
import { capabilityFault, internalFault, isMcpFault, McpFault } from '../../mcp/fault.ts';
import { errorText, messageOf, objectIn, type RpcError, resultText } from '../../mcp/message.ts';
import { errorFor, missingFor, resultFor, statusOfError, urlQuestions } from '../../mcp/translate.ts';
import { isModern } from '../../mcp/versions.ts';
import { type Classify, EditableJson } from '../../segments.ts';
import type { McpAsked } from './asked.ts';
import { opaqueReading } from './inputs.ts';
import { renamed } from './rename.ts';

export class McpAnswer implements Answer {
  readonly head: AnswerHead;
  readonly usage = null;
  readonly proposals = [];
  readonly text = '';
  /** Whether the tool says that it failed, or the server that it could not answer; in HTTP both are 200. */
  readonly failed: boolean;
  readonly #asked: McpAsked;
  readonly #route: string;
  readonly #document: EditableJson | null;
  /** Texts that repeat the structured content. */
  readonly #twins: ReadonlySet<string>;

  constructor(head: AnswerHead, body: Buffer, asked: McpAsked, route: string) {
    this.head = head;
    this.#asked = asked;
    this.#route = route;
    const document = documentOf(body, asked);
    const twins = document === undefined ? new Map<string, string>() : twinsOf(document);
    this.#twins = new Set(twins.values());
    const reading: Classify = (text, key, where, siblings) =>
      twins.has(where) ? 'skip' : opaqueReading(text, key, where, siblings);
    this.#document = document === undefined ? null : new EditableJson(document, reading);
    this.failed = document === undefined || document.error !== undefined || document.isError === true;
  }

  get body(): Json {
    const value = this.#document?.value;
    // Numbers beyond 2^53 are rounded here, not on the wire.
    return value === undefined ? null : (JSON.parse(JSON.stringify(value)) as Json);
  }

  segments(): readonly Segment[] {
    return this.#document?.segments() ?? [];
  }

  drop(where: string): void {
    this.#document?.drop(where);
  }

  encode(): { readonly head: AnswerHead; readonly body: Buffer } {
    const { id } = this.#asked.message;
    const told = this.#told();
    const [status, text] = isMcpFault(told) ? [told.status, errorText(id, told)] : [200, resultText(id, told)];
    return { head: { status, headers: { 'content-type': 'application/json' } }, body: Buffer.from(text) };
  }

  /** The result as this client takes it, or the error. */
  #told(): JsonObject | McpFault {
    const { message, client, aggregated, gate } = this.#asked;
    const { id, method } = message;
    const document = this.#document?.value as JsonObject | undefined;
    if (document === undefined) {
      return internalFault(id, 'The server gave an answer that is none of MCP', client.version);
    }
    if (document.error !== undefined) {
      const error = errorFor(client.version, document.error as unknown as RpcError);
      return new McpFault(id, error.code, error.message, statusOfError(client.version, error.code), error.data);
    }
    const missing = missingFor(document, client.capabilities);
    if (Object.keys(missing).length > 0) return capabilityFault(id, missing);
    const whole = this.#document?.changed === true ? withTwins(document, this.#twins) : document;
    return resultFor(client.version, method, aggregated ? renamed(this.#route, method, whole) : whole, id, gate);
  }
}

/** The result, or `{error}`; undefined for what is no answer of MCP. */
function documentOf(body: Buffer, { client }: McpAsked): JsonObject | undefined {
  const parsed = parseAnswerJson(body);
  const message = parsed === undefined ? undefined : messageOf(parsed.exact);
  if (message === undefined || isMcpFault(message) || message.kind !== 'response') return undefined;
  if ('result' in message) return message.result;
  const asked = isModern(client.version) ? urlQuestions(message.error) : undefined;
  return asked ?? { error: message.error as unknown as JsonObject };
}

/** The texts among the content that say the structured content again, by their places. */
function twinsOf({ content, structuredContent }: JsonObject): ReadonlyMap<string, string> {
  const twins = new Map<string, string>();
  if (structuredContent === undefined || !Array.isArray(content)) return twins;
  const same = textForm(structuredContent);
  for (const [index, item] of (content as readonly Json[]).entries()) {
    const block = objectIn(item);
    if (block?.type !== 'text' || typeof block.text !== 'string') continue;
    const read = parseAnswerText(block.text);
    if (read !== undefined && textForm(read.exact) === same) twins.set(`/content/${index}/text`, block.text);
  }
  return twins;
}

/** One form of a value. Numbers beyond 2^53 are as they were written, so that two of them are not taken for one. */
function textForm(value: Json): string {
  if (Array.isArray(value)) return `[${value.map(textForm).join()}]`;
  const object = rawNumber(value) === undefined ? objectIn(value) : undefined;
  if (object === undefined) return JSON.stringify(value);
  const names = Object.keys(object).sort();
  return `{${names.map((name) => `${JSON.stringify(name)}:${textForm(object[name] as Json)}`).join()}}`;
}

/** Writes anew what repeats the structured content; where that is gone, so are they. */
function withTwins(result: JsonObject, twins: ReadonlySet<string>): JsonObject {
  const { content, structuredContent } = result;
  if (twins.size === 0 || !Array.isArray(content)) return result;
  const isTwin = (item: Json) => twins.has(String(objectIn(item)?.text));
  if (structuredContent === undefined) return { ...result, content: content.filter((item: Json) => !isTwin(item)) };
  const text = JSON.stringify(structuredContent);
  return { ...result, content: content.map((item: Json) => (isTwin(item) ? { ...objectIn(item), text } : item)) };
}
