-- What of a session is not in the archive. A mark of a session that is gone goes with it.
--
-- KEYS  1 document  2 flat fields  3 log  4 ended seats  5 sessions to archive  6 sessions set aside
-- ARGV  1 most messages  2 most bytes of them; one comes in any case  3 session  4 now or ''
-- Gives { document, { field, value … }, { { id, { field, value … } } … }, { ended seat … }, ms until the next try of a
--       session that is set aside, else -1 }, or { } when it is gone
local PAGE = 50
local document, durable = redis.call('GET', KEYS[1]), redis.call('HGET', KEYS[2], 'dseq')
if not document or not durable then
  redis.call('ZREM', KEYS[5], ARGV[3])
  redis.call('HDEL', KEYS[6], ARGV[3])
  return {}
end
local messages, bytes = {}, 0
local next_seq = tonumber(durable) + 1
local most, most_bytes = tonumber(ARGV[1]), tonumber(ARGV[2])
while #messages < most and bytes < most_bytes do
  local page = redis.call('XRANGE', KEYS[3], text(next_seq), '+', 'COUNT', math.min(PAGE, most - #messages))
  for _, entry in ipairs(page) do
    -- a, its time, m, its text
    bytes = bytes + #entry[2][4]
    if #messages > 0 and bytes > most_bytes then break end
    messages[#messages + 1] = entry
  end
  if #page < PAGE then break end
  next_seq = tonumber(string.match(page[#page][1], '^%d+')) + 1
end
local wait = -1
local epoch, due = string.match(redis.call('HGET', KEYS[6], ARGV[3]) or '', '^(%d+) %d+ (%d+)')
-- One of an epoch that is over is no more.
if epoch and epoch == redis.call('HGET', KEYS[2], 'epoch') then wait = math.max(0, tonumber(due) - clock(ARGV[4])) end
return { document, redis.call('HGETALL', KEYS[2]), messages, redis.call('LRANGE', KEYS[4], 0, -1), wait }
