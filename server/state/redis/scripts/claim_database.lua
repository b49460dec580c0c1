-- The database that this Redis belongs to: the first one that asks.
--
-- KEYS  1 its identity
-- ARGV  1 identity of the caller's  2 life, ms
-- Gives { identity that holds, 1 when nobody held it before }
local owner = redis.call('GET', KEYS[1])
if owner and owner ~= ARGV[1] then return { owner, 0 } end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return { ARGV[1], owner and 0 or 1 }
