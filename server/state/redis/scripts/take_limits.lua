-- A point of each limit, or of none when one refuses. Windows slide: a point counts for the whole duration.
--
-- KEYS  buckets
-- ARGV  1 now or ''  2… points and duration in ms of each
-- Gives { 0, now }, or { number of the limit with the longest wait, ms to wait }
local now = clock(ARGV[1])
local limited, longest = 0, 0
for index = 1, #KEYS do
  local points, duration = tonumber(ARGV[2 * index]), tonumber(ARGV[2 * index + 1])
  local oldest = redis.call('LINDEX', KEYS[index], -points)
  local wait = oldest and tonumber(oldest) + duration - now or 0
  if wait > longest then limited, longest = index, wait end
end
if limited > 0 then return { limited, longest } end
for index = 1, #KEYS do
  local points, duration = tonumber(ARGV[2 * index]), tonumber(ARGV[2 * index + 1])
  redis.call('RPUSH', KEYS[index], text(now))
  redis.call('LTRIM', KEYS[index], -points, -1)
  redis.call('PEXPIRE', KEYS[index], text(duration))
end
return { 0, now }
