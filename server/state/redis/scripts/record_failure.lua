-- Counts a failure; the last point blocks the bucket.
--
-- KEYS  1 bucket  2 until when it is blocked
-- ARGV  1 now or ''  2 points  3 duration, ms  4 block, ms
local now = clock(ARGV[1])
local points, duration, block = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
redis.call('RPUSH', KEYS[1], text(now))
redis.call('LTRIM', KEYS[1], -points, -1)
redis.call('PEXPIRE', KEYS[1], text(duration))
local oldest = redis.call('LINDEX', KEYS[1], -points)
if block > 0 and oldest and tonumber(oldest) + duration > now then
  redis.call('SET', KEYS[2], text(now + block), 'PX', text(block))
end
return 1
