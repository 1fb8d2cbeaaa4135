/**
 * What a chat request asks of a model, read from its body: limits, tools, fields that act outside the gate, and an
 * upper bound of its prompt. The body is judged by `chatFaults` before; here wrong types only mean "nothing".
 */
import type { JsonObject, ModelAsk, ModelTool } from '../../../call.ts';
import { rowOf, stands } from '../../field-class.ts';
import { listOf, objectOf, textOf } from '../../json-value.ts';
import { type PromptBounds, promptBounds } from '../../prompt-bounds.ts';
import { tierServices } from '../../services.ts';
import { chatFields, messageFields, partFields, partTokens, templateTokens } from './fields.ts';

/** What `body` asks for; `name` is the route. */
export function readAsk(name: string, body: JsonObject): ModelAsk {
  return {
    name,
    maxTokens: maxTokensOf(body),
    tools: [...toolsOf(body), ...standingFields(body)],
    ...promptOf(body),
    ...tierServices(body.service_tier),
    choices: typeof body.n === 'number' ? body.n : 1,
  };
}

/** Where a client names both limits, the larger one counts: a server that knows only one of the names reads that one. */
function maxTokensOf(body: JsonObject): number | null {
  const named = [body.max_completion_tokens, body.max_tokens].filter((value) => typeof value === 'number');
  return named.length === 0 ? null : Math.max(...named);
}

function toolsOf(body: JsonObject): ModelTool[] {
  const tools: ModelTool[] = listOf(body.functions).map((item) => ({
    name: textOf(objectOf(item).name),
    kind: 'function',
  }));
  for (const item of listOf(body.tools)) {
    const tool = objectOf(item);
    const kind = textOf(tool.type);
    const definition = objectOf(tool[kind]);
    tools.push({
      name: textOf(definition.name) || textOf(tool.name) || textOf(tool.server_label) || kind,
      kind,
    });
  }
  return tools;
}

/** One entry for each field that acts outside the gate, or that the table does not know. */
function standingFields(body: JsonObject): ModelTool[] {
  const names = new Set<string>();
  for (const [name, value] of Object.entries(body)) {
    if (stands(rowOf(chatFields, name), value)) names.add(name);
  }
  for (const item of listOf(body.messages)) {
    const message = objectOf(item);
    for (const [name, value] of Object.entries(message)) {
      if (stands(rowOf(messageFields, name), value)) names.add(`messages.${name}`);
    }
    for (const part of listOf(message.content)) {
      const kind = textOf(objectOf(part).type);
      if (isInlineImage(objectOf(part))) continue;
      if (stands(rowOf(partFields, kind), part)) names.add(`messages.content.${kind}`);
    }
  }
  return [...names].map((name) => ({ name, kind: `field:${name}` }));
}

function isInlineImage(part: JsonObject): boolean {
  return part.type === 'image_url' && /^data:image\//i.test(textOf(objectOf(part.image_url).url));
}

/** The text of a prompt, and bounds for templates, images, audio and files. */
export function promptOf(body: JsonObject): PromptBounds {
  const texts: string[] = [];
  let otherTokens: number = templateTokens.request;
  for (const name of ['tools', 'functions', 'response_format', 'prediction', 'tool_choice', 'function_call']) {
    const value = body[name];
    if (value !== undefined && value !== null) texts.push(JSON.stringify(value));
    if (Array.isArray(value)) otherTokens += value.length * templateTokens.tool;
  }
  for (const item of listOf(body.messages)) {
    otherTokens += templateTokens.message;
    for (const [name, value] of Object.entries(objectOf(item))) {
      if (name === 'content' && Array.isArray(value)) {
        for (const part of value) {
          const media = mediaTokensMax(objectOf(part));
          const { text, ...rest } = objectOf(part);
          if (media !== undefined) otherTokens += media;
          else texts.push(JSON.stringify(rest), textOf(text));
        }
      } else texts.push(typeof value === 'string' ? value : JSON.stringify(value));
    }
  }
  return promptBounds({ texts, otherTokens });
}

/** Undefined for what is text. */
function mediaTokensMax(part: JsonObject): number | undefined {
  switch (part.type) {
    case 'image_url':
      return partTokens.image;
    case 'input_audio':
      return Math.ceil(textOf(objectOf(part.input_audio).data).length / partTokens.audioBytesPerToken);
    case 'file':
      return partTokens.file;
    default:
      return undefined;
  }
}
