/**
 * The most a call can cost, before it is made: the dearest target it may reach, the longest answer it may get. A
 * bound, not a guess: what settles above it would be overspent.
 */
import type { ModelAsk, Target } from '../call.ts';
import { chargeMicroUsd } from './money.ts';
import { dearestRates } from './price.ts';

export interface UpperBound {
  readonly tokens: number;
  readonly costMicroUsd: number;
  /** The tokens one answer may have; 0 for a call that is not to a model. */
  readonly maxTokens: number;
}

/**
 * The bound over all `targets`: for a model its prompt, and for each answer asked for `ask.maxTokens`, or what the
 * target can write at most where the client named none; for a tool the price of the call. Costs round up.
 */
export function upperBound(ask: ModelAsk | null, targets: readonly Target[]): UpperBound {
  const bound = { tokens: 0, costMicroUsd: 0, maxTokens: 0 };
  for (const target of targets) {
    const maxTokens = ask === null ? 0 : (ask.maxTokens ?? target.maxOutputTokens);
    const answerTokens = maxTokens * (ask?.choices ?? 0);
    bound.tokens = Math.max(bound.tokens, (ask?.promptTokensMax ?? 0) + answerTokens);
    bound.costMicroUsd = Math.max(bound.costMicroUsd, costMax(target, ask, answerTokens));
    bound.maxTokens = Math.max(bound.maxTokens, maxTokens);
  }
  return bound;
}

/**
 * The longest answer, in tokens, whose bound stays within `room` at every one of `targets`; 0 or less where the
 * prompt alone does not fit. A dimension of `room` that is undefined has no limit.
 */
export function longestAnswer(
  ask: ModelAsk,
  targets: readonly Target[],
  room: { readonly tokens: number | undefined; readonly costMicroUsd: number | undefined },
): number {
  let longest = room.tokens === undefined ? Number.MAX_SAFE_INTEGER : room.tokens - ask.promptTokensMax;
  for (const target of targets) {
    const { outputMicroUsdPerMtok } = ratesFor(target, ask);
    if (room.costMicroUsd === undefined) continue;
    // Rounding the prompt's cost up by itself loses at most one micro-dollar, on the side that cannot overspend.
    const left = room.costMicroUsd - costMax(target, ask, 0);
    if (left < 0) return 0;
    if (outputMicroUsdPerMtok === 0) continue;
    longest = Math.min(longest, Number((BigInt(left) * 1_000_000n) / BigInt(outputMicroUsdPerMtok)));
  }
  return Math.floor(longest / Math.max(1, ask.choices));
}

/** Nobody knows before what a provider finds in its cache, nor how much of an answer is reasoning. */
function costMax(target: Target, ask: ModelAsk | null, answerTokens: number): number {
  if (ask === null) return target.price.callMicroUsd;
  const { inputMicroUsdPerMtok, outputMicroUsdPerMtok } = ratesFor(target, ask);
  const tokens = chargeMicroUsd([
    { tokens: ask.promptTokensMax, microUsdPerMtok: inputMicroUsdPerMtok },
    { tokens: answerTokens, microUsdPerMtok: outputMicroUsdPerMtok },
  ]);
  return tokens + target.price.callMicroUsd;
}

function ratesFor({ price }: Target, { promptTokensMax, cacheWrites = true }: ModelAsk) {
  return dearestRates(price, promptTokensMax, cacheWrites);
}
