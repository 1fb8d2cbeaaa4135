/**
 * The steps that must be atomic, in Lua, and the shape of what they keep. Time is the server's own (`TIME`), so
 * gateways whose clocks differ agree on what has expired; nothing fires by itself, so each script first takes back
 * what has lapsed. Only `KEYS` are declared; all others begin with the same hash tag and so lie in the same slot.
 *
 * - `tg:{tenant}@due`: a sorted set of the ids that are held, by the time they lapse.
 * - `tg:{tenant}@hold:id`: one reservation as lines of text: state and due time, scopes, amounts, the answer
 *   given. The states: `L` held, `X` lapsed (a late settlement still finds its scopes), `R` forfeited (spent in full until
 *   a settlement corrects it; then its time is when that was), `C` closed (its amounts are what was spent). Who holds it
 *   stands before the answer, between spaces: a gateway from before there were holders reads all lines but that one.
 * - `tg:{tenant}@forfeited`: a sorted set of the ids that are forfeited, by when they are forgotten.
 * - `tg:{tenant}@counter:…`: JSON of `s:dimension` spent, `r:dimension` reserved, `h` how many hold on it, `b` when it
 *   was made, `e` when it may be forgotten. JSON, because Lua reads a hash three times slower. Lua's numbers are doubles,
 *   exact up to 2^53, but its JSON keeps fourteen digits: numbers are written as decimals in quotes.
 * - a record, under its own key: its version, a line break, its JSON.
 */
import { createHash } from 'node:crypto';
import type { Commands } from './redis-connection.ts';
import { forfeit, forfeited } from './redis-forfeit.ts';
import { indexAdd, indexRange, indexRemove } from './redis-index.ts';
import { correctRates, takeRates } from './redis-rates.ts';

/** Lapsed reservations that one script takes back at most; a reserve adds one, so a backlog always shrinks. */
const sweptMax = 64;
/** A held counter outlives the hold by this much. */
const marginMs = 60_000;
/** How long a reservation that lapsed or was forfeited still knows its scopes, for a settlement that comes late. */
const lapsedKeptMs = 24 * 60 * 60 * 1000;
/**
 * How long a closed id is remembered: longer than a command can wait in a socket that was given up. Forgetting one costs
 * nothing worse than a late hold that lapses by itself.
 */
export const closedKeptMs = 120_000;

/** Every script that counts begins with this; `KEYS[1]` is the tenant's set of what is due. */
const ledger = `
local due = KEYS[1]
local holds = string.sub(due, 1, -4) .. 'hold:'
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function whole(number) return string.format('%.0f', number) end

-- The text of a counter goes into the answer as it is: '{}' for one that nobody used.
local function load(key)
  local text = redis.call('GET', key) or '{}'
  return cjson.decode(text), text
end

local function save(key, counter)
  local text = cjson.encode(counter)
  redis.call('SET', key, text, 'PXAT', counter.e)
  return text
end

local function list(texts) return '[' .. table.concat(texts, ',') .. ']' end

-- A counter that was made after the hold had fallen due is another one of the same name, and owes it nothing.
local function release(counter, amounts, dueMs)
  if not counter.b or tonumber(counter.b) > dueMs then return false end
  for i = 1, #amounts, 2 do
    local field = 'r:' .. amounts[i]
    counter[field] = whole(math.max(0, (counter[field] or 0) - amounts[i + 1]))
  end
  counter.h = whole(math.max(0, (counter.h or 0) - 1))
  return true
end

local function renew(counter, untilMs)
  if not counter.b then
    counter.b = whole(now)
    counter.h = '0'
  end
  local e = untilMs
  if tonumber(counter.h) > 0 then e = math.max(e, tonumber(counter.e)) end
  counter.e = whole(e)
end

-- By plain searches: patterns are several times slower on texts this long.
local function parse(text)
  local first = string.find(text, '\\n', 1, true)
  local second = string.find(text, '\\n', first + 1, true)
  local third = string.find(text, '\\n', second + 1, true)
  local state, dueMs = string.sub(text, 1, 1), tonumber(string.sub(text, 2, first - 1))
  local scopes, amounts = string.sub(text, first + 1, second - 1), string.sub(text, second + 1, third - 1)
  local told, holder = string.sub(text, third + 1), ''
  if string.sub(told, 1, 1) == ' ' then
    local space = string.find(told, ' ', 2, true)
    holder, told = string.sub(told, 2, space - 1), string.sub(told, space + 1)
  end
  return state, dueMs, scopes, amounts, told, holder
end

-- What begins with '@' only where the scope counts splits.
local function spend(counter, amounts, splits)
  for i = 1, #amounts, 2 do
    if splits or string.sub(amounts[i], 1, 1) ~= '@' then
      local field = 's:' .. amounts[i]
      counter[field] = whole((counter[field] or 0) + amounts[i + 1])
    end
  end
end

for _, id in ipairs(redis.call('ZRANGEBYSCORE', due, '-inf', whole(now), 'LIMIT', 0, ${sweptMax})) do
  local text = redis.call('GET', holds .. id)
  if text then
    local state, dueMs, scopes, amounts = parse(text)
    if state == 'L' then
      local held = cjson.decode(amounts)
      for _, scope in ipairs(cjson.decode(scopes)) do
        local counter = load(scope[1])
        if release(counter, held, dueMs) then save(scope[1], counter) end
      end
      redis.call('SET', holds .. id, 'X\\n' .. scopes .. '\\n\\n', 'KEEPTTL')
    end
  end
  redis.call('ZREM', due, id)
end
`;

