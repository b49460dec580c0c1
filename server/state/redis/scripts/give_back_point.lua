-- A point that was taken for something that was refused then.
--
-- KEYS  1 bucket
-- ARGV  1 when it was taken
return redis.call('LREM', KEYS[1], -1, ARGV[1])
