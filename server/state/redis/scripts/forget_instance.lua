-- An instance is no more.
--
-- KEYS  1 heartbeats
-- ARGV  1 instance
return redis.call('HDEL', KEYS[1], ARGV[1])
