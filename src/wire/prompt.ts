/**
 * What of a model request is its prompt, on every surface: all members but those that only turn the sampling, the
 * bounds or the manner of the answer. What a reader would get wrong: a member that is not named here counts as prompt,
 * so that a field of tomorrow makes two requests differ rather than seem equal.
 */

const knobs: ReadonlySet<string> = new Set([
  'dimensions',
  'encoding_format',
  'frequency_penalty',
  'include',
  'logit_bias',
  'logprobs',
  'max_completion_tokens',
  'max_output_tokens',
  'max_tokens',
  'max_tool_calls',
  'metadata',
  'model',
  'n',
  'parallel_tool_calls',
  'presence_penalty',
  'prompt_cache_key',
  'reasoning',
  'reasoning_effort',
  'safety_identifier',
  'seed',
  'service_tier',
  'stop',
  'stop_sequences',
  'store',
  'stream',
  'stream_options',
  'temperature',
  'thinking',
  'top_k',
  'top_logprobs',
  'top_p',
  'truncation',
  'user',
  'verbosity',
]);

/** Whether a top-level member of a model request is part of its prompt. */
export function isPrompt(member: string): boolean {
  return !knobs.has(member);
}
