/**
 * What usage costs at a target. Tokens read from a cache and written to it are a part of the input tokens, as OpenAI
 * counts them; a provider that counts them apart reports more of these than input, and then all of both is charged,
 * never less. How long the whole input is says which tier of the price holds, and that for all tokens of the call.
 */
import type { Operation, Price, Rates, Target, Usage } from '../call.ts';
import { chargeMicroUsd } from './money.ts';

/** Integer micro-dollars of one call with `usage` at `price`, the price of the call itself included; rounded up. */
export function costOf(usage: Usage, price: Price): number {
  const { inputTokens, outputTokens, cachedInputTokens: cached, cacheWriteTokens: written = 0 } = usage;
  const hour = Math.min(usage.cacheWriteHourTokens ?? 0, written);
  const reasoning = Math.min(usage.reasoningTokens ?? 0, outputTokens);
  const rates = ratesAt(price, inputTokensOf(usage));
  const tokens = chargeMicroUsd([
    { tokens: Math.max(0, inputTokens - cached - written), microUsdPerMtok: rates.inputMicroUsdPerMtok },
    { tokens: cached, microUsdPerMtok: rates.cachedInputMicroUsdPerMtok },
    { tokens: written - hour, microUsdPerMtok: rates.cacheWriteMicroUsdPerMtok },
    { tokens: hour, microUsdPerMtok: rates.cacheWriteHourMicroUsdPerMtok },
    { tokens: outputTokens - reasoning, microUsdPerMtok: rates.outputMicroUsdPerMtok },
    { tokens: reasoning, microUsdPerMtok: rates.reasoningMicroUsdPerMtok },
  ]);
  return servedMicroUsd(tokens, usage.services, price) + price.callMicroUsd;
}

/**
 * Percent of the list, where a target says nothing else: the most that is published of any model for it (November 2026).
 * What is cheaper than the list counts in full.
 */
const percentOfServices: Readonly<Record<string, number>> = { priority: 200, fast: 600, us: 110 };

/** What tokens that cost `microUsd` by the list cost, served in these ways; rounded up. */
export function servedMicroUsd(
  microUsd: number,
  services: readonly string[] | undefined,
  { servicePercent = {} }: Pick<Price, 'servicePercent'>,
): number {
  let served = microUsd;
  for (const name of services ?? []) {
    const own = Object.hasOwn(servicePercent, name) ? servicePercent[name] : undefined;
    served = Math.ceil((served * (own ?? percentOfServices[name] ?? 100)) / 100);
  }
  return served;
}

/** The target as a call of `operation` costs there: what the operation itself says of a call goes before the target. */
export function withCallPrice(target: Target, { callMicroUsd }: Pick<Operation, 'callMicroUsd'>): Target {
  return callMicroUsd === undefined ? target : { ...target, price: { ...target.price, callMicroUsd } };
}

/** The tokens that a budget counts: in and out, hidden reasoning included, cached or not. */
export function tokensOf(usage: Usage): number {
  return inputTokensOf(usage) + usage.outputTokens;
}

/**
 * The dearest that a token in and a token out can cost where the whole input has `inputTokensMax` at most, with or
 * without what writing to the provider's cache costs.
 */
export function dearestRates(
  { tiers, ...base }: Price,
  inputTokensMax: number,
  cacheWrites: boolean,
): { readonly inputMicroUsdPerMtok: number; readonly outputMicroUsdPerMtok: number } {
  const possible: readonly Rates[] = [base, ...tiers.filter((tier) => tier.aboveInputTokens < inputTokensMax)];
  const inputs = possible.flatMap((rates) => [
    rates.inputMicroUsdPerMtok,
    rates.cachedInputMicroUsdPerMtok,
    ...(cacheWrites ? [rates.cacheWriteMicroUsdPerMtok, rates.cacheWriteHourMicroUsdPerMtok] : []),
  ]);
  const outputs = possible.flatMap((rates) => [rates.outputMicroUsdPerMtok, rates.reasoningMicroUsdPerMtok]);
  return { inputMicroUsdPerMtok: Math.max(...inputs), outputMicroUsdPerMtok: Math.max(...outputs) };
}

function inputTokensOf({ inputTokens, cachedInputTokens, cacheWriteTokens = 0 }: Usage): number {
  return Math.max(inputTokens, cachedInputTokens + cacheWriteTokens);
}

function ratesAt(price: Price, inputTokens: number): Rates {
  return price.tiers.findLast(({ aboveInputTokens }) => inputTokens > aboveInputTokens) ?? price;
}
