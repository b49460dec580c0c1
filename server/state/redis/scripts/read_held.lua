-- Sessions of a partition with a seat that an instance holds. Those that are gone, or know nothing of it, are dropped.
--
-- KEYS  1 sessions of the instance  2 flat fields of a session, without the session
-- ARGV  1 instance
local held = {}
for _, session in ipairs(redis.call('SMEMBERS', KEYS[1])) do
  local instances = redis.call('HGET', KEYS[2] .. session, 'inst') or ''
  if string.find(' ' .. instances .. ' ', ' ' .. ARGV[1] .. ' ', 1, true) then
    held[#held + 1] = session
  else
    redis.call('SREM', KEYS[1], session)
  end
end
return held
