/**
 * Rates at Redis, in Lua: `tg:{…}@rate:…` holds when its bucket is full again, in milliseconds since 1970 with fractions,
 * and is gone by then. Time is the server's own. The arithmetic is that of `store/rates.ts`.
 */
import { type Bucket, msOf, type TakeResult, takeResult } from '../rates.ts';

/** ARGV for each bucket what is taken of it and what it holds, as the milliseconds in which that comes back. */
const opening = `
local blocked = false
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
local full, moved = {}, {}
for i, key in ipairs(KEYS) do
  full[i] = tonumber(redis.call('GET', key) or '0')
  local takenMs, capacityMs = tonumber(ARGV[i * 2 - 1]), tonumber(ARGV[i * 2])
  -- Never later than from empty, also where the clock was set back or the limit changed.
  moved[i] = math.min(math.max(full[i], now), now + capacityMs) + takenMs
  if takenMs > 0 and moved[i] - now - capacityMs > 0.001 then blocked = true end
  moved[i] = math.min(math.max(moved[i], now), now + capacityMs)
end
`;

const write = `
for i, key in ipairs(KEYS) do
  local leftMs = math.ceil(moved[i] - now)
  if leftMs <= 0 then redis.call('DEL', key)
  else redis.call('SET', key, string.format('%.17g', moved[i]), 'PX', string.format('%.0f', leftMs)) end
end
`;

/** KEYS buckets. Gives whether it was taken (`1`), the time, and when each bucket was full again before. */
export const takeRates = `${opening}
if not blocked then ${write} end
local told = { blocked and '0' or '1', string.format('%.17g', now) }
for i = 1, #KEYS do told[i + 2] = string.format('%.17g', full[i]) end
return told
`;

/** The same, and it is never refused. */
export const correctRates = `${opening}${write}
return false
`;

/** Where the bucket `key` lies: apart from a record of the same name. `slot` is `tg:{…}` of the key. */
export function rateKey(slot: string, key: string): string {
  return `${slot}@rate${key.slice(slot.length)}`;
}

/** What the scripts take. */
export function rateArguments(buckets: readonly Bucket[]): string[] {
  return buckets.flatMap((bucket) => [msOf(bucket, bucket.amount), msOf(bucket, bucket.capacity)].map(String));
}

/** From what `takeRates` gives. */
export function takeResultOf(buckets: readonly Bucket[], reply: unknown): TakeResult {
  const [taken, nowMs = 0, ...fullAtMs] = (reply as string[]).map(Number);
  return takeResult(buckets, fullAtMs, nowMs, taken === 1);
}
