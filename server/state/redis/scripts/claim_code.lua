-- Gives a code to a session, unless it leads to another.
--
-- KEYS  1 code  2 codes that are alive
-- ARGV  1 now or ''  2 session  3 code  4 expires at, Unix ms
-- Gives 1, or 0 when it is taken
local now = clock(ARGV[1])
local held = redis.call('GET', KEYS[1])
if held then
  local session, expires = string.match(held, '^(%S+) (%d+)$')
  if session ~= ARGV[2] and tonumber(expires) > now then return 0 end
end
local life = math.max(1, tonumber(ARGV[4]) - now)
redis.call('SET', KEYS[1], ARGV[2] .. ' ' .. ARGV[4], 'PX', text(life))
redis.call('ZADD', KEYS[2], ARGV[4], ARGV[3])
-- As long as the longest that it holds.
if redis.call('PTTL', KEYS[2]) < life then redis.call('PEXPIRE', KEYS[2], text(life)) end
return 1
