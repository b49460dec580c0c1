-- A point of one limit, and what is left of it. A refusal blocks the bucket, unless it is blocked already.
--
-- KEYS  1 bucket  2 until when it is blocked
-- ARGV  1 now or ''  2 points  3 duration, ms  4 block, ms
-- Gives { 1 when it was taken, points left, ms until there is one more, now }
local now = clock(ARGV[1])
local points, duration, block = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local wait = refusal(KEYS[1], KEYS[2], -points, duration, block, now)
if wait > 0 then return { 0, 0, wait, now } end
local left, oldest = points, now
for _, time in ipairs(redis.call('LRANGE', KEYS[1], -points, -1)) do
  if tonumber(time) + duration > now then
    left, oldest = left - 1, math.min(oldest, tonumber(time))
  end
end
redis.call('RPUSH', KEYS[1], text(now))
redis.call('LTRIM', KEYS[1], -points, -1)
redis.call('PEXPIRE', KEYS[1], text(duration))
return { 1, left - 1, oldest + duration - now, now }
