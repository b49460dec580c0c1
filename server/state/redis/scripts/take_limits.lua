-- A point of each limit, or of none when one refuses. Windows slide: a point counts for the whole duration.
--
-- KEYS  of each limit: bucket, until when it is blocked
-- ARGV  1 now or ''  2… points, duration and block of each, both in ms
-- Gives { 0, now }, or { number of the limit with the longest wait, ms to wait }. Buckets that refuse are blocked, unless they
-- are already
local now = clock(ARGV[1])
local limited, longest = 0, 0
for index = 1, #KEYS / 2 do
  local points, duration, block = unpack(ARGV, 3 * index - 1, 3 * index + 1)
  local wait = refusal(KEYS[2 * index - 1], KEYS[2 * index], '-' .. points, tonumber(duration), tonumber(block), now)
  if wait > longest then limited, longest = index, wait end
end
if limited > 0 then return { limited, longest } end
for index = 1, #KEYS / 2 do
  local bucket, points, duration = KEYS[2 * index - 1], ARGV[3 * index - 1], ARGV[3 * index]
  redis.call('RPUSH', bucket, text(now))
  redis.call('LTRIM', bucket, '-' .. points, -1)
  redis.call('PEXPIRE', bucket, duration)
end
return { 0, now }
