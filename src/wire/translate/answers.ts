/**
 * Buffered answers of one API as those of the other. What is no answer of the API that the target speaks has no reading
 * in the other one either: it is handed on as a text, which passes only beside an error.
 */
import type { AnswerHead, Json, JsonObject } from '../../call.ts';
import { readUsage as readMessageUsage } from '../dialects/anthropic/usage.ts';
import { readUsage as readChatUsage } from '../dialects/openai/answer.ts';
import { parseAnswerJson } from '../json.ts';
import { listOf, objectOf, textOf } from '../json-value.ts';
import { isJsonType, parseMediaType } from '../media.ts';
import { chatUsage, completionId, finishReasonOf, messageId, messageUsage, stopReasonOf } from './endings.ts';
import { chatError, messageError } from './errors.ts';

export interface Bytes {
  readonly head: AnswerHead;
  readonly body: Buffer;
}

/** An answer of the messages API as a chat completion, or as its error. */
export function completionAnswer(head: AnswerHead, body: Buffer): Bytes {
  return translated(head, body, completionOf, chatError);
}

/** A chat completion as a message, or as its error. */
export function messageAnswer(head: AnswerHead, body: Buffer): Bytes {
  return translated(head, body, messageOf, messageError);
}

/** Headers that speak of the exact bytes. */
const bytesHeaders: ReadonlySet<string> = new Set(['content-length', 'etag', 'content-encoding', 'digest']);

/** `exact`: numbers stay as they were written. */
function translated(
  head: AnswerHead,
  body: Buffer,
  answerOf: (said: JsonObject, text: string) => JsonObject | undefined,
  errorOf: (status: number, said: Json) => JsonObject,
): Bytes {
  const encoded = (head.headers['content-encoding'] ?? 'identity').toLowerCase() !== 'identity';
  const type = parseMediaType(head.headers['content-type'] ?? '')?.type ?? '';
  const parsed = encoded || !isJsonType(type) ? undefined : parseAnswerJson(body);
  const isError = head.status < 200 || head.status > 299;
  let answer: JsonObject | undefined;
  if (parsed !== undefined) {
    answer = isError ? errorOf(head.status, parsed.exact) : answerOf(objectOf(parsed.exact), parsed.text);
  }
  if (answer === undefined) {
    return isError ? { head, body } : { head: withType(head, 'text/plain; charset=utf-8'), body };
  }
  return { head: withType(head, 'application/json'), body: Buffer.from(JSON.stringify(answer)) };
}

function withType({ status, headers }: AnswerHead, type: string): AnswerHead {
  const kept = Object.entries(headers).filter(([name]) => !bytesHeaders.has(name));
  return { status, headers: { ...Object.fromEntries(kept), 'content-type': type } };
}

function completionOf(message: JsonObject, text: string): JsonObject | undefined {
  const { id, model = '', content, stop_reason, stop_details, usage } = message;
  if (message.type !== 'message' || !Array.isArray(content)) return undefined;
  const blocks = listOf(content).map(objectOf);
  if (!blocks.every(({ type }) => sayable.has(type ?? null))) return undefined;
  const joined = (type: string, member: string): string =>
    blocks.map((block) => (block.type === type ? textOf(block[member]) : '')).join('');
  const calls = blocks.filter(({ type }) => type === 'tool_use').map(toolCall);
  const thought = joined('thinking', 'thinking');
  const answer = joined('text', 'text');
  const refusal = textOf(objectOf(stop_details).explanation);
  const counted = readMessageUsage(usage);
  return {
    id: completionId(id, text),
    object: 'chat.completion',
    created: 0,
    model,
    choices: [
      {
        index: 0,
        message: {
          role: 'assistant',
          content: answer === '' && calls.length > 0 ? null : answer,
          refusal: refusal === '' ? null : refusal,
          ...(thought === '' ? {} : { reasoning_content: thought }),
          ...(calls.length === 0 ? {} : { tool_calls: calls }),
        },
        logprobs: null,
        finish_reason: finishReasonOf(textOf(stop_reason)),
        native_finish_reason: stop_reason ?? null,
      },
    ],
    ...(counted === null ? {} : { usage: chatUsage(counted) }),
  };
}

/** The blocks that a chat completion has a place for; what is redacted says nothing. */
const sayable: ReadonlySet<Json> = new Set(['text', 'thinking', 'redacted_thinking', 'tool_use']);

function toolCall({ id = '', name = '', input = {} }: JsonObject): JsonObject {
  return { id, type: 'function', function: { name, arguments: JSON.stringify(input) } };
}

function messageOf(completion: JsonObject, text: string): JsonObject | undefined {
  const { id, model = '', choices, usage, service_tier: tier } = completion;
  const [first] = listOf(choices);
  if (first === undefined) return undefined;
  const choice = objectOf(first);
  const message = objectOf(choice.message);
  const uses = listOf(message.tool_calls).map((call) => toolUse(objectOf(call)));
  if (!uses.every((use) => use !== undefined) || (message.function_call ?? null) !== null) return undefined;
  const thought = thoughtOf(message);
  const refusal = textOf(message.refusal);
  const texts = [contentText(message.content ?? null), refusal].filter((one) => one !== '');
  const ended = { calls: uses.length > 0, refuses: refusal !== '' };
  const counted = readChatUsage(usage, tier);
  return {
    id: messageId(id, text),
    type: 'message',
    role: 'assistant',
    model,
    content: [
      ...(thought === '' ? [] : [{ type: 'thinking', thinking: thought, signature: '' }]),
      ...texts.map((one) => ({ type: 'text', text: one })),
      ...uses,
    ],
    stop_reason: stopReasonOf(textOf(choice.finish_reason), ended),
    stop_sequence: null,
    usage: counted === null ? { input_tokens: 0, output_tokens: 0 } : messageUsage(counted),
  };
}

/** What a model thought, under the two names that servers have for it. */
export function thoughtOf({ reasoning_content, reasoning }: JsonObject): string {
  return textOf(reasoning_content) || textOf(reasoning);
}

/** A text, or the texts of parts. */
export function contentText(content: Json): string {
  if (typeof content === 'string') return content;
  return listOf(content)
    .map((part) => textOf(objectOf(part).text))
    .join('');
}

/** Undefined for a call that no message can make: of something else than a function, or with arguments that are no object. */
function toolUse({ id = '', function: made }: JsonObject): JsonObject | undefined {
  if (made === undefined) return undefined;
  const written = textOf(objectOf(made).arguments);
  const input = written.trim() === '' ? {} : parseAnswerJson(Buffer.from(written))?.exact;
  if (typeof input !== 'object' || input === null || Array.isArray(input)) return undefined;
  return { type: 'tool_use', id, name: objectOf(made).name ?? '', input };
}
