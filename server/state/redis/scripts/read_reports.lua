-- What all instances told of themselves, as put_report kept it.
--
-- KEYS  1 reports
return redis.call('HGETALL', KEYS[1])
