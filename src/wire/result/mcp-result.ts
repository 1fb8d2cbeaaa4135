/**
 * Results of MCP as one JSON-RPC response: what is HTML in them as text, and what is too long in pages. What a reader
 * would get wrong: a model reads the blocks and not the headers, so that a result that was cut says so in a block of its
 * own; `structuredContent` keeps its shape, with a part of its longest list.
 */
import type { Json, JsonObject } from '../../call.ts';
import { parseAnswerJson } from '../json.ts';
import { objectOf } from '../json-value.ts';
import { textOfHtml } from './html-text.ts';
import { jsonPages, type Page, textPages } from './pages.ts';

/** Bytes that the note about a cut takes. */
const noteBytes = 768;
/** What must be left for the part of a result that is shown. */
const roomMin = 128;

const isHtml = /^\s*(?:<!doctype html|<html[\s>])/i;

/** The message with its HTML as text; undefined where there is none. */
export function withoutHtml(body: Buffer): Buffer | undefined {
  const message = objectOf(parseAnswerJson(body)?.exact);
  const result = objectOf(message.result);
  let changed = false;
  const plain = (block: Json): Json => {
    const { text, mimeType, resource } = objectOf(block);
    if (resource !== undefined) {
      const inner = plain(resource);
      return inner === resource ? block : { ...(block as JsonObject), resource: inner };
    }
    const said = typeof mimeType === 'string' && /^(?:text\/html|application\/xhtml\+xml)\b/i.test(mimeType);
    if (typeof text !== 'string' || !(said || isHtml.test(text))) return block;
    changed = true;
    return { ...(block as JsonObject), text: textOfHtml(text), ...(said ? { mimeType: 'text/plain' } : {}) };
  };
  const lists = Object.entries(result).map(([name, list]): [string, Json] => {
    return (name === 'content' || name === 'contents') && Array.isArray(list) ? [name, list.map(plain)] : [name, list];
  });
  if (!changed) return undefined;
  return Buffer.from(JSON.stringify({ ...message, result: Object.fromEntries(lists) }));
}

/** A result that was cut: what goes out now, once the cursor of the rest is known, and the rest. */
export interface CutResult {
  readonly rest: readonly Page[];
  readonly contentType: string;
  readonly first: Page;
  /** `rest` is the URI of the page behind it, null for none; `links`: whether its client knows links to resources. */
  readonly encode: (note: string, rest: string | null, links: boolean) => Buffer;
}

/** A message of more than `bytesMax` in pages; undefined where it has nothing that could be cut so far. */
export function cutResult(body: Buffer, bytesMax: number): CutResult | undefined {
  const message = objectOf(parseAnswerJson(body)?.exact);
  const result = objectOf(message.result);
  const name = Array.isArray(result.content) ? 'content' : 'contents';
  const blocks = (Array.isArray(result[name]) ? result[name] : []) as readonly Json[];
  const structured = result.structuredContent;
  const encode =
    (changed: JsonObject, said: readonly Json[]) =>
    (note: string, rest: string | null, links: boolean): Buffer => {
      const link =
        rest === null || !links ? [] : [{ type: 'resource_link', uri: rest, name: 'the rest of this result' }];
      const inResult = [...link, { type: 'text', text: note }];
      const told = [...said, ...(name === 'content' ? inResult : [noteOf(note, rest ?? uriOf(blocks[0]))])];
      return Buffer.from(JSON.stringify({ ...message, result: { ...result, ...changed, [name]: told } }));
    };
  if (structured !== undefined && sizeOf(structured) * 2 > bytesMax) {
    const whole = JSON.stringify(structured);
    // Servers say what they have structured as a text, too.
    const others = blocks.filter((block) => !isSame(objectOf(block).text, whole));
    const around = body.length - sizeOf(structured) - sizeOf(blocks) + sizeOf(others) + noteBytes;
    const room = Math.floor((bytesMax - around) / (1 + swellOf(whole)));
    const [first, ...rest] = (room < roomMin ? undefined : jsonPages(structured, room)) ?? [];
    if (first === undefined) return undefined;
    const shown = [{ type: 'text', text: first.text }, ...others];
    const changed = { structuredContent: JSON.parse(first.text) as Json };
    return { first, rest, contentType: 'application/json', encode: encode(changed, shown) };
  }
  const texts = blocks.map((block) => textOf(block));
  const longest = texts.reduce((most, text, index) => (text.length > (texts[most] ?? '').length ? index : most), 0);
  const text = texts[longest] ?? '';
  const room = bytesMax - (body.length - sizeOf(text)) - noteBytes;
  if (room < roomMin || text === '') return undefined;
  const parsed = parseAnswerJson(Buffer.from(text));
  const swell = swellOf(text);
  const pages =
    (parsed === undefined ? undefined : jsonPages(parsed.exact, Math.floor(room / swell))) ??
    textPages(text, Math.floor(room / swell));
  const [first, ...rest] = pages;
  if (first === undefined) return undefined;
  const said = blocks.map((block, index) =>
    index === longest ? { ...(block as JsonObject), text: first.text } : block,
  );
  const contentType = parsed === undefined ? 'text/plain; charset=utf-8' : 'application/json';
  return { first, rest, contentType, encode: encode({}, said) };
}

/** A note among the contents of a resource, as one of them. */
export function noteOf(note: string, uri: string): JsonObject {
  return { uri, mimeType: 'text/plain', text: note };
}

function uriOf(block: Json | undefined): string {
  const { uri } = objectOf(block);
  return typeof uri === 'string' ? uri : '';
}

function textOf(block: Json): string {
  const { text } = objectOf(block);
  return typeof text === 'string' ? text : '';
}

/** How many times its bytes a text takes where it is quoted in JSON; parts of it may take a little more. */
function swellOf(text: string): number {
  return (1.05 * sizeOf(text)) / Math.max(1, Buffer.byteLength(text));
}

function sizeOf(value: Json): number {
  return Buffer.byteLength(JSON.stringify(value));
}

function isSame(text: Json | undefined, whole: string): boolean {
  if (typeof text !== 'string') return false;
  try {
    return JSON.stringify(JSON.parse(text)) === whole;
  } catch {
    return false;
  }
}
