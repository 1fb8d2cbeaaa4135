/**
 * The conversation of a chat completion as that of a messages request. System and developer messages at its beginning
 * are the system prompt, later ones stay in their place; results of tools belong to the user's turn, and turns of one
 * role that meet become one. What a model thought in an earlier turn is left out: only who signed it can read it.
 */
import type { Json, JsonObject } from '../../call.ts';
import { parseAnswerJson } from '../json.ts';
import { listOf, objectOf, textOf } from '../json-value.ts';
import { child } from '../pointer.ts';
import { base64Source, imageTypes, pdf, readDataUrl } from './media-source.ts';
import type { Unfit } from './unfit.ts';

export interface Turns {
  readonly system: readonly Json[];
  readonly messages: readonly Json[];
}

interface Turn {
  readonly role: string;
  readonly content: Json[];
}

const everyRole = ['role', 'content', 'reasoning', 'reasoning_content'];
/** What a message may have by its role. The name of a tool says nothing beside the id of its call. */
const members: Readonly<Record<string, ReadonlySet<string>>> = {
  system: new Set(everyRole),
  developer: new Set(everyRole),
  user: new Set(everyRole),
  assistant: new Set([...everyRole, 'refusal', 'tool_calls', 'annotations']),
  tool: new Set([...everyRole, 'tool_call_id', 'name']),
};
/** `prompt_cache_breakpoint` is a hint to the provider's cache. */
const partMembers = new Set(['type', 'text', 'refusal', 'image_url', 'file', 'prompt_cache_breakpoint']);
/** OpenAI Agents copies the members of an answer into the parts of its text, where they say nothing. */
const answeredPartMembers = new Set([
  ...partMembers,
  ...['role', 'tool_calls', 'function_call', 'reasoning', 'reasoning_content', 'annotations'],
]);

export function turnsOf(messages: readonly Json[], unfit: Unfit): Turns {
  const system: Json[] = [];
  const turns: Turn[] = [];
  for (const [index, item] of messages.entries()) {
    const message = objectOf(item);
    const at = child('/messages', index);
    const role = textOf(message.role);
    const known = Object.hasOwn(members, role) ? members[role] : undefined;
    if (known === undefined) {
      unfit.tell(child(at, 'role'), `messages of the role ${role} have no place there`);
      continue;
    }
    unfit.members(message, known, at);
    const blocks = blocksOf(role, message, at, unfit);
    if (turns.length === 0 && (role === 'system' || role === 'developer')) system.push(...blocks);
    else add(turns, turnRoles[role] ?? role, blocks);
  }
  if (messages.length > 0 && turns.length === 0 && unfit.reasons.length === 0) {
    unfit.tell('/messages', 'a conversation of system messages alone has no place there');
  }
  if (turns.at(-1)?.role === 'assistant') tellBegun(messages, unfit);
  return { system, messages: turns.map(({ role, content }) => ({ role, content })) };
}

/** What comes last is the beginning of the answer in one API, and an earlier answer in the other. */
export function tellBegun(messages: readonly Json[], unfit: Unfit): void {
  unfit.tell(
    child('/messages', messages.length - 1),
    'a conversation that ends with the model means something else there',
  );
}

const turnRoles: Readonly<Record<string, string>> = { developer: 'system', tool: 'user' };

function add(turns: Turn[], role: string, blocks: readonly Json[]): void {
  if (blocks.length === 0) return;
  const last = turns.at(-1);
  if (last?.role === role) last.content.push(...blocks);
  else turns.push({ role, content: [...blocks] });
}

function blocksOf(role: string, message: JsonObject, at: string, unfit: Unfit): Json[] {
  const content = contentBlocks(message.content ?? null, child(at, 'content'), role, unfit);
  if (role === 'tool') {
    const result = { type: 'tool_result', tool_use_id: textOf(message.tool_call_id) };
    return [content.length === 0 ? result : { ...result, content }];
  }
  if (role !== 'assistant') return content;
  tellAnnotations(message, at, unfit);
  const calls = listOf(message.tool_calls).map((call, index) =>
    toolUse(objectOf(call), child(child(at, 'tool_calls'), index), unfit),
  );
  return [...content, ...textBlock(textOf(message.refusal)), ...calls];
}

