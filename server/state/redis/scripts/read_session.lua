-- One consistent look at a session.
--
-- KEYS  1 document  2 flat fields
-- ARGV  1 now or ''
-- Gives { now, document, { field, value … } }, or { now } when there is no such session
local now = clock(ARGV[1])
local document = redis.call('GET', KEYS[1])
if not document then return { now } end
return { now, document, redis.call('HGETALL', KEYS[2]) }
