-- How long until the bucket has room, ms; 0 when it has.
--
-- KEYS  1 bucket  2 until when it is blocked
-- ARGV  1 now or ''  2 points  3 duration, ms
local now = clock(ARGV[1])
local blocked = tonumber(redis.call('GET', KEYS[2]) or '0') - now
local oldest = redis.call('LINDEX', KEYS[1], -tonumber(ARGV[2]))
return math.max(0, blocked, oldest and tonumber(oldest) + tonumber(ARGV[3]) - now or 0)