/**
 * KEYS due, hold; ARGV id, ttl, scopes `[[key, ttl, [dimension, limit, …], '@' where it counts splits], …]`,
 * amounts `[dimension, amount, …]`, holder.
 * Gives `L` and the balances (`{}` of what counts splits), `C` (closed), or `E` and `[scope, dimension, balance]`.
 */
const reserve = `${ledger}
local known = redis.call('GET', KEYS[2])
if known then
  local state, dueMs, _, _, answer = parse(known)
  if state == 'L' and dueMs > now then return 'L' .. answer end
  return 'C'
end
local scopes, amounts, asked, counters = cjson.decode(ARGV[3]), cjson.decode(ARGV[4]), {}, {}
for i = 1, #amounts, 2 do asked[amounts[i]] = tonumber(amounts[i + 1]) end
for place, scope in ipairs(scopes) do
  local counter, text = load(scope[1])
  local limits = scope[3]
  for i = 1, #limits, 2 do
    local dimension = limits[i]
    local wanted = asked[dimension] or 0
    local taken = (counter['s:' .. dimension] or 0) + (counter['r:' .. dimension] or 0)
    if wanted > 0 and taken + wanted > tonumber(limits[i + 1]) then
      return 'E' .. list({ place - 1, cjson.encode(dimension), text })
    end
  end
  counters[place] = counter
end
local dueMs, balances = now + ARGV[2], {}
for place, scope in ipairs(scopes) do
  local counter = counters[place]
  renew(counter, math.max(now + scope[2], dueMs + ${marginMs}))
  counter.h = whole(counter.h + 1)
  for i = 1, #amounts, 2 do
    local field = 'r:' .. amounts[i]
    counter[field] = whole((counter[field] or 0) + amounts[i + 1])
  end
  local text = save(scope[1], counter)
  balances[place] = scope[4] and '{}' or text
end
local answer = list(balances)
local text = table.concat({ 'L' .. whole(dueMs), ARGV[3], ARGV[4], ' ' .. ARGV[5] .. ' ' .. answer }, '\\n')
redis.call('SET', KEYS[2], text, 'PX', whole(ARGV[2] + ${lapsedKeptMs}))
redis.call('ZADD', due, whole(dueMs), ARGV[1])
return 'L' .. answer
`;

/**
 * KEYS due, hold; ARGV id, actual `[dimension, amount, …]`, and the scopes if the caller knows that they were held:
 * then a server that lost the reservation still counts what was spent. Gives the balances after `S` (settled now),
 * `C` (it had been) or `U` (never reserved, closed now); after `C` on a line of its own what was spent then.
 */
