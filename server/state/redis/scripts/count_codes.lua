-- How many codes are alive.
--
-- KEYS  1 codes that are alive
-- ARGV  1 now or ''
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', text(clock(ARGV[1])))
return redis.call('ZCARD', KEYS[1])
