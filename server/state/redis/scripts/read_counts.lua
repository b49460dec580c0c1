-- How many sessions and participants a partition has, and how many messages wait for the archive.
--
-- KEYS  1 counts of the partition
return redis.call('HGETALL', KEYS[1])
