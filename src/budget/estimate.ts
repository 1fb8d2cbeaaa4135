/**
 * The most a call can cost, before it is made: the dearest target it may reach, the longest answer it may get. A
 * bound, not a guess: what settles above it would be overspent.
 */
import type { ModelAsk, Target } from '../call.ts';
import { chargeMicroUsd } from './money.ts';
import { dearestRates, servedMicroUsd } from './price.ts';

export interface UpperBound {
  readonly tokens: number;
  readonly costMicroUsd: number;
  /** The tokens one answer may have; 0 for a call that is not to a model. */
  readonly maxTokens: number;
  /** The tokens that all answers asked for may have together. */
  readonly answerTokens: number;
}

/** How many tokens the prompt of `ask` has at `target`, at most. */
export type PromptTokensOf = (ask: ModelAsk, target: Target) => number;

/** The bound that holds for every tokenizer. */
const byBytes: PromptTokensOf = (ask, target) => promptAt(ask, target).promptTokensMax;

/** The prompt of `ask` as `target` is sent it. */
export function promptAt(
  ask: ModelAsk,
  target: Partial<Pick<Target, 'api'>>,
): Pick<ModelAsk, 'promptTokensMax' | 'prompt' | 'cacheWrites'> {
  return ask.translatedFor?.(target) ?? ask;
}

/**
 * The bound over all `targets`: for a model its prompt, and for each answer asked for `ask.maxTokens`, or what the
 * target can write at most where the client named none; for a tool the price of the call. Costs round up.
 */
export function upperBound(
  ask: ModelAsk | null,
  targets: readonly Target[],
  promptTokensOf: PromptTokensOf = byBytes,
): UpperBound {
  const bound = { tokens: 0, costMicroUsd: 0, maxTokens: 0, answerTokens: 0 };
  for (const target of targets) {
    const maxTokens = ask === null ? 0 : (ask.maxTokens ?? target.maxOutputTokens);
    const answerTokens = maxTokens * (ask?.choices ?? 0);
    const promptTokens = ask === null ? 0 : promptTokensOf(ask, target);
    bound.tokens = Math.max(bound.tokens, promptTokens + answerTokens);
    bound.costMicroUsd = Math.max(bound.costMicroUsd, costMax(target, ask, promptTokens, answerTokens));
    bound.maxTokens = Math.max(bound.maxTokens, maxTokens);
    bound.answerTokens = Math.max(bound.answerTokens, answerTokens);
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
  promptTokensOf: PromptTokensOf = byBytes,
): number {
  let longest = Number.MAX_SAFE_INTEGER;
  for (const target of targets) {
    const promptTokens = promptTokensOf(ask, target);
    if (room.tokens !== undefined) longest = Math.min(longest, room.tokens - promptTokens);
    const { outputMicroUsdPerMtok } = ratesFor(target, ask, promptTokens);
    if (room.costMicroUsd === undefined) continue;
    // Rounding the prompt's cost up by itself loses at most one micro-dollar, on the side that cannot overspend.
    // A way of being served that has a percentage of its own is rounded up once more, so it keeps a little back.
    const { services } = ask;
    const rounding = services === undefined ? 0 : servedMicroUsd(2, services, target.price);
    const left = room.costMicroUsd - costMax(target, ask, promptTokens, 0) - rounding;
    if (left < 0) return 0;
    const rate = servedMicroUsd(outputMicroUsdPerMtok, services, target.price);
    if (rate === 0) continue;
    longest = Math.min(longest, Number((BigInt(left) * 1_000_000n) / BigInt(rate)));
  }
  return Math.floor(longest / Math.max(1, ask.choices));
}

/** Nobody knows before what a provider finds in its cache, nor how much of an answer is reasoning. */
function costMax(target: Target, ask: ModelAsk | null, promptTokens: number, answerTokens: number): number {
  if (ask === null) return target.price.callMicroUsd;
  const { inputMicroUsdPerMtok, outputMicroUsdPerMtok } = ratesFor(target, ask, promptTokens);
  const tokens = chargeMicroUsd([
    { tokens: promptTokens, microUsdPerMtok: inputMicroUsdPerMtok },
    { tokens: answerTokens, microUsdPerMtok: outputMicroUsdPerMtok },
  ]);
  return servedMicroUsd(tokens, ask.services, target.price) + target.price.callMicroUsd;
}

function ratesFor(target: Target, ask: ModelAsk, promptTokens: number) {
  const { cacheWrites = true } = promptAt(ask, target);
  return dearestRates(target.price, promptTokens, cacheWrites);
}
