/** What a target says of when to come again: `retry-after` (RFC 9110 §10.2.3), in seconds or as a date. */

// RFC 9110 §5.6.7 IMF-fixdate; what else `Date.parse` would take for a date is none here.
const dateForm = /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/;
const longestMs = 24 * 60 * 60 * 1000;

/**
 * Milliseconds from `nowMs`, at most a day; undefined where the header is absent or no such thing, and for any answer
 * but 429 (RFC 6585 §4) and 503 (RFC 9110 §15.6.4), where it means something else.
 */
export function retryAfterOf(status: number, header: string | undefined, nowMs: number): number | undefined {
  if (header === undefined || (status !== 429 && status !== 503)) return undefined;
  const text = header.trim();
  if (!/^\d{1,9}$/.test(text) && !dateForm.test(text)) return undefined;
  const waitMs = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - nowMs;
  return Number.isNaN(waitMs) ? undefined : Math.min(longestMs, Math.max(0, waitMs));
}
