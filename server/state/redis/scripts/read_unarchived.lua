-- What of a session is not in the archive.
--
-- KEYS  1 document  2 flat fields  3 log  4 ended seats
-- ARGV  1 most messages
-- Gives { document, { field, value … }, { { id, { field, value … } } … }, { ended seat … } }, or { } when it is gone
local document = redis.call('GET', KEYS[1])
if not document then return {} end
local durable = tonumber(redis.call('HGET', KEYS[2], 'dseq'))
return {
  document,
  redis.call('HGETALL', KEYS[2]),
  redis.call('XRANGE', KEYS[3], string.format('%.0f', durable + 1), '+', 'COUNT', ARGV[1]),
  redis.call('LRANGE', KEYS[4], 0, -1),
}
