-- Sessions of a partition with a seat that an instance holds.
--
-- KEYS  1 sessions of the instance
return redis.call('SMEMBERS', KEYS[1])
