-- Puts a session into Redis as the archive has it, under a new epoch, in place of what is left of an older one. A closed
-- one comes under its own epoch, in place of nothing, or of what does not know yet that it is closed.
--
-- KEYS  1 document  2 flat fields  3 log  4 deadlines  5 sessions to archive  6 counts of the partition
--       7 ended seats  8 sessions of an instance, without the instance  9 known sends, without the number of the window
--       10 sessions set aside by the archiver
-- ARGV  1 now or ''  2 epoch  3 document  4 life of the keys, ms  5 next deadline, '' for none  6 flat fields, JSON
--       7 changes of the counts, JSON  8 known sends, JSON array of [message, time, seq, fingerprint]  9 retry horizon, ms
--       10 session  11 version of what is left, 0 for nothing  12 instances that held a seat, JSON
--       13 whether it is open, '1' or '0'
-- Gives 1, 0 when an equal or later epoch stands, -1 when what is left is another version than was read
local now, epoch, horizon = clock(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[9])
local held, version, open = unpack(redis.call('HMGET', KEYS[2], 'epoch', 'v', 'open'))
local ends = open == '1' and ARGV[13] == '0'
if held and (tonumber(held) > epoch or (tonumber(held) == epoch and not ends)) then return 0 end
if (version or '0') ~= ARGV[11] then return -1 end

redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[4])
-- What is thrown away waits for the archive no more.
local left = redis.call('HMGET', KEYS[2], 'seq', 'dseq')
local lost = (tonumber(left[1]) or 0) - (tonumber(left[2]) or 0)
if lost > 0 then redis.call('HINCRBY', KEYS[6], 'backlog', text(-lost)) end
redis.call('DEL', KEYS[2], KEYS[3], KEYS[7])
redis.call('HSET', KEYS[2], unpack(cjson.decode(ARGV[6])))
redis.call('PEXPIRE', KEYS[2], ARGV[4])
-- The one that has not come yet is there when a clock was ahead.
for window = math.floor(now / horizon) - 1, math.floor(now / horizon) + 1 do redis.call('DEL', KEYS[9] .. text(window)) end
for _, send in ipairs(cjson.decode(ARGV[8])) do
  local sends = KEYS[9] .. text(math.floor(send[2] / horizon))
  redis.call('HSET', sends, send[1], text(send[3]) .. ' ' .. text(send[2]) .. ' ' .. send[4])
  redis.call('PEXPIRE', sends, 2 * horizon)
end
if ARGV[5] == '' then
  redis.call('ZREM', KEYS[4], ARGV[10])
else
  redis.call('ZADD', KEYS[4], ARGV[5], ARGV[10])
end
-- That a new epoch began is news to the archive; of a closed session it has everything.
if ARGV[13] == '1' then
  redis.call('ZADD', KEYS[5], text(now), ARGV[10])
else
  redis.call('ZREM', KEYS[5], ARGV[10])
  redis.call('HDEL', KEYS[10], ARGV[10])
end
for _, instance in ipairs(cjson.decode(ARGV[12])) do redis.call('SREM', KEYS[8] .. instance, ARGV[10]) end
for name, change in pairs(cjson.decode(ARGV[7])) do
  if change ~= 0 then redis.call('HINCRBY', KEYS[6], name, change) end
end
-- New with this session, when all was lost. A closed one adds nothing to them.
if ARGV[13] == '1' then
  for index = 4, 6 do redis.call('PEXPIRE', KEYS[index], ARGV[4]) end
end
return 1
