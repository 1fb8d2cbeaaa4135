/**
 * What the provider counted. Tokens read from its cache and written to it are counted apart from `input_tokens`, and all
 * three are input; tokens of thinking are in `output_tokens`. What a reader would get wrong: passes over a conversation
 * that only wrote it down in short stand in `iterations` alone, so the sums over these hold where they are larger.
 */
import type { Json, JsonObject, Usage } from '../../../call.ts';
import { isCount, listOf, objectOf } from '../../json-value.ts';
import { notedServices, speedServices } from '../../services.ts';

/** Null if there is no count, or it is not made of whole numbers. */
export function readUsage(value: Json | undefined): Usage | null {
  const usage = objectOf(value);
  const whole = countsOf(usage);
  if (whole === null) return null;
  let passes: Usage = { inputTokens: 0, outputTokens: 0, cachedInputTokens: 0 };
  for (const item of listOf(usage.iterations)) {
    const counts = countsOf(objectOf(item));
    if (counts === null) continue;
    passes = sum(passes, counts);
  }
  const counted = passes.inputTokens + passes.outputTokens > whole.inputTokens + whole.outputTokens ? passes : whole;
  return { ...counted, ...speedServices(usage), ...notedServices(usage) };
}

function countsOf(usage: JsonObject): Usage | null {
  const { input_tokens: input, output_tokens: output } = usage;
  if (!isCount(input) || !isCount(output)) return null;
  const cached = countOr0(usage.cache_read_input_tokens);
  const written = countOr0(usage.cache_creation_input_tokens);
  // What is not said to be kept for minutes may have been kept for an hour, which is dearer.
  const minutes = Math.min(countOr0(objectOf(usage.cache_creation).ephemeral_5m_input_tokens), written);
  const thinking = Math.min(countOr0(objectOf(usage.output_tokens_details).thinking_tokens), output);
  return {
    inputTokens: input + written + cached,
    outputTokens: output,
    cachedInputTokens: cached,
    ...rare({ cacheWriteTokens: written, cacheWriteHourTokens: written - minutes, reasoningTokens: thinking }),
  };
}

function sum(left: Usage, right: Usage): Usage {
  const of = (kind: Exclude<keyof Usage, 'services'>) => (left[kind] ?? 0) + (right[kind] ?? 0);
  return {
    inputTokens: of('inputTokens'),
    outputTokens: of('outputTokens'),
    cachedInputTokens: of('cachedInputTokens'),
    ...rare({
      cacheWriteTokens: of('cacheWriteTokens'),
      cacheWriteHourTokens: of('cacheWriteHourTokens'),
      reasoningTokens: of('reasoningTokens'),
    }),
  };
}

/** The kinds of which there are any: the others are left out. */
function rare(counts: Partial<Omit<Usage, 'services'>>): Partial<Usage> {
  return Object.fromEntries(Object.entries(counts).filter(([, tokens]) => tokens > 0));
}

export function countOr0(value: Json | undefined): number {
  return isCount(value) ? value : 0;
}
