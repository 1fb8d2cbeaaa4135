/**
 * What the provider counted for a response. Tokens of reasoning are in `output_tokens`, and those read from its cache and
 * written to it in `input_tokens`.
 */
import type { Json, Usage } from '../../../../call.ts';
import { isCount, objectOf } from '../../../json-value.ts';
import { tierServices } from '../../../services.ts';

/** Null if there is no count, or it is not made of whole numbers. Where the total is larger, it holds. */
export function readUsage(value: Json | undefined, tier?: Json): Usage | null {
  const usage = objectOf(value);
  const { input_tokens: input, output_tokens: output } = usage;
  if (!isCount(input) || !isCount(output)) return null;
  const total = isCount(usage.total_tokens) ? usage.total_tokens : 0;
  const { cached_tokens: read, cache_write_tokens: written } = objectOf(usage.input_tokens_details);
  const outputTokens = Math.max(output, total - input);
  const told = objectOf(usage.output_tokens_details).reasoning_tokens;
  const reasoning = Math.max(isCount(told) ? Math.min(told, outputTokens) : 0, outputTokens - output);
  const cachedInputTokens = isCount(read) ? Math.min(read, input) : 0;
  return {
    inputTokens: input,
    outputTokens,
    cachedInputTokens,
    ...(isCount(written) && written > 0 ? { cacheWriteTokens: Math.min(written, input - cachedInputTokens) } : {}),
    ...(reasoning > 0 ? { reasoningTokens: reasoning } : {}),
    ...tierServices(tier),
  };
}

/** A count as the surface writes it. */
export function usageDocument({ inputTokens, outputTokens, cachedInputTokens, reasoningTokens = 0 }: Usage): object {
  return {
    input_tokens: inputTokens,
    input_tokens_details: { cached_tokens: cachedInputTokens },
    output_tokens: outputTokens,
    output_tokens_details: { reasoning_tokens: reasoningTokens },
    total_tokens: inputTokens + outputTokens,
  };
}
