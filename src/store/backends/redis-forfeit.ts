/**
 * What a holder that is gone still holds at Redis, in Lua: found by walking through all that is held, a page a script, so
 * that no call pays for being found and no script blocks the server for long. A page may be walked twice; what was
 * forfeited is held no more, so that changes nothing.
 */

/** Ids that one script looks at; a small set comes whole, whatever is asked. */
const pageIds = 128;

/** KEYS due, forfeited; ARGV holder, cursor. Gives the next cursor, `0` at the end, and how many were forfeited. */
export function forfeit(ledger: string, keptMs: number): string {
  return `${ledger}
local page, count = redis.call('ZSCAN', due, ARGV[2], 'COUNT', ${pageIds}), 0
for i = 1, #page[2], 2 do
  local id = page[2][i]
  local text = redis.call('GET', holds .. id)
  if text then
    local state, dueMs, scopes, amounts, _, holder = parse(text)
    if state == 'L' and holder == ARGV[1] then
      local held = cjson.decode(amounts)
      for _, scope in ipairs(cjson.decode(scopes)) do
        local counter = load(scope[1])
        release(counter, held, dueMs)
        renew(counter, now + scope[2])
        spend(counter, held, scope[4])
        save(scope[1], counter)
      end
      local gone = table.concat({ 'R' .. whole(now), scopes, amounts, ' ' .. holder .. ' ' }, '\\n')
      redis.call('SET', holds .. id, gone, 'PX', ${keptMs})
      redis.call('ZREM', due, id)
      redis.call('ZADD', KEYS[2], whole(now + ${keptMs}), id)
      redis.call('PEXPIRE', KEYS[2], ${keptMs})
      count = count + 1
    end
  end
end
return { page[1], count }
`;
}

/** KEYS due, forfeited; ARGV prefix, cursor. Gives the next cursor, then id, holder and amounts of each that was found. */
export function forfeited(ledger: string): string {
  return `${ledger}
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', whole(now))
local page = redis.call('ZSCAN', KEYS[2], ARGV[2], 'COUNT', ${pageIds})
local found = { page[1] }
for i = 1, #page[2], 2 do
  local id = page[2][i]
  local text = redis.call('GET', holds .. id)
  if text then
    local state, _, _, amounts, _, holder = parse(text)
    if state == 'R' and string.sub(holder, 1, #ARGV[1]) == ARGV[1] then
      found[#found + 1] = id
      found[#found + 1] = holder
      found[#found + 1] = amounts
    end
  end
end
return found
`;
}
