-- An instance stops and may leave seats behind. Its heartbeat stands below all that beat.
--
-- KEYS  1 heartbeats
-- ARGV  1 instance
return redis.call('HSET', KEYS[1], ARGV[1], '-1')
