-- Keeps revocations until they expire, and tells every instance.
--
-- KEYS  1 revocations by the time of their publication  2 the same by their end  3 what the list itself is
-- ARGV  1 now or ''  2 name of the list, if it begins here  3 most that are kept  4 PUBLISH or SPUBLISH  5 channel
--       6 packet for the channel  7… revocation and its end, in turn
local now = clock(ARGV[1])
local DAY_MS = 86400000
-- Full, or in part dropped by somebody: the list begins anew under another name, and Postgres has what it held.
local isFull = redis.call('ZCARD', KEYS[1]) + (#ARGV - 6) / 2 > tonumber(ARGV[3])
if isFull or not redis.call('HGET', KEYS[3], 'name') then
  redis.call('DEL', KEYS[1], KEYS[2], KEYS[3])
  redis.call('HSET', KEYS[3], 'name', ARGV[2], 'last', '0')
end
-- Never before one that was published: readers go on from there, and clocks are set back.
local at = math.max(now, tonumber(redis.call('HGET', KEYS[3], 'last')))
local life = math.max(DAY_MS, redis.call('PTTL', KEYS[1]))
for index = 7, #ARGV, 2 do
  redis.call('ZADD', KEYS[1], text(at), ARGV[index])
  redis.call('ZADD', KEYS[2], ARGV[index + 1], ARGV[index])
  life = math.max(life, tonumber(ARGV[index + 1]) - now)
end
redis.call('HSET', KEYS[3], 'last', text(at))
for index = 1, 3 do redis.call('PEXPIRE', KEYS[index], text(life)) end
redis.call(ARGV[4], ARGV[5], ARGV[6])
return 1
