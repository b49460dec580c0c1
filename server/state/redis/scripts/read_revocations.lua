-- Revocations that were published since a time, that time included.
--
-- KEYS  1 revocations by the time of their publication  2 the same by their end  3 what the list itself is
-- ARGV  1 now or ''  2 name of the list, if it begins here  3 since when, or ''
-- Gives { name of the list, now, { revocation… } }
local now = clock(ARGV[1])
local DAY_MS = 86400000
local name = redis.call('HGET', KEYS[3], 'name')
if not name then
  name = ARGV[2]
  redis.call('DEL', KEYS[1], KEYS[2], KEYS[3])
  redis.call('HSET', KEYS[3], 'name', name, 'last', '0')
end
local over = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', text(now), 'LIMIT', '0', '1000')
if #over > 0 then
  redis.call('ZREM', KEYS[1], unpack(over))
  redis.call('ZREM', KEYS[2], unpack(over))
end
-- While somebody reads it, the list goes on.
if redis.call('PTTL', KEYS[3]) < DAY_MS / 2 then redis.call('PEXPIRE', KEYS[3], text(DAY_MS)) end
local from = ARGV[3] == '' and '-inf' or ARGV[3]
return { name, text(now), redis.call('ZRANGEBYSCORE', KEYS[1], from, '+inf') }
