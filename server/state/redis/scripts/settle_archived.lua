-- What was read is archived. A mark goes only when nothing came since.
--
-- KEYS  of each session: flat fields, log, ended seats, sessions to archive, counts of the partition, document, sessions
--       set aside
-- ARGV  1 now or ''  2 messages that stay in the log  3 life of a closed session, ms; then of each session: itself, epoch,
--       seq up to which it is archived, version of the document that is archived ('' when the archive refused a part of
--       what was read), ended seats that are archived (JSON array of texts), receipts that are archived (joined), digest
--       of these receipts ('' for none)
-- Gives of each 1 when nothing is left to archive, 0 when there is more, -1 when the session is another by now
local now, stays, life_closed = clock(ARGV[1]), tonumber(ARGV[2]), ARGV[3]

local function settle(keys, session, epoch, upto, version, ended_json, receipts_joined, digest)
  local flat = redis.call('HMGET', keys[1], 'epoch', 'seq', 'dseq', 'v', 'open', 'arc')
  if flat[1] ~= epoch then return -1 end
  local seq, durable, archived = tonumber(flat[2]), tonumber(flat[3]), tonumber(upto)
  -- First what Redis does also when its memory is full: only what is settled can be trimmed.
  local life = redis.call('PTTL', keys[4])
  redis.call('ZREM', keys[4], session)
  if version ~= '' then
    redis.call('HDEL', keys[7], session)
    -- Not sent again with the messages that come.
    local known = digest == '' and version or version .. ' ' .. digest
    if flat[6] ~= known then redis.call('HSET', keys[1], 'arc', known) end
  end
  -- By content: another archiver may have settled the same, and more may have ended since.
  for _, ended in ipairs(cjson.decode(ended_json)) do redis.call('LREM', keys[3], 1, ended) end
  if archived > durable then
    local oldest = math.min(archived, seq - stays) + 1
    if oldest > 1 then redis.call('XTRIM', keys[2], 'MINID', text(oldest)) end
    redis.call('HSET', keys[1], 'dseq', text(archived))
    redis.call('HINCRBY', keys[5], 'backlog', text(durable - archived))
  end
  local is_done = seq <= math.max(archived, durable) and flat[4] == version
  if is_done then
    local receipts = {}
    local fields = redis.call('HGETALL', keys[1])
    for index = 1, #fields, 2 do
      if string.sub(fields[index], 1, 2) == 'r:' then
        receipts[#receipts + 1] = fields[index] .. '=' .. fields[index + 1]
      end
    end
    table.sort(receipts)
    is_done = table.concat(receipts, ',') == receipts_joined and redis.call('LLEN', keys[3]) == 0
  end
  if not is_done then
    redis.call('ZADD', keys[4], text(now), session)
    -- It may have been the only one, and the index new with it: then it lives as long as the session.
    if redis.call('PTTL', keys[4]) < 0 then
      redis.call('PEXPIRE', keys[4], text(math.max(life, redis.call('PTTL', keys[1]), 1)))
    end
    return 0
  end
  if flat[5] ~= '1' then
    for _, key in ipairs({ keys[1], keys[2], keys[6] }) do redis.call('PEXPIRE', key, life_closed) end
  end
  return 1
end

local outcomes = {}
for index = 1, #KEYS / 7 do
  local keys = { unpack(KEYS, 7 * index - 6, 7 * index) }
  outcomes[index] = settle(keys, unpack(ARGV, 7 * index - 3, 7 * index + 3))
end
return outcomes
