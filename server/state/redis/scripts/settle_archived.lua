-- What was read is archived. The mark goes only when nothing came since.
--
-- KEYS  1 flat fields  2 log  3 ended seats  4 sessions to archive  5 counts of the partition  6 document
--       7 sessions set aside
-- ARGV  1 now or ''  2 session  3 epoch  4 seq up to which it is archived  5 version of the document that is archived,
--       '' when the archive refused a part of what was read
--       6 ended seats that are archived, JSON array of texts  7 messages that stay in the log
--       8 receipts that are archived, joined  9 life of a closed session, ms  10 digest of these receipts, '' for none
-- Gives 1 when nothing is left to archive, 0 when there is more, -1 when the session is another by now
local now = clock(ARGV[1])
local flat = redis.call('HMGET', KEYS[1], 'epoch', 'seq', 'dseq', 'v', 'open', 'arc')
if flat[1] ~= ARGV[3] then return -1 end
local seq, durable, archived = tonumber(flat[2]), tonumber(flat[3]), tonumber(ARGV[4])
-- First what Redis does also when its memory is full: only what is settled can be trimmed.
local life = redis.call('PTTL', KEYS[4])
redis.call('ZREM', KEYS[4], ARGV[2])
if ARGV[5] ~= '' then
  redis.call('HDEL', KEYS[7], ARGV[2])
  -- Not sent again with the messages that come.
  local known = ARGV[10] == '' and ARGV[5] or ARGV[5] .. ' ' .. ARGV[10]
  if flat[6] ~= known then redis.call('HSET', KEYS[1], 'arc', known) end
end
-- By content: another archiver may have settled the same, and more may have ended since.
for _, ended in ipairs(cjson.decode(ARGV[6])) do redis.call('LREM', KEYS[3], 1, ended) end
if archived > durable then
  local oldest = math.min(archived, seq - tonumber(ARGV[7])) + 1
  if oldest > 1 then redis.call('XTRIM', KEYS[2], 'MINID', text(oldest)) end
  redis.call('HSET', KEYS[1], 'dseq', text(archived))
  redis.call('HINCRBY', KEYS[5], 'backlog', text(durable - archived))
end
local receipts = {}
local fields = redis.call('HGETALL', KEYS[1])
for index = 1, #fields, 2 do
  if string.sub(fields[index], 1, 2) == 'r:' then receipts[#receipts + 1] = fields[index] .. '=' .. fields[index + 1] end
end
table.sort(receipts)
local is_done = seq <= math.max(archived, durable) and flat[4] == ARGV[5]
  and table.concat(receipts, ',') == ARGV[8] and redis.call('LLEN', KEYS[3]) == 0
if not is_done then
  redis.call('ZADD', KEYS[4], text(now), ARGV[2])
  -- It may have been the only one, and the index new with it: then it lives as long as the session.
  if redis.call('PTTL', KEYS[4]) < 0 then
    redis.call('PEXPIRE', KEYS[4], text(math.max(life, redis.call('PTTL', KEYS[1]), 1)))
  end
  return 0
end
if flat[5] ~= '1' then
  for _, key in ipairs({ KEYS[1], KEYS[2], KEYS[6] }) do redis.call('PEXPIRE', key, ARGV[9]) end
end
return 1
