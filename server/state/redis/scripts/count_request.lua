-- A point of one limit, and what is left of it. A refusal blocks the bucket, unless it is blocked already.
--
-- KEYS  1 bucket  2 until when it is blocked
-- ARGV  1 now or ''  2 points  3 duration, ms  4 block, ms
-- Gives { 1 when it was taken, points left, ms until there is one more, now }
local now = clock(ARGV[1])
local points, duration, block = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local blocked = tonumber(redis.call('GET', KEYS[2]) or '0') - now
if blocked > 0 then return { 0, 0, blocked, now } end
local times = redis.call('LRANGE', KEYS[1], -points, -1)
local left, oldest = points, now
for index = #times, 1, -1 do
  if tonumber(times[index]) + duration <= now then break end
  left, oldest = left - 1, tonumber(times[index])
end
if left == 0 then
  if block == 0 then return { 0, 0, oldest + duration - now, now } end
  redis.call('SET', KEYS[2], text(now + block), 'PX', text(block))
  return { 0, 0, block, now }
end
redis.call('RPUSH', KEYS[1], text(now))
redis.call('LTRIM', KEYS[1], -points, -1)
redis.call('PEXPIRE', KEYS[1], text(duration))
return { 1, left - 1, oldest + duration - now, now }
