-- Messages of the hot log.
--
-- KEYS  1 flat fields  2 log
-- ARGV  1 'after' or 'before'  2 seq, exclusive  3 most of them
-- Gives { epoch, seq, durable seq, first seq, { { id, { field, value … } } … } }, or { } when there is no such session
local flat = redis.call('HMGET', KEYS[1], 'epoch', 'seq', 'dseq')
if not flat[1] then return {} end
local head = tonumber(flat[2])
local oldest = redis.call('XRANGE', KEYS[2], '-', '+', 'COUNT', 1)[1]
local first = oldest and tonumber(string.match(oldest[1], '^%d+')) or head + 1
local from, found = tonumber(ARGV[2]), {}
if ARGV[1] == 'after' then
  if from < head then found = redis.call('XRANGE', KEYS[2], text(from + 1), '+', 'COUNT', ARGV[3]) end
elseif from > 1 then
  found = redis.call('XREVRANGE', KEYS[2], text(from - 1), '-', 'COUNT', ARGV[3])
end
return { tonumber(flat[1]), head, tonumber(flat[3]), first, found }
