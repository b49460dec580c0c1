-- What of sessions is not in the archive. A mark of a session that is gone goes with it.
--
-- KEYS  of each session: document, flat fields, log, ended seats, sessions to archive, sessions set aside
-- ARGV  1 now or ''  2 most bytes of all messages together; then of each session: itself, most messages, most bytes of them.
--       One message of each comes in any case
-- Gives of each { document, { field, value … }, { entry id, its time, its text … }, { ended seat … }, ms until the next
--       try of a session that is set aside, else -1 }, or { } when it is gone. Three texts for a message, not the array in
--       an array that XRANGE gives: each costs both sides
local PAGE = 50
local now, left = clock(ARGV[1]), tonumber(ARGV[2])

local function read(keys, session, most, most_bytes)
  local document, durable = redis.call('GET', keys[1]), redis.call('HGET', keys[2], 'dseq')
  if not document or not durable then
    redis.call('ZREM', keys[5], session)
    redis.call('HDEL', keys[6], session)
    return {}
  end
  local messages, count, bytes = {}, 0, 0
  local next_seq = tonumber(durable) + 1
  while count < most and bytes < most_bytes do
    local page = redis.call('XRANGE', keys[3], text(next_seq), '+', 'COUNT', math.min(PAGE, most - count))
    for index = 1, #page do
      -- a, its time, m, its text
      local id, fields = page[index][1], page[index][2]
      bytes = bytes + #fields[4]
      if count > 0 and bytes > most_bytes then break end
      messages[3 * count + 1], messages[3 * count + 2], messages[3 * count + 3] = id, fields[2], fields[4]
      count = count + 1
    end
    if #page < PAGE then break end
    next_seq = tonumber(string.match(page[#page][1], '^%d+')) + 1
  end
  left = left - bytes
  local wait = -1
  local epoch, due = string.match(redis.call('HGET', keys[6], session) or '', '^(%d+) %d+ (%d+)')
  -- One of an epoch that is over is no more.
  if epoch and epoch == redis.call('HGET', keys[2], 'epoch') then wait = math.max(0, tonumber(due) - now) end
  return { document, redis.call('HGETALL', keys[2]), messages, redis.call('LRANGE', keys[4], 0, -1), wait }
end

local found = {}
for index = 1, #KEYS / 6 do
  local keys = { unpack(KEYS, 6 * index - 5, 6 * index) }
  -- What is left is shared by those that are still to come.
  local share = math.floor(left / (#KEYS / 6 - index + 1))
  local most_bytes = math.max(1, math.min(share, tonumber(ARGV[3 * index + 2])))
  found[index] = read(keys, ARGV[3 * index], tonumber(ARGV[3 * index + 1]), most_bytes)
end
return found