function tellAnnotations({ annotations = null }: JsonObject, at: string, unfit: Unfit): void {
  if (listOf(annotations).length > 0) {
    unfit.tell(child(at, 'annotations'), 'annotations of an earlier answer have no place there');
  }
}

/** No block for no text: the API refuses empty ones. */
function textBlock(text: string): Json[] {
  return text === '' ? [] : [{ type: 'text', text }];
}

function contentBlocks(content: Json, at: string, role: string, unfit: Unfit): Json[] {
  if (typeof content === 'string') return textBlock(content);
  return listOf(content).flatMap((item, index) => partBlock(objectOf(item), child(at, index), role, unfit));
}

function partBlock(part: JsonObject, at: string, role: string, unfit: Unfit): Json[] {
  const media = role === 'user';
  unfit.members(part, role === 'assistant' ? answeredPartMembers : partMembers, at);
  if (role === 'assistant') tellAnnotations(part, at, unfit);
  const type = textOf(part.type);
  if (type === 'text' || type === 'refusal') return textBlock(textOf(part[type]));
  if (media && type === 'image_url') return imageBlock(objectOf(part.image_url), child(at, 'image_url'), unfit);
  if (media && type === 'file') return documentBlock(objectOf(part.file), child(at, 'file'), unfit);
  unfit.tell(at, `a part of the type ${type} has no place there`);
  return [];
}

/** An image is always seen in full: only asking for less of it has no place. */
function imageBlock(image: JsonObject, at: string, unfit: Unfit): Json[] {
  unfit.members(image, new Set(['url', 'detail']), at);
  const { detail = null } = image;
  if (detail !== null && detail !== 'auto' && detail !== 'high') {
    unfit.tell(child(at, 'detail'), 'detail has no place there, unless it is "auto" or "high"');
  }
  const url = textOf(image.url);
  const inline = readDataUrl(url);
  if (inline === undefined && /^https?:/i.test(url)) return [{ type: 'image', source: { type: 'url', url } }];
  if (inline !== undefined && imageTypes.has(inline.mediaType)) {
    return [{ type: 'image', source: base64Source(inline.mediaType, inline.data) }];
  }
  const types = [...imageTypes].join(', ');
  unfit.tell(child(at, 'url'), `an image must be at an http URL, or base64 in a data URL of one of ${types}`);
  return [];
}

function documentBlock(file: JsonObject, at: string, unfit: Unfit): Json[] {
  unfit.members(file, new Set(['file_data', 'filename']), at);
  const inline = readDataUrl(textOf(file.file_data));
  if (inline?.mediaType !== pdf) {
    if (file.file_id === undefined) unfit.tell(child(at, 'file_data'), `a file must be a data URL of ${pdf}`);
    return [];
  }
  const title = textOf(file.filename);
  return [{ type: 'document', source: base64Source(pdf, inline.data), ...(title === '' ? {} : { title }) }];
}

function toolUse(call: JsonObject, at: string, unfit: Unfit): Json {
  const made = objectOf(call.function);
  if (call.function === undefined) unfit.tell(at, 'only calls of functions have a place there');
  // Numbers stay as the model wrote them.
  const written = textOf(made.arguments);
  const input = written.trim() === '' ? {} : parseAnswerJson(Buffer.from(written))?.exact;
  if (typeof input !== 'object' || input === null || Array.isArray(input)) {
    unfit.tell(child(child(at, 'function'), 'arguments'), 'arguments must be the JSON text of an object there');
  }
  return { type: 'tool_use', id: textOf(call.id), name: textOf(made.name), input: input ?? {} };
}
