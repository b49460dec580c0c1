-- What a code or an idempotency key leads to: { session, time }, as it was claimed; the caller asks the session itself.
--
-- KEYS  1 name
return redis.call('GET', KEYS[1])
