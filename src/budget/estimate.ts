/**
 * The most a call can cost, before it is made: the dearest target it may reach, the longest answer it may get. A
 * bound, not a guess: what settles above it would be overspent.
 */
import type { ModelAsk, Target } from '../call.ts';
import { chargeMicroUsd } from './money.ts';

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
    const promptTokens = ask?.promptTokensMax ?? 0;
    const answerTokens = maxTokens * (ask?.choices ?? 0);
    bound.tokens = Math.max(bound.tokens, promptTokens + answerTokens);
    bound.costMicroUsd = Math.max(bound.costMicroUsd, costMax(target, promptTokens, answerTokens));
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
    const { outputMicroUsdPerMtok } = target.price;
    if (room.costMicroUsd === undefined) continue;
    // Rounding the prompt's cost up by itself loses at most one micro-dollar, on the side that cannot overspend.
    const left = room.costMicroUsd - costMax(target, ask.promptTokensMax, 0);
    if (left < 0) return 0;
    if (outputMicroUsdPerMtok === 0) continue;
    longest = Math.min(longest, Number((BigInt(left) * 1_000_000n) / BigInt(outputMicroUsdPerMtok)));
  }
  return Math.floor(longest / Math.max(1, ask.choices));
}

/** A prompt that a provider finds in its cache may be the dearer one, if somebody prices it so. */
function costMax(target: Target, promptTokens: number, answerTokens: number): number {
  const { inputMicroUsdPerMtok, cachedInputMicroUsdPerMtok, outputMicroUsdPerMtok, callMicroUsd } = target.price;
  const tokens = chargeMicroUsd([
    { tokens: promptTokens, microUsdPerMtok: Math.max(inputMicroUsdPerMtok, cachedInputMicroUsdPerMtok) },
    { tokens: answerTokens, microUsdPerMtok: outputMicroUsdPerMtok },
  ]);
  return tokens + callMicroUsd;
}
