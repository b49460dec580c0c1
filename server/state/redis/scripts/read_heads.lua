-- Heads of sessions of one partition.
--
-- KEYS  flat fields of each
-- Gives { epoch, seq, durable seq, version } of each; the first is false when there is no such session
local heads = {}
for index, key in ipairs(KEYS) do
  local flat = redis.call('HMGET', key, 'epoch', 'seq', 'dseq', 'v')
  heads[index] = { tonumber(flat[1]) or false, tonumber(flat[2]) or 0, tonumber(flat[3]) or 0, tonumber(flat[4]) or 0 }
end
return heads
