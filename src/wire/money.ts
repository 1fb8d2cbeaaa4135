/**
 * Money on the wire is US dollars as a JSON number; inside it is integer micro-dollars. The way in is exact: a number
 * with more than six decimals is not an amount, instead of being rounded to one.
 */

const microUsdPerUsd = 1_000_000;

/** `usd` in micro-dollars, or undefined if it is negative, not finite, too large, or finer than a micro-dollar. */
export function microUsdFromUsd(usd: number): number | undefined {
  const microUsd = Math.round(usd * microUsdPerUsd);
  if (!Number.isSafeInteger(microUsd) || microUsd < 0) return undefined;
  return microUsd / microUsdPerUsd === usd ? microUsd : undefined;
}

/** `microUsd` in dollars, for documents; the nearest double, which prints back to the same six decimals. */
export function usdFromMicroUsd(microUsd: number): number {
  return microUsd / microUsdPerUsd;
}
