-- The database that this Redis belongs to: the first one that asks.
--
-- KEYS  1 its identity
-- ARGV  1 identity of the caller's  2 life, ms
local owner = redis.call('GET', KEYS[1])
if owner and owner ~= ARGV[1] then return owner end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return ARGV[1]
