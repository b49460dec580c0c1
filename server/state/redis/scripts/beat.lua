-- A heartbeat of an instance; gives those of all.
--
-- KEYS  1 heartbeats
-- ARGV  1 instance
redis.call('HINCRBY', KEYS[1], ARGV[1], 1)
redis.call('PEXPIRE', KEYS[1], 86400000)
return redis.call('HGETALL', KEYS[1])
