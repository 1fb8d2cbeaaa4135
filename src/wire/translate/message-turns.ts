/**
 * The conversation of a messages request as that of a chat completion. Results of tools become messages of their own,
 * and what in them is no text follows in the next message of the user, as only that may hold it; a result that is an
 * error begins with the word. What a model thought in an earlier turn is left out: only who signed it can read it.
 */
import type { Json, JsonObject } from '../../call.ts';
import { listOf, objectOf, textOf } from '../json-value.ts';
import { child } from '../pointer.ts';
import { tellBegun } from './chat-turns.ts';
import { dataUrlOf, pdf } from './media-source.ts';
import type { Unfit } from './unfit.ts';

const messageMembers = new Set(['role', 'content']);
/** By the type of a block. `cache_control` is a hint to the provider's cache. */
const blockMembers: Readonly<Record<string, ReadonlySet<string>>> = {
  text: membersOf('text'),
  image: membersOf('source'),
  document: membersOf('source title'),
  tool_use: membersOf('id name input caller'),
  tool_result: membersOf('tool_use_id content is_error'),
  thinking: membersOf('thinking signature'),
  redacted_thinking: membersOf('data'),
};
const thoughts: ReadonlySet<string> = new Set(['thinking', 'redacted_thinking']);

function membersOf(names: string): ReadonlySet<string> {
  return new Set(['type', 'cache_control', ...names.split(' ')]);
}

export function chatMessagesOf(system: Json, messages: readonly Json[], unfit: Unfit): readonly Json[] {
  const prompt = contentOf(partsOf(system, '/system', new Set(['text']), unfit));
  const said = messages.flatMap((item, index) => {
    const message = objectOf(item);
    const at = child('/messages', index);
    unfit.members(message, messageMembers, at);
    return messagesOf(textOf(message.role), message.content ?? null, at, unfit);
  });
  if (objectOf(said.at(-1)).role === 'assistant') tellBegun(messages, unfit);
  return [...(prompt === null ? [] : [{ role: 'system', content: prompt }]), ...said];
}

function messagesOf(role: string, content: Json, at: string, unfit: Unfit): Json[] {
  const place = child(at, 'content');
  if (role === 'user') return userMessages(content, place, unfit);
  if (role === 'assistant') return assistantMessage(content, place, unfit);
  if (role !== 'system') unfit.tell(child(at, 'role'), `messages of the role ${role} have no place there`);
  const text = contentOf(partsOf(content, place, new Set(['text']), unfit));
  return text === null ? [] : [{ role: 'system', content: text }];
}

const userBlocks: ReadonlySet<string> = new Set(['text', 'image', 'document', 'tool_result']);

function userMessages(content: Json, at: string, unfit: Unfit): Json[] {
  const blocks = blocksOf(content, at, userBlocks, unfit);
  const results: Json[] = [];
  const parts: JsonObject[] = [];
  for (const { block, where } of blocks) {
    if (block.type !== 'tool_result') parts.push(...partOf(block, where, unfit));
    else {
      const id = textOf(block.tool_use_id);
      const result = partsOf(block.content ?? null, child(where, 'content'), resultBlocks, unfit);
      const texts = result.filter(({ type }) => type === 'text');
      const media = result.filter(({ type }) => type !== 'text');
      results.push({ role: 'tool', tool_call_id: id, content: resultText(texts, block.is_error === true) });
      if (media.length > 0) parts.push({ type: 'text', text: `From the result of ${id}:` }, ...media);
    }
  }
  const said = contentOf(parts);
  return [...results, ...(said === null ? [] : [{ role: 'user', content: said }])];
}

const resultBlocks: ReadonlySet<string> = new Set(['text', 'image', 'document']);

function resultText(texts: readonly JsonObject[], isError: boolean): Json {
  const [first, ...rest] = texts;
  if (!isError) return contentOf(texts) ?? '';
  const error = { type: 'text', text: `Error: ${textOf(first?.text)}`.trim() };
  return contentOf([error, ...rest]) ?? '';
}

const assistantBlocks: ReadonlySet<string> = new Set(['text', 'tool_use', ...thoughts]);

function assistantMessage(content: Json, at: string, unfit: Unfit): Json[] {
  const blocks = blocksOf(content, at, assistantBlocks, unfit);
  const text = contentOf(
    blocks.flatMap(({ block, where }) => (block.type === 'text' ? partOf(block, where, unfit) : [])),
  );
  const uses = blocks.filter(({ block }) => block.type === 'tool_use');
  const calls = uses.map(({ block, where }): Json => {
    const { caller = null, id = '', name = '', input = {} } = block;
    if (caller !== null && objectOf(caller).type !== 'direct') {
      unfit.tell(child(where, 'caller'), 'a tool is called by the model alone there');
    }
    return { id, type: 'function', function: { name, arguments: JSON.stringify(input) } };
  });
  if (text === null && calls.length === 0) return [];
  return [{ role: 'assistant', content: text, ...(calls.length === 0 ? {} : { tool_calls: calls }) }];
}

/** The blocks of a content, a text being one; those whose type is not among `types` are unfit. */
function blocksOf(
  content: Json,
  at: string,
  types: ReadonlySet<string>,
  unfit: Unfit,
): readonly { readonly block: JsonObject; readonly where: string }[] {
  if (typeof content === 'string') return [{ block: { type: 'text', text: content }, where: at }];
  return listOf(content).flatMap((item, index) => {
    const block = objectOf(item);
    const where = child(at, index);
    const type = textOf(block.type);
    if (!types.has(type)) {
      unfit.tell(where, `a block of the type ${type} has no place there`);
      return [];
    }
    const { citations = null, ...rest } = block;
    if (!saysNothing(citations)) unfit.tell(child(where, 'citations'), 'citations have no place there');
    unfit.members(rest, blockMembers[type] ?? new Set(), where);
    return [{ block, where }];
  });
}

/** No citations asked for, and none quoted. */
function saysNothing(citations: Json): boolean {
  if (citations === null) return true;
  return Array.isArray(citations) ? citations.length === 0 : objectOf(citations).enabled !== true;
}

function partsOf(content: Json, at: string, types: ReadonlySet<string>, unfit: Unfit): JsonObject[] {
  return blocksOf(content, at, types, unfit).flatMap(({ block, where }) => partOf(block, where, unfit));
}

function partOf(block: JsonObject, at: string, unfit: Unfit): JsonObject[] {
  const source = objectOf(block.source);
  const from = textOf(source.type);
  if (block.type === 'text') return textPart(textOf(block.text));
  if (block.type === 'image') {
    if (from === 'base64') return [{ type: 'image_url', image_url: { url: dataUrlOf(source) } }];
    if (from === 'url') return [{ type: 'image_url', image_url: { url: textOf(source.url) } }];
  } else if (from === 'base64' && source.media_type === pdf) {
    const filename = textOf(block.title) || 'document.pdf';
    return [{ type: 'file', file: { filename, file_data: dataUrlOf(source) } }];
  } else if (from === 'text') {
    const title = textOf(block.title);
    return textPart(title === '' ? textOf(source.data) : `${title}\n\n${textOf(source.data)}`);
  }
  unfit.tell(child(at, 'source'), `the source of this ${textOf(block.type)} has no place there`);
  return [];
}

function textPart(text: string): JsonObject[] {
  return text === '' ? [] : [{ type: 'text', text }];
}

/** Parts as a content: a text by itself is the text, and nothing is null. */
function contentOf(parts: readonly JsonObject[]): Json {
  const [first] = parts;
  if (first === undefined) return null;
  return parts.length === 1 && first.type === 'text' ? textOf(first.text) : parts;
}
