/**
 * Why an answer ended, what it used, and its ids, in the words of either API. What a reader would get wrong: the input
 * of the messages API is what was neither read from the cache nor written to it, that of chat completions is all of it.
 */
import { createHash } from 'node:crypto';
import type { Json, JsonObject, Usage } from '../../call.ts';
import { rowOf } from '../field-class.ts';
import { servicesNote } from '../services.ts';

const finishReasons: Readonly<Record<string, string>> = {
  end_turn: 'stop',
  stop_sequence: 'stop',
  pause_turn: 'stop',
  max_tokens: 'length',
  model_context_window_exceeded: 'length',
  tool_use: 'tool_calls',
  refusal: 'content_filter',
};

const stopReasons: Readonly<Record<string, string>> = {
  stop: 'end_turn',
  length: 'max_tokens',
  tool_calls: 'tool_use',
  function_call: 'tool_use',
  content_filter: 'refusal',
};

/** The finish reason of a chat completion for a stop reason of a message. */
export function finishReasonOf(stopReason: string): string {
  return rowOf(finishReasons, stopReason) ?? 'stop';
}

/** The stop reason of a message; some servers say `stop` also where tools are to be called. */
export function stopReasonOf(
  finishReason: string,
  said: { readonly calls: boolean; readonly refuses: boolean },
): string {
  const reason = rowOf(stopReasons, finishReason) ?? 'end_turn';
  if (reason !== 'end_turn') return reason;
  if (said.calls) return 'tool_use';
  return said.refuses ? 'refusal' : reason;
}

export function chatUsage(usage: Usage): JsonObject {
  const { inputTokens, outputTokens, cachedInputTokens, cacheWriteTokens = 0, reasoningTokens } = usage;
  const { cacheWriteHourTokens: hour } = usage;
  return {
    prompt_tokens: inputTokens,
    completion_tokens: outputTokens,
    total_tokens: inputTokens + outputTokens,
    prompt_tokens_details: {
      cached_tokens: cachedInputTokens,
      cache_write_tokens: cacheWriteTokens,
      ...(hour === undefined ? {} : { cache_write_1h_tokens: hour }),
    },
    ...(reasoningTokens === undefined ? {} : { completion_tokens_details: { reasoning_tokens: reasoningTokens } }),
    ...servicesNote(usage),
  };
}

/** What is written to the cache of such a provider has no hour of its own. */
export function messageUsage(usage: Usage): JsonObject {
  const { inputTokens, outputTokens, cachedInputTokens, cacheWriteTokens = 0, reasoningTokens } = usage;
  return {
    input_tokens: inputTokens - cachedInputTokens - cacheWriteTokens,
    cache_creation_input_tokens: cacheWriteTokens,
    cache_read_input_tokens: cachedInputTokens,
    cache_creation: { ephemeral_5m_input_tokens: cacheWriteTokens, ephemeral_1h_input_tokens: 0 },
    output_tokens: outputTokens,
    ...(reasoningTokens === undefined ? {} : { output_tokens_details: { thinking_tokens: reasoningTokens } }),
    ...servicesNote(usage),
  };
}

/** The id of a completion that was a message; `said` stands in for an id that the target did not give. */
export function completionId(id: Json | undefined, said: string): string {
  // Ids are no text for inspection.
  return `chatcmpl-${idOf(id, said)
    .replaceAll(/[^A-Za-z0-9_-]/g, '')
    .slice(0, 64)}`;
}

/** The id of a message that was a completion, in the form that ids of messages have. */
export function messageId(id: Json | undefined, said: string): string {
  const plain = idOf(id, said)
    .replace(/^chatcmpl-?/, '')
    .replaceAll(/[^A-Za-z0-9]/g, '');
  return `msg_${plain.slice(0, 40)}`;
}

function idOf(id: Json | undefined, said: string): string {
  return typeof id === 'string' && id !== '' ? id : createHash('sha256').update(said).digest('hex').slice(0, 24);
}
