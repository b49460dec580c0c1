-- A heartbeat of an instance; gives those of all.
--
-- KEYS  1 heartbeats
-- ARGV  1 instance
local DAY_MS = 86400000
-- First what Redis does also when its memory is full: instances must not look dead then.
redis.call('PEXPIRE', KEYS[1], DAY_MS)
if redis.call('HINCRBY', KEYS[1], ARGV[1], 1) == 1 then redis.call('PEXPIRE', KEYS[1], DAY_MS) end
return redis.call('HGETALL', KEYS[1])
