/**
 * Ordered indexes at Redis, in Lua: `tg:{tenant}@index:…` is a sorted set in which all scores are 0, so that its order is
 * that of the members; `tg:{tenant}@index-due:…` holds by when each is gone. Every script first clears away some of what
 * is due, and a reader skips the rest. Time is the server's own.
 */

/** What one index holds at most; beyond it the lowest members fall off. */
const membersMax = 1_000_000;
/** How much that is due one script clears away. An addition adds one, so a backlog always shrinks. */
const sweptMax = 64;

/** KEYS index, due. */
const opening = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function whole(number) return string.format('%.0f', number) end
for _, member in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', whole(now), 'LIMIT', 0, ${sweptMax})) do
  redis.call('ZREM', KEYS[1], member)
  redis.call('ZREM', KEYS[2], member)
end
`;

/** ARGV member, ttl. */
export const indexAdd = `${opening}
redis.call('ZADD', KEYS[1], 0, ARGV[1])
redis.call('ZADD', KEYS[2], whole(now + ARGV[2]), ARGV[1])
if redis.call('ZCARD', KEYS[1]) > ${membersMax} then
  local lowest = redis.call('ZPOPMIN', KEYS[1])
  redis.call('ZREM', KEYS[2], lowest[1])
end
local last = redis.call('ZREVRANGE', KEYS[2], 0, 0, 'WITHSCORES')
local endMs = whole(tonumber(last[2]) + 1)
redis.call('PEXPIREAT', KEYS[1], endMs)
redis.call('PEXPIREAT', KEYS[2], endMs)
return false
`;

/** ARGV member. */
export const indexRemove = `${opening}
redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('ZREM', KEYS[2], ARGV[1])
return false
`;

/** ARGV the upper bound as ZREVRANGEBYLEX takes it, limit. Gives the members. */
export const indexRange = `${opening}
local found, limit, from = {}, tonumber(ARGV[2]), 0
repeat
  local members = redis.call('ZREVRANGEBYLEX', KEYS[1], ARGV[1], '-', 'LIMIT', from, limit)
  for _, member in ipairs(members) do
    local due = redis.call('ZSCORE', KEYS[2], member)
    if due and tonumber(due) > now and #found < limit then found[#found + 1] = member end
  end
  from = from + limit
until #members < limit or #found == limit
return found
`;
