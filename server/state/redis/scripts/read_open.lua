-- Sessions of a partition that are open, by this Redis; a part of them. With the first part, what was taken to be archived
-- is given back: this Redis may have come back with what somebody took before, and remembers no more.
--
-- KEYS  1 deadlines  2 sessions to archive  3 sessions set aside
-- ARGV  1 now or ''  2 where it begins  3 most of them
-- Gives { session … }
local now = clock(ARGV[1])
if ARGV[2] == '0' then
  for _, session in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '(' .. text(now), '+inf')) do
    if not redis.call('HGET', KEYS[3], session) then redis.call('ZADD', KEYS[2], text(now), session) end
  end
end
return redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', '+inf', 'LIMIT', ARGV[2], ARGV[3])
