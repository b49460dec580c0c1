-- Sessions of a partition with a seat that an instance holds, or with a joiner of its own that waits to be let in. Those
-- that are gone, or know nothing of it, are dropped.
--
-- KEYS  1 sessions of the instance  2 flat fields of a session, without the session
-- ARGV  1 instance
local held = {}
for _, session in ipairs(redis.call('SMEMBERS', KEYS[1])) do
  local holding, knocking = unpack(redis.call('HMGET', KEYS[2] .. session, 'inst', 'knock'))
  local instances = ' ' .. (holding or '') .. ' ' .. (knocking or '') .. ' '
  if string.find(instances, ' ' .. ARGV[1] .. ' ', 1, true) then
    held[#held + 1] = session
  else
    redis.call('SREM', KEYS[1], session)
  end
end
return held