const settle = `${ledger}
local forfeits = string.sub(due, 1, -4) .. 'forfeited'

-- Of a counter that was made after the forfeit nothing had been taken.
local function refund(counter, amounts, sinceMs)
  if not counter.b or tonumber(counter.b) > sinceMs then return end
  for i = 1, #amounts, 2 do
    local field = 's:' .. amounts[i]
    counter[field] = whole(math.max(0, (counter[field] or 0) - amounts[i + 1]))
  end
end

local known = redis.call('GET', KEYS[2])
local state, dueMs, held, charged, scopes, amounts = 'U', nil, nil, nil, ARGV[3], ''
if known then
  state, dueMs, scopes, amounts = parse(known)
  if state == 'L' then held = cjson.decode(amounts) end
  if state == 'R' then charged = cjson.decode(amounts) end
elseif scopes ~= '' then
  state = 'S'
end
local balances, actual = {}, cjson.decode(ARGV[2])
for place, scope in ipairs(scopes == '' and {} or cjson.decode(scopes)) do
  local counter, text = load(scope[1])
  if state == 'C' then
    balances[place] = scope[4] and '{}' or text
  else
    if held then release(counter, held, dueMs) end
    if charged then refund(counter, charged, dueMs) end
    renew(counter, now + scope[2])
    spend(counter, actual, scope[4])
    text = save(scope[1], counter)
    balances[place] = scope[4] and '{}' or text
  end
end
if state ~= 'C' then
  if state == 'L' then redis.call('ZREM', due, ARGV[1]) end
  if state == 'R' then redis.call('ZREM', forfeits, ARGV[1]) end
  redis.call('SET', KEYS[2], table.concat({ 'C', scopes, ARGV[2], '' }, '\\n'), 'PX', ${closedKeptMs})
end
if state == 'C' then return 'C' .. list(balances) .. '\\n' .. amounts end
return (state == 'U' and 'U' or 'S') .. list(balances)
`;

/** KEYS due, and counters of the same tenant. Gives their balances. */
const balance = `${ledger}
local balances = {}
for i = 2, #KEYS do balances[i - 1] = redis.call('GET', KEYS[i]) or '{}' end
return list(balances)
`;

/** KEYS record; ARGV the version expected, the text `version + 1 \\n JSON`, ttl. Gives nil, or what stands ('' for nothing). */
const compareAndSet = `
local current = redis.call('GET', KEYS[1])
if (current and string.match(current, '^%d+') or '0') ~= ARGV[1] then return current or '' end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return false
`;

export interface Script {
  readonly text: string;
  readonly sha: string;
}

export interface Scripts {
  readonly reserve: Script;
  readonly settle: Script;
  readonly balance: Script;
  readonly compareAndSet: Script;
  readonly forfeit: Script;
  readonly forfeited: Script;
  readonly takeRates: Script;
  readonly correctRates: Script;
  readonly indexAdd: Script;
  readonly indexRemove: Script;
  readonly indexRange: Script;
}

/** The scripts with the names that the server knows them by. */
export function scripts(): Scripts {
  // Redis names a script by its SHA-1; that is an index here, and nothing rests on its strength.
  const named = (text: string): Script => ({ text, sha: createHash('sha1').update(text).digest('hex') });
  return {
    reserve: named(reserve),
    settle: named(settle),
    balance: named(balance),
    compareAndSet: named(compareAndSet),
    forfeit: named(forfeit(ledger, lapsedKeptMs)),
    forfeited: named(forfeited(ledger)),
    takeRates: named(takeRates),
    correctRates: named(correctRates),
    indexAdd: named(indexAdd),
    indexRemove: named(indexRemove),
    indexRange: named(indexRange),
  };
}

/** What `script` gives. A server that does not know it, since it was restarted, is sent its text once. */
export async function runScript(
  redis: Pick<Commands, 'evalsha' | 'eval'>,
  script: Script,
  keys: readonly string[],
  args: readonly (string | number)[],
): Promise<unknown> {
  const given = [...keys, ...args.map(String)];
  try {
    return await redis.evalsha(script.sha, keys.length, ...given);
  } catch (error) {
    if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error;
    return redis.eval(script.text, keys.length, ...given);
  }
}
