-- A code leads nowhere any more, if it led to this session.
--
-- KEYS  1 code  2 codes that are alive
-- ARGV  1 session  2 code
local held = redis.call('GET', KEYS[1])
if not held or string.match(held, '^%S+') ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
redis.call('ZREM', KEYS[2], ARGV[2])
return 1
