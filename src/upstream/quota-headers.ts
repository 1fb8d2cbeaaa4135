/**
 * What a provider says of a quota that is used up: `x-ratelimit-remaining-…` and `-reset-…` as OpenAI and those like it
 * write them, `anthropic-ratelimit-…-remaining` and `-reset` as Anthropic does. A quota of which anything is left says
 * nothing: how much a call will take of it is only known once it has.
 */

const kinds = ['requests', 'tokens', 'input-tokens', 'output-tokens'] as const;
const longestMs = 24 * 60 * 60 * 1000;
const partMs: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };
const durationForm = /^(?:\d{1,9}(?:\.\d{1,9})?(?:ms|s|m|h))+$/;
const dateForm = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:Z|[+-]\d{2}:\d{2})$/;

/** Milliseconds from `nowMs` until every quota that is used up is there again, at most a day; undefined for none. */
export function quotaRestOf(headers: Readonly<Record<string, string>>, nowMs: number): number | undefined {
  const rests = kinds.flatMap((kind) => [
    restOf(headers[`x-ratelimit-remaining-${kind}`], headers[`x-ratelimit-reset-${kind}`], nowMs),
    restOf(headers[`anthropic-ratelimit-${kind}-remaining`], headers[`anthropic-ratelimit-${kind}-reset`], nowMs),
  ]);
  const restMs = Math.max(0, ...rests);
  return restMs > 0 ? Math.min(longestMs, restMs) : undefined;
}

function restOf(remaining: string | undefined, reset: string | undefined, nowMs: number): number {
  if (reset === undefined || remaining === undefined || !/^0{1,9}$/.test(remaining.trim())) return 0;
  return resetMsOf(reset.trim(), nowMs) ?? 0;
}

/** A duration (`6m0s`, `120ms`), seconds, or a moment (RFC 3339). */
function resetMsOf(text: string, nowMs: number): number | undefined {
  if (/^\d{1,9}(?:\.\d{1,9})?$/.test(text)) return Math.ceil(Number(text) * 1000);
  if (dateForm.test(text)) {
    const atMs = Date.parse(text);
    return Number.isNaN(atMs) ? undefined : Math.max(0, atMs - nowMs);
  }
  if (!durationForm.test(text)) return undefined;
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)];
  return Math.ceil(parts.reduce((sum, [, amount, unit]) => sum + Number(amount) * (partMs[unit ?? ''] ?? 0), 0));
}
