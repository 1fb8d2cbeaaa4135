/**
 * What usage costs at a target. Cached input tokens are a part of the input tokens, as OpenAI counts them; a provider
 * that counts them apart reports more cached than input, and then all of both is charged, never less.
 */
import type { Price, Usage } from '../call.ts';
import { chargeMicroUsd } from './money.ts';

/** Integer micro-dollars of one call with `usage` at `price`, the price of the call itself included; rounded up. */
export function costOf(usage: Usage, price: Price): number {
  const uncached = Math.max(0, usage.inputTokens - usage.cachedInputTokens);
  const tokens = chargeMicroUsd([
    { tokens: uncached, microUsdPerMtok: price.inputMicroUsdPerMtok },
    { tokens: usage.cachedInputTokens, microUsdPerMtok: price.cachedInputMicroUsdPerMtok },
    { tokens: usage.outputTokens, microUsdPerMtok: price.outputMicroUsdPerMtok },
  ]);
  return tokens + price.callMicroUsd;
}

/** The tokens that a budget counts: in and out, hidden reasoning included, cached or not. */
export function tokensOf(usage: Usage): number {
  return Math.max(usage.inputTokens, usage.cachedInputTokens) + usage.outputTokens;
}
